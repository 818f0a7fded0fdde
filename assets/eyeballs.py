"""Eyeballs as parts of a mesh: round components of their own, and their albedo by the angle off the gaze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from assets.head_fitting import Array, Indices
from assets.mesh import Index

RADII = (0.9, 1.6)  # centimetres
ROUNDNESS = 0.08  # largest RMS deviation from a sphere, as a share of its radius: the cornea bulges
FEWEST_VERTICES = 20
BLUR = 0.5  # of the angle between two vertices


@dataclass(frozen=True, eq=False)
class Eyeball:
    """A ball of its own in a mesh.

    vertices  (m,) indices
    centre    (3,) centimetres
    angles    (m,) radians off the gaze, +Z
    spacing   (m,) mean difference of a vertex's angle from those of its neighbours, radians
    """

    vertices: Indices
    centre: Array
    angles: Array
    spacing: Array


def find_eyeballs(vertices: Array, triangles: Index) -> list[Eyeball]:
    """The two eyeballs of a mesh, that of lesser x first; none unless its round components lie on two sides."""
    count, labels = connected_components(
        scipy.sparse.coo_matrix(
            (np.ones(triangles.size), (triangles.ravel(), triangles[:, [1, 2, 0]].ravel())), shape=[len(vertices)] * 2
        ),
        directed=False,
    )
    sizes = np.bincount(labels, minlength=count)
    components = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    round_ones = []
    for label in np.flatnonzero((sizes >= FEWEST_VERTICES) & (sizes <= len(vertices) // 3)):
        members = components[label]
        centre, radius, error = _sphere(vertices[members].astype(np.float64))
        if RADII[0] <= radius <= RADII[1] and error <= ROUNDNESS * radius:
            round_ones.append((members, centre))
    if len(round_ones) < 2:
        return []
    middle = 0.5 * (vertices[:, 0].min() + vertices[:, 0].max())
    sides = [[ball for ball in round_ones if (ball[1][0] < middle) == left] for left in (True, False)]
    if not all(sides):
        return []
    return [_eyeball(vertices, triangles, np.concatenate([members for members, _ in side])) for side in sides]


def _eyeball(vertices: Array, triangles: Index, members: Indices) -> Eyeball:
    points = vertices[members].astype(np.float64)
    centre = _sphere(points)[0]
    offset = points - centre
    cosine = offset[:, 2] / np.maximum(np.linalg.norm(offset, axis=1), 1e-9)
    angles = np.zeros(len(vertices))
    angles[members] = np.arccos(np.clip(cosine, -1.0, 1.0))
    own = triangles[np.isin(triangles[:, 0], members)]
    edges = np.concatenate([own[:, [0, 1]], own[:, [1, 2]], own[:, [2, 0]]])
    apart = np.bincount(edges.ravel(), np.repeat(np.abs(np.diff(angles[edges], axis=1)), 2), len(vertices))
    spacing = apart / np.maximum(np.bincount(edges.ravel(), minlength=len(vertices)), 1)
    return Eyeball(members, centre, angles[members], spacing[members])


def _sphere(points: Array) -> tuple[Array, float, float]:
    """Centre (3,), radius and RMS error of the least-squares sphere, from |p|^2 = 2 p . c + (r^2 - |c|^2)."""
    origin = points.mean(axis=0)
    local = points - origin
    system = np.concatenate([2 * local, np.ones((len(local), 1))], axis=1)
    solution = np.linalg.lstsq(system, (local**2).sum(axis=1), rcond=None)[0]
    centre, radius = solution[:3], float(np.sqrt(max(solution[3] + (solution[:3] ** 2).sum(), 0.0)))
    error = np.linalg.norm(local - centre, axis=1) - radius
    return centre + origin, radius, float(np.sqrt((error**2).mean()))


def weights_by_angle(mine: Eyeball, theirs: Eyeball, shape: tuple[int, int]) -> scipy.sparse.csr_matrix:
    """`shape` weights by which the vertices of `theirs` take the albedo that `mine` has at the same angle off the gaze.

    Averaged over about the distance of two vertices, so that the rims of iris and pupil are round. The albedo of `mine`
    depends on that angle alone, so one vertex stands for each.
    """
    rings, first = np.unique(np.round(mine.angles, 3), return_index=True)
    blur = np.maximum(BLUR * theirs.spacing, 0.01)[:, None]
    exponent = -0.5 * ((theirs.angles[:, None] - rings) / blur) ** 2
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True)) * np.gradient(rings)
    weights /= weights.sum(axis=1, keepdims=True)
    rows, columns = np.repeat(theirs.vertices, len(rings)), np.tile(mine.vertices[first], len(theirs.vertices))
    return scipy.sparse.csr_matrix((weights.astype(np.float32).ravel(), (rows, columns)), shape=shape)
