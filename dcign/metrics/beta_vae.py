"""beta-VAE score: can a linear classifier tell which factor two images share from how far their codes differ?

Higgins et al. (2017), section 3.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from dcign.metrics.true_factors import Factor, classes

TRAIN_POINTS, TEST_POINTS = 10_000, 5_000
PAIRS = 64  # a point
CHUNK = 250  # points at once, for memory


def compute(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer],
    test: NDArray[np.integer],
    rng: np.random.Generator,
) -> float | None:
    """Accuracy on points of images `test` after training on images `train`, of `codes` (M, Z). Best is 1, chance 1 / F.

    A point is the mean over `PAIRS` pairs of the absolute difference of their codes; the images of a pair share one
    factor. Works on these M images rather than on an endless supply: a pair is an image drawn at random and another of
    its class of that factor (`true_factors.classes`). `train` and `test` must share no identity. None with fewer than
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
    """`count` points (count, Z) and the factor that each shares (count,)."""
    shared = rng.integers(0, len(labels), count)
    points = np.empty((count, codes.shape[1]), dtype=np.float32)
    for factor, label in enumerate(labels):
        at = np.flatnonzero(shared == factor)
        first, second = pairs(label, (len(at), PAIRS), rng)
        for start in range(0, len(at), CHUNK):
            part = slice(start, start + CHUNK)
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
