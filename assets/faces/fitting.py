"""Fitting a morphable head to another head's surface: non-rigid iterative closest points (Amberg et al. 2007).

A similarity is found from several starts, then the model's shape modes bend it coarse to fine, and what the modes
cannot express is left to a smooth displacement. The two surfaces share no vertices and need not cover the same: closest
points count only where normals agree, and the less the farther they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from assets.mesh import Index, incidence, vertex_normals
from assets.morphable import MorphableModel

Array = NDArray[np.floating]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

STARTS = [(1.0, 0.0), (0.9, 0.0), (1.1, 0.0), (1.0, -12.0), (1.0, 12.0)]  # size, and degrees of pitch
START_POINTS, START_STEPS, START_REACH = 700, 8, 2.0
# Steps of the shape modes: the distance at which a match counts a quarter, in centimetres, and the weight of the prior.
SHAPE_POINTS = 1600  # of each surface
SHAPE_STEPS = [(1.5, 300.0)] * 4 + [(1.0, 100.0)] * 4 + [(0.8, 30.0)] * 5 + [(0.8, 10.0)] * 4 + [(0.7, 3.0)] * 6
# Steps of the displacement: the same distance, and how many edges far it is smoothed (as a random walk).
FREE_STEPS = [(1.0, 50), (1.0, 25), (0.8, 25), (0.8, 12), (0.7, 12), (0.6, 8), (0.5, 6), (0.4, 4), (0.4, 4)]
ALONG = 0.3  # weight of a match along the surface; across it 1
NORMAL_WEIGHT = 1.5  # centimetres: half of what opposite normals count for when closest points are sought
RELIEF_WIDTH = 1.5  # centimetres: what stands out from the average over this width is relief (ears, nose, lips)
RELIEF_WEIGHT = 2.0  # of relief when closest points are sought, that of positions being 1
CELL = 1.0  # centimetres: the average is taken over points this far apart
TARGET_VERTICES = 16_000  # more are thinned out
TOLERANCE = 0.1  # centimetres of noise in a match
ANCHOR_WEIGHT = 300.0


@dataclass(frozen=True, eq=False)
class Target:
    """The surface to fit to.

    vertices, normals  (n, 3) float64, centimetres and unit, of the vertices that take part
    relief             (n, 3) float64 centimetres, see `surface_relief`
    inner              (n,) whether a vertex is off the border of the surface
    anchors            pairs of vertices of the head (m,) and the point (3,) where their mean belongs
    """

    vertices: Array
    normals: Array
    relief: Array
    inner: Mask
    anchors: Sequence[tuple[Indices, Array]] = ()


def target_surface(
    vertices: Array, triangles: Index, used: Mask, anchors: Sequence[tuple[Indices, Array]] = ()
) -> Target:
    """Take the part of a mesh whose vertices are `used` (V,) as the surface to fit to."""
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1).astype(np.int64)
    keys, counts = np.unique(edges[:, 0] * len(vertices) + edges[:, 1], return_counts=True)
    border = keys[counts == 1]
    inner = np.ones(len(vertices), bool)
    inner[border // len(vertices)] = inner[border % len(vertices)] = False
    normals = vertex_normals(vertices.astype(np.float32), triangles).astype(np.float64)
    chosen = _thinned(np.flatnonzero(used), TARGET_VERTICES)
    relief = surface_relief(vertices, triangles, used, chosen)
    return Target(vertices[chosen].astype(np.float64), normals[chosen], relief, inner[chosen], anchors)


def fit_head(head: MorphableModel, used: Mask, target: Target) -> Array:
    """Lay the vertices `used` (V,) of `head` onto `target`; returns all its vertices, (V, 3) float64."""
    return Fit(head, used, target).vertices


class Fit:
    """A head on its way to its target: vertices = size * (mean + modes) @ turn.T + shift, then displaced."""

    def __init__(self, head: MorphableModel, used: Mask, target: Target) -> None:
        self.target = target
        self.tree = cKDTree(_descriptors(target.vertices, target.normals, target.relief))
        self.triangles = head.triangles
        self.touching = incidence(head.triangles, len(head.shape_mean))
        self.mask, self.used = used, np.flatnonzero(used)
        self.modes = np.ascontiguousarray(
            (head.shape.components * head.shape.deviations[:, None]).T.reshape(-1, 3, len(head.shape))
        )  # (V, 3, K)
        self.mean = head.shape_mean.astype(np.float64)
        self.mean_relief = surface_relief(self.mean, self.triangles, used)
        self.vertices: Array = self.mean
        self.relief: Array = self.mean_relief
        self.coefficients = np.zeros(len(head.shape))
        self._align()
        for reach, prior in SHAPE_STEPS:
            self._step(SHAPE_POINTS, reach, prior)
        self._displace()

    def _place(self, size: float, turn: Array, shift: Array) -> None:
        self.size, self.turn, self.shift = size, turn, shift
        shape = self.mean
        if self.coefficients.any():
            shape = shape + self.modes @ self.coefficients.astype(np.float32)
        self.vertices = size * shape @ turn.T + shift
        self.relief = size * self.mean_relief @ turn.T
        self._renew_normals()

    def _renew_normals(self) -> None:
        self.normals = vertex_normals(self.vertices.astype(np.float32), self.triangles, self.touching).astype(float)

    def _align(self) -> None:
        """Find size, turn and shift: from each start a few steps, and the best goes on."""
        tip, goal = nose_tip(self.mean[self.used]), nose_tip(self.target.vertices)
        ends: list[tuple[float, int, tuple[float, Array, Array]]] = []
        for size, pitch in STARTS:
            turn = Rotation.from_euler("x", pitch, degrees=True).as_matrix()
            self._place(size, turn, goal - size * turn @ tip)
            for _ in range(START_STEPS):
                self._step(START_POINTS, START_REACH, None)
            ends.append((self._misfit(), len(ends), (self.size, self.turn, self.shift)))
        self._place(*min(ends)[2])

    def _misfit(self) -> float:
        """Return the mean of d^2 / (d^2 + 1 cm^2) over the distances d of matches in both directions."""
        near, far = self._matches(START_POINTS)
        squared = ((self.vertices[near] - self.target.vertices[far]) ** 2).sum(axis=1)
        return float((squared / (squared + 1.0)).mean())

    def _matches(self, count: int) -> tuple[Indices, Indices]:
        """Return (m,) vertices of the head and (m,) of the target that are closest to each other, from both sides."""
        target = self.target
        mine, theirs = _thinned(self.used, count), _thinned(np.arange(len(target.vertices)), count)
        found = self.tree.query(_descriptors(self.vertices[mine], self.normals[mine], self.relief[mine]))[1]
        sought = _thinned(self.used, 4 * count)
        tree = cKDTree(_descriptors(self.vertices[sought], self.normals[sought], self.relief[sought]))
        back = tree.query(_descriptors(target.vertices[theirs], target.normals[theirs], target.relief[theirs]))[1]
        return np.concatenate([mine, sought[back]]), np.concatenate([found, theirs])

    def _weights(self, near: Indices, far: Indices, reach: float) -> Array:
        squared = ((self.vertices[near] - self.target.vertices[far]) ** 2).sum(axis=1)
        agreement = np.clip((self.normals[near] * self.target.normals[far]).sum(axis=1), 0.0, 1.0)
        beyond = ~self.target.inner[far]  # the head goes on where the target ends
        return agreement * ~beyond / (1.0 + squared / reach**2) ** 2

    def _step(self, count: int, reach: float, prior: float | None) -> None:
        """Take one linear least-squares step of turn, shift and size, and with a `prior` of the shape modes."""
        near, far = self._matches(count)
        weights = self._weights(near, far, reach) / TOLERANCE**2 * (500.0 / len(near))
        residual = self.target.vertices[far] - self.vertices[near]
        rows = _mostly_across(self._directions(self.vertices[near], self.modes[near], prior), self.target.normals[far])
        goal = _mostly_across(residual[..., None], self.target.normals[far])
        root = np.sqrt(weights).astype(np.float32)[:, None, None]
        system, right = (root * rows).reshape(-1, rows.shape[2]), (root * goal).reshape(-1)
        normal, side = (system.T @ system).astype(np.float64), (system.T @ right).astype(np.float64)
        for vertices, point in self.target.anchors:
            moves = self._directions(
                self.vertices[vertices].mean(axis=0)[None], self.modes[vertices].mean(axis=0)[None], prior
            )[0].astype(np.float64)
            normal += ANCHOR_WEIGHT * moves.T @ moves
            side += ANCHOR_WEIGHT * moves.T @ (point - self.vertices[vertices].mean(axis=0))
        ridge = np.full(len(normal), 1e-3)
        if prior is not None:
            ridge[7:] = prior
            side[7:] -= prior * self.coefficients
        change = np.linalg.solve(normal + np.diag(ridge), side)
        if prior is not None:
            self.coefficients = self.coefficients + change[7:]
        turn = Rotation.from_rotvec(change[:3]).as_matrix()
        growth = float(np.clip(np.exp(change[6]), 0.8, 1.25))
        centre = self.target.vertices.mean(axis=0)
        shift = growth * turn @ (self.shift - centre) + centre + change[3:6]
        self._place(growth * self.size, turn @ self.turn, shift)

    def _directions(self, points: Array, modes: Array, prior: float | None) -> Array:
        """Return (m, 3, 7 or 7 + K) float32 moves of `points` (m, 3): 3 turns, 3 shifts, growth, modes (m, 3, K)."""
        arm = points - self.target.vertices.mean(axis=0)
        turns = np.stack([np.cross(axis, arm) for axis in np.eye(3)], axis=2)
        shifts = np.broadcast_to(np.eye(3), (len(points), 3, 3))
        rigid = np.concatenate([turns, shifts, arm[..., None]], axis=2).astype(np.float32)
        if prior is None:
            return rigid
        turned = (self.size * self.turn).astype(np.float32) @ modes
        return np.concatenate([rigid, turned], axis=2)

    def _displace(self) -> None:
        """Lay the vertices onto the target by displacements that are smooth over the head's mesh."""
        walk = _random_walk(self.triangles, self.mask)
        self.relief = surface_relief(self.vertices, self.triangles, self.mask)
        for reach, steps in FREE_STEPS:
            near, far = self._matches(len(self.vertices) + len(self.target.vertices))
            weights = self._weights(near, far, reach)
            residual = self.target.vertices[far] - self.vertices[near]
            across = (residual * self.target.normals[far]).sum(axis=1, keepdims=True) * self.target.normals[far]
            pull = across + ALONG * (residual - across)
            gathered = scipy.sparse.csr_matrix(
                (weights, (near, np.arange(len(near)))), shape=(len(self.vertices), len(near))
            ) @ np.concatenate([pull, np.ones((len(pull), 1))], axis=1)
            for _ in range(steps):
                gathered = walk @ gathered
            self.vertices = self.vertices + gathered[:, :3] / (gathered[:, 3:] + 1e-3)
            self._renew_normals()


