"""Likelihood-free inference from a table of simulations, and what weighted draws of a distribution say of one number.

The simulations nearest to what is observed are accepted, and regression among them moves them there. A number lies on a
line or on a circle of 360 degrees.

Letters in shapes: O observed or distributions, T simulations of the table, D statistics, A accepted ones or draws,
Q quantities inferred. Weights (O, A) sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 256  # simulations whose statistics are held in float64 at once
# Penalties of the ridge, in squares of the largest singular value; the last leaves no slope at all.
PENALTIES = np.append(np.logspace(-4, 2, 25), np.inf)


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
    """Sum the weight (O,) of draws below `truth` (O,), and half of those equal to it, as `quantiles` counts.

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
    """Return where counting starts (O,), and how far each draw (O, A) is from there."""
    centre = mean(draws, weights, circle) if circle else np.zeros(len(draws))
    return centre, difference(draws, centre[:, None], circle)


def squared_distances(
    observed: NDArray[np.integer | np.floating], table: NDArray[np.integer | np.floating]
) -> NDArray[np.float64]:
    """Squared Euclidean distances (O, T) of `observed` (O, D) from the rows of `table` (T, D).

    In float64, and so exact for uint8 pixels: whole numbers far below 2^53, in whichever order they are added.
    """
    ours = observed.astype(np.float64)
    found = np.empty((len(ours), len(table)))
    for start in range(0, len(table), BLOCK):
        theirs = table[start : start + BLOCK].astype(np.float64)
        squares = np.sum(ours**2, axis=1)[:, None] + np.sum(theirs**2, axis=1)
        found[:, start : start + BLOCK] = squares - 2 * (ours @ theirs.T)
    return np.maximum(found, 0.0)  # statistics that are not whole numbers may round below


def accept(distances: NDArray[np.float64], count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pick the `count` nearest rows (O, A) of the table by squared `distances` (O, T), and weigh them (O, A).

    Weights sum to 1 and fall by the Epanechnikov kernel from the observed itself to the farthest that is accepted:
    Beaumont, Zhang and Balding (2002), equation 5. They are all alike where all are as far.
    """
    rows = np.argsort(distances, axis=1, kind="stable")[:, :count]
    squared = np.take_along_axis(distances, rows, axis=1)
    weights = squared[:, -1:] - squared
    weights = np.where(weights.any(axis=1, keepdims=True), weights, 1.0)
    return rows, weights / weights.sum(axis=1, keepdims=True)


def adjust(
    quantities: NDArray[np.float64],
    statistics: NDArray[np.float64],
    observed: NDArray[np.float64],
    weights: NDArray[np.float64],
    penalties: NDArray[np.float64] = PENALTIES,
) -> NDArray[np.float64]:
    """Move the accepted `quantities` (A, Q) to where the `observed` statistics (D,) are.

    Each becomes what the regression on `statistics` (A, D), weighted by `weights` (A,) of sum 1, expects there, plus
    its own residual: Beaumont, Zhang and Balding (2002), 'Local linear regression'. There may be more statistics than
    simulations. Therefore a ridge, for each quantity the one of `penalties` that predicts best what is left out, one
    simulation at a time; and therefore the residuals are those left out too: those of the fit itself are too small.
    """
    root = np.sqrt(weights)
    centre, middle = weights @ statistics, weights @ quantities
    left, singular, right = np.linalg.svd(root[:, None] * (statistics - centre), full_matrices=False)
    kept = singular > 1e-9 * singular.max(initial=0.0)
    left, singular, right = left[:, kept], singular[kept], right[kept]  # (A, R), (R,), (R, D)
    scores, ahead = (statistics - centre) @ right.T, (observed - centre) @ right.T  # (A, R), (R,)
    target = quantities - middle
    along = left.T @ (root[:, None] * target)  # (R, Q)
    relative = np.square(singular / singular.max(initial=np.finfo(np.float64).tiny))
    shrink = relative / (relative + penalties[:, None])  # (penalties, R)
    slopes = (shrink / singular)[:, :, None] * along  # (penalties, R, Q)
    leverage = shrink @ np.square(left).T + weights  # (penalties, A)
    residuals = (target - scores @ slopes) / np.maximum(1 - leverage, 1e-9)[:, :, None]  # (penalties, A, Q)
    best = np.argmin(weights @ residuals**2, axis=0)
    found = [middle[q] + ahead @ slopes[k, :, q] + residuals[k, :, q] for q, k in enumerate(best)]
    return np.stack(found, axis=1)
