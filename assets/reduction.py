"""Face models of fewer triangles, for small images: some of the vertices, with their modes and their own normals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assets.edge_collapse import Array, collapse_edges
from assets.mesh import Index, vertex_normals
from assets.morphable import Modes, MorphableModel

# What makes a pixel wrong by about as much: a vertex off by 1 cm, a normal or a grey level off by 1.
POSITION, NORMAL, GREY = 100.0, 100.0, 200.0
LUMA = (0.21, 0.72, 0.07)  # of red, green and blue, as they are drawn
VIEWS = 13  # from one profile to the other; what faces them counts by how much it does
UNSEEN = 0.1  # weight of what faces none, relative to the mean


def reduce_model(model: MorphableModel, triangle_count: int) -> MorphableModel:
    """`model` drawn with about `triangle_count` triangles, on some of its own vertices; never with fewer than fit."""
    return on_vertices(model, *next(reductions(model, [triangle_count])))


def reductions(model: MorphableModel, counts: Sequence[int]) -> Iterator[tuple[Index, Index]]:
    """For each of the falling `counts`, the vertices kept (W,), rising, and triangles (G, 3) of places in them.

    Where shape, normals and albedo of the mean face vary most, most is kept.
    """
    vertices = model.shape_mean.astype(np.float64)
    normals = vertex_normals(model.shape_mean, model.triangles)
    grey = (model.albedo_mean * np.array(LUMA, np.float32)).sum(axis=1)
    features = np.concatenate([POSITION * vertices, NORMAL * normals, GREY * grey[:, None]], axis=1)
    for kept, triangles in collapse_edges(
        vertices, features, model.triangles, _seen(vertices, model.triangles), counts
    ):
        yield kept.astype(np.int32), triangles.astype(np.int32)


def on_vertices(model: MorphableModel, kept: Index, triangles: Index) -> MorphableModel:
    """`model` with its vertices `kept` (W,) only, `triangles` (G, 3) between them, and the normals it has there.

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
    return replace(modes, components=fields[:, vertices].reshape(len(modes), -1))


def _seen(vertices: Array, triangles: Index) -> Array:
    """(F,) how much triangles face the views of a face from the left, the front and the right, 1 on average."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    azimuth = np.radians(np.linspace(-90, 90, VIEWS))
    facing = np.maximum(across[:, :1] * np.sin(azimuth) + across[:, 2:] * np.cos(azimuth), 0).mean(axis=1)
    return np.maximum(facing / facing.mean(), UNSEEN)
