"""Signed-distance fields, and their surface as triangles: symmetric surface nets (Gibson 1998).

Fields are negative inside, positive outside; points are (3, N) float64 arrays in centimetres, fields (N,). The fields
of ellipsoids and of smooth combinations are close to true distances near the surface only, which is all that
polygonising needs. After Quilez, "Distance functions".

A surface net has one vertex for each sheet of the surface in a lattice cell (Nielson, "Dual marching cubes", 2004,
keeps sheets apart), and one quad for each lattice edge that the surface crosses. The lattice may be drawn together
where there is detail. Only x >= 0 is extracted: the first layer of cells straddles x = 0, its vertices lie on the seam,
and the rest is mirrored, so that symmetry is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from assets.mesh import Index

Field = NDArray[np.float64]
Points = NDArray[np.float64]
Triple = Sequence[float]
Distance = Callable[[Points], Field]
Positions = NDArray[np.float64]
Lattice = NDArray[np.float64]
Quads = NDArray[np.int64]


def column(values: Triple) -> Points:
    """Return (3, 1), to be broadcast against points."""
    return np.asarray(values, dtype=np.float64).reshape(3, 1)


def sphere(points: Points, centre: Triple, radius: float) -> Field:
    return np.sqrt(((points - column(centre)) ** 2).sum(axis=0)) - radius


def ellipsoid(points: Points, centre: Triple, radii: Triple) -> Field:
    offset = points - column(centre)
    scaled = np.sqrt(((offset / column(radii)) ** 2).sum(axis=0))
    slope = np.sqrt(((offset / column(radii) ** 2) ** 2).sum(axis=0))
    return scaled * (scaled - 1.0) / np.maximum(slope, 1e-9)


def capsule(points: Points, start: Triple, end: Triple, radius: float, end_radius: float | None = None) -> Field:
    """A rod with round ends, tapering from `radius` to `end_radius`."""
    axis = column(end) - column(start)
    offset = points - column(start)
    along = np.clip((offset * axis).sum(axis=0) / (axis**2).sum(), 0.0, 1.0)
    taper = radius + ((radius if end_radius is None else end_radius) - radius) * along
    return np.sqrt(((offset - axis * along) ** 2).sum(axis=0)) - taper


def union(a: Field, b: Field, blend: float) -> Field:
    """Smooth minimum; surfaces closer than about `blend` centimetres melt together."""
    overlap = np.maximum(blend - np.abs(a - b), 0.0) / blend
    return np.minimum(a, b) - overlap**2 * (blend / 4.0)


def intersection(a: Field, b: Field, blend: float) -> Field:
    return -union(-a, -b, blend)


def subtraction(a: Field, b: Field, blend: float) -> Field:
    """`a` without `b`."""
    return -union(-a, b, blend)


def step(values: Field, low: Field | float, high: Field | float) -> Field:
    """Smoothstep: 0 at `low`, 1 at `high`; `low` may be the greater."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(values: Field, width: float) -> Field:
    """A Gaussian of height one around zero."""
    return np.exp(-0.5 * (values / width) ** 2)


def lattice(low: Triple, high: Triple, pitch: float) -> Lattice:
    """Return (3, nx, ny, nz) nodes of the half x >= 0 of a box, `pitch` apart.

    The first two planes lie at x = -+pitch / 2.
    """
    x = np.arange(-0.5 * pitch, high[0] + pitch, pitch)
    y = np.arange(low[1], high[1] + pitch, pitch)
    z = np.arange(low[2], high[2] + pitch, pitch)
    return np.stack(np.meshgrid(x, y, z, indexing="ij"))


def concentrate(nodes: Lattice, centre: Triple, reach: float, strength: float) -> Lattice:
    """Draw `nodes` within about 3 `reach` towards `centre`, where their spacing shrinks by the factor 1 - `strength`.

    Works on |x|, so that the two planes of nodes beside x = 0 stay mirror images.
    """
    half = np.concatenate([np.abs(nodes[:1]), nodes[1:]])
    offset = np.asarray(centre, dtype=np.float64).reshape(3, 1, 1, 1) - half
    moved = half + strength * offset * np.exp(-0.5 * (offset**2).sum(axis=0) / reach**2)
    moved[0] = np.where(nodes[0] < 0, -moved[0], moved[0])
    return moved


