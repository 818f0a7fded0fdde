"""SAP, separated attribute predictability: is each factor predicted from one latent, and only one?

Kumar et al. (2018), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from dcign.metrics.true_factors import Factor, columns, is_discrete

PENALTY = 0.01  # C of the support vector machine
STILL = 1e-12  # a latent of less variance than this predicts nothing


def compute(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer] | None = None,
    test: NDArray[np.integer] | None = None,
) -> float | None:
    """Mean over `factors` (`dcign.metrics.true_factors`) of the best latent's score minus the second best's.

    `codes` (M, Z); `train`, `test` rows for the classifiers of discrete factors, all rows where they are not given.
    1 is best, 0 worst. None with fewer than two latents, without factors, or with a factor that does not vary.
    """
    if codes.shape[1] < 2 or not factors or any(np.all(factor == factor[:1]) for factor in factors.values()):
        return None
    return float(np.mean(gaps(scores(codes, factors, train, test))))


def scores(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer] | None = None,
    test: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """How well each latent alone predicts each factor, (Z, F) in [0, 1].

    Numbers: squared correlation, over all rows, since nothing is fitted that could be overfitted. Angles: the squared
    correlation with the best-fitting sinusoid of the angle (`dcign.metrics.circular.compute`), which a single latent
    can bring to 1. Classes: accuracy on `test` of a linear support vector machine trained on `train`.
    """
    everything = np.arange(len(codes))
    train, test = everything if train is None else train, everything if test is None else test
    latents = codes.astype(np.float64)
    return np.stack(
        [
            _accuracy(latents, factor, train, test) if is_discrete(factor) else _correlation(latents, columns(factor))
            for factor in factors.values()
        ],
        axis=1,
    )


def gaps(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each factor (F,): the largest of its column of `matrix` (Z, F) minus the second."""
    second, first = np.sort(matrix, axis=0)[-2:]
    return np.asarray(first - second, dtype=np.float64)


def _correlation(codes: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the variance of each latent of `codes` (M, Z) that is linear in `target` (M, C): (Z,)."""
    centred = codes - codes.mean(axis=0)
    directions = np.linalg.svd(target - target.mean(axis=0), full_matrices=False)[0]  # (M, C), orthonormal
    spread = np.sum(centred**2, axis=0)
    moves = spread / (len(codes) - 1) > STILL
    return np.where(moves, np.sum((directions.T @ centred) ** 2, axis=0) / np.where(moves, spread, 1.0), 0.0)


def _accuracy(
    codes: NDArray[np.float64], label: NDArray[np.integer], train: NDArray[np.integer], test: NDArray[np.integer]
) -> NDArray[np.float64]:
    found = []
    for latent in codes.T:
        machine = LinearSVC(C=PENALTY, class_weight="balanced", random_state=0).fit(latent[train, None], label[train])
        found.append(np.mean(machine.predict(latent[test, None]) == label[test]))
    return np.array(found)
