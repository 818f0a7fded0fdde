"""MIG, modularity and SAP: what single latents know of true factors, by mutual information and by prediction.

A true factor of M images is an array: (M,) integers are classes, (M,) floats are numbers, (M, 2) floats are points on
the unit circle (`circle`), for angles that go all the way around.

    mutual information  in nats, by bins, as MIG and modularity need it, or by neighbours. The estimate by bins is too
                        large by about (occupied bins - 1)(classes - 1) / 2M: much, for a factor of many classes
    MIG                 does one latent, and only one, know each factor? Chen et al. (2018), section 4
    modularity          does each latent know one factor only? Ridgeway and Mozer (2018), section 3
    SAP                 is each factor predicted from one latent, and only one? Kumar et al. (2018), section 3
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.svm import LinearSVC

from dcign.evaluation.metrics.angles import radians

BINS = 10  # of equal width, where a metric needs classes and a factor has none
LATENT_BINS = 20  # of equal width, over the values of a latent
SAP_PENALTY = 0.01  # C of its support vector machine
SAP_STILL = 1e-12  # a latent of less variance than this predicts nothing

Factor = NDArray[Any]


def circle(values: NDArray[np.floating], period: float = 360.0) -> NDArray[np.float64]:
    """Values (M,) that are the same again after `period`, degrees by default, as cosine and sine (M, 2)."""
    angle = radians(values, period)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def is_discrete(factor: Factor) -> bool:
    """True if `factor` has classes of its own."""
    return bool(np.issubdtype(factor.dtype, np.integer))


def classes(factor: Factor) -> NDArray[np.int64]:
    """Return class 0 .. K - 1 of each image, (M,). Numbers fall into `BINS` bins, angles into as many arcs."""
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
    """A factor as a target of regression: numbers (M, 1), cosine and sine of angles (M, 2), or K classes (M, K)."""
    if is_discrete(factor):
        return (classes(factor)[:, None] == np.arange(len(np.unique(factor)))).astype(np.float64)
    return factor.astype(np.float64).reshape(len(factor), -1)


def latent_bins(codes: NDArray[np.floating]) -> NDArray[np.int64]:
    """Bins 0 .. `LATENT_BINS` - 1 of each latent of `codes` (M, Z), from its least to its largest value: (M, Z)."""
    return np.stack([equal_width(latent, LATENT_BINS) for latent in codes.T], axis=1)


def mutual_information(
    bins: NDArray[np.integer], labels: Sequence[NDArray[np.integer]], weights: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Mutual information of each of Z latents with each of F factors, (Z, F), in nats.

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
    """Entropy of classes (M,), in nats."""
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
    """Mutual information of each latent of `codes` (M, Z) with `factor`, (Z,), in nats, by the third neighbour.

    For angles all around, (M, 2), the angle is taken as a number: information does not depend on how a factor is
    written, and the seam touches few neighbours. Not for repeated rows, which are each other's neighbours.
    Kraskov et al. (2004) for numbers, Ross (2014) for classes, as scikit-learn has them.
    """
    if is_discrete(factor):
        return np.asarray(mutual_info_classif(codes, factor, random_state=0), dtype=np.float64)
    values = factor if factor.ndim == 1 else np.arctan2(factor[:, 1], factor[:, 0])
    return np.asarray(mutual_info_regression(codes, values, random_state=0), dtype=np.float64)


def mig_gaps(information: NDArray[np.floating], entropies: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gap of each factor (F,): the largest of its column of `information` (Z, F) minus the second, over its entropy."""
    second, first = np.sort(information, axis=0)[-2:]
    return np.asarray((first - second) / entropies, dtype=np.float64)


def modularity_scores(information: NDArray[np.floating]) -> NDArray[np.float64]:
    """Modularity of each latent (Z,) by `information` (Z, F): 1 - (sum of squares - largest) / (largest (F - 1)).

    A latent that knows nothing scores 0.
    """
    squares = np.square(information)
    largest = squares.max(axis=1)
    others = squares.sum(axis=1) - largest
    known = largest > 0
    return np.where(known, 1.0 - others / (np.where(known, largest, 1.0) * (squares.shape[1] - 1)), 0.0)


def sap(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer] | None = None,
    test: NDArray[np.integer] | None = None,
) -> float | None:
    """Mean over `factors` of the best latent's score minus the second best's.

    `codes` (M, Z); `train`, `test` rows for the classifiers of discrete factors, all rows where they are not given.
    1 is best, 0 worst. None with fewer than two latents, without factors, or with a factor that does not vary.
    """
    if codes.shape[1] < 2 or not factors or any(np.all(factor == factor[:1]) for factor in factors.values()):
        return None
    return float(np.mean(sap_gaps(sap_scores(codes, factors, train, test))))


def sap_scores(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer] | None = None,
    test: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """Score how well each latent alone predicts each factor, (Z, F) in [0, 1].

    Numbers: squared correlation, over all rows, since nothing is fitted that could be overfitted. Angles: the squared
    correlation with the best-fitting sinusoid of the angle (`angles.circular_r2`), which a single latent
    can bring to 1. Classes: accuracy on `test` of a linear support vector machine trained on `train`.
    """
    everything = np.arange(len(codes))
    train, test = everything if train is None else train, everything if test is None else test
    latents = codes.astype(np.float64)
    return np.stack(
        [
            _sap_accuracy(latents, factor, train, test)
            if is_discrete(factor)
            else _sap_correlation(latents, columns(factor))
            for factor in factors.values()
        ],
        axis=1,
    )


def sap_gaps(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gap of each factor (F,): the largest of its column of `matrix` (Z, F) minus the second."""
    second, first = np.sort(matrix, axis=0)[-2:]
    return np.asarray(first - second, dtype=np.float64)


def _sap_correlation(codes: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the variance of each latent of `codes` (M, Z) that is linear in `target` (M, C): (Z,)."""
    centred = codes - codes.mean(axis=0)
    directions = np.linalg.svd(target - target.mean(axis=0), full_matrices=False)[0]  # (M, C), orthonormal
    spread = np.sum(centred**2, axis=0)
    moves = spread / (len(codes) - 1) > SAP_STILL
    return np.where(moves, np.sum((directions.T @ centred) ** 2, axis=0) / np.where(moves, spread, 1.0), 0.0)


def _sap_accuracy(
    codes: NDArray[np.float64], label: NDArray[np.integer], train: NDArray[np.integer], test: NDArray[np.integer]
) -> NDArray[np.float64]:
    found = []
    for latent in codes.T:
        machine = LinearSVC(C=SAP_PENALTY, class_weight="balanced", random_state=0).fit(
            latent[train, None], label[train]
        )
        found.append(np.mean(machine.predict(latent[test, None]) == label[test]))
    return np.array(found)
