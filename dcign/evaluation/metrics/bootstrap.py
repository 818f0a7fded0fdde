"""Confidence intervals by bootstrap over identities: images of one object are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

DRAWS = 200
LEVEL = 0.95
FEWEST = 5  # identities: fewer say nothing about others


class Estimate(TypedDict):
    """A value and its 95 % interval; None where it is not defined, or where there are too few identities."""

    value: float | None
    low: float | None
    high: float | None


def resamples(identity: NDArray[np.integer], draws: int = DRAWS, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Draw, `draws` times, as many identities as there are in `identity` (M,), with replacement; yield their rows."""
    _, label = np.unique(identity, return_inverse=True)
    order = np.argsort(label, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(label))[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])


def estimate(
    statistic: Callable[[NDArray[np.int64]], float | None], identity: NDArray[np.integer], draws: int = DRAWS
) -> Estimate:
    """Compute `statistic` on all rows 0 .. M - 1, with the percentile interval over resampled identities, (M,).

    `statistic` is given rows, some more than once. Draws for which it is None do not count; with fewer than half of
    them left, or fewer than `FEWEST` identities, there is no interval. Efron and Tibshirani (1993), chapter 13.
    """
    value = statistic(np.arange(len(identity)))
    if value is None or len(np.unique(identity)) < FEWEST:
        return Estimate(value=value, low=None, high=None)
    found = [again for rows in resamples(identity, draws) if (again := statistic(rows)) is not None]
    return _with_interval(value, found, draws)


def mean(values: NDArray[np.floating], identity: NDArray[np.integer], draws: int = DRAWS) -> Estimate:
    """Mean of `values` (M,) with its interval: `estimate` of a mean, faster."""
    if len(values) == 0:
        return Estimate(value=None, low=None, high=None)
    _, label = np.unique(identity, return_inverse=True)
    sums, counts = np.bincount(label, values.astype(np.float64)), np.bincount(label)
    value = float(sums.sum() / counts.sum())
    if len(sums) < FEWEST:
        return Estimate(value=value, low=None, high=None)
    chosen = np.random.default_rng(0).integers(0, len(sums), (draws, len(sums)))
    return _with_interval(value, list(sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)), draws)


def root(squared: Estimate) -> Estimate:
    """Take the square root of a value and of the ends of its interval."""
    value, low, high = (
        None if number is None else float(np.sqrt(number))
        for number in (squared["value"], squared["low"], squared["high"])
    )
    return Estimate(value=value, low=low, high=high)


def scaled(estimate: Estimate, by: float | None) -> Estimate:
    """Multiply a value and its interval by `by`; the estimate is of nothing where that is None."""
    if by is None:
        return Estimate(value=None, low=None, high=None)
    numbers = (estimate["value"], estimate["low"], estimate["high"])
    value, low, high = (None if number is None else number * by for number in numbers)
    return Estimate(value=value, low=low, high=high)


def _with_interval(value: float, found: list[float], draws: int) -> Estimate:
    if len(found) * 2 < draws:
        return Estimate(value=value, low=None, high=None)
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=value, low=float(low), high=float(high))
