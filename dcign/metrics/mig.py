"""Mutual information gap: does one latent, and only one, know each factor? Chen et al. (2018), section 4."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcign.metrics import mutual_information
from dcign.metrics.true_factors import Factor, classes


def compute(codes: NDArray[np.floating], factors: Mapping[str, Factor]) -> float | None:
    """Mean of `gaps` over `factors` (`dcign.metrics.true_factors`) of `codes` (M, Z): 1 is best, 0 worst.

    None with fewer than two latents, without factors, or with a factor of a single class.
    """
    labels = [classes(factor) for factor in factors.values()]
    entropies = np.array([mutual_information.entropy(label) for label in labels])
    if codes.shape[1] < 2 or not labels or np.any(entropies == 0):
        return None
    information = mutual_information.compute(mutual_information.latent_bins(codes), labels)
    return float(np.mean(gaps(information, entropies)))


def gaps(information: NDArray[np.floating], entropies: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each factor (F,): the largest of its column of `information` (Z, F) minus the second, over its entropy."""
    second, first = np.sort(information, axis=0)[-2:]
    return np.asarray((first - second) / entropies, dtype=np.float64)
