"""Low-rank Gaussian processes on the vertices of a face, as linear modes (Luthi, Gerig, Jud, Vetter 2016).

A covariance over points is decomposed on a few hundred samples and extended to all vertices (Nystroem). Mirroring one
argument of a kernel k makes random fields that are even under the exchange of left and right, k(x, y) + k(x, mirror y),
or odd, k(x, y) - k(x, mirror y).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.morphable import Modes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """One term of a covariance: a squared exponential.

    width      correlation length in centimetres
    deviation  standard deviation of the field where `strength` is one
    strength   (n, 3) points -> (n,) relative amplitude; even in x
    """

    width: float
    deviation: float
    strength: Callable[[Array], Array]


def covariance(scales: Sequence[Scale], a: Array, b: Array) -> Array:
    """Return the (len(a), len(b)) covariance of a scalar field between points `a` (n, 3) and `b` (m, 3)."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2.0 * a @ b.T
    total = np.zeros_like(squared)
    for scale in scales:
        amplitude = scale.deviation**2 * np.outer(scale.strength(a), scale.strength(b))
        total += amplitude * np.exp(-0.5 * np.maximum(squared, 0.0) / scale.width**2)
    return total


def even_and_odd_fields(
    scales: Sequence[Scale], points: Array, samples: Array, counts: tuple[int, int]
) -> tuple[Array, Array]:
    """Return the strongest eigenfields at `points` (n, 3), even and odd under mirroring: (counts[k], n) each.

    The sum of all of them with N(0, 1) weights has the covariance of `scales`. `samples` (m, 3) lie on one half of the
    head.
    """
    mirrored = samples * [-1.0, 1.0, 1.0]
    among, among_mirrored = covariance(scales, samples, samples), covariance(scales, samples, mirrored)
    across, across_mirrored = covariance(scales, points, samples), covariance(scales, points, mirrored)
    fields = []
    for parity, count in zip((1.0, -1.0), counts, strict=True):
        values, vectors = np.linalg.eigh(0.5 * (among + parity * among_mirrored))
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        weights = vectors / np.sqrt(np.maximum(values, 1e-12))
        fields.append((0.5 * (across @ weights + parity * (across_mirrored @ weights))).T)
    return fields[0], fields[1]


def spread_samples(points: Array, count: int, weight: Array) -> NDArray[np.int64]:
    """Return indices of `count` of `points` (n, 3), each the farthest from those before, by distance times `weight`."""
    chosen = [int(np.argmax(weight))]
    distance = np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(np.argmax(distance * weight**2)))
    return np.array(chosen)


def principal_modes(groups: Sequence[Array], count: int) -> Modes:
    """Return the `count` strongest orthonormal modes of a sum of independent random fields.

    groups  arrays (k, 3V); a random field is the sum of all rows with N(0, 1) weights. Rows of different groups are
            orthogonal (symmetric and antisymmetric fields are), so that groups can be treated one by one.
    """
    rows, deviations = [], []
    for group in groups:
        values, vectors = np.linalg.eigh(group @ group.T)
        kept = values > 1e-9 * values[-1]
        rows.append((vectors[:, kept] / np.sqrt(values[kept])).T @ group)
        deviations.append(np.sqrt(values[kept]))
    deviation = np.concatenate(deviations)
    order = np.argsort(-deviation, kind="stable")[:count]
    components = np.concatenate(rows)[order]
    # An eigenvector's sign is arbitrary: turn each to one random direction. Its largest entry would not do, as those of
    # a mirror image tie, and rounding, which differs between processors, would choose.
    towards = components @ np.random.default_rng(0).standard_normal(components.shape[1])
    components *= np.where(towards < 0, -1.0, 1.0)[:, None]
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    return Modes(components.astype(np.float32), deviation[order].astype(np.float32))
