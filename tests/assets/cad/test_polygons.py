"""Polygons cut into triangles: every simple one covers its own area once, whatever its size."""

from __future__ import annotations

import numpy as np
import pytest

from assets.cad.polygons import FEW, cut, ears, in_plane


def signed(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The area of each triangle in the plane of the polygon, negative where it is turned over."""
    a, b, c = (in_plane(points)[triangles[:, k]] for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def enclosed(points: np.ndarray) -> float:
    x, y = in_plane(points).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def star(rng: np.random.Generator, corners: int) -> np.ndarray:
    angle, radius = np.sort(rng.random(corners)) * 2 * np.pi, 0.2 + rng.random(corners)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(corners)], axis=1)


def letter_c(corners: int) -> np.ndarray:
    angle = np.linspace(0.3, 2 * np.pi - 0.3, corners // 2)
    outer = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    return np.concatenate([outer, 0.6 * outer[::-1]])


def battlements(teeth: int) -> np.ndarray:
    """Square teeth on a wall: many corners lie on the cuts between others."""
    x = np.repeat(np.arange(2 * teeth), 2).astype(float)
    y = np.tile([2.0, 2.0, 1.0, 1.0], teeth)
    outline = np.stack([np.r_[0, x[1:], x[-1] + 1, x[-1] + 1, 0], np.r_[y, 1, 0, 0], np.zeros(len(x) + 3)], axis=1)
    outline[1 : len(x), 0] = np.repeat(np.arange(1, 2 * teeth + 1), 2)[: len(x) - 1]
    return outline[::-1]


@pytest.mark.parametrize("seed", range(5))
def test_stars_are_covered_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for corners in (4, 7, 30, 100):
        points = np.roll(star(rng, corners), int(rng.integers(corners)), axis=0)
        areas = signed(points, ears(points))
        assert areas.min() > -1e-12
        assert areas.sum() == pytest.approx(enclosed(points))


@pytest.mark.parametrize("corners", [60, FEW, FEW + 2, 600, 2000])
@pytest.mark.parametrize("kind", ["star", "letter C", "battlements"])
def test_concave_polygons_of_any_size_keep_their_area(kind: str, corners: int) -> None:
    if kind == "star":
        points = star(np.random.default_rng(0), corners)
    else:
        points = letter_c(corners) if kind == "letter C" else battlements(corners // 4)
    triangles = cut(points, np.array([len(points)]))
    assert triangles.shape == (len(points) - 2, 3)
    areas = signed(points, triangles)
    assert areas.min() > -1e-12
    assert areas.sum() == pytest.approx(enclosed(points))


def test_repeated_corners_and_holes_on_bridges_are_no_obstacle() -> None:
    outline = letter_c(30)
    bridge, hole = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)], [(3, 3), (3, 7), (7, 7), (7, 3), (3, 3)]
    ring = np.array([(x, y, 0) for x, y in bridge + hole], dtype=float)
    for points in (outline, np.repeat(outline, 2, axis=0), np.concatenate([outline, outline[:1]]), ring):
        for turn in range(len(points)):
            turned = np.roll(points, turn, axis=0)
            triangles = cut(turned, np.array([len(turned)]))
            assert triangles.shape == (len(points) - 2, 3)
            assert np.abs(signed(turned, triangles)).sum() == pytest.approx(enclosed(turned))


def test_polygons_are_cut_in_any_plane_and_far_from_the_origin() -> None:
    points = letter_c(40)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    for moved in (points @ turn, points @ turn + 3e6, points * 1e-9, points * 1e9):
        triangles = cut(moved, np.array([len(moved)]))
        assert signed(moved, triangles).min() > -1e-9 * abs(enclosed(moved - moved[0]))
        assert signed(moved, triangles).sum() == pytest.approx(enclosed(moved - moved[0]), rel=1e-6)


@np.errstate(all="ignore")
def test_a_polygon_that_crosses_itself_still_becomes_triangles() -> None:
    rng = np.random.default_rng(2)
    for corners in (5, 40, FEW + 100):
        points = rng.standard_normal((corners, 3))
        assert ears(points).shape == (corners - 2, 3)
    assert ears(np.full((6, 3), np.nan)).shape == (4, 3)
    assert ears(np.tile([[1e300, -1e300, 0.0], [-1e300, 1e300, 0.0]], (3, 1))).shape == (4, 3)
