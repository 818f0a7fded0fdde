"""Fewer triangles on some of the vertices: what must stay, stays, and edges collapse where nothing shows."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
import trimesh

from assets.faces.reduction import collapse_edges, on_vertices, reductions
from assets.morphable import Modes, MorphableModel

RNG = np.random.default_rng(0)


def _face() -> MorphableModel:
    """A ball of two eyes (balls of their own) and a dark stripe, with modes of everything."""
    parts = [trimesh.creation.icosphere(4, 8.0)]
    for x in (-3, 3):
        parts.append(trimesh.creation.icosphere(3, 1.2))
        parts[-1].apply_translation([x, 1.5, 7.5])
    shape = trimesh.util.concatenate(parts)
    vertices = shape.vertices.astype(np.float32)
    albedo = np.full_like(vertices, 0.7)
    albedo[(np.abs(vertices[:, 1] + 3) < 0.7) & (np.arange(len(vertices)) < 2562)] = 0.2
    waves = np.stack([np.sin(vertices @ RNG.normal(0, 0.3, (3, 3))).ravel() for _ in range(6)]).astype(np.float32)
    return MorphableModel(
        name="face",
        triangles=shape.faces.astype(np.int32),
        shape_mean=vertices,
        shape=Modes.from_displacements(0.2 * waves[:3]),
        albedo_mean=albedo,
        albedo=Modes.from_displacements(0.05 * waves[3:5]),
        expression=Modes.from_displacements(0.2 * waves[5:], ("smile",), one_sided=True),
        expression_mean=np.full_like(vertices, 0.01),
        cavity=vertices[:, 2] < 0,
    )


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return _face()


def _edges(triangles: np.ndarray) -> np.ndarray:
    ends = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(ends, axis=0, return_counts=True)[1]


def _volume(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def test_kept_vertices_move_are_coloured_and_face_as_in_the_whole_mesh(model: MorphableModel) -> None:
    ((kept, triangles),) = reductions(model, [1500])
    reduced = on_vertices(model, kept, triangles)
    rows = RNG.standard_normal((3, 6)).astype(np.float32)
    for few, whole in zip(reduced.meshes(rows), model.meshes(rows), strict=True):
        (a,), (b,) = few.surfaces, whole.surfaces
        assert len(a.vertices) == len(a.normals) == len(a.albedo) == len(kept)
        np.testing.assert_allclose(a.vertices, b.vertices[kept], atol=1e-5)
        np.testing.assert_allclose(a.normals, b.normals[kept], atol=1e-5)
        np.testing.assert_allclose(a.albedo, b.albedo[kept], atol=1e-6)
        assert a.triangles is reduced.triangles
    assert np.array_equal(reduced.cavity, model.cavity[kept])
    assert reduced.parts == model.parts


def test_each_count_is_met_and_coarser_meshes_are_on_vertices_of_finer_ones(model: MorphableModel) -> None:
    counts = [4000, 2000, 1000]
    found = list(reductions(model, counts))
    assert all(count - 2 <= len(triangles) <= count for count, (_, triangles) in zip(counts, found, strict=True))
    assert all(set(coarse) < set(fine) for (fine, _), (coarse, _) in pairwise(found))
    assert all(kept.dtype == triangles.dtype == np.int32 for kept, triangles in found)


def test_surfaces_stay_closed_and_keep_their_volume(model: MorphableModel) -> None:
    ((kept, triangles),) = reductions(model, [1500])
    assert (_edges(triangles) == 2).all()
    assert _volume(model.shape_mean[kept], triangles) == pytest.approx(
        _volume(model.shape_mean, model.triangles), rel=0.02
    )
    assert len(trimesh.graph.connected_components(triangles[:, [0, 1]], min_len=4)) == 3  # both eyes are there


def test_edges_of_the_painting_are_kept_and_the_back_is_let_go(model: MorphableModel) -> None:
    ((kept, _),) = reductions(model, [1500])
    left = np.zeros(len(model.shape_mean), bool)
    left[kept] = True
    head = np.arange(len(left)) < 2562
    front, back = head & (model.shape_mean[:, 2] > 3), head & (model.shape_mean[:, 2] < -3)
    stripe = front & (np.abs(np.abs(model.shape_mean[:, 1] + 3) - 0.7) < 0.4)
    assert left[stripe].mean() > 1.3 * left[front].mean() > 1.3 * 1.3 * left[back].mean()


def test_the_same_model_is_reduced_to_the_same_bytes_and_pickles_smaller(model: MorphableModel) -> None:
    first, second = (on_vertices(face, *next(reductions(face, [1000]))) for face in (model, _face_again(model)))
    assert pickle.dumps(first) == pickle.dumps(second)
    assert len(pickle.dumps(first)) < 0.8 * len(pickle.dumps(model))


def _face_again(model: MorphableModel) -> MorphableModel:
    return pickle.loads(pickle.dumps(model))


def test_a_flat_sheet_collapses_to_its_outline() -> None:
    x, y = np.meshgrid(np.arange(12.0), np.arange(12.0))
    positions = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
    corner = (np.arange(11)[:, None] * 12 + np.arange(11)).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + 13], 1), np.stack([corner, corner + 13, corner + 12], 1)]
    )
    ((kept, few),) = collapse_edges(positions, positions, triangles, np.ones(len(triangles)), [8])
    a, b, c = (positions[kept][few[:, k]] for k in range(3))
    doubled = np.cross(b - a, c - a)[:, 2]
    assert len(few) <= 8
    assert (doubled > 0).all()  # no fold
    assert doubled.sum() == pytest.approx(2 * 11 * 11)


def test_a_mesh_that_cannot_collapse_stays() -> None:
    tetrahedron = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    triangles = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    ((kept, few),) = collapse_edges(tetrahedron, tetrahedron, triangles, np.ones(4), [2])
    assert kept.tolist() == [0, 1, 2, 3]
    assert np.array_equal(few, triangles)
