"""Face models of fewer triangles, for small images: some of the vertices, with their modes and their own normals.

Edges collapse onto one of their ends, cheapest first. A quadric at each vertex sums the squared distances to the
triangles that it stands for, in a space of position and whatever else is interpolated over them (Garland, Heckbert
1998): here normal and grey level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from assets.mesh import GREY_WEIGHTS, Index, vertex_normals
from assets.morphable import Modes, MorphableModel

# What makes a pixel wrong by about as much: a vertex off by 1 cm, a normal or a grey level off by 1.
POSITION, NORMAL, GREY = 100.0, 100.0, 200.0
VIEWS = 13  # from one profile to the other; what faces them counts by how much it does
UNSEEN = 0.1  # weight of what faces none, relative to the mean

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

SHARE = 0.03  # of the directed edges are looked at in a round, the cheapest; those apart from each other collapse
LEAST_COSINE = 0.3  # between the normals of a triangle before and after an edge beside it collapses
BORDER_WEIGHT = 3.0  # of an open border against its move, relative to a square on the edge


def reductions(model: MorphableModel, counts: Sequence[int]) -> Iterator[tuple[Index, Index]]:
    """Return for each of the falling `counts` the vertices kept (W,), rising, and triangles (G, 3) of places in them.

    Most is kept where shape, normals and albedo of the mean face vary most.
    """
    vertices = model.shape_mean.astype(np.float64)
    normals = vertex_normals(model.shape_mean, model.triangles)
    grey = (model.albedo_mean * np.array(GREY_WEIGHTS, np.float32)).sum(axis=1)
    features = np.concatenate([POSITION * vertices, NORMAL * normals, GREY * grey[:, None]], axis=1)
    for kept, triangles in collapse_edges(
        vertices, features, model.triangles, _seen(vertices, model.triangles), counts
    ):
        yield kept.astype(np.int32), triangles.astype(np.int32)


def on_vertices(model: MorphableModel, kept: Index, triangles: Index) -> MorphableModel:
    """Reduce `model` to its vertices `kept` (W,), with `triangles` (G, 3) between them, and the normals it has there.

    The vertices around them stay too, for the normals: shapes have more vertices than albedo.
    """
    drawn = np.zeros(len(model.shape_mean), bool)
    drawn[kept] = True
    facets = model.triangles[drawn[model.triangles].any(axis=1)]
    used = np.concatenate([kept, np.setdiff1d(facets, kept)])
    place = np.empty(len(drawn), np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    mean, cavity = model.expression_mean, model.cavity
    return replace(
        model,
        triangles=triangles,
        shape_mean=model.shape_mean[used],
        shape=_at(model.shape, used),
        albedo_mean=model.albedo_mean[kept],
        albedo=_at(model.albedo, kept),
        expression=_at(model.expression, used) if len(model.expression) else model.expression,
        expression_mean=None if mean is None else mean[used],
        cavity=None if cavity is None else cavity[kept],
        facets=place[facets],
    )


def _at(modes: Modes, vertices: NDArray[np.integer]) -> Modes:
    fields = modes.components.reshape(len(modes), modes.components.shape[1] // 3, 3)
    return replace(modes, components=fields[:, vertices].reshape(len(modes), 3 * len(vertices)))


def _seen(vertices: Array, triangles: Index) -> Array:
    """Return (F,) how much triangles face the views of a face from the left, the front and the right, 1 on average."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    azimuth = np.radians(np.linspace(-90, 90, VIEWS))
    facing = np.maximum(across[:, :1] * np.sin(azimuth) + across[:, 2:] * np.cos(azimuth), 0).mean(axis=1)
    return np.maximum(facing / facing.mean(), UNSEEN)


