"""Groups of latents against factors: held-out predictions of what codes know, and scores of how the groups share it.

`fold` (M,) says which part of the images each is in; a part is predicted from all others. Folds `by identity` keep an
object's images together, so that nothing is gained by knowing the object again.

DC-IGN gives azimuth one latent and the identity 197. A gap between the best and the second-best *latent* of the
identity falls inside that group and is near 0 for a perfect code; between groups it is not. G groups, F factors,
`matrix` (G, F) in [0, 1]: how well each factor is predicted from each group, for instance by R^2 (`r2`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold

from dcign.evaluation.metrics.disentanglement import LATENT_BINS, entropy, mutual_information

FOLDS = 5
FEWEST_FOLDS = 3  # the penalty is chosen within the parts left, which takes two of them
PENALTIES = np.geomspace(1e-1, 1e5, 13)  # of ridge; of columns with unit variance, some thousand images
FACTOR_BINS, PREDICTION_BINS = 10, LATENT_BINS  # of the mutual information gap


def folds_by_identity(identity: NDArray[np.integer]) -> NDArray[np.int64]:
    """Folds (M,) of about equal size that no identity (M,) is in two of. ValueError with fewer than three of them."""
    count = min(FOLDS, len(np.unique(identity)))
    if count < FEWEST_FOLDS:
        raise ValueError(f"{count} identities are too few for {FEWEST_FOLDS} folds")
    fold = np.empty(len(identity), np.int64)
    for number, (_, held_out) in enumerate(GroupKFold(count).split(identity, groups=identity)):
        fold[held_out] = number
    return fold


def folds_by_view(identity: NDArray[np.integer]) -> NDArray[np.int64]:
    """Folds (M,) that share out the images of each identity (M,) in turn. ValueError where one has a single image."""
    _, label, counts = np.unique(identity, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError("an identity has a single image, which cannot be in two folds")
    order = np.argsort(label, kind="stable")
    fold = np.empty(len(identity), np.int64)
    fold[order] = np.concatenate([np.arange(count) for count in counts]) % min(FOLDS, counts.min())
    return fold


def ridge_predictions(
    codes: NDArray[np.floating], targets: Sequence[NDArray[np.floating]], fold: NDArray[np.integer]
) -> list[NDArray[np.float64]]:
    """Held-out linear predictions of each of `targets` (M, T) from `codes` (M, W), by ridge on standardised columns.

    Each target and fold has the penalty of `PENALTIES` with the least error on the other folds, each of them held out
    in turn. Picking it on single images, as is usual, would let an object's other views tell its shape.
    """
    joint = np.hstack(targets).astype(np.float64)
    splits = np.split(np.arange(joint.shape[1]), np.cumsum([target.shape[1] for target in targets])[:-1])
    numbers = np.unique(fold)
    errors = np.zeros((len(numbers), len(PENALTIES), len(targets)))  # of each held-out fold, on the other folds
    for pair in combinations(range(len(numbers)), 2):
        left_out = np.isin(fold, numbers[list(pair)])
        squares = (_ridge_path(codes, joint, ~left_out, left_out) - joint[left_out]) ** 2  # (A, N, columns)
        for outer, inner in (pair, pair[::-1]):
            sums = squares[:, fold[left_out] == numbers[inner]].sum(axis=1)
            errors[outer] += np.stack([sums[:, columns].sum(axis=1) for columns in splits], axis=1)
    predicted = np.empty_like(joint)
    for outer, number in enumerate(numbers):
        rows = fold == number
        path = _ridge_path(codes, joint, ~rows, rows)
        for columns, best in zip(splits, errors[outer].argmin(axis=0), strict=True):
            predicted[np.ix_(rows, columns)] = path[best][:, columns]
    return [predicted[:, columns] for columns in splits]


def tree_predictions(
    codes: NDArray[np.floating], target: NDArray[np.floating], fold: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Held-out predictions (M, T) of `target` (M, T) from `codes` (M, W), by small gradient-boosted trees.

    They see what is not linear: a latent that folds, or that follows an angle around a circle.
    """
    predicted = np.empty(target.shape, np.float64)
    for number in np.unique(fold):
        rows = fold == number
        for column in range(target.shape[1]):
            # no early stopping: it would hold out single images, views of objects that it has seen
            model = HistGradientBoostingRegressor(
                max_iter=40,
                learning_rate=0.15,
                max_leaf_nodes=8,
                max_bins=63,
                min_samples_leaf=10,
                early_stopping=False,
                random_state=0,
            )
            model.fit(codes[~rows], target[~rows, column])
            predicted[rows, column] = model.predict(codes[rows])
    return predicted


