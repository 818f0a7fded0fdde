"""FactorVAE score: where one factor is held, which latent moves least, and does that tell the factor?

Kim and Mnih (2018), section 4.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcign.metrics.true_factors import Factor, classes

TRAIN_VOTES, TEST_VOTES = 10_000, 5_000
IMAGES = 64  # a vote
LEAST_DEVIATION = 0.05  # standard deviation; a latent of less has collapsed and does not vote
CHUNK = 500  # votes at once, for memory


def compute(
    codes: NDArray[np.floating],
    factors: Mapping[str, Factor],
    train: NDArray[np.integer],
    test: NDArray[np.integer],
    rng: np.random.Generator,
) -> float | None:
    """Accuracy of the majority vote of images `train` on votes of images `test`, for `codes` (M, Z): 1 is best, 1 / F
    is chance.

    Works on these M images rather than on an endless supply: a vote holds a factor by drawing images of one class of it
    (`true_factors.classes`), with replacement, the class being that of an image drawn at random; all else varies as it
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
        held, drawn = draws([label[rows] for label in labels], count, rng)
        counts.append(votes(scaled, held, rows[drawn], len(labels)))
    return majority(*counts)


def draws(
    labels: list[NDArray[np.int64]], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For `count` votes V, the factor held (V,) and images (V, `IMAGES`) of one class of it. `labels` F times (M,)."""
    held = rng.integers(0, len(labels), count)
    rows = np.empty((count, IMAGES), dtype=np.int64)
    for factor, label in enumerate(labels):
        at = np.flatnonzero(held == factor)
        order, sizes = np.argsort(label, kind="stable"), np.bincount(label)
        chosen = label[rng.integers(0, len(label), len(at))]
        place = np.floor(rng.random((len(at), IMAGES)) * sizes[chosen, None]).astype(np.int64)
        rows[at] = order[(np.cumsum(sizes) - sizes)[chosen, None] + place]
    return held, rows


def votes(
    scaled: NDArray[np.floating], held: NDArray[np.integer], rows: NDArray[np.integer], factors: int
) -> NDArray[np.int64]:
    """How often the latent that varied least was z while factor f was held: (F, Z).

    `scaled` (M, Z) codes of standard deviation 1, `held` and `rows` as `draws` gives them.
    """
    counts = np.zeros((factors, scaled.shape[1]), dtype=np.int64)
    for start in range(0, len(held), CHUNK):
        stillest = np.argmin(scaled[rows[start : start + CHUNK]].var(axis=1), axis=1)
        np.add.at(counts, (held[start : start + CHUNK], stillest), 1)
    return counts


def majority(train: NDArray[np.int64], test: NDArray[np.int64]) -> float:
    """Share of the votes `test` (F, Z) whose factor is the one that most of `train` (F, Z) had for their latent."""
    chosen = np.argmax(train, axis=0)
    return float(test[chosen, np.arange(test.shape[1])].sum() / test.sum())
