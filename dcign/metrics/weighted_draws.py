"""What weighted draws from a distribution say of one number, on a line or on a circle of 360 degrees.

Letters in shapes: O distributions, A draws of each. Weights (O, A) sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def difference(a: NDArray[np.float64], b: NDArray[np.float64], circle: bool) -> NDArray[np.float64]:
    """`a` - `b`; on a circle the short way round, in [-180, 180)."""
    return np.mod(a - b + 180.0, 360.0) - 180.0 if circle else a - b


def mean(draws: NDArray[np.float64], weights: NDArray[np.float64], circle: bool) -> NDArray[np.float64]:
    """Means (O,) of `draws` (O, A); on a circle the direction of the mean of the points, in (-180, 180]."""
    if not circle:
        return np.sum(weights * draws, axis=1)
    angle = np.deg2rad(draws)
    return np.rad2deg(np.arctan2(np.sum(weights * np.sin(angle), axis=1), np.sum(weights * np.cos(angle), axis=1)))


def quantiles(
    draws: NDArray[np.float64], weights: NDArray[np.float64], circle: bool, levels: Sequence[float]
) -> NDArray[np.float64]:
    """Quantiles (O, L) at `levels`; on a circle counted from its far side, and so as an arc about the mean.

    The ends of such an arc are not brought into one turn: the greater is the later one.
    """
    centre, offsets = _from_centre(draws, weights, circle)
    found = np.empty((len(draws), len(levels)))
    for row, order in enumerate(np.argsort(offsets, axis=1, kind="stable")):
        below = np.cumsum(weights[row, order]) - weights[row, order] / 2
        found[row] = np.interp(levels, below, offsets[row, order])
    return centre[:, None] + found


def rank(
    draws: NDArray[np.float64], weights: NDArray[np.float64], circle: bool, truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weight (O,) of draws below `truth` (O,), and half of those equal to it, counted as `quantiles` does.

    The central interval of level L holds the truth where |2 rank - 1| <= L. Over many draws of truth and observation
    the rank is uniform where the distributions are right.
    """
    centre, offsets = _from_centre(draws, weights, circle)
    own = difference(truth, centre, circle)[:, None]
    return np.sum(weights * ((offsets < own) + 0.5 * (offsets == own)), axis=1)


def ranked_probability_score(
    draws: NDArray[np.float64], weights: NDArray[np.float64], circle: bool, truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Continuous ranked probability score (O,), in the unit of the draws: E|X - truth| - E|X - X'| / 2; 0 is best.

    It falls with the error and with a width that is not needed, and equals the error where a single value is given.
    Gneiting and Raftery (2007), equation 21; Grimit et al. (2006) on the circle, with the distance along it.
    """
    far = np.sum(weights * np.abs(difference(draws, truth[:, None], circle)), axis=1)
    apart = _apart_on_a_circle if circle else _apart
    return far - np.array([apart(row, own) for row, own in zip(draws, weights, strict=True)]) / 2


def _apart(draws: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean distance of two draws (A,) from each other: each counts by the weight below it less the weight above."""
    order = np.argsort(draws)
    own = weights[order]
    return 2 * float(np.sum(own * draws[order] * (2 * np.cumsum(own) - own - 1)))


def _apart_on_a_circle(draws: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    turned = np.mod(draws, 360.0)
    apart = np.abs(turned[:, None] - turned)
    return float(weights @ np.minimum(apart, 360.0 - apart) @ weights)


def _from_centre(
    draws: NDArray[np.float64], weights: NDArray[np.float64], circle: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where counting starts from (O,), and how far each draw (O, A) is from there."""
    centre = mean(draws, weights, circle) if circle else np.zeros(len(draws))
    return centre, difference(draws, centre[:, None], circle)
