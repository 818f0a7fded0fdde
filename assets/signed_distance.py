"""Signed-distance primitives and their smooth combinations: negative inside, positive outside.

Points are (3, N) float64 arrays in centimetres, fields (N,). The fields of ellipsoids and of smooth combinations are
close to true distances near the surface only, which is all that polygonising needs. After Quilez, "Distance functions".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
Points = NDArray[np.float64]
Triple = Sequence[float]


def column(values: Triple) -> Points:
    """(3, 1), to be broadcast against points."""
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
