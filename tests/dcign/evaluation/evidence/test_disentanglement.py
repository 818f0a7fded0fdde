import json

import numpy as np
import pytest
from hastened import hasten

from dcign.evaluation.evidence import disentanglement
from dcign.evaluation.evidence.types import Coded, Figure, Table
from dcign.model.code import AngleLatents
from render.shards.labels import Label, labels_of

FACE = labels_of({"ranges": {"azimuth": (-90.0, 90.0), "elevation": (-30.0, 30.0), "light": (0.0, 0.0)}})
KNOBS = AngleLatents({"azimuth": np.array([0]), "elevation": np.array([1])}, np.array([2, 3, 4]))


def probes(identities=20, views=20, coefficients=True, labels=FACE, seed=0):
    """Images of no matter what, whose code is the truth: angles, then what is of the identity."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(identities), views)
    degrees = {
        name: rng.uniform(label.low, label.high, len(identity)).astype(np.float32) for name, label in labels.items()
    }
    shape = rng.normal(size=(identities, 3)).astype(np.float32)[identity]
    codes = np.concatenate([np.stack(list(degrees.values()), axis=1)[:, :2] / 30, shape], axis=1)
    return Coded(np.zeros((len(identity), 1, 1), np.uint8), codes, degrees, identity, shape if coefficients else None)


def recoded(images, codes):
    return Coded(images.images, codes.astype(np.float32), images.values, images.identity, images.coefficients)


def plain(measures):
    """Through JSON and back: no NaN, no array."""
    return json.loads(json.dumps(measures, allow_nan=False))


@pytest.fixture(autouse=True)
def hastened(monkeypatch):
    hasten(monkeypatch)


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        hasten(patch)
        return plain(disentanglement.measure(probes(), KNOBS, FACE))


def test_a_code_that_is_the_truth_scores_high_and_shuffled_low(measured):
    scores = measured["scores"]
    for name in ("disentanglement", "informativeness", "beta_vae", "modularity"):
        assert scores[name]["value"] > 0.75, name
    assert measured["per_factor"]["mig"]["azimuth"] > 0.75
    assert measured["per_factor"]["sap"]["shape 1"] > 0.75
    for name in ("mig", "sap", "informativeness", "beta_vae"):
        assert scores[name]["shuffled"] < 0.5 * scores[name]["value"], name
    assert measured["warnings"] == []


def test_every_score_lies_within_its_interval_and_says_how_many_draws_made_it(measured):
    for name, score in measured["scores"].items():
        assert score["low"] <= score["value"] <= score["high"], name
        assert score["draws"] == (12 if name in ("mig", "sap", "modularity") else 3)


def test_a_factor_that_does_not_vary_is_left_out_silently(measured):
    assert measured["factors"]["binned"] == ["azimuth", "elevation", "identity"]
    assert measured["factors"]["predicted"] == ["azimuth", "elevation", "shape 1", "shape 2"]
    assert measured["knobs"].keys() == {"azimuth", "elevation"}


def test_knobs_that_equal_their_angle_follow_it(measured):
    for knob in measured["knobs"].values():
        assert knob["r2"]["value"] == pytest.approx(1.0)
        assert knob["spearman"]["value"] == pytest.approx(1.0)
        assert knob["nearest_neighbours_nats"] > 2
    nats, entropy = measured["mutual_information"]["nats"], measured["mutual_information"]["entropy"]
    assert measured["mutual_information"]["latents"][:2] == ["z_azimuth", "z_elevation"]
    assert nats[0][0] == pytest.approx(entropy["azimuth"], rel=0.05)
    assert nats[0][1] < 0.3


def test_importances_of_knobs_and_of_all_other_latents_sum_to_one(measured):
    share = np.array(measured["importance"]["share"])
    np.testing.assert_allclose(share.sum(axis=0), 1.0)
    assert measured["importance"]["latents"] == ["z_azimuth", "z_elevation", "all others"]
    assert share.argmax(axis=0).tolist() == [0, 1, 2, 2]


def test_the_section_has_scores_knobs_and_a_picture(measured):
    section = disentanglement.section(measured)
    scores, angle_latents, picture = section.parts
    assert isinstance(scores, Table)
    assert len(scores.rows) == 8
    assert all(len(row) == len(scores.head) for table in (scores, angle_latents) for row in table.rows)
    assert isinstance(picture, Figure)
    assert picture.png.startswith(b"\x89PNG")
    assert "400 images of 20 unseen" in section.text


def test_noise_is_no_better_than_shuffled_codes():
    images = probes()
    noise = np.random.default_rng(1).normal(size=images.codes.shape)
    for name, score in plain(disentanglement.measure(recoded(images, noise), KNOBS, FACE))["scores"].items():
        assert score["value"] == pytest.approx(score["shuffled"], abs=0.15), name


def test_a_code_that_does_not_move_knows_nothing_and_is_reported_without_nan():
    images = probes()
    measures = plain(disentanglement.measure(recoded(images, np.ones_like(images.codes)), KNOBS, FACE))
    assert measures["scores"]["mig"]["value"] == 0.0
    assert measures["scores"]["sap"]["value"] == 0.0
    assert measures["scores"]["factor_vae"]["value"] == pytest.approx(1 / 3)
    assert measures["knobs"]["azimuth"]["r2"]["value"] is None
    disentanglement.section(measures)


def test_chairs_turn_all_around_and_have_no_coefficients():
    chair = labels_of({"ranges": {"azimuth": (0.0, 360.0), "elevation": (20.0, 30.0)}})
    images = probes(coefficients=False, labels=chair)
    round_about = np.concatenate(
        [np.cos(np.deg2rad(images.values["azimuth"]))[:, None], images.codes[:, 1:]], axis=1
    )  # one latent cannot tell left from right
    angle_latents = AngleLatents({"azimuth": np.array([0])}, np.array([1, 2, 3, 4]))
    measures = plain(disentanglement.measure(recoded(images, round_about), angle_latents, chair))
    assert measures["factors"]["predicted"] == ["azimuth", "elevation"]
    assert measures["knobs"]["azimuth"]["r2"]["value"] == pytest.approx(0.5, abs=0.07)
    assert measures["knobs"]["azimuth"]["spearman"] is None
    assert measures["per_factor"]["sap"]["azimuth"] > 0.9


def test_latents_that_had_to_be_found_are_named_so_even_where_two_angles_share_one():
    angle_latents = AngleLatents(
        {"azimuth": np.array([2]), "elevation": np.array([2])}, np.array([0, 1, 3, 4]), found=True
    )
    measures = plain(disentanglement.measure(probes(), angle_latents, FACE))
    assert measures["importance"]["latents"] == ["z[2], found for azimuth and elevation", "all others"]
    np.testing.assert_allclose(np.sum(measures["importance"]["share"], axis=0), 1.0)


def test_few_identities_are_named_and_have_no_scores_that_need_others_to_test_on():
    measures = plain(disentanglement.measure(probes(identities=4, views=40), KNOBS, FACE))
    assert any("4 identities are too few" in line for line in measures["warnings"])
    scores = measures["scores"]
    assert scores["mig"]["value"] is not None
    assert scores["mig"]["low"] is None
    assert all(scores[name]["value"] is None for name in ("completeness", "factor_vae", "beta_vae"))
    assert measures["importance"] is None
    disentanglement.section(measures)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (probes(views=4), FACE, "80 images are too few"),
        (probes(), labels_of({"ranges": {"azimuth": (5.0, 5.0)}}), "no factor varies"),
    ],
)
def test_too_few_images_or_angles_are_named_and_shown_as_a_warning_alone(images, labels, message):
    measures = plain(disentanglement.measure(images, KNOBS, labels))
    assert message in measures["warnings"][0]
    assert all(score["value"] is None for score in measures["scores"].values())
    section = disentanglement.section(measures)
    assert not section.parts
    assert message in section.warnings[0]


LABELLED = {
    "hue": Label("hue", 0.0, 1.0, "", circular=True),
    "colour": Label("colour", 0.0, 2.0, "", categories=("red", "green", "blue")),
    "length": Label("length", 0.0, 5.0, "cm"),
}


def test_labels_that_are_no_angles_have_the_same_scores():
    images = probes(coefficients=False, labels=LABELLED)
    images.values["colour"] = np.floor(images.values["colour"] * 1.499).astype(np.float32)
    turn = 2 * np.pi * images.values["hue"]
    codes = np.column_stack([np.cos(turn), np.sin(turn), images.values["colour"], images.values["length"]])
    angle_latents = AngleLatents(
        {"hue": np.array([0, 1]), "colour": np.array([2]), "length": np.array([3])}, np.array([], np.int64)
    )
    measures = plain(disentanglement.measure(recoded(images, codes), angle_latents, LABELLED))
    assert measures["factors"]["predicted"] == ["hue", "colour", "length"]
    assert measures["knobs"]["hue"]["r2"]["value"] == pytest.approx(1)
    assert measures["knobs"]["colour"]["spearman"] is None  # red, green, blue have no order
    assert measures["knobs"]["length"]["spearman"]["value"] == pytest.approx(1)
    assert measures["per_factor"]["mig"]["colour"] > 0.9
    assert measures["scores"]["informativeness"]["value"] > 0.95
    assert measures["scores"]["informativeness"]["draws"] == 0  # trees for classes are slow
    assert measures["scores"]["sap"]["draws"] == 3
    assert measures["importance"]["classes"] == ["colour"]
    page = disentanglement.section({**measures, "basis": BASIS})
    assert "Nothing was drawn" in page.text
    assert "hue and length share 40%" in page.text


BASIS = {
    "from": "shards",
    "images": 400,
    "identities": 20,
    "minibatches": 9,
    "dependence": {"factors": ["hue", "length"], "share": 0.4},
}


def test_too_many_categories_are_named():
    many = {"kind": Label("kind", 0.0, 39.0, "", categories=tuple(map(str, range(40)))), **FACE}
    images = probes(labels=many)
    images.values["kind"] = np.round(images.values["kind"])
    measures = plain(disentanglement.measure(images, KNOBS, many))
    assert "kind" in measures["factors"]["binned"]
    assert "kind" not in measures["factors"]["predicted"]
    assert any(line.startswith("kind has 40 categories, too many") for line in measures["warnings"])
