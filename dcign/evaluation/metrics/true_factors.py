"""Values of labels as the true factors that metrics take: numbers, points on a circle, or classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcign.evaluation.metrics.disentanglement import Factor, circle
from render.shards.labels import Label

Values = NDArray[np.floating]
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)  # digits of a round number


def true_factor(values: Values, label: Label) -> Factor:
    """Return `values` (M,) of a label as numbers (M,) float64, points on a circle (M, 2), or classes (M,) int64."""
    if label.categories:
        return np.round(values).astype(np.int64)
    return circle(values, label.period) if label.circular else values.astype(np.float64)


def bin_width(reach: float, most: int) -> float:
    """Return a round width of bins, of which at most `most` go from 0 to `reach`."""
    if reach <= 0:
        return 1.0
    scale = 10.0 ** np.floor(np.log10(reach / most))
    return float(next(digit * scale for digit in ROUND if reach <= digit * scale * most * (1 + 1e-9)))
