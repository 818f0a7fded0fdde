import json

import numpy as np
import pytest

from dcign.evaluation.evidence import recognition
from dcign.evaluation.evidence.types import Coded, Figure, Table
from dcign.model.code import AngleLatents
from render.shards.labels import Label, labels_of

LABELS = labels_of({"ranges": {"azimuth": (-90.0, 90.0), "light": (0.0, 0.0)}})
KNOBS = AngleLatents({"azimuth": np.array([0])}, np.arange(1, 9))
REFERENCE = np.random.default_rng(5).integers(0, 256, (40, 6, 6)).astype(np.uint8)


def coded(codes, images, azimuth, identity):
    degrees = {"azimuth": np.asarray(azimuth, np.float32), "light": np.zeros(len(codes), np.float32)}
    return Coded(images.astype(np.uint8), codes.astype(np.float32), degrees, identity)


def setting(identities=12, views=10, code=1.0, seed=0):
    """Gallery and probes: the code says which object it is (`code` times as loud as noise), the pixels say nothing."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(identities) + 100
    own = rng.normal(size=(identities, 8))
    identity = np.repeat(np.arange(identities), views)
    azimuth = rng.uniform(-90, 90, len(identity))

    def show(which, angle):
        z = np.hstack([angle[:, None], code * own[which] + 0.05 * rng.normal(size=(len(which), 8))])
        return coded(z, rng.integers(0, 256, (len(which), 6, 6)), angle, names[which])

    return show(np.arange(identities), np.zeros(identities)), show(identity, azimuth)


@pytest.fixture(scope="module")
def measures():
    return recognition.measure(*setting(), KNOBS, LABELS, REFERENCE)


def test_a_code_that_names_the_object_recognises_it_and_random_pixels_do_not(measures):
    methods = measures["methods"]
    assert list(methods) == list(recognition.METHODS)
    for name in ("rest", "rest_centred"):
        assert methods[name]["rank1"]["value"] == 1.0
        assert methods[name]["rank5"]["value"] == 1.0
        assert methods[name]["eer"]["value"] < 0.02
        assert methods[name]["true_positive_rates"][-1] == 1.0
    for name in ("pixels", "pixels_pca"):
        assert methods[name]["rank1"]["value"] == pytest.approx(measures["chance"]["rank1"], abs=0.1)
        assert methods[name]["eer"]["value"] == pytest.approx(0.5, abs=0.1)
    assert methods["code"]["eer"]["value"] > 0.1  # the loud azimuth drowns the rest
    assert measures["components"] == 8
    assert measures["warnings"] == []


def test_noise_and_a_constant_code_are_at_chance():
    noise = recognition.measure(*setting(40, 20, code=0.0), KNOBS, LABELS, REFERENCE)
    assert noise["methods"]["rest"]["rank1"]["value"] == pytest.approx(1 / 40, abs=0.02)
    assert noise["methods"]["rest"]["rank5"]["value"] == pytest.approx(5 / 40, abs=0.05)
    gallery, probes = setting()
    flat = [Coded(c.images, np.ones_like(c.codes), c.values, c.identity) for c in (gallery, probes)]
    constant = recognition.measure(*flat, KNOBS, LABELS, REFERENCE)["methods"]["rest"]
    assert constant["rank1"]["value"] == pytest.approx(1 / 12)
    assert constant["eer"]["value"] == pytest.approx(0.5)


def test_the_length_of_codes_does_not_matter_and_centring_takes_an_offset_away(measures):
    gallery, probes = setting()
    scaled = [Coded(c.images, c.codes * 4, c.values, c.identity) for c in (gallery, probes)]
    assert recognition.measure(*scaled, KNOBS, LABELS, REFERENCE)["methods"] == measures["methods"]
    moved = [Coded(c.images, c.codes + 1000, c.values, c.identity) for c in (gallery, probes)]
    found = recognition.measure(*moved, KNOBS, LABELS, REFERENCE)["methods"]
    assert found["rest_centred"]["rank1"]["value"] == 1.0
    assert found["rest_centred"]["eer"]["value"] == pytest.approx(measures["methods"]["rest_centred"]["eer"]["value"])


def test_bins_share_out_the_probes_and_their_rates_make_up_the_whole(measures):
    bins = measures["bins"]["azimuth"]
    assert set(measures["bins"]) == {"azimuth"}  # the light does not vary
    assert [part["low"] for part in bins] == [0, 15, 30, 45, 60, 75]
    assert sum(part["probes"] for part in bins) == 120
    for found in measures["methods"].values():
        rates = found["rank1_by_change"]["azimuth"]
        total = sum(part["probes"] * rate["value"] for part, rate in zip(bins, rates, strict=True))
        assert total / 120 == pytest.approx(found["rank1"]["value"])


def test_change_around_a_circle_is_the_short_way():
    gallery, probes = setting(views=4)
    angles = np.tile([10.0, 50.0, 210.0, 350.0], 12)
    gallery = coded(gallery.codes, gallery.images, np.full(12, 30.0), gallery.identity)
    probes = coded(probes.codes, probes.images, angles, probes.identity)
    around = labels_of({"ranges": {"azimuth": (0.0, 360.0)}})
    bins = recognition.measure(gallery, probes, KNOBS, around, REFERENCE)["bins"]["azimuth"]
    assert [part["probes"] for part in bins] == [24, 12, 0, 0, 0, 12]  # by 20 20, 40, and 180
    assert bins[-1] == {"low": 150.0, "high": 180.0, "probes": 12}


def test_a_bin_without_probes_has_no_rate():
    gallery, probes = setting(views=2)
    probes = coded(probes.codes, probes.images, np.tile([5.0, 80.0], 12), probes.identity)
    found = recognition.measure(gallery, probes, KNOBS, LABELS, REFERENCE)
    values = [rate["value"] for rate in found["methods"]["rest"]["rank1_by_change"]["azimuth"]]
    assert values == [1.0, None, None, None, None, 1.0]
    json.dumps(found, allow_nan=False)
    assert recognition.section(found, LABELS).parts


def test_intervals_hold_the_value(measures):
    for found in measures["methods"].values():
        for name in ("rank1", "rank5", "eer"):
            assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    spread = measures["methods"]["pixels"]["rank1"]
    assert spread["high"] > spread["low"]


def test_pixels_recognise_where_they_can():
    gallery, probes = setting()
    pictures = np.random.default_rng(2).integers(0, 200, (12, 6, 6))
    order = np.argsort(gallery.identity)
    which = order[np.searchsorted(gallery.identity[order], probes.identity)]
    shown = coded(probes.codes, pictures[which], probes.values["azimuth"], probes.identity)
    known = coded(gallery.codes, pictures, gallery.values["azimuth"], gallery.identity)
    methods = recognition.measure(known, shown, KNOBS, LABELS, REFERENCE)["methods"]
    assert methods["pixels"]["rank1"]["value"] == 1.0
    assert methods["pixels_pca"]["rank1"]["value"] == 1.0
    assert methods["pixels"]["eer"]["value"] == 0.0


def test_too_few_objects_or_one_that_the_gallery_lacks_are_named():
    gallery, probes = setting(4)
    few = recognition.measure(gallery, probes, KNOBS, LABELS, REFERENCE)
    gallery, probes = setting()
    lacking = recognition.measure(gallery.rows(np.arange(10)), probes, KNOBS, LABELS, REFERENCE)
    for found, message in ((few, "4 objects are too few"), (lacking, "2 objects of the probes are not in the gallery")):
        assert set(found["methods"].values()) == {None}
        assert message in found["warnings"][0]
        page = recognition.section(found, LABELS)
        assert page.parts == []
        assert page.warnings == tuple(found["warnings"])


@pytest.mark.parametrize("reference", [None, REFERENCE[:0], REFERENCE[:1]])
def test_without_images_of_others_there_are_no_principal_components(reference):
    found = recognition.measure(*setting(), KNOBS, LABELS, reference)
    assert found["methods"]["pixels_pca"] is None
    assert found["methods"]["rest"]["rank1"]["value"] == 1.0
    assert "Principal components" in found["warnings"][0]


def test_a_code_of_angles_only_has_nothing_left_to_recognise_by():
    gallery, probes = setting()
    found = recognition.measure(
        gallery, probes, AngleLatents({"azimuth": np.arange(9)}, np.arange(0)), LABELS, REFERENCE
    )
    assert found["methods"]["rest"] is None
    assert found["methods"]["code"] is not None
    assert "none are left" in found["warnings"][0]


def test_the_section_has_a_table_with_guessing_and_a_chart_for_each_factor(measures):
    table, of_azimuth, verification = recognition.section(measures, LABELS).parts
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == [*(label for label, _, _ in recognition.METHODS.values()), "guessing"]
    assert table.rows[-1][1] == pytest.approx(1 / 12)
    for chart in (of_azimuth, verification):
        assert isinstance(chart, Figure)
        assert chart.png.startswith(b"\x89PNG")
        assert chart.caption


def test_changes_of_other_labels_are_told_in_their_unit_and_of_categories_by_same_or_another():
    gallery, probes = setting(views=4)
    labels = {
        "distance": Label("distance", 20.0, 60.0, "cm"),
        "colour": Label("colour", 0.0, 2.0, "", categories=("red", "green", "blue")),
    }
    far, other = np.tile([20.0, 25.0, 40.0, 60.0], 12), np.tile([0.0, 1.0, 2.0, 0.0], 12)
    known = {"distance": np.full(12, 20, np.float32), "colour": np.zeros(12, np.float32)}
    seen = {"distance": far.astype(np.float32), "colour": other.astype(np.float32)}
    gallery = Coded(gallery.images, gallery.codes, known, gallery.identity)
    probes = Coded(probes.images, probes.codes, seen, probes.identity)
    found = recognition.measure(gallery, probes, KNOBS, labels, REFERENCE)
    assert [part["probes"] for part in found["bins"]["distance"]] == [24, 12, 0, 12]
    assert found["bins"]["colour"] == [{"low": 0, "high": 0, "probes": 24}, {"low": 1, "high": 1, "probes": 24}]
    basis = {"from": "shards", "images": 60, "identities": 12, "minibatches": 9, "dependence": None}
    page = recognition.section({**found, "reference": {"distance": 20.0, "colour": 0.0}, "basis": basis}, labels)
    assert "the nearest to distance 20 cm, colour red" in page.text
    assert "pose" not in page.title
    assert len(page.parts) == 4
