"""Vertices around eyes, brows, nose and mouth: found by the names of landmarks, on the whole mesh, in any naming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.faces import basel_2009, flame, ict_facekit
from assets.faces.catalog import FaceCatalog
from assets.faces.ict_facekit import read_ict_facekit
from assets.faces.landmarks import FEATURES, MARKUP, facial_features, feature_vertices, marked
from assets.faces.reduction import on_vertices
from assets.head.model import built_in_face_model
from assets.head.shape import EYE_CENTRE
from assets.morphable import MorphableModel

KIT = Path(__file__).resolve().parents[4] / "shared" / "data" / "ict-facekit" / "FaceXModel-50.tar.xz"

# A flat face of 5 x 5 points a centimetre apart; row 4 is the lowest.
GRID = np.array([(x, -y, 0.0) for y in range(5) for x in range(-2, 3)])
NAMED = {
    "right.eye.corner_outer": (-2, -1, 0),
    "right.eye.corner_inner": (-1, -1, 0),
    "left.eye.corner_inner": (1, -1, 0),
    "left.eye.corner_outer": (2, -1, 0),
    "right.eyebrow.inner_lower": (-1, 0, 0.1),  # beside its vertex
    "right.eyebrow.bend.lower": (-2, 0, 0),
    "left.eyebrow.inner_lower": (1, 0, 0),
    "left.eyebrow.bend.lower": (2, 0, 0),
    "center.nose.tip": (0, -2, 0),
    "left.nose.wing.tip": (1, -2, 0),
    "right.lips.corner": (-1, -4, 0),
    "left.lips.corner": (1, -4, 0),
    "left.nasolabial_fold.bottom": (2, -3, 0),
}


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return built_in_face_model()


def test_features_are_the_vertices_next_to_the_landmarks_of_their_names() -> None:
    found = feature_vertices(NAMED, GRID)
    assert found is not None
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "left eye": [8, 9],
        "right eye": [5, 6],
        "left brow": [3, 4],
        "right brow": [0, 1],
        "nose": [12, 13],
        "mouth": [21, 23],
    }


@pytest.mark.parametrize("missing", ["left.eye.corner_outer", "center.nose.tip", "right.lips.corner"])
def test_a_model_that_does_not_tell_all_tells_none(missing: str) -> None:
    assert feature_vertices({name: point for name, point in NAMED.items() if name != missing}, GRID) is None
    assert feature_vertices({}, GRID) is None


@pytest.mark.parametrize(("one", "other"), [("eyebrow", "eye"), ("nose", "lips"), ("right", "left")])
def test_landmarks_that_lie_as_in_no_face_are_not_believed(one: str, other: str) -> None:
    swapped = {
        ".".join({one: other, other: one}.get(word, word) for word in name.split(".")): point
        for name, point in NAMED.items()
    }
    assert feature_vertices(swapped, GRID) is None


@pytest.mark.parametrize("reader", [basel_2009, flame, ict_facekit])
def test_published_topologies_have_a_vertex_for_each_point_of_the_markup(reader) -> None:
    count = reader.VERTICES
    mean = np.random.default_rng(0).normal(size=(count, 3))
    points = marked(reader.LANDMARKS, mean)
    assert list(points) == list(MARKUP)
    assert len(set(points.values())) == len(MARKUP)
    assert points["center.nose.tip"] == tuple(mean[reader.LANDMARKS[MARKUP.index("center.nose.tip")]])


def test_those_of_the_built_in_head_lie_where_it_has_them(head: MorphableModel) -> None:
    features = facial_features(head)
    assert features is not None
    assert list(features.places) == list(FEATURES)
    centres = {name: features.model.shape_mean[rows].mean(axis=0) for name, rows in features.places.items()}
    assert np.linalg.norm(centres["left eye"] - EYE_CENTRE) < 1.5
    np.testing.assert_allclose(centres["right brow"], centres["left brow"] * [-1, 1, 1], atol=1e-5)


def test_vertices_move_with_the_face_and_not_with_its_level_of_detail(head: MorphableModel) -> None:
    catalog = FaceCatalog(head, {})
    coefficients = np.random.default_rng(0).normal(size=(2, 398)).astype(np.float32)
    whole = [mesh.surfaces[0].vertices for mesh in head.meshes(coefficients)]
    rough = on_vertices(head, np.arange(50, dtype=np.int32), np.array([[0, 1, 2]], np.int32))
    features = catalog.with_model(rough, {}).features
    assert features is not None
    vertices = feature_vertices(head.landmarks, head.shape_mean)
    assert vertices is not None
    for mesh, vertex in zip(features.model.meshes(coefficients), whole, strict=True):
        for name, rows in features.places.items():
            np.testing.assert_allclose(mesh.surfaces[0].vertices[rows], vertex[vertices[name]], atol=1e-4)


def test_a_model_without_landmarks_has_no_features(head: MorphableModel) -> None:
    assert FaceCatalog(replace(head, landmarks={}), {}).features is None


@pytest.mark.skipif(not KIT.exists(), reason="the kit is not beside the checkout")
def test_the_real_kit_tells_its_features() -> None:
    model = read_ict_facekit(KIT)
    features = facial_features(model)
    assert features is not None
    mean = features.model.shape_mean
    width = {name: np.ptp(mean[rows][:, 0]) for name, rows in features.places.items()}
    assert 2 < width["left eye"] < 4  # centimetres
    assert 4 < width["mouth"] < 7
    assert mean[features.places["nose"]][:, 2].max() > model.shape_mean[:, 2].max() - 0.1
