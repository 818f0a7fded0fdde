"""Is there a jump of an inferred latent at 0 degrees? The paper saw one in azimuth (section 4.1.2, Figure 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcign.metrics import bootstrap
from dcign.metrics.bootstrap import Estimate

WIDTH = 30.0  # degrees on either side
FEWEST = 10  # images on either side


def compute(
    latent: NDArray[np.floating], degrees: NDArray[np.floating], identity: NDArray[np.integer], circular: bool = False
) -> Estimate:
    """Height of the jump at 0 degrees, in standard deviations of the latent over all images.

    `latent` (M,), true `degrees` (M,), `identity` (M,) of the object in each image, which the interval is over.
    Regression discontinuity: a straight line on either side, with a slope of its own, by least squares within `WIDTH`
    degrees; the jump is the difference of the two at 0. With `circular` 350 degrees are -10. None when the latent is
    constant, or with fewer than `FEWEST` images or two angles on a side. Imbens and Lemieux (2008), section 4.
    """
    angle = degrees.astype(np.float64)
    if circular:
        angle = np.mod(angle + 180.0, 360.0) - 180.0
    values = latent.astype(np.float64)
    scale = float(values.std())
    near = np.abs(angle) <= WIDTH
    angle, values = angle[near], values[near]
    sides = (angle < 0, angle >= 0)
    if scale == 0 or any(np.sum(side) < FEWEST for side in sides):
        return Estimate(value=None, low=None, high=None)

    def jump(rows: NDArray[np.int64]) -> float | None:
        left, right = (_at_zero(angle[rows][side[rows]], values[rows][side[rows]]) for side in sides)
        return None if left is None or right is None else (right - left) / scale

    return bootstrap.estimate(jump, identity[near])


def _at_zero(angle: NDArray[np.float64], values: NDArray[np.float64]) -> float | None:
    """Height at 0 degrees of the least-squares line through points (n,); None where there is no such line."""
    if len(angle) == 0 or np.ptp(angle) == 0:
        return None
    centred = angle - angle.mean()
    slope = float(centred @ values) / float(centred @ centred)
    return float(values.mean()) - slope * float(angle.mean())