def collapse_edges(
    positions: Array, features: Array, triangles: NDArray[np.integer], weights: Array, counts: Sequence[int]
) -> Iterator[tuple[Indices, Indices]]:
    """Return for each of the falling `counts` the vertices kept (W,), rising, and triangles (G, 3) of places in them.

    G <= count unless no edge can collapse without a fold.

    positions  (V, 3)
    features   (V, D), scaled so that equal distances matter equally
    triangles  (F, 3)
    weights    (F,) of the area of each
    """
    here, left = features - features.mean(axis=0), triangles.astype(np.int64)
    quadrics = _quadrics(here, positions, left, weights)
    for count in counts:
        while len(left) > count:
            moved = _round(positions, here, left, quadrics, -(-(len(left) - count) // 2))
            if moved is None:
                break
            left = moved
        kept = np.unique(left)
        yield kept, np.searchsorted(kept, left)


def _quadrics(points: Array, positions: Array, triangles: Indices, weights: Array) -> Array:
    """Return (V, D + 1, D + 1) Q: (p, 1) Q (p, 1) is the weighted squared distance of p from the triangles' planes."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    area = 0.5 * weights * np.linalg.norm(_cross(positions, triangles), axis=1)
    u = _unit(b - a)
    v = c - a - np.einsum("fd,fd->f", c - a, u)[:, None] * u
    summed = np.zeros((len(points), points.shape[1] + 1, points.shape[1] + 1))
    _add(summed, triangles, _distance(a, (u, _unit(v))) * area[:, None, None])
    edges, sides, first = _edges(triangles)
    border = edges[sides == 1]
    a, b = points[border[:, 0]], points[border[:, 1]]
    length = np.linalg.norm(positions[border[:, 0]] - positions[border[:, 1]], axis=1)
    weight = BORDER_WEIGHT * weights[first[sides == 1]] * length**2
    _add(summed, border, _distance(a, (_unit(b - a),)) * weight[:, None, None])
    return summed


def _distance(point: Array, directions: Sequence[Array]) -> Array:
    """Return (n, D + 1, D + 1) quadrics of the squared distance from flats at `point` along `directions` (n, D)."""
    across = np.broadcast_to(np.eye(point.shape[1]), (len(point), *2 * point.shape[1:])).copy()
    for direction in directions:
        across -= direction[:, :, None] * direction[:, None, :]
    offset = -np.einsum("nij,nj->ni", across, point)
    quadric = np.empty((len(point), *2 * (point.shape[1] + 1,)))
    quadric[:, :-1, :-1] = across
    quadric[:, :-1, -1] = quadric[:, -1, :-1] = offset
    quadric[:, -1, -1] = -np.einsum("ni,ni->n", offset, point)
    return quadric


def _add(summed: Array, corners: Indices, terms: Array) -> None:
    """Add `terms` (n, ...) to `summed` at each of `corners` (n, k)."""
    for column in corners.T:
        np.add.at(summed, column, terms)


def _round(positions: Array, points: Array, triangles: Indices, quadrics: Array, most: int) -> Indices | None:
    """Collapse up to `most` edges far enough apart not to meet, and return the triangles; None if none can collapse."""
    edges, sides, _ = _edges(triangles)
    gone, onto = np.concatenate([edges, edges[:, ::-1]]).T
    sides, valence = np.tile(sides, 2), np.bincount(triangles.ravel())
    places = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    together = quadrics[edges[:, 0]] + quadrics[edges[:, 1]]
    ends = (places[edges[:, k]] for k in (1, 0))
    cost = np.concatenate([np.einsum("ni,nij,nj->n", end, together, end) for end in ends])
    order = np.argsort(cost, kind="stable")
    few = max(int(SHARE * len(order)), 64)
    for chosen in (order[:few], order[few:]):
        chosen = chosen[_keeps_topology(edges, valence, sides[chosen], gone[chosen], onto[chosen])]
        chosen = chosen[_without_folds(positions, triangles, gone[chosen], onto[chosen])]
        chosen = chosen[_apart(triangles, gone[chosen], onto[chosen], len(points))][:most]
        if len(chosen):
            new = np.arange(len(points))
            new[gone[chosen]] = onto[chosen]
            quadrics[onto[chosen]] += quadrics[gone[chosen]]
            moved = new[triangles]
            same = (moved == moved[:, [1, 2, 0]]).any(axis=1)
            return moved[~same]
    return None


def _edges(triangles: Indices) -> tuple[Indices, Indices, Indices]:
    """Return each edge once (E, 2), how many triangles it has (E,), and one of them (E,)."""
    ends = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    span = int(triangles.max()) + 1
    keys, first, sides = np.unique(ends[:, 0] * span + ends[:, 1], return_index=True, return_counts=True)
    return np.stack([keys // span, keys % span], axis=1), sides, first // 3


def _keeps_topology(
    edges: Indices, valence: Indices, sides: Indices, gone: Indices, onto: Indices
) -> NDArray[np.bool_]:
    """Tell which collapses pinch nothing: the ends of an edge share the neighbours across its triangles and no others.

    edges    (E, 2) all there are
    valence  (V,) triangles at each vertex
    sides    (n,) triangles at the edges in question
    """
    both = np.concatenate([edges, edges[:, ::-1]]).T
    ones, shape = np.ones(both.shape[1], np.int32), (len(valence), len(valence))
    beside = scipy.sparse.csr_matrix((ones, tuple(both)), shape=shape)
    degree = np.bincount(edges.ravel(), minlength=len(valence))
    shared = np.asarray(beside[gone].multiply(beside[onto]).sum(axis=1)).ravel()
    inner = degree == valence  # a vertex on a border has one edge more than triangles
    last = (valence[gone] == 2 * sides - 1) & (valence[onto] == 2 * sides - 1)  # a tetrahedron, a triangle: all of it
    return (shared == sides) & ((sides == 2) & inner[gone] | (sides == 1)) & ~last


def _without_folds(positions: Array, triangles: Indices, gone: Indices, onto: Indices) -> NDArray[np.bool_]:
    """Tell where the other triangles at `gone` keep their side when it moves onto `onto`."""
    corners = np.argsort(triangles.ravel(), kind="stable")
    valence = np.bincount(triangles.ravel(), minlength=len(positions))
    start = np.cumsum(valence) - valence
    which = np.repeat(np.arange(len(gone)), valence[gone])
    place = np.arange(len(which)) - np.repeat(np.cumsum(valence[gone]) - valence[gone], valence[gone])
    before = triangles[corners[start[gone][which] + place] // 3]
    after = np.where(before == gone[which][:, None], onto[which][:, None], before)
    stays = ~(before == onto[which][:, None]).any(axis=1)  # the others vanish
    cosine = np.einsum("nk,nk->n", _unit(_cross(positions, before)), _unit(_cross(positions, after)))
    folded = np.bincount(which, (cosine < LEAST_COSINE) & stays, len(gone)) > 0
    return ~folded


def _apart(triangles: Indices, gone: Indices, onto: Indices, count: int) -> NDArray[np.bool_]:
    """Tell for which collapses no earlier one touches a triangle at either end."""
    rank, late = np.arange(len(gone)), len(gone)
    at_vertex, around = np.full(count, late), np.full(count, late)
    for ends in (gone, onto):
        np.minimum.at(at_vertex, ends, rank)
    earliest = at_vertex[triangles].min(axis=1)
    for column in triangles.T:
        np.minimum.at(around, column, earliest)
    return (around[gone] == rank) & (around[onto] == rank)


def _cross(positions: Array, triangles: Indices) -> Array:
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
