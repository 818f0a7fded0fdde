"""Polygons cut into triangles: a fan where that is right, ear clipping where a polygon is not convex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_EARS = 512  # corners; a larger concave polygon is drawn as a fan


def fan(counts: Integers) -> Integers:
    """(F, 3) corner numbers: each polygon of `counts[i]` consecutive corners as a fan around its first."""
    first = np.cumsum(counts) - counts
    cuts = counts - 2
    step = np.arange(int(cuts.sum())) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    base = np.repeat(first, cuts)
    return np.stack([base, base + step + 1, base + step + 2], axis=1)


def cut(points: Floats, counts: Integers) -> Integers:
    """(F, 3) corner numbers for polygons whose corners `points` (C, 3) follow one another, `counts[i]` >= 3 each."""
    triangles = fan(counts)
    if len(triangles) == len(counts):
        return triangles
    first, end = np.cumsum(counts) - counts, np.cumsum(counts - 2)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    crosses = np.cross(b - a, c - a)
    owner = np.repeat(np.arange(len(counts)), counts - 2)
    summed = np.add.reduceat(crosses, end - counts + 2, axis=0)
    folded = (crosses * summed[owner]).sum(axis=1) < 0
    for polygon in np.unique(owner[folded]):
        if counts[polygon] <= LARGEST_EARS:
            rows = slice(end[polygon] - counts[polygon] + 2, end[polygon])
            corners = slice(first[polygon], first[polygon] + counts[polygon])
            triangles[rows] = _ears(points[corners]) + first[polygon]
    return triangles


def _ears(points: Floats) -> Integers:
    """(n - 2, 3): a simple polygon in space cut by ear clipping in its mean plane (Meisters 1975)."""
    flat = _in_plane(points)
    plain = flat.tolist()  # one corner at a time, plain numbers are quicker
    left = list(range(len(points)))
    triangles = []
    while len(left) > 3:
        triangles.append(left_ear := _find_ear(flat, plain, left))
        left.remove(left_ear[1])
    triangles.append((left[0], left[1], left[2]))
    return np.array(triangles, dtype=np.int64)


def _find_ear(flat: Floats, plain: list[list[float]], left: list[int]) -> tuple[int, int, int]:
    """Three consecutive corners that turn left and hold no other corner; the first three if there is no ear."""
    for i, b in enumerate(left):
        a, c = left[i - 1], left[(i + 1) % len(left)]
        (ax, ay), (bx, by), (cx, cy) = plain[a], plain[b], plain[c]
        if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) <= 0:
            continue
        others = flat[[k for k in left if k not in (a, b, c)]]
        within = (
            (_turn(flat[a], flat[b], others) > 0)
            & (_turn(flat[b], flat[c], others) > 0)
            & (_turn(flat[c], flat[a], others) > 0)
        )
        if not within.any():
            return a, b, c
    return left[0], left[1], left[2]


def _turn(a: Floats, b: Floats, c: Floats) -> Floats:
    """Twice the signed area of a, b and each point of c (n, 2)."""
    return (b[0] - a[0]) * (c[:, 1] - a[1]) - (b[1] - a[1]) * (c[:, 0] - a[0])


def _in_plane(points: Floats) -> Floats:
    """(n, 2) coordinates in the polygon's mean plane (Newell's normal), counter-clockwise."""
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    drop = int(np.argmax(np.abs(normal)))
    u, v = (drop + 1) % 3, (drop + 2) % 3
    flat = points[:, [u, v]]
    return flat if normal[drop] >= 0 else flat * np.array([1.0, -1.0])
