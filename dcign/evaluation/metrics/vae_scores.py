"""FactorVAE and beta-VAE scores: does a code tell which factor images share?

FactorVAE (Kim and Mnih, 2018, section 4): where one factor is held, which latent moves least, and does that tell the
factor? beta-VAE (Higgins et al., 2017, section 3): can a linear classifier tell which factor two images share from how
far their codes differ?
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from dcign.evaluation.metrics.disentanglement import Factor, classes

TRAIN_VOTES, TEST_VOTES = 10_000, 5_000
VOTE_IMAGES = 64  # images of a vote
LEAST_DEVIATION = 0.05  # standard deviation; a latent of less has collapsed and does not vote
VOTES_AT_ONCE = 500  # keeps memory level
TRAIN_POINTS, TEST_POINTS = 10_000, 5_000
PAIRS = 64  # pairs of images of a point
POINTS_AT_ONCE = 250


def factor_vae_score(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer],
    test: NDArray[np.integer],
    rng: np.random.Generator,
) -> float | None:
    """Accuracy of the majority vote of images `train` on votes of images `test`, for `codes` (M, Z): 1 is best, 1 / F
    is chance.

    Works on these M images rather than on an endless supply: a vote holds a factor by drawing images of one class of it
    (`classes`), with replacement, the class being that of an image drawn at random; all else varies as it
    does among them. `train` and `test` must share no identity: the latent that happens to vary least over the same few
    images would be learnt by heart. Without a live latent nothing can be told: chance. None with fewer than 2 factors.
    """
    if len(factors) < 2:
        return None
    variances = codes.var(axis=0, ddof=1, dtype=np.float64)
    live = np.sqrt(variances) >= LEAST_DEVIATION
    if not live.any():
        return 1.0 / len(factors)
    scaled = (codes[:, live] / np.sqrt(variances[live])).astype(np.float32)
    labels = [classes(factor) for factor in factors.values()]
    counts = []
    for rows, count in ((train, TRAIN_VOTES), (test, TEST_VOTES)):
        fixed, images = vote_draws([label[rows] for label in labels], count, rng)
        counts.append(votes(scaled, fixed, rows[images], len(labels)))
    return majority(*counts)


def vote_draws(
    labels: list[NDArray[np.int64]], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw `count` votes V: the factor held fixed (V,), and images (V, `VOTE_IMAGES`) of one class of it.

    `labels` F times (M,).
    """
    fixed = rng.integers(0, len(labels), count)
    rows = np.empty((count, VOTE_IMAGES), dtype=np.int64)
    for factor, label in enumerate(labels):
        at = np.flatnonzero(fixed == factor)
        order, sizes = np.argsort(label, kind="stable"), np.bincount(label)
        chosen = label[rng.integers(0, len(label), len(at))]
        place = np.floor(rng.random((len(at), VOTE_IMAGES)) * sizes[chosen, None]).astype(np.int64)
        rows[at] = order[(np.cumsum(sizes) - sizes)[chosen, None] + place]
    return fixed, rows


def votes(
    scaled: NDArray[np.floating], fixed: NDArray[np.integer], rows: NDArray[np.integer], factors: int
) -> NDArray[np.int64]:
    """Count how often the latent that varied least was z while factor f was held fixed: (F, Z).

    `scaled` (M, Z) codes of standard deviation 1, `fixed` and `rows` as `vote_draws` gives them.
    """
    counts = np.zeros((factors, scaled.shape[1]), dtype=np.int64)
    for start in range(0, len(fixed), VOTES_AT_ONCE):
        stillest = np.argmin(scaled[rows[start : start + VOTES_AT_ONCE]].var(axis=1), axis=1)
        np.add.at(counts, (fixed[start : start + VOTES_AT_ONCE], stillest), 1)
    return counts


def majority(train: NDArray[np.int64], test: NDArray[np.int64]) -> float:
    """Share of the votes `test` (F, Z) whose factor is the one that most of `train` (F, Z) had for their latent."""
    chosen = np.argmax(train, axis=0)
    return float(test[chosen, np.arange(test.shape[1])].sum() / test.sum())


def beta_vae_score(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer],
    test: NDArray[np.integer],
    rng: np.random.Generator,
) -> float | None:
    """Accuracy on points of images `test` after training on images `train`, of `codes` (M, Z). Best is 1, chance 1 / F.

    A point is the mean over `PAIRS` pairs of the absolute difference of their codes; the images of a pair share one
    factor. Works on these M images rather than on an endless supply: a pair is an image drawn at random and another of
    its class of that factor (`classes`). `train` and `test` must share no identity. None with fewer than
    two factors, or where no two images share a class.
    """
    labels = [classes(factor) for factor in factors.values()]
    if len(labels) < 2 or any(np.bincount(label[rows]).max() < 2 for label in labels for rows in (train, test)):
        return None
    points = [
        _points(codes[rows].astype(np.float32), [label[rows] for label in labels], count, rng)
        for rows, count in ((train, TRAIN_POINTS), (test, TEST_POINTS))
    ]
    classifier = LogisticRegression(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the reference stops after as many steps
        classifier.fit(*points[0])
    return float(classifier.score(*points[1]))


def _points(
    codes: NDArray[np.float32], labels: list[NDArray[np.int64]], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Make `count` points (count, Z), and name the factor that the pairs of each share (count,)."""
    shared = rng.integers(0, len(labels), count)
    points = np.empty((count, codes.shape[1]), dtype=np.float32)
    for factor, label in enumerate(labels):
        at = np.flatnonzero(shared == factor)
        first, second = pairs(label, (len(at), PAIRS), rng)
        for start in range(0, len(at), POINTS_AT_ONCE):
            part = slice(start, start + POINTS_AT_ONCE)
            points[at[part]] = np.abs(codes[first[part]] - codes[second[part]]).mean(axis=1)
    return points, shared


def pairs(
    label: NDArray[np.int64], shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images drawn at random among those not alone in their class `label` (M,), and for each another of its class."""
    order, sizes = np.argsort(label, kind="stable"), np.bincount(label)
    starts = np.cumsum(sizes) - sizes
    place = np.empty_like(order)  # of each image within its class
    place[order] = np.arange(len(order)) - starts[label[order]]
    first = rng.choice(np.flatnonzero(sizes[label] > 1), shape)
    size = sizes[label[first]]
    step = 1 + np.floor(rng.random(shape) * (size - 1)).astype(np.int64)  # 1 .. size - 1: never itself
    return first, order[starts[label[first]] + (place[first] + step) % size]
