"""Likelihood-free inference from a table of simulations: those nearest to what is observed, and regression among them.

Letters in shapes: O observed, T simulations of the table, D statistics, A accepted simulations, Q quantities inferred.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 256  # simulations whose statistics are held in float64 at once
# Of the ridge, in squares of the largest singular value; the last leaves no slope at all.
PENALTIES = np.append(np.logspace(-4, 2, 25), np.inf)


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
    """The `count` nearest rows (O, A) of the table by squared `distances` (O, T), and their weights (O, A).

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
    """The accepted `quantities` (A, Q), moved to where the `observed` statistics (D,) are.

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
