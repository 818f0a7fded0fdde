"""DCI: disentanglement, completeness and informativeness, from what boosted trees use to predict each factor.

Eastwood and Williams (2018), section 2; trees as in Locatello et al. (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor

from dcign.evaluation.metrics.disentanglement import Factor, columns, is_discrete

TEST_SHARE = 1 / 3  # of the identities
TREES, DEPTH, RATE = 100, 3, 0.1  # scikit-learn's defaults for gradient boosting


@dataclass(frozen=True, eq=False)
class Scores:
    """disentanglement  each latent serves one factor: 0 worst, 1 best
    completeness     each factor is served by one latent: 0 worst, 1 best
    informativeness  mean over factors of accuracy (classes) or R^2 (numbers, angles) on the test rows: 1 best
    per_factor       (F,) that of each factor
    importance       (Z, F): the share of latent z in the prediction of factor f; columns sum to 1, or to 0
    """

    disentanglement: float
    completeness: float
    informativeness: float
    per_factor: NDArray[np.float64]
    importance: NDArray[np.float64]


def split(identity: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on and rows to test on, no identity of `identity` (M,) in both. ValueError with fewer than two."""
    names = np.unique(identity)
    if len(names) < 2:
        raise ValueError("a split needs two identities")
    held_out = np.random.default_rng(0).permutation(names)[: max(1, round(len(names) * TEST_SHARE))]
    tested = np.isin(identity, held_out)
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def dci_scores(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer],
    test: NDArray[np.integer],
) -> Scores | None:
    """Score `codes` (M, Z) for `factors` (see `disentanglement`), fitted on rows `train`, tested on `test`.

    None with fewer than two latents or factors, or where a factor does not vary in both.
    """
    still = any(np.all(factor[rows] == factor[rows[:1]]) for factor in factors.values() for rows in (train, test))
    if codes.shape[1] < 2 or len(factors) < 2 or still:
        return None
    fits = [
        _classify(codes, factor, train, test) if is_discrete(factor) else _regress(codes, columns(factor), train, test)
        for factor in factors.values()
    ]
    importance = np.stack([shares for shares, _ in fits], axis=1)
    per_factor = np.array([quality for _, quality in fits])
    return Scores(
        disentanglement(importance), completeness(importance), float(np.mean(per_factor)), per_factor, importance
    )


def disentanglement(importance: NDArray[np.floating]) -> float:
    """Mean over latents of 1 - entropy of their row of `importance` (Z, F) in units of log F, by its sum."""
    return _concentration(importance)


def completeness(importance: NDArray[np.floating]) -> float:
    """Mean over factors of 1 - entropy of their column of `importance` (Z, F) in units of log Z, by its sum."""
    return _concentration(importance.T)


def _concentration(rows: NDArray[np.floating]) -> float:
    sums = rows.sum(axis=1)
    used = rows[sums > 0] / sums[sums > 0, None]
    if not len(used):
        return 0.0
    entropies = -np.sum(used * np.log(np.where(used > 0, used, 1.0)), axis=1) / np.log(rows.shape[1])
    return float(np.average(1.0 - entropies, weights=sums[sums > 0]))


def _classify(
    codes: NDArray[np.floating], label: NDArray[np.integer], train: NDArray[np.integer], test: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    trees = GradientBoostingClassifier(n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, random_state=0)
    trees.fit(codes[train], label[train])
    return np.abs(trees.feature_importances_), float(np.mean(trees.predict(codes[test]) == label[test]))


def _regress(
    codes: NDArray[np.floating], target: NDArray[np.float64], train: NDArray[np.integer], test: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    """Importance and R^2 for `target` (M, C); its columns (cosine and sine of an angle) count by their variance.

    Trees over bins: the same as scikit-learn's exact ones but for thresholds between 255 quantiles, ten times as fast.
    """
    gains, errors = np.zeros(codes.shape[1]), 0.0
    for column in target.T:
        trees = HistGradientBoostingRegressor(
            max_iter=TREES, max_depth=DEPTH, learning_rate=RATE, max_leaf_nodes=None, min_samples_leaf=1,
            early_stopping=False, random_state=0,
        )  # fmt: skip
        trees.fit(codes[train], column[train])
        gains += _gains(trees, codes.shape[1])
        errors += float(np.sum((trees.predict(codes[test]) - column[test]) ** 2))
    spread = float(np.sum((target[test] - target[test].mean(axis=0)) ** 2))
    return gains / gains.sum() if gains.sum() > 0 else gains, 1.0 - errors / spread


def _gains(trees: HistGradientBoostingRegressor, latents: int) -> NDArray[np.float64]:
    """Squared error that splits on each latent took away, (Z,): an importance that these trees keep to themselves."""
    gains = np.zeros(latents)
    for (tree,) in trees._predictors:
        splits = tree.nodes[tree.nodes["is_leaf"] == 0]
        np.add.at(gains, splits["feature_idx"].astype(np.int64), splits["gain"])
    return gains
