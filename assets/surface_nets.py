"""Polygonise a left-right symmetric signed-distance field with naive surface nets (Gibson 1998).

One vertex for each lattice cell that the surface crosses, one quad for each lattice edge that it crosses. The lattice may
be drawn together where the surface has detail (`gathered`). Only x >= 0 is extracted: the first layer of cells straddles
x = 0, its vertices lie on the seam, and the rest is mirrored, so symmetry is exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from assets.mesh import Index
from assets.signed_distance import Field, Points, Triple

Distance = Callable[[Points], Field]
Positions = NDArray[np.float64]
Lattice = NDArray[np.float64]
Quads = NDArray[np.int64]


def lattice(low: Triple, high: Triple, pitch: float) -> Lattice:
    """(3, nx, ny, nz) nodes of the half x >= 0 of a box, `pitch` apart; the first two planes lie at x = -+pitch / 2."""
    x = np.arange(-0.5 * pitch, high[0] + pitch, pitch)
    y = np.arange(low[1], high[1] + pitch, pitch)
    z = np.arange(low[2], high[2] + pitch, pitch)
    return np.stack(np.meshgrid(x, y, z, indexing="ij"))


def gathered(nodes: Lattice, centre: Triple, reach: float, strength: float) -> Lattice:
    """Draw `nodes` towards `centre`, where their spacing shrinks by the factor 1 - `strength`; none moves beyond ~3 `reach`.

    Works on |x|, so that the two planes of nodes beside x = 0 stay mirror images.
    """
    half = np.concatenate([np.abs(nodes[:1]), nodes[1:]])
    offset = np.asarray(centre, dtype=np.float64).reshape(3, 1, 1, 1) - half
    moved = half + strength * offset * np.exp(-0.5 * (offset**2).sum(axis=0) / reach**2)
    moved[0] = np.where(nodes[0] < 0, -moved[0], moved[0])
    return moved


def half_surface(distance: Distance, nodes: Lattice) -> tuple[Positions, Quads]:
    """Vertices (n, 3) and quads (m, 4), counter-clockwise from outside, of the half x >= 0 of the zero set.

    The first cells of `nodes` straddle the mirror plane, and their vertices get x = 0 exactly.
    """
    shape = nodes.shape[1:]
    values = distance(nodes.reshape(3, -1)).reshape(shape)
    cells = tuple(n - 1 for n in shape)
    total, count = np.zeros((3, *cells)), np.zeros(cells)
    quads = []
    for axis in range(3):
        crossing, where = _crossings(values, nodes, axis)
        p, q = (axis + 1) % 3, (axis + 2) % 3
        around = []
        for dp, dq in ((0, 0), (-1, 0), (-1, -1), (0, -1)):
            cell = where.copy()
            cell[p] += dp
            cell[q] += dq
            inside = np.all([(cell[k] >= 0) & (cell[k] < cells[k]) for k in range(3)], axis=0)
            np.add.at(count, tuple(cell[:, inside]), 1.0)
            for k in range(3):
                np.add.at(total[k], tuple(cell[:, inside]), crossing[k, inside])
            around.append(np.where(inside, np.ravel_multi_index(tuple(np.maximum(cell, 0)), shape), -1))
        ring = np.stack(around, axis=1)
        leaving = values[tuple(where)] < 0  # the surface faces the positive axis here
        ring = np.where(leaving[:, None], ring, ring[:, ::-1])
        quads.append(ring[(ring >= 0).all(axis=1)])
    used = np.nonzero(count)
    vertices = (total[(slice(None), *used)] / count[used]).T
    vertices[used[0] == 0, 0] = 0.0
    number = np.full(np.prod(shape), -1, dtype=np.int64)
    number[np.ravel_multi_index(used, shape)] = np.arange(len(vertices))
    return vertices, number[np.concatenate(quads)]


def _crossings(values: Field, nodes: Lattice, axis: int) -> tuple[Positions, NDArray[np.int64]]:
    """Positions (3, n) where lattice edges along `axis` cross the surface, and the indices (3, n) of their lower ends."""
    low = np.take(values, range(values.shape[axis] - 1), axis=axis)
    high = np.take(values, range(1, values.shape[axis]), axis=axis)
    where = np.stack(np.nonzero((low < 0) != (high < 0)))
    beyond = where.copy()
    beyond[axis] += 1
    a, b = values[tuple(where)], values[tuple(beyond)]
    start, end = nodes[(slice(None), *where)], nodes[(slice(None), *beyond)]
    return start + a / (a - b) * (end - start), where


def project(distance: Distance, vertices: Positions, rounds: int = 3, reach: float = 0.15) -> Positions:
    """Move `vertices` (n, 3) onto the zero set by Newton steps of at most `reach` along the numerical gradient."""
    tiny = 1e-3
    for _ in range(rounds):
        points = vertices.T
        value = distance(points)
        shift = tiny * np.eye(3)[:, :, None]
        slope = np.stack([distance(points + s) - distance(points - s) for s in shift]) / (2 * tiny)
        move = -value * slope / np.maximum((slope**2).sum(axis=0), 0.1)
        length = np.sqrt((move**2).sum(axis=0))
        vertices = vertices + (move * np.minimum(1.0, reach / np.maximum(length, 1e-12))).T
    return vertices


def relax(vertices: Positions, triangles: Index, amount: float = 0.5) -> Positions:
    """Move every vertex towards the mean of its neighbours: evens out slivers."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ones = np.ones(len(edges))
    near = scipy.sparse.csr_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(len(vertices),) * 2)
    near = near + near.T
    mean = (near @ vertices) / np.asarray(near.sum(axis=1)).reshape(-1, 1)
    return vertices + amount * (mean - vertices)


def mirrored(vertices: Positions, quads: Quads) -> tuple[Positions, Index, NDArray[np.int64]]:
    """The whole surface from its half x >= 0: vertices, triangles and, per vertex, the index of its mirror image."""
    n = len(vertices)
    on_seam = vertices[:, 0] == 0.0
    twin = np.where(on_seam, np.arange(n), n - 1 + np.cumsum(~on_seam))
    mirror = np.concatenate([twin, np.nonzero(~on_seam)[0]])
    whole = np.concatenate([vertices, vertices[~on_seam] * [-1.0, 1.0, 1.0]])
    half = split(vertices, quads)
    return whole, np.concatenate([half, twin[half][:, ::-1]]).astype(np.int32), mirror


def split(vertices: Positions, quads: Quads) -> NDArray[np.int64]:
    """Triangles of `quads`, each cut along its shorter diagonal."""
    a, b, c, d = quads.T
    first = np.linalg.norm(vertices[a] - vertices[c], axis=1) <= np.linalg.norm(vertices[b] - vertices[d], axis=1)
    along_ac = np.stack([a, b, c, a, c, d], axis=1)
    along_bd = np.stack([a, b, d, b, c, d], axis=1)
    return np.where(first[:, None], along_ac, along_bd).reshape(-1, 3)


def symmetric_surface(
    distance: Distance, nodes: Lattice, rounds: int = 3
) -> tuple[Positions, Index, NDArray[np.int64]]:
    """Vertices (V, 3), triangles (F, 3) and mirror map (V,) of the zero set of a field even in x, exactly symmetric."""
    half, quads = half_surface(distance, nodes)
    n, on_seam = len(half), half[:, 0] == 0.0
    half = project(distance, half)
    for _ in range(rounds):
        half[on_seam, 0] = 0.0
        whole, triangles, _ = mirrored(half, quads)
        half = project(distance, relax(whole, triangles)[:n], rounds=2)
    half[on_seam, 0] = 0.0
    return mirrored(half, quads)
