"""Normals for meshes that have none: smooth over curved surfaces, split where two faces meet at a crease."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CREASE = 40.0  # degrees between face normals, from where an edge is seen as an edge
LARGEST_FAN = 512  # triangles around one point; more keep their face's normal
PAIRS_AT_ONCE = 100_000  # bounds the memory, and stays in the processor's cache


def crease_normals(positions: NDArray[np.float32], triangles: Integers, welded: Integers) -> Floats:
    """(F, 3, 3) unit normals of the corners of triangles that have an area.

    A corner's normal is the area-weighted mean over the faces around its point that turn less than CREASE away from
    its own face. `welded` (V,) numbers the points: vertices at one position share a number.
    """
    a, b, c = (positions[triangles[:, k]].astype(np.float64) for k in range(3))
    weighted = np.cross(b - a, c - a)
    unit = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)

    points = welded[triangles].reshape(-1)
    order = np.argsort(points, kind="stable")
    face = order // 3
    _, start, size = np.unique(points[order], return_index=True, return_counts=True)
    around = np.repeat(np.where(size <= LARGEST_FAN, size, 0), size)  # faces to visit for each corner
    begin = np.repeat(start, size)

    summed = weighted[face]  # its own face; the others are added
    x, y, z = np.ascontiguousarray(unit.T)
    columns = np.ascontiguousarray(weighted.T)
    threshold = np.cos(np.radians(CREASE))
    visited = np.cumsum(around)
    low = 0
    while low < len(order):
        done = visited[low - 1] if low else 0
        high = max(int(np.searchsorted(visited, done + PAIRS_AT_ONCE, side="right")), low + 1)
        n = around[low:high]
        corner = np.repeat(np.arange(low, high), n)
        step = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
        mine, other = face[corner], face[begin[corner] + step]
        smooth = (x[mine] * x[other] + y[mine] * y[other] + z[mine] * z[other] > threshold) & (mine != other)
        corner, other = corner[smooth], other[smooth]
        for axis in range(3):
            summed[low:high, axis] += np.bincount(corner - low, columns[axis][other], minlength=high - low)
        low = high
    normals = np.empty_like(summed)
    normals[order] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    return normals.reshape(-1, 3, 3)
