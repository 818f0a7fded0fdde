"""Mutual information of single latents with factors, in nats: by bins, as MIG and modularity need it, or by neighbours.

The estimate by bins is too large by about (occupied bins - 1)(classes - 1) / 2M: much, for a factor of many classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from dcign.metrics.true_factors import Factor, equal_width, is_discrete

LATENT_BINS = 20  # of equal width


def latent_bins(codes: NDArray[np.floating]) -> NDArray[np.int64]:
    """Bins 0 .. `LATENT_BINS` - 1 of each latent of `codes` (M, Z), from its least to its largest value: (M, Z)."""
    return np.stack([equal_width(latent, LATENT_BINS) for latent in codes.T], axis=1)


def compute(
    bins: NDArray[np.integer], labels: Sequence[NDArray[np.integer]], weights: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Of each of Z latents with each of F factors, (Z, F), in nats.

    `bins` (M, Z) as `latent_bins` gives them, `labels` F times classes (M,), `weights` (M,) how often an image counts.
    """
    latents = bins.shape[1]
    cells = bins.T + LATENT_BINS * np.arange(latents)[:, None]  # (Z, M): one table of all latents
    own = _entropies(cells, latents * LATENT_BINS, latents, weights)
    found = np.zeros((latents, len(labels)))
    for column, label in enumerate(labels):
        classes = int(label.max()) + 1
        joint = _entropies(cells * classes + label, latents * LATENT_BINS * classes, latents, weights)
        found[:, column] = np.maximum(own + entropy(label, weights) - joint, 0.0)
    return found


def entropy(label: NDArray[np.integer], weights: NDArray[np.floating] | None = None) -> float:
    """Of classes (M,), in nats."""
    return float(_entropies(label[None], int(label.max()) + 1, 1, weights)[0])


def _entropies(
    cells: NDArray[np.integer], count: int, tables: int, weights: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    """Entropy of each of `tables` tables of counts, in nats: `cells` (tables, M), of `count` cells in all."""
    repeated = None if weights is None else np.broadcast_to(weights, cells.shape).ravel()
    counts = np.bincount(cells.ravel(), repeated, minlength=count).reshape(tables, -1)
    total = counts.sum(axis=1)
    return np.log(total) - np.sum(counts * np.log(np.maximum(counts, 1.0)), axis=1) / total


def nearest_neighbours(codes: NDArray[np.floating], factor: Factor) -> NDArray[np.float64]:
    """Of each latent of `codes` (M, Z) with `factor`, (Z,), in nats, from the distance to the third neighbour: no bins.

    For angles all around, (M, 2), the angle is taken as a number: information does not depend on how a factor is
    written, and the seam touches few neighbours. Not for repeated rows, which are each other's neighbours.
    Kraskov et al. (2004) for numbers, Ross (2014) for classes, as scikit-learn has them.
    """
    if is_discrete(factor):
        return np.asarray(mutual_info_classif(codes, factor, random_state=0), dtype=np.float64)
    values = factor if factor.ndim == 1 else np.arctan2(factor[:, 1], factor[:, 0])
    return np.asarray(mutual_info_regression(codes, values, random_state=0), dtype=np.float64)
