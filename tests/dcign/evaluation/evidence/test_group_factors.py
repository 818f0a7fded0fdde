import numpy as np
import pytest

from dcign.evaluation.evidence.group_scores import questions
from dcign.evaluation.evidence.types import Coded
from render.shards.labels import labels_of

RNG = np.random.default_rng(0)
RANGES = {"azimuth": (-90.0, 90.0), "elevation": (20.0, 30.0), "light": (5.0, 5.0)}
AROUND = labels_of({"ranges": {"azimuth": (0.0, 360.0)}})


def probes(identities=12, views=4, coefficients=9):
    identity = np.repeat(np.arange(identities), views)
    degrees = {name: RNG.uniform(*ends, len(identity)).astype(np.float32) for name, ends in RANGES.items()}
    values = RNG.normal(size=(identities, coefficients)).astype(np.float32)[identity] if coefficients else None
    images = np.zeros((len(identity), 2, 2), np.uint8)
    return Coded(images, np.zeros((len(identity), 5), np.float32), degrees, identity, values)


def owners(coded, groups=("azimuth", "intrinsic"), parts=None, ranges=RANGES):
    warnings, parts = [], {"shape": 5, "albedo": 3, "expression": 1} if parts is None else parts
    found = questions(coded, groups, labels_of({"ranges": ranges}), parts, warnings)
    return {factor.name: factor.owner for factor in found}, warnings


def test_leading_coefficients_are_asked_for_and_an_angle_without_latents_belongs_to_the_rest():
    found, warnings = owners(probes())
    coefficients = dict.fromkeys(["shape 1", "shape 2", "shape 3", "albedo 1"], "intrinsic")
    assert found == {"azimuth": "azimuth", "elevation": "intrinsic", **coefficients}
    assert warnings == []


def test_coefficients_are_counted_off_in_the_order_of_the_parts():
    coded = probes()
    found = {f.name: f for f in questions(coded, ["intrinsic"], {}, {"shape": 2, "albedo": 7}, [])}
    assert list(found) == ["shape 1", "shape 2", "albedo 1"]
    assert np.array_equal(found["albedo 1"].target[:, 0], coded.coefficients[:, 2])
    with pytest.raises(ValueError, match="9 coefficients"):
        questions(coded, ["intrinsic"], {}, {"shape": 5}, [])


def test_a_full_circle_is_a_point_that_reads_back_as_its_angle():
    (found,) = questions(probes(coefficients=0, views=1), ["intrinsic"], AROUND, {}, [])
    assert found.target.shape == (12, 2)
    coded = probes()
    (found, *_) = questions(coded, ["intrinsic"], AROUND, {"shape": 9}, [])
    assert found.values(found.target) == pytest.approx(coded.values["azimuth"])


def test_objects_without_coefficients_are_guessed():
    found, warnings = owners(probes(coefficients=0))
    assert found["identity"] == "intrinsic"
    assert warnings == []
    found, warnings = owners(probes(views=1, coefficients=0))
    assert "identity" not in found
    assert "single image" in warnings[0]


def test_too_few_objects_are_named():
    found, warnings = owners(probes(9))
    assert list(found) == ["azimuth", "elevation"]
    assert "9 identities are too few" in warnings[0]
    assert owners(probes(2)) == ({}, ["2 objects are too few to predict anything for unseen ones."])


def test_what_does_not_vary_is_left_out_and_named_where_it_should():
    coded = probes()
    coded.values["azimuth"][:] = 3
    coded.coefficients[:, 1] = 0
    found, warnings = owners(coded)
    assert not {"azimuth", "light", "shape 2"} & set(found)
    assert warnings == ["azimuth is the same in all 48 images.", "shape 2 is the same in all 48 images."]


def test_a_code_without_a_rest_has_no_owner_for_the_object():
    found, warnings = owners(probes(coefficients=0), groups=("azimuth", "elevation"))
    assert found == {"azimuth": "azimuth", "elevation": "elevation"}
    assert warnings == ["The code has no latents left for identity."]
