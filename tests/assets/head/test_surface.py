"""Polygonising signed-distance fields: closed, oriented, symmetric, on the surface."""

from __future__ import annotations

import numpy as np
import pytest

from assets.head.surface import (
    Field,
    Points,
    concentrate,
    ellipsoid,
    half_surface,
    lattice,
    mirrored,
    sphere,
    split,
    subtraction,
    symmetric_surface,
    union,
)


def _ball(points: Points) -> Field:
    return sphere(points, (0.0, 0.2, -0.1), 2.0)


def _ring(points: Points) -> Field:
    """A torus around the y axis: not star-shaped, crosses the mirror plane twice."""
    return np.hypot(np.hypot(points[0], points[2]) - 1.6, points[1]) - 0.6


def _edge_uses(triangles: np.ndarray) -> np.ndarray:
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def _volume(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize(
    ("field", "volume", "euler"),
    [(_ball, 4 / 3 * np.pi * 8, 2), (_ring, 2 * np.pi**2 * 1.6 * 0.36, 0)],
    ids=["ball", "ring"],
)
def test_surface_is_closed_outward_and_of_the_right_topology(field: object, volume: float, euler: int) -> None:
    vertices, triangles, _ = symmetric_surface(field, lattice((0, -3, -3), (3, 3, 3), 0.2))  # type: ignore[arg-type]
    uses = _edge_uses(triangles)
    assert (uses == 2).all()
    assert len(vertices) - len(uses) + len(triangles) == euler
    assert _volume(vertices, triangles) == pytest.approx(volume, rel=0.02)


def test_vertices_lie_on_the_surface_and_mirror_exactly() -> None:
    vertices, triangles, mirror = symmetric_surface(_ball, lattice((0, -3, -3), (3, 3, 3), 0.25))
    assert np.abs(_ball(vertices.T)).max() < 1e-3
    assert np.array_equal(vertices[mirror], vertices * [-1.0, 1.0, 1.0])
    assert ((mirror == np.arange(len(mirror))) == (vertices[:, 0] == 0)).all()
    assert triangles.dtype == np.int32


def test_gathering_nodes_puts_more_vertices_there() -> None:
    even = lattice((0, -3, -3), (3, 3, 3), 0.12)
    warped = concentrate(even, (0.0, 0.2, 2.0), 1.2, 0.5)
    assert np.array_equal(warped[0][0], -warped[0][1])  # still straddles the mirror plane
    plain, _, _ = symmetric_surface(_ball, even)
    dense, triangles, _ = symmetric_surface(_ball, warped)
    pole = np.array([0.0, 0.2, 1.9])
    assert (np.linalg.norm(dense - pole, axis=1) < 0.6).sum() > 1.8 * (np.linalg.norm(plain - pole, axis=1) < 0.6).sum()
    assert (_edge_uses(triangles) == 2).all()


def test_two_sheets_in_one_cell_are_kept_apart() -> None:
    """Two hollows that nearly touch share cells of a coarse lattice; with one vertex a cell their walls would weld."""

    def hollowed(points: Points) -> Field:
        hollows = np.minimum(sphere(points, (0, 0.78, 0.78), 1.0), sphere(points, (0, -0.78, -0.78), 1.0))
        return np.maximum(np.abs(points).max(axis=0) - 2.6, -hollows)

    vertices, quads = half_surface(hollowed, lattice((0, -3.15, -3.15), (3, 3, 3), 0.3))
    whole, triangles, _ = mirrored(vertices, quads)
    uses = _edge_uses(triangles)
    assert (uses == 2).all()
    assert len(whole) - len(uses) + len(triangles) == 6  # three spheres: the outside and two hollows


def test_quads_are_cut_along_the_shorter_diagonal() -> None:
    corners = np.array([[0.0, 0, 0], [2, 1, 0], [3, 3, 0], [1, 2, 0]])
    assert split(corners, np.array([[0, 1, 2, 3]])).tolist() == [[0, 1, 3], [1, 2, 3]]


def test_smooth_combinations_meet_the_sharp_ones_away_from_the_seam() -> None:
    points = np.random.default_rng(0).uniform(-3, 3, (3, 200))
    a, b = sphere(points, (-1, 0, 0), 1.0), ellipsoid(points, (1, 0, 0), (1, 2, 1))
    apart = np.abs(a - b) > 0.5
    assert np.allclose(union(a, b, 0.5)[apart], np.minimum(a, b)[apart])
    assert (union(a, b, 0.5) <= np.minimum(a, b) + 1e-12).all()
    apart = np.abs(a + b) > 0.5
    assert np.allclose(subtraction(a, b, 0.5)[apart], np.maximum(a, -b)[apart])
