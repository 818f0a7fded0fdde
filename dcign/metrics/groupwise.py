"""Scores of groups of latents against factors: what one number a latent cannot say of a code that works by groups.

DC-IGN gives azimuth one latent and the identity 197. A gap between the best and the second-best *latent* of the
identity falls inside that group and is near 0 for a perfect code; between groups it is not. G groups, F factors,
`matrix` (G, F) in [0, 1]: how well each factor is predicted from each group, for instance by R^2 (`r2`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcign.metrics import mutual_information

FACTOR_BINS = 10
PREDICTION_BINS = mutual_information.LATENT_BINS


def r2(target: NDArray[np.floating], prediction: NDArray[np.floating]) -> float | None:
    """1 - squared error / variance of `target` (M, T), both summed over the T columns, clipped to [0, 1].

    None for a target that is constant. 0 says: no better than the mean.
    """
    error = float(np.sum((target.astype(np.float64) - prediction) ** 2))
    spread = float(np.sum((target.astype(np.float64) - target.mean(axis=0, dtype=np.float64)) ** 2))
    return None if spread == 0 else float(np.clip(1.0 - error / spread, 0.0, 1.0))


def disentanglement(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each group (G,): 1 - entropy of its row as a distribution over factors, in units of log F.

    1 for a group that knows one factor only; 0 for one that knows all alike, or nothing. The overall score weights
    groups by their sums (`overall`). Eastwood and Williams (2018), section 2, with R^2 for the importance.
    """
    return _concentration(matrix)


def completeness(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each factor (F,): 1 - entropy of its column as a distribution over groups, in units of log G.

    1 for a factor that one group only knows. Also called compactness.
    """
    return _concentration(matrix.T)


def overall(scores: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
    """Mean of `scores` (N,) weighted by `weights` (N,), sums of rows or columns; 0 where nothing is known at all."""
    total = float(np.sum(weights))
    return float(np.sum(scores * weights) / total) if total > 0 else 0.0


def gaps(matrix: NDArray[np.floating], own: NDArray[np.integer]) -> NDArray[np.float64]:
    """Of each factor (F,): its own group `own` (F,) minus the best other group, in [-1, 1].

    The group-wise counterpart of SAP (Kumar et al. 2018). That one takes the two best, whichever they are; here a
    factor that the wrong group knows best is negative. ValueError with a single group.
    """
    if len(matrix) < 2:
        raise ValueError("a gap needs two groups")
    columns = np.arange(matrix.shape[1])
    others = matrix.astype(np.float64)
    others[own, columns] = -np.inf
    return matrix[own, columns] - others.max(axis=0)


def information_gap(factor: NDArray[np.integer], predictions: NDArray[np.integer]) -> float | None:
    """Group-wise MIG of one factor: (largest - second mutual information) / entropy of the factor, in [0, 1].

    `factor` (M,) its bins, `predictions` (G, M) the bins of what each group predicts for it (`binned`). None for a
    factor that falls into one bin, or with fewer than two groups. Chen et al. (2018), section 4, with the held-out
    prediction in place of the latent, since a group of many latents has no bins of its own.
    """
    entropy = mutual_information.entropy(factor)
    if entropy == 0 or len(predictions) < 2:
        return None
    second, first = np.sort(mutual_information.compute(predictions.T, [factor])[:, 0])[-2:]
    return float((first - second) / entropy)


def binned(values: NDArray[np.floating], bounds: tuple[float, float], bins: int) -> NDArray[np.int64]:
    """Bins 0 .. `bins` - 1 of equal width over `bounds` that `values` (M,) fall into, the outer ones without end.

    Predictions are put on the *factor's* bounds: predictions of the mean then share a bin, as they should; on bounds of
    their own, the small differences between the folds' means would spread over all bins and look like information.
    """
    low, high = bounds
    place = np.floor((values.astype(np.float64) - low) / (high - low) * bins)
    return np.clip(place, 0, bins - 1).astype(np.int64)


def _concentration(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 - entropy of each row of (N, K), as shares of its sum, in units of log K: (N,). A row of zeros is even."""
    width = rows.shape[1]
    if width < 2:
        raise ValueError("an entropy needs two columns")
    sums = rows.sum(axis=1, keepdims=True, dtype=np.float64)
    shares = np.where(sums > 0, rows / np.where(sums > 0, sums, 1.0), 1.0 / width)
    terms = shares * np.log(np.where(shares > 0, shares, 1.0))
    return np.clip(1.0 + terms.sum(axis=1) / np.log(width), 0.0, 1.0)
