"""Modularity: does each latent know one factor only? Ridgeway and Mozer (2018), section 3."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcign.metrics import mutual_information
from dcign.metrics.true_factors import Factor, classes


def compute(codes: NDArray[np.floating], factors: Mapping[str, Factor]) -> float | None:
    """Mean of `scores` over the latents of `codes` (M, Z): 1 is best, 0 worst. None with fewer than two factors."""
    if len(factors) < 2:
        return None
    bins = mutual_information.latent_bins(codes)
    return float(np.mean(scores(mutual_information.compute(bins, [classes(factor) for factor in factors.values()]))))


def scores(information: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each latent (Z,), from `information` (Z, F): 1 - (sum of squares - largest) / (largest (F - 1)).

    A latent that knows nothing scores 0.
    """
    squares = np.square(information)
    largest = squares.max(axis=1)
    others = squares.sum(axis=1) - largest
    known = largest > 0
    return np.where(known, 1.0 - others / (np.where(known, largest, 1.0) * (squares.shape[1] - 1)), 0.0)