def nose_tip(vertices: Array) -> Array:
    """Return (3,) the vertex near the middle of the face (n, 3) that stands out most from what lies beside it."""
    middle = 0.5 * (vertices[:, 0].min() + vertices[:, 0].max())
    beside = np.abs(vertices[:, 0] - middle)
    candidates = vertices[beside < 0.8]
    candidates = candidates[np.argsort(-candidates[:, 2], kind="stable")][:400]
    cheeks = vertices[(beside > 2.0) & (beside < 3.5)]
    if len(candidates) == 0 or len(cheeks) == 0:
        return vertices[np.argmax(vertices[:, 2])]
    level = np.abs(candidates[:, None, 1] - cheeks[None, :, 1]) < 0.7
    behind = np.where(level, cheeks[None, :, 2], -np.inf).max(axis=1)
    height = np.where(np.isfinite(behind), candidates[:, 2] - behind, -np.inf)
    return candidates[np.argmax(height)] if np.isfinite(height).any() else candidates[0]


def surface_relief(vertices: Array, triangles: Index, used: Mask, wanted: Indices | None = None) -> Array:
    """Return (n, 3) how far each of the `wanted` vertices, or all, stands off the average of the surface around it.

    The average is over the vertices `used` (V,), weighted by area and by a Gaussian of width `RELIEF_WIDTH`.
    """
    corners = vertices[triangles].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    area = (np.bincount(triangles.ravel(), np.repeat(areas, 3), minlength=len(vertices)) + 1e-9) * used
    cells = np.floor((vertices - vertices.min(axis=0)) / CELL).astype(np.int64)
    _, cell = np.unique(cells @ [1 << 40, 1 << 20, 1], return_inverse=True)
    total = np.bincount(cell, area)
    kept = total > 0
    centres = np.stack([np.bincount(cell, area * x)[kept] / total[kept] for x in vertices.T], axis=1)
    points = vertices if wanted is None else vertices[wanted]
    middle = centres.mean(axis=0)
    near, area = (centres - middle).astype(np.float32), total[kept].astype(np.float32)
    result = np.empty((len(points), 3))
    for start in range(0, len(points), 2048):
        block = (points[start : start + 2048] - middle).astype(np.float32)
        squared = (block**2).sum(axis=1)[:, None] - 2.0 * block @ near.T + (near**2).sum(axis=1)[None]
        weight = np.exp(squared * np.float32(-0.5 / RELIEF_WIDTH**2)) * area
        average = weight @ near / np.maximum(weight.sum(axis=1, keepdims=True), np.float32(1e-12))
        result[start : start + 2048] = block - average
    return result


