import json

import numpy as np
import pytest
from hastened import hasten

from dcign.evaluation.evidence import groups
from dcign.evaluation.evidence.types import Coded, Figure
from dcign.model.code import AngleLatents
from render.shards.labels import Label, labels_of

RANGES = {"azimuth": (-90.0, 90.0), "light": (-80.0, 80.0), "elevation": (5.0, 5.0)}
LABELS = labels_of({"ranges": RANGES})
AROUND = labels_of({"ranges": {"azimuth": (0.0, 360.0)}})
PARTS = {"shape": 1}
KNOBS = AngleLatents({"azimuth": np.array([0]), "light": np.array([1])}, np.arange(2, 8))


def faces(identities=40, views=8, seed=0):
    """True factors of probes, (M,) each, and a code of noise, (M, 8)."""
    rng = np.random.default_rng(seed)
    images = identities * views
    coefficients = rng.normal(size=(identities, 1)).astype(np.float32)
    degrees = {name: rng.uniform(low, high, images).astype(np.float32) for name, (low, high) in RANGES.items()}
    identity = np.repeat(np.arange(identities) * 7 + 3, views)
    code = rng.normal(size=(images, 8)).astype(np.float32)
    return Coded(np.zeros((images, 2, 2), np.uint8), code, degrees, identity, coefficients[(identity - 3) // 7])


def with_codes(probes, codes):
    return Coded(probes.images, codes, probes.values, probes.identity, probes.coefficients)


def perfect(probes):
    code = probes.codes.copy()
    code[:, 0], code[:, 1] = probes.values["azimuth"], probes.values["light"]
    code[:, 2:3] = probes.coefficients
    return with_codes(probes, code)


@pytest.fixture(scope="module")
def of_perfect():
    return groups.measure(perfect(faces()), KNOBS, LABELS, PARTS)


@pytest.fixture(scope="module")
def of_noise():
    return groups.measure(faces(), KNOBS, LABELS, PARTS)


@pytest.fixture(scope="module")
def of_swapped():
    """The groups of both angles exchanged; the rest has half of the light's range, and the shape bent."""
    probes = perfect(faces())
    code = probes.codes.copy()
    code[:, 7] = np.maximum(code[:, 1], 0)
    code[:, 2] = np.where(code[:, 2] > 0, 3 - code[:, 2], code[:, 2])
    swapped = AngleLatents({"azimuth": np.array([1]), "light": np.array([0])}, KNOBS.rest)
    return groups.measure(with_codes(probes, code), swapped, LABELS, PARTS)


def test_every_factor_that_varies_has_an_owner(of_perfect):
    assert of_perfect["owners"] == {"azimuth": "azimuth", "light": "light", "shape 1": "intrinsic"}
    assert of_perfect["groups"] == {"azimuth": 1, "light": 1, "intrinsic": 6}
    assert of_perfect["warnings"] == []


def test_a_code_of_the_factors_themselves_scores_best(of_perfect):
    overall = of_perfect["overall"]
    for name in ("informativeness", "gap", "disentanglement", "completeness"):
        assert overall[name]["value"] > 0.97, name
    assert overall["mutual_information_gap"]["value"] > 0.7
    assert overall["leakage"]["value"] < 0.03
    for name, scores in of_perfect["scores"].items():
        assert scores["informativeness"]["value"] > 0.97, name
        assert scores["all_but_own"]["value"] < 0.05, name


def test_noise_and_a_constant_code_score_worst(of_noise):
    constant = groups.measure(with_codes(faces(), np.ones((320, 8), np.float32)), KNOBS, LABELS, PARTS)
    for overall in (of_noise["overall"], constant["overall"]):
        for name in ("informativeness", "gap", "leakage", "mutual_information_gap"):
            assert abs(overall[name]["value"]) < 0.05, name
        for name in ("disentanglement", "completeness"):
            assert overall[name]["value"] == pytest.approx(0.0), name


def test_swapped_knobs_leak_and_have_negative_gaps(of_swapped):
    for name, other in (("azimuth", "light"), ("light", "azimuth")):
        scores = of_swapped["scores"][name]
        assert scores["gap"]["value"] < -0.9
        assert scores["leakage"]["group"] == other
    leak = of_swapped["overall"]["largest_leak"]
    assert leak["value"] > 0.97
    assert {leak["factor"], leak["group"]} == {"azimuth", "light"}


def test_what_the_rest_knows_of_an_angle_shows(of_swapped):
    assert of_swapped["matrix"]["intrinsic"]["light"]["value"] > 0.7
    assert of_swapped["matrix"]["intrinsic"]["azimuth"]["value"] < 0.05
    assert of_swapped["disentanglement"]["intrinsic"]["value"] < 0.5


def test_the_better_predictor_counts_and_both_are_told(of_swapped, of_noise):
    for measures in (of_swapped, of_noise):
        for group, row in measures["matrix"].items():
            for factor, found in row.items():
                better = max(measures["ridge"][group][factor], measures["trees"][group][factor])
                assert found["value"] == pytest.approx(better)
    bent = of_swapped["trees"]["intrinsic"]["shape 1"], of_swapped["ridge"]["intrinsic"]["shape 1"]
    assert bent[0] > bent[1] + 0.3


def test_intervals_hold_the_value_and_json_takes_it_all(of_perfect, of_noise):
    for measures in (of_perfect, of_noise):
        json.dumps(measures, allow_nan=False)
        for row in measures["matrix"].values():
            for found in row.values():
                assert 0 <= found["low"] <= found["value"] + 1e-9
                assert found["value"] <= found["high"] + 1e-9 <= 1 + 1e-6


def test_the_same_arrays_give_the_same_measures():
    first, second = (groups.measure(chairs(5), AngleLatents({}, np.arange(8)), AROUND, {}) for _ in "12")
    assert first == second


def chairs(identities=6, views=30):
    rng = np.random.default_rng(1)
    identity = np.repeat(np.arange(identities), views)
    degrees = {
        "azimuth": rng.uniform(0, 360, len(identity)).astype(np.float32),
        "elevation": rng.choice([20, 30], len(identity)).astype(np.float32),
    }
    code = 0.1 * rng.normal(size=(len(identity), 8)).astype(np.float32)
    code[:, 2] += np.cos(np.deg2rad(degrees["azimuth"]))
    code[:, 3] += np.sin(np.deg2rad(degrees["azimuth"]))
    code[:, 4:] += rng.normal(size=(identities, 4))[identity]
    return Coded(np.zeros((len(identity), 2, 2), np.uint8), code.astype(np.float32), degrees, identity)


def test_chairs_are_guessed_and_turn_in_a_circle():
    labels = labels_of({"ranges": {"azimuth": (0.0, 360.0), "elevation": (20.0, 30.0)}})
    measures = groups.measure(
        chairs(), AngleLatents({"azimuth": np.array([2, 3])}, np.array([0, 1, 4, 5, 6, 7])), labels, {}
    )
    assert measures["owners"] == {"azimuth": "azimuth", "elevation": "intrinsic", "identity": "intrinsic"}
    assert measures["matrix"]["azimuth"]["azimuth"]["value"] > 0.9
    assert measures["matrix"]["intrinsic"]["identity"]["value"] > 0.9
    assert measures["matrix"]["azimuth"]["identity"]["value"] < 0.2
    assert measures["scores"]["identity"]["mutual_information_gap"]["value"] is None
    json.dumps(measures, allow_nan=False)


def test_too_few_objects_are_named_and_give_no_figures():
    labels = labels_of({"ranges": {"azimuth": (0.0, 360.0)}})
    few = groups.measure(chairs(2), AngleLatents({"azimuth": np.array([2])}, np.arange(3, 8)), labels, {})
    assert few["matrix"] == {}
    assert "2 objects are too few" in few["warnings"][0]
    page = groups.section(few)
    assert page.parts == []
    assert page.warnings == tuple(few["warnings"])
    four = groups.measure(chairs(4), AngleLatents({"azimuth": np.array([2])}, np.arange(3, 8)), labels, {})
    assert four["scores"]["azimuth"]["informativeness"]["low"] is None  # no interval from four


def test_what_is_not_defined_is_none_and_named():
    labels = labels_of({"ranges": {"light": (-80.0, 80.0)}})
    probes = faces()
    still = Coded(probes.images, probes.codes, {"light": np.zeros(320, np.float32)}, probes.identity, None)
    measures = groups.measure(still, AngleLatents({}, np.arange(8)), labels, {})
    assert list(measures["owners"]) == ["identity"]
    assert measures["overall"]["gap"]["value"] is None
    assert measures["overall"]["disentanglement"]["value"] is None
    assert any("light is the same in all 320 images" in line for line in measures["warnings"])
    assert any("one single group" in line for line in measures["warnings"])
    assert len(groups.section(measures).parts) == 4


def test_the_section_shows_a_map_and_tables_of_every_factor_and_group(of_perfect):
    page = groups.section(of_perfect)
    heat_map, of_factors, of_groups, of_predictors = page.parts
    assert isinstance(heat_map, Figure)
    assert heat_map.png.startswith(b"\x89PNG")
    assert [row[0] for row in of_factors.rows] == ["azimuth", "light", "shape 1", "mean"]
    assert [row[1] for row in of_groups.rows] == [1, 1, 6, 8]
    assert len(of_predictors.rows) == 6
    for table in page.parts[1:]:
        assert all(len(row) == len(table.head) for row in table.rows)
        assert table.caption


def test_a_category_is_known_to_the_group_that_tells_it(monkeypatch):
    hasten(monkeypatch)
    probes = chairs(12)
    label = Label("colour", 0.0, 2.0, "", categories=("red", "green", "blue"))
    colour = np.random.default_rng(3).integers(0, 3, len(probes.codes))
    codes = probes.codes.copy()
    codes[:, :2] = np.eye(3)[colour][:, :2]
    shown = Coded(probes.images, codes, {"colour": colour.astype(np.float32)}, probes.identity)
    knobs = AngleLatents({"colour": np.array([0, 1])}, np.arange(2, 8))
    measures = groups.measure(shown, knobs, {"colour": label}, {})
    json.dumps(measures, allow_nan=False)
    assert measures["owners"] == {"colour": "colour", "identity": "intrinsic"}
    scores = measures["scores"]["colour"]
    assert scores["informativeness"]["value"] > 0.98
    assert scores["leakage"]["value"] < 0.1
    assert scores["mutual_information_gap"]["value"] > 0.9