def half_surface(distance: Distance, nodes: Lattice) -> tuple[Positions, Quads]:
    """Return vertices (n, 3) and quads (m, 4), counter-clockwise from outside, of the half x >= 0 of the zero set.

    The first cells of `nodes` straddle the mirror plane, and their vertices get x = 0 exactly.
    """
    shape = nodes.shape[1:]
    values = distance(nodes.reshape(3, -1)).reshape(shape)
    sheets = _sheet_table()[_signs(values)]
    rings, keys, crossings = [], [], []
    for axis in range(3):
        crossing, where = _crossings(values, nodes, axis)
        around = []
        for side_p, side_q in ((0, 0), (1, 0), (1, 1), (0, 1)):  # which edge along `axis` this is of the cell
            cell = where.copy()
            cell[(axis + 1) % 3] -= side_p
            cell[(axis + 2) % 3] -= side_q
            inside = np.all([(cell[k] >= 0) & (cell[k] < shape[k] - 1) for k in range(3)], axis=0)
            cell = np.where(inside, cell, 0)
            key = 4 * np.ravel_multi_index(tuple(cell), shape) + sheets[(*cell, 4 * axis + 2 * side_p + side_q)]
            around.append(np.where(inside, key, -1))
            keys.append(key[inside])
            crossings.append(crossing[:, inside])
        ring = np.stack(around, axis=1)
        leaving = values[tuple(where)] < 0  # the surface faces the positive axis here
        ring = np.where(leaving[:, None], ring, ring[:, ::-1])
        rings.append(ring[(ring >= 0).all(axis=1)])
    used, member = np.unique(np.concatenate(keys), return_inverse=True)
    share = np.bincount(member)
    vertices = np.stack([np.bincount(member, weights=c) / share for c in np.concatenate(crossings, axis=1)], axis=1)
    vertices[np.unravel_index(used // 4, shape)[0] == 0, 0] = 0.0
    return vertices, np.searchsorted(used, np.concatenate(rings))


def _signs(values: Field) -> NDArray[np.int64]:
    """Return (nx - 1, ny - 1, nz - 1) bits for the corners of each cell that lie inside; bit 4i + 2j + k."""
    inside = (values < 0).astype(np.int64)
    parts = [slice(None, -1), slice(1, None)]
    return sum(inside[parts[i], parts[j], parts[k]] << (4 * i + 2 * j + k) for i, j, k in np.ndindex(2, 2, 2))


def _sheet_table() -> NDArray[np.int64]:
    """Return for each pattern of corner signs the sheet (0..3) of the surface that each crossed edge is of: (256, 12).

    Edge 4a + 2s + t runs along axis a at side s of axis a + 1 and side t of axis a + 2. Two edges are of one sheet if
    the surface runs from one to the other across a face; on a face crossed four times it cuts off the outer corners.
    """
    faces = []
    for axis, side in np.ndindex(3, 2):
        p, q = (axis + 1) % 3, (axis + 2) % 3
        corners = []
        for at in ((0, 0), (1, 0), (1, 1), (0, 1)):
            corner = [0, 0, 0]
            corner[axis], corner[p], corner[q] = side, *at
            corners.append(4 * corner[0] + 2 * corner[1] + corner[2])
        # Edges in the same cyclic order: edge n joins corners n and n + 1.
        edges = [4 * p + side, 4 * q + 2 * side + 1, 4 * p + 2 + side, 4 * q + 2 * side]
        faces.append((corners, edges))
    table = np.zeros((256, 12), dtype=np.int64)
    for pattern in range(256):
        sheet = np.arange(12)
        crossed = np.zeros(12, dtype=bool)
        for corners, edges in faces:
            inside = [bool(pattern >> c & 1) for c in corners]
            cut = [n for n in range(4) if inside[n] != inside[(n + 1) % 4]]
            crossed[[edges[n] for n in cut]] = True
            pairs = [cut] if len(cut) == 2 else [[n - 1, n] for n in range(4) if len(cut) == 4 and not inside[n]]
            for a, b in pairs:
                sheet[sheet == sheet[edges[a]]] = sheet[edges[b]]
        if crossed.any():
            table[pattern, crossed] = np.unique(sheet[crossed], return_inverse=True)[1]
    return table


def _crossings(values: Field, nodes: Lattice, axis: int) -> tuple[Positions, NDArray[np.int64]]:
    """Return points (3, n) where the surface crosses lattice edges along `axis`, and indices (3, n) of lower ends."""
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
    """Move every vertex towards the mean of its neighbours, which evens out slivers."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ones = np.ones(len(edges))
    near = scipy.sparse.csr_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(len(vertices),) * 2)
    near = near + near.T
    mean = (near @ vertices) / np.asarray(near.sum(axis=1)).reshape(-1, 1)
    return vertices + amount * (mean - vertices)


def mirrored(vertices: Positions, quads: Quads) -> tuple[Positions, Index, NDArray[np.int64]]:
    """Complete the surface from its half x >= 0: vertices, triangles and, per vertex, the index of its mirror image."""
    n = len(vertices)
    on_seam = vertices[:, 0] == 0.0
    twin = np.where(on_seam, np.arange(n), n - 1 + np.cumsum(~on_seam))
    mirror = np.concatenate([twin, np.nonzero(~on_seam)[0]])
    whole = np.concatenate([vertices, vertices[~on_seam] * [-1.0, 1.0, 1.0]])
    half = split(vertices, quads)
    return whole, np.concatenate([half, twin[half][:, ::-1]]).astype(np.int32), mirror


def split(vertices: Positions, quads: Quads) -> NDArray[np.int64]:
    """Cut each of `quads` into triangles along its shorter diagonal."""
    a, b, c, d = quads.T
    first = np.linalg.norm(vertices[a] - vertices[c], axis=1) <= np.linalg.norm(vertices[b] - vertices[d], axis=1)
    along_ac = np.stack([a, b, c, a, c, d], axis=1)
    along_bd = np.stack([a, b, d, b, c, d], axis=1)
    return np.where(first[:, None], along_ac, along_bd).reshape(-1, 3)


def symmetric_surface(
    distance: Distance, nodes: Lattice, rounds: int = 4
) -> tuple[Positions, Index, NDArray[np.int64]]:
    """Polygonise the zero set of a field even in x, exactly: vertices (V, 3), triangles (F, 3), mirror map (V,)."""
    half, quads = half_surface(distance, nodes)
    n, on_seam = len(half), half[:, 0] == 0.0
    half = project(distance, half)
    for _ in range(rounds):
        half[on_seam, 0] = 0.0
        whole, triangles, _ = mirrored(half, quads)
        half = project(distance, relax(whole, triangles)[:n], rounds=2)
    half[on_seam, 0] = 0.0
    return mirrored(half, quads)