def _descriptors(points: Array, normals: Array, relief: Array) -> Array:
    """Return (n, 9) descriptors, whose distances measure how much places, normals and relief differ."""
    return np.concatenate([points, NORMAL_WEIGHT * normals, RELIEF_WEIGHT * relief], axis=1)


def _thinned(indices: Indices, count: int) -> Indices:
    """Return about `count` of `indices`, evenly."""
    return indices[:: max(1, len(indices) // count)]


def _mostly_across(vectors: Array, normals: Array) -> Array:
    """Scale the parts of `vectors` along the surface by `ALONG`: (m, 3, k) float32."""
    unit, fields = normals.astype(np.float32)[:, None, :], vectors.astype(np.float32)
    return ALONG * fields + (1.0 - ALONG) * unit.transpose(0, 2, 1) * (unit @ fields)


def _random_walk(triangles: Index, used: Mask) -> scipy.sparse.csr_matrix:
    """Return (V, V) one step of a random walk along the edges between vertices `used` (V,), half of it staying."""
    inside = triangles[used[triangles].all(axis=1)]
    a, b = inside[:, [0, 1, 2]].ravel(), inside[:, [1, 2, 0]].ravel()
    n = len(used)
    edges = scipy.sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)).tocsr()
    edges = ((edges + edges.T) > 0).astype(np.float64)
    degree = np.maximum(np.asarray(edges.sum(axis=1)).ravel(), 1.0)
    return (0.5 * (scipy.sparse.eye(n) + scipy.sparse.diags(1.0 / degree) @ edges)).tocsr()
