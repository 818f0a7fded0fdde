"""True factors as the metrics of disentanglement take them.

A factor of M images is an array: (M,) integers are classes, (M,) floats are numbers, (M, 2) floats are points on the
unit circle (`circle`), for angles that go all the way around.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10  # of equal width, where a metric needs classes and a factor has none

Factor = NDArray[Any]


def circle(degrees: NDArray[np.floating]) -> NDArray[np.float64]:
    """Angles (M,) in degrees as cosine and sine (M, 2)."""
    angle = np.deg2rad(degrees.astype(np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def is_discrete(factor: Factor) -> bool:
    """Whether `factor` has classes of its own."""
    return bool(np.issubdtype(factor.dtype, np.integer))


def classes(factor: Factor) -> NDArray[np.int64]:
    """Class 0 .. K - 1 of each image, (M,). Numbers fall into `BINS` bins of equal width, angles into as many arcs."""
    if factor.ndim == 2:
        turn = np.arctan2(factor[:, 1], factor[:, 0]) / (2 * np.pi) % 1.0
        label = np.minimum(np.floor(turn * BINS), BINS - 1)
    elif is_discrete(factor):
        label = factor
    else:
        label = equal_width(factor, BINS)
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


def equal_width(values: NDArray[np.floating], bins: int) -> NDArray[np.int64]:
    """Bins 0 .. `bins` - 1 of equal width from the least to the largest of `values` (M,)."""
    values = values.astype(np.float64)
    edges = np.histogram_bin_edges(values, bins)
    return np.asarray(np.digitize(values, edges[:-1]) - 1, dtype=np.int64)


def columns(factor: Factor) -> NDArray[np.float64]:
    """A continuous factor as a target of regression, (M, 1), or (M, 2) for angles: cosine and sine."""
    return factor.astype(np.float64).reshape(len(factor), -1)