def nearest_class_mean(
    codes: NDArray[np.floating], identity: NDArray[np.integer], fold: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Held-out guesses (M,) of `identity` (M,): whose mean code is nearest, each latent in units of its spread within
    identities. One that is not in a fold's complement is not guessed there."""
    names, label = np.unique(identity, return_inverse=True)
    codes = codes.astype(np.float64)
    guesses = np.empty(len(identity), np.int64)
    for number in np.unique(fold):
        rows = fold == number
        known = np.zeros((len(names), codes.shape[1]))
        np.add.at(known, label[~rows], codes[~rows])
        counts = np.bincount(label[~rows], minlength=len(names))
        known /= np.maximum(counts, 1)[:, None]
        within = (codes[~rows] - known[label[~rows]]).std(axis=0)
        within = np.maximum(within, 1e-3 * codes[~rows].std(axis=0))  # a latent that names the object without error
        scale = np.where(within > 0, within, 1.0)
        means = known / scale
        distance = np.sum(means**2, axis=1) - 2 * (codes[rows] / scale) @ means.T  # squared, but for each image's own
        guesses[rows] = names[np.where(counts > 0, distance, np.inf).argmin(axis=1)]
    return guesses


def _ridge_path(
    codes: NDArray[np.floating], targets: NDArray[np.float64], train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Predictions (A, N, T) for the N images of `test`, one for each penalty, of ridge fitted to those of `train`."""
    fitted = codes[train].astype(np.float64)
    centre, scale = fitted.mean(axis=0), fitted.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    fitted = (fitted - centre) / scale
    mean = targets[train].mean(axis=0)
    values, vectors = np.linalg.eigh(fitted.T @ fitted)
    loads = vectors.T @ (fitted.T @ (targets[train] - mean))  # (W, T)
    turned = ((codes[test] - centre) / scale) @ vectors  # (N, W)
    shrunk = loads / (np.maximum(values, 0.0)[None, :, None] + PENALTIES[:, None, None])  # (A, W, T)
    return mean + turned @ shrunk


def r2(target: NDArray[np.floating], prediction: NDArray[np.floating]) -> float | None:
    """1 - squared error / variance of `target` (M, T), both summed over the T columns, clipped to [0, 1].

    None for a target that is constant. 0 says: no better than the mean.
    """
    error = float(np.sum((target.astype(np.float64) - prediction) ** 2))
    spread = float(np.sum((target.astype(np.float64) - target.mean(axis=0, dtype=np.float64)) ** 2))
    return None if spread == 0 else float(np.clip(1.0 - error / spread, 0.0, 1.0))


def disentanglement(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Disentanglement of each group (G,): 1 - entropy of its row as a distribution over factors, in units of log F.

    1 for a group that knows one factor only; 0 for one that knows all alike, or nothing. The overall score weights
    groups by their sums (`overall`). Eastwood and Williams (2018), section 2, with R^2 for the importance.
    """
    return _concentration(matrix)


def completeness(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Completeness of each factor (F,): 1 - entropy of its column as a distribution over groups, in units of log G.

    1 for a factor that one group only knows. Also called compactness.
    """
    return _concentration(matrix.T)


def overall(scores: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
    """Mean of `scores` (N,) weighted by `weights` (N,), sums of rows or columns; 0 where nothing is known at all."""
    total = float(np.sum(weights))
    return float(np.sum(scores * weights) / total) if total > 0 else 0.0


def gaps(matrix: NDArray[np.floating], own: NDArray[np.integer]) -> NDArray[np.float64]:
    """Gap of each factor (F,): its own group `own` (F,) minus the best other group, in [-1, 1].

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
    whole = entropy(factor)
    if whole == 0 or len(predictions) < 2:
        return None
    second, first = np.sort(mutual_information(predictions.T, [factor])[:, 0])[-2:]
    return float((first - second) / whole)


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
