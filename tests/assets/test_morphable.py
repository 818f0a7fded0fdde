"""Faces of a morphable model, many at once: against plain arithmetic in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from assets.mesh import BLOCK, incidence, normals_of_all, vertex_normals
from assets.morphable import Modes, MorphableModel

RNG = np.random.default_rng(0)
BALL = trimesh.creation.icosphere(3, 1.0)
TRIANGLES = BALL.faces.astype(np.int32)


def _modes(count: int, scale: float, one_sided: bool = False) -> Modes:
    displacements = (scale * RNG.standard_normal((count, BALL.vertices.size))).astype(np.float32)
    return Modes.from_displacements(displacements, one_sided=one_sided)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    vertices = BALL.vertices.astype(np.float32)
    return MorphableModel(
        name="ball",
        triangles=TRIANGLES,
        shape_mean=vertices,
        shape=_modes(5, 0.01),
        albedo_mean=np.full_like(vertices, 0.6),
        albedo=_modes(4, 0.2),
        expression=_modes(3, 0.01),
        expression_mean=np.full_like(vertices, 0.1),
    )


def _field(modes: Modes, coefficients: np.ndarray) -> np.ndarray:
    return sum(
        c * d * row.astype(np.float64).reshape(-1, 3)
        for c, d, row in zip(coefficients, modes.deviations, modes.components, strict=True)
    )


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted, one triangle after another."""
    summed = np.zeros_like(vertices)
    for triangle in triangles:
        a, b, c = vertices[triangle]
        summed[triangle] += np.cross(b - a, c - a)
    return summed / np.linalg.norm(summed, axis=1, keepdims=True)


@pytest.mark.parametrize("length", [12, 9])
def test_faces_are_means_and_weighted_modes(model: MorphableModel, length: int) -> None:
    rows = RNG.standard_normal((11, length)).astype(np.float32)
    meshes = model.meshes(rows)
    assert len(meshes) == 11
    for mesh, row in zip(meshes, rows, strict=True):
        (surface,) = mesh.surfaces
        vertices = model.shape_mean + _field(model.shape, row[:5])
        if length == 12:
            vertices += _field(model.expression, row[9:]) + model.expression_mean
        np.testing.assert_allclose(surface.vertices, vertices, atol=1e-5)
        np.testing.assert_allclose(surface.albedo, np.clip(0.6 + _field(model.albedo, row[5:9]), 0, 1), atol=1e-5)
        np.testing.assert_allclose(surface.normals, _normals(vertices, TRIANGLES), atol=1e-4)
        assert surface.triangles is model.triangles


@pytest.mark.parametrize("count", [2, 8, 20])
def test_a_face_is_the_same_to_the_bit_in_any_company(model: MorphableModel, count: int) -> None:
    rows = RNG.standard_normal((count, 12)).astype(np.float32)
    for together, row in zip(model.meshes(rows), rows, strict=True):
        (one,), (alone,) = together.surfaces, model.mesh(row).surfaces
        for name in ("vertices", "normals", "albedo"):
            assert np.array_equal(getattr(one, name), getattr(alone, name)), name


def test_what_all_faces_share_is_made_once(model: MorphableModel) -> None:
    rows = RNG.standard_normal((4, 12)).astype(np.float32)
    rows[:, 5:9] = rows[0, 5:9]
    first, *others = (mesh.surfaces[0] for mesh in model.meshes(rows))
    assert all(np.shares_memory(other.albedo, first.albedo) for other in others)
    assert not any(np.array_equal(other.vertices, first.vertices) for other in others)


def test_a_model_without_modes_gives_its_mean(model: MorphableModel) -> None:
    none = Modes.none(len(model.shape_mean))
    bare = MorphableModel("bare", TRIANGLES, model.shape_mean, none, model.albedo_mean, none)
    for mesh in bare.meshes(np.zeros((3, 0), np.float32)):
        assert np.array_equal(mesh.surfaces[0].vertices, model.shape_mean)
        assert np.array_equal(mesh.surfaces[0].albedo, model.albedo_mean)


@pytest.mark.parametrize("count", [1, 3, BLOCK // 500])
def test_normals_of_many_shapes_are_those_of_each(count: int) -> None:
    vertices = (BALL.vertices + 0.05 * RNG.standard_normal((count, *BALL.vertices.shape))).astype(np.float32)
    found = normals_of_all(vertices, TRIANGLES, incidence(TRIANGLES, len(BALL.vertices)))
    assert found.flags["C_CONTIGUOUS"]
    for normals, shape in zip(found, vertices, strict=True):
        np.testing.assert_allclose(normals, vertex_normals(shape, TRIANGLES), atol=1e-6)


def test_a_vertex_of_no_triangle_points_up() -> None:
    vertices = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]]], np.float32)
    triangles = np.array([[0, 1, 2]], np.int32)
    assert normals_of_all(vertices, triangles, incidence(triangles, 4))[0].tolist() == [[0, 0, 1]] * 3 + [[0, 1, 0]]
