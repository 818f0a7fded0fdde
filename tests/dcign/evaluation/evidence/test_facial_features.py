"""Errors inside boxes: of the right images, by part, and on the page; on pictures whose errors are known."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from dcign.evaluation.evidence import facial_features
from dcign.evaluation.evidence.types import Boxes, Coded, Figure, Sweep, Table
from dcign.evaluation.evidence.view_errors import FactorViews, NovelViews, Scores
from render.shards.labels import Label

OBJECTS, SIZE = 6, 32
ANGLES = np.array([-45.0, 0.0, 45.0])
LIMITS = {  # of every image
    "left eye": (18, 6, 28, 14),
    "right eye": (4, 6, 14, 14),
    "left brow": (18, 0, 28, 6),
    "right brow": (4, 0, 14, 6),
    "nose": (12, 10, 20, 20),
    "mouth": (10, 20, 22, 32),
}
RULE = "Boxes lie around what is meant."


def boxes(images, features=tuple(LIMITS)):
    """The same boxes in each of so many images."""
    rows = [(image, feature) for image in range(images) for feature in features]
    limits = np.array([LIMITS[feature] for _, feature in rows], np.int64).reshape(-1, 4)
    return Boxes(np.array([image for image, _ in rows], np.int64), np.array([name for _, name in rows], str), limits)


def truths(*shape):
    return np.random.default_rng(0).integers(60, 200, (*shape, SIZE, SIZE)).astype(np.uint8)


def wrong_in(images, feature, by):
    """The same images in [0, 1], brighter inside one box."""
    left, top, right, bottom = LIMITS[feature]
    found = images / np.float32(255)
    found[..., top:bottom, left:right] += by
    return found


def factor_views(angles, images):
    some = np.zeros(images.shape[:2])
    scores = Scores(some, some, some, None)
    values, identity = np.tile(angles, (len(images), 1)), np.arange(OBJECTS) * 10
    label, asked = Label("azimuth", -90.0, 90.0), np.ones(some.shape, bool)
    return FactorViews(label, values, asked, identity, some[:, 0], some, scores, scores, some, some[:, 0], [], images)


def errors(angles=ANGLES, features=tuple(LIMITS)):
    """Reconstructions whose mouths are wrong, novel views whose right eyes are, at +-45 degrees only."""
    identity, inputs, swept = np.arange(OBJECTS) * 10, truths(OBJECTS), truths(OBJECTS, len(angles))
    views = wrong_in(swept, "right eye", 0.2)
    views[:, angles == 0] = swept[:, angles == 0] / np.float32(255)
    known = {"azimuth": factor_views(angles, views), "light": None}
    coded = Coded(inputs, np.zeros((OBJECTS, 3), np.float32), {}, identity)
    sweeps = {"azimuth": Sweep.even(angles, swept, np.zeros((*swept.shape[:2], 3), np.float32))}
    around = {"azimuth": boxes(OBJECTS * len(angles), features)}
    novel = NovelViews(known, identity, np.zeros(OBJECTS), np.ones(OBJECTS), "")
    decoded = wrong_in(inputs, "mouth", 0.1)
    return facial_features.compare(coded, decoded, boxes(OBJECTS, features), novel, sweeps, around)


def test_each_part_has_the_error_inside_its_boxes():
    found = facial_features.measure(errors(), RULE)["reconstruction"]
    mse = {part: found[part]["mse"]["value"] for part in found}
    assert mse == pytest.approx({"eyes": 0, "brows": 0, "nose": 0, "mouth": 0.01, "all": 0.0025}, abs=1e-6)
    assert found["eyes"]["ssim"]["value"] == pytest.approx(1)
    assert found["mouth"]["ssim"]["value"] < 0.99
    assert found["eyes"]["boxes"] == 2 * OBJECTS
    assert found["all"]["boxes"] == 6 * OBJECTS
    interval = found["mouth"]["mse"]
    assert interval["low"] <= interval["value"] <= interval["high"]


def test_half_profile_is_of_these_angles_and_a_sweep_of_all():
    found = facial_features.measure(errors(), RULE)
    assert found["half_profile"]["eyes"]["mse"]["value"] == pytest.approx(0.02, rel=1e-4)  # one eye of two
    assert found["half_profile"]["mouth"]["boxes"] == 2 * OBJECTS
    assert found["novel_views"]["azimuth"]["eyes"]["mse"]["value"] == pytest.approx(0.02 * 2 / 3, rel=1e-4)
    assert list(found["novel_views"]) == ["azimuth"]  # light is not calibrated
    assert found["warnings"] == []
    assert found["people"] == OBJECTS


def test_a_sweep_without_half_profile_says_so():
    found = facial_features.measure(errors(np.array([-20.0, 0.0, 20.0])), RULE)
    assert found["half_profile"] is None
    assert "45 degrees" in found["warnings"][0]


def test_what_is_never_seen_is_none_and_so_is_the_mean_of_all():
    measures = facial_features.measure(errors(features=("left eye", "nose")), RULE)
    found = measures["reconstruction"]
    assert found["mouth"] == {
        "boxes": 0,
        "mse": dict.fromkeys(("value", "low", "high")),
        "ssim": found["mouth"]["ssim"],
    }
    assert found["all"]["mse"]["value"] is None
    assert found["nose"]["mse"]["value"] is not None
    json.dumps(measures, allow_nan=False)


def test_the_section_has_a_table_of_every_part_and_a_picture():
    compared = errors()
    section = facial_features.section(facial_features.measure(compared, RULE), compared)
    assert RULE in section.text
    table, figure = section.parts
    assert isinstance(table, Table)
    assert isinstance(figure, Figure)
    assert list(table.head[1:]) == ["eyes", "brows", "nose", "mouth", "all"]
    assert len(table.rows) == 2 * 3  # SSIM and MSE of reconstructions, of half profile, of the sweep
    with Image.open(io.BytesIO(figure.png)) as picture:
        width, height = picture.size
    assert width > 8 * facial_features.MAGNIFIED  # four parts reconstructed, four at half profile
    assert height > 2 * facial_features.PEOPLE * facial_features.MAGNIFIED


@pytest.mark.parametrize(("features", "pictures"), [(("nose",), 1), ((), 0)])
def test_only_what_is_seen_is_shown(features, pictures):
    compared = errors(np.array([0.0]), features)
    measures = facial_features.measure(compared, RULE)
    parts = facial_features.section(measures, compared).parts
    assert len(parts) == 1 + pictures
    for figure in parts[1:]:
        with Image.open(io.BytesIO(figure.png)) as picture:
            assert picture.width < 4 * facial_features.MAGNIFIED
    json.dumps(measures, allow_nan=False)
