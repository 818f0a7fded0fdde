"""Colour for face models that have none: the built-in head's albedo, mean and modes, laid onto their own vertices.

The built-in head is fitted to the other one (`assets.faces.fitting`). Eyeballs, round components of their own, take
their albedo by the angle off the gaze.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from assets.cache import arrays_sha256, code_sha256, keep_arrays, read_arrays
from assets.faces import fitting
from assets.faces.fitting import Array, Indices, Mask, fit_head, target_surface
from assets.head.model import built_in_face_model, cache_path
from assets.mesh import Index, vertex_normals
from assets.morphable import Modes, MorphableModel

HIDDEN_ANGLE = 1.2  # radians off the gaze; more of an eyeball does not show between the lids
NEIGHBOURS = 3
NORMAL_WEIGHT = 0.3  # centimetres: half of what opposite normals count for when a vertex seeks its place
CAVITY = 0.15  # centimetres below the skin of the fitted head, which has no mouth cavity and shallow nostrils
MUZZLE = (0.0, -5.5, 8.5)  # between nose and mouth of the built-in head
MOUTH_REACH = 5.5  # centimetres from there; mouth and nostrils lie within, ears and eyes beyond
DARKENING = 0.6  # centimetres into a cavity over which its albedo falls to 1/e, for want of shadows there
DARKEST = 0.1
FAINTEST = 1e-4  # a mode that changes no albedo by more is none
BLOCK = 8192  # vertices
# Stands for all code that decides the albedo and how it is laid on, in the checksums of models that have it. Whoever
# changes their look on purpose replaces it by any other 64 digits.
BUILT_IN_ALBEDO = "87eba7c3ae0fbd887111d20d5dcfa40f4015baf434720d681f56e49b4271a89d"
CODE = (__file__, fitting.__file__)  # that fits and lays on
CSR = ("data", "indices", "indptr")  # arrays of a sparse matrix

RADII = (0.9, 1.6)  # centimetres
ROUNDNESS = 0.08  # largest RMS deviation from a sphere, as a share of its radius: the cornea bulges
FEWEST_VERTICES = 20
BLUR = 0.5  # of the angle between two vertices


def with_built_in_albedo(model: MorphableModel) -> MorphableModel:
    """Give `model` the mean albedo and the albedo modes of the built-in head; all else stays as it was.

    The built-in head is fitted to the mean shape, and each vertex takes the albedo of the point of the fitted head that
    it lies on; eyeballs that are balls of their own take theirs by the angle off the gaze, +Z. The cavity of the mouth
    keeps its colour. Modes that colour no vertex of `model` are left out. The fit is kept in the cache, beside the
    built-in head.
    """
    head, cavity = built_in_face_model(), np.zeros(len(model.shape_mean), bool)
    if model.cavity is not None:
        cavity = model.cavity
    outer = _without_vertices(model, cavity)
    with threadpool_limits(1):  # with more, sums would depend on their number
        source = _kept_matrix(head, outer)
        source = scipy.sparse.identity(len(cavity), np.float32, "csr")[:, ~cavity] @ source
        modes = head.albedo.components.reshape(len(head.albedo), -1, 3)
        moved = np.empty((len(modes), 3 * len(model.shape_mean)), np.float32)
        for row, mode, deviation in zip(moved, modes, head.albedo.deviations, strict=True):
            row[:] = (source @ (deviation * mode)).ravel()
        seen = np.abs(moved).max(axis=1) > FAINTEST
        mean = np.where(cavity[:, None], model.albedo_mean, np.clip(source @ head.albedo_mean, 0.0, 1.0))
        return replace(model, albedo_mean=mean, albedo=Modes.from_displacements(moved if seen.all() else moved[seen]))


def _without_vertices(model: MorphableModel, left_out: Mask) -> MorphableModel:
    """Leave out vertices: mean and triangles of the others, for a model to fit to."""
    new = np.cumsum(~left_out) - 1
    kept = model.triangles[~left_out[model.triangles].any(axis=1)]
    return replace(model, shape_mean=model.shape_mean[~left_out], triangles=new[kept].astype(np.int32))


def _kept_matrix(head: MorphableModel, model: MorphableModel) -> scipy.sparse.csr_matrix:
    """Return `transfer_matrix`, from the cache if it is there."""
    path = _cache_path(model)
    stored = read_arrays(path)
    if stored is None:
        matrix = transfer_matrix(head, model)
        stored = {name: getattr(matrix, name) for name in CSR}
        keep_arrays(path, stored)
    shape = len(model.shape_mean), len(head.shape_mean)
    return scipy.sparse.csr_matrix(tuple(stored[name] for name in CSR), shape)


def transfer_matrix(head: MorphableModel, model: MorphableModel) -> scipy.sparse.csr_matrix:
    """Return (V, U) float32: each vertex of the mean of `model` as a weighted mean of vertices of `head`."""
    own_eyes, eyes = find_eyeballs(head.shape_mean, head.triangles), find_eyeballs(model.shape_mean, model.triangles)
    vertices = model.shape_mean.astype(np.float64)
    skin = _without(len(vertices), eyes)
    used = _without(len(head.shape_mean), own_eyes) & ~_behind_eyes(head, own_eyes)
    anchors = []
    if len(eyes) == len(own_eyes) == 2:
        anchors = [(mine.vertices, theirs.centre) for mine, theirs in zip(own_eyes, eyes, strict=True)]
    else:  # eyes are part of the skin, or absent: let what shows of the eyeballs be found
        for eye in own_eyes:
            used[eye.vertices[eye.angles < HIDDEN_ANGLE]] = True
    if not skin.any():
        skin, eyes = ~skin, []
    fitted = fit_head(head, used, target_surface(vertices, model.triangles, skin, anchors))
    normals = vertex_normals(model.shape_mean, model.triangles).astype(np.float64)
    matrix, depth = _on_surface(fitted, head.triangles, used, vertices, normals, skin)
    muzzle = fitted[np.linalg.norm(head.shape_mean - MUZZLE, axis=1) < 3.0].mean(axis=0)
    inside = (depth > CAVITY) & (np.linalg.norm(vertices - muzzle, axis=1) < MOUTH_REACH)
    origin, distance = _nearest_seen(vertices, model.triangles, ~inside)
    shade = np.maximum(np.exp(-distance / DARKENING), DARKEST).astype(np.float32)
    matrix = scipy.sparse.diags(shade) @ matrix[origin]
    for mine, theirs in zip(own_eyes, eyes, strict=False):
        matrix = matrix + weights_by_angle(mine, theirs, matrix.shape)
    return matrix.tocsr()


def _without(count: int, eyes: list[Eyeball]) -> Mask:
    mask = np.ones(count, bool)
    for eye in eyes:
        mask[eye.vertices] = False
    return mask


def _behind_eyes(head: MorphableModel, eyes: list[Eyeball]) -> Mask:
    """Tell which vertices (V,) lie inside one of the eyeballs, hidden by it."""
    hidden = np.zeros(len(head.shape_mean), bool)
    for eye in eyes:
        radius = np.linalg.norm(head.shape_mean[eye.vertices] - eye.centre, axis=1).mean()
        hidden |= np.linalg.norm(head.shape_mean - eye.centre, axis=1) < 0.99 * radius
    return hidden


def _on_surface(
    fitted: Array, triangles: Index, used: Mask, points: Array, normals: Array, wanted: Mask
) -> tuple[scipy.sparse.csr_matrix, Array]:
    """Find the `wanted` points on the triangles of vertices `used`.

    Returns barycentric weights (len(points), len(fitted)), and the depth of the points under the surface, centimetres.
    """
    triangles = triangles[used[triangles].all(axis=1)]
    known = np.unique(triangles)
    touching = _triangles_of(triangles, len(fitted))
    own = vertex_normals(fitted.astype(np.float32), triangles).astype(np.float64)
    tree = cKDTree(np.concatenate([fitted[known], NORMAL_WEIGHT * own[known]], axis=1))
    rows, columns, weights = [], [], []
    depth = np.zeros(len(points))
    chosen = np.flatnonzero(wanted)
    for start in range(0, len(chosen), BLOCK):
        block = chosen[start : start + BLOCK]
        nearest = tree.query(np.concatenate([points[block], NORMAL_WEIGHT * normals[block]], axis=1), NEIGHBOURS)[1]
        candidates = touching[known[nearest]].reshape(len(block), -1)  # (m, c), -1 where there are fewer
        corners = fitted[triangles[candidates]]
        barycentric = _barycentric(points[block][:, None], corners)
        distance = ((np.einsum("mck,mckx->mcx", barycentric, corners) - points[block][:, None]) ** 2).sum(axis=2)
        best = np.argmin(np.where(candidates >= 0, distance, np.inf), axis=1)
        every = np.arange(len(block))
        chosen_corners, shares = triangles[candidates[every, best]], barycentric[every, best]
        offset = points[block] - np.einsum("mk,mkx->mx", shares, fitted[chosen_corners])
        depth[block] = -(offset * np.einsum("mk,mkx->mx", shares, own[chosen_corners])).sum(axis=1)
        rows.append(np.repeat(block, 3))
        columns.append(chosen_corners.ravel())
        weights.append(shares.ravel())
    entries = (np.concatenate(weights).astype(np.float32), (np.concatenate(rows), np.concatenate(columns)))
    return scipy.sparse.csr_matrix(entries, shape=(len(points), len(fitted))), depth


def _nearest_seen(vertices: Array, triangles: Index, seen: Mask) -> tuple[Indices, Array]:
    """Find for each vertex the nearest of those `seen` (V,), and its distance, along the edges of the mesh; (V,) each.

    Inside mouth and nostrils a vertex has no counterpart, and the nearest in space may be the skin beside the lips. A
    vertex from which none can be reached keeps to itself.
    """
    a, b = triangles.ravel(), triangles[:, [1, 2, 0]].ravel()
    lengths = np.maximum(np.linalg.norm(vertices[a] - vertices[b], axis=1), 1e-6)
    edges = scipy.sparse.csr_matrix((lengths, (a, b)), shape=(len(vertices), len(vertices)))
    distance, _, origin = dijkstra(
        edges, directed=False, indices=np.flatnonzero(seen), return_predecessors=True, min_only=True
    )
    alone = origin < 0
    return np.where(alone, np.arange(len(vertices)), origin), np.where(alone, 0.0, distance)


def _triangles_of(triangles: Index, vertex_count: int) -> Indices:
    """Return (vertex_count, valence) the triangles at each vertex, filled up with -1."""
    corners = triangles.ravel()
    order = np.argsort(corners, kind="stable")
    counts = np.bincount(corners, minlength=vertex_count)
    table = np.full((vertex_count, counts.max()), -1, np.int64)
    place = np.arange(len(corners)) - np.repeat(np.cumsum(counts) - counts, counts)
    table[corners[order], place] = order // 3
    return table


def _barycentric(points: Array, corners: Array) -> Array:
    """Return (..., 3) weights, none negative, of a point of each triangle (..., 3, 3) near `points` (..., 3)."""
    a, ab, ac = corners[..., 0, :], corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    ap = points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    area = np.maximum(d00 * d11 - d01**2, 1e-12)
    v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    weights = np.clip(np.stack([1.0 - v - w, v, w], axis=-1), 0.0, 1.0)
    return weights / weights.sum(axis=-1, keepdims=True)


def _cache_path(model: MorphableModel) -> Path:
    """Return the path of the matrix for `model`; it changes with the mean shape and with the code that fits to it."""
    key = f"{cache_path().name} {code_sha256(*CODE)} {arrays_sha256(model.shape_mean, model.triangles)}"
    return cache_path().with_name(f"albedo-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz")


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
    """Find the two eyeballs of a mesh, that of lesser x first; none unless its round components lie on two sides."""
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
    """Fit a sphere by least squares, |p|^2 = 2 p . c + (r^2 - |c|^2): centre (3,), radius and RMS error."""
    origin = points.mean(axis=0)
    local = points - origin
    system = np.concatenate([2 * local, np.ones((len(local), 1))], axis=1)
    solution = np.linalg.lstsq(system, (local**2).sum(axis=1), rcond=None)[0]
    centre, radius = solution[:3], float(np.sqrt(max(solution[3] + (solution[:3] ** 2).sum(), 0.0)))
    error = np.linalg.norm(local - centre, axis=1) - radius
    return centre + origin, radius, float(np.sqrt((error**2).mean()))


def weights_by_angle(mine: Eyeball, theirs: Eyeball, shape: tuple[int, int]) -> scipy.sparse.csr_matrix:
    """Return weights of `shape` that give `theirs` the albedo that `mine` has at the same angle off the gaze.

    It is averaged over about the distance of two vertices, so that the rims of iris and pupil are round. The albedo of
    `mine` depends on that angle alone, so one vertex stands for each.
    """
    rings, first = np.unique(np.round(mine.angles, 3), return_index=True)
    blur = np.maximum(BLUR * theirs.spacing, 0.01)[:, None]
    exponent = -0.5 * ((theirs.angles[:, None] - rings) / blur) ** 2
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True)) * np.gradient(rings)
    weights /= weights.sum(axis=1, keepdims=True)
    rows, columns = np.repeat(theirs.vertices, len(rings)), np.tile(mine.vertices[first], len(theirs.vertices))
    return scipy.sparse.csr_matrix((weights.astype(np.float32).ravel(), (rows, columns)), shape=shape)
