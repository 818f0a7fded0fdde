"""Posterior distributions of what images show, from a table of simulations, by the code and by the pixels.

Letters in shapes: O observed images, T simulations, A draws, P parameters, D statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from dcign.evaluation.evidence.types import Coded
from dcign.evaluation.metrics import inference as inference_metrics
from dcign.evaluation.metrics.disentanglement import circle

GUESS, NEAREST, ADJUSTED = "guess", "nearest", "adjusted"
NEAREST_SHARE, ADJUSTED_SHARES = 0.01, (0.01, 0.02, 0.05)  # of the table that is accepted
FEWEST_ACCEPTED = 50
TRIALS = 150  # simulations that the share of the adjusted is chosen on
GUESSES = 1000  # simulations that stand for the prior
COMPONENTS, COMPONENT_IMAGES = 100, 1000  # principal components of the pixels, and images that they are found on
BLOCK = 256  # images projected at once


@dataclass(frozen=True)
class Parameter:
    """A parameter that is inferred. `limits` (low, high) in degrees where it is an angle; None for a coefficient."""

    name: str
    limits: tuple[float, float] | None

    @property
    def circle(self) -> bool:
        return self.limits is not None and self.limits[1] - self.limits[0] >= 360.0

    @property
    def unit(self) -> str:
        return "standard deviations" if self.limits is None else "degrees"

    def quantities(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Make `values` (A,) what a linear regression can predict: (A, 1), on a circle cosine and sine (A, 2)."""
        return circle(values) if self.circle else values[:, None]

    def values(self, quantities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn `quantities` (A, 1 or 2) back into values (A,), no farther than the limits, where the prior ends."""
        if self.circle:
            return np.rad2deg(np.arctan2(quantities[:, 1], quantities[:, 0]))
        return quantities[:, 0] if self.limits is None else np.clip(quantities[:, 0], *self.limits)


@dataclass(frozen=True, eq=False)
class Draws:
    """A draws of one parameter for each of O images: `values` (O, A), and `weights` (O, A) of sum 1."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Posteriors:
    """The posteriors of O images by each method.

    images    (O, H, W) uint8
    truth     (O, P) degrees and standard deviations
    draws     method -> those of each parameter
    accepted  method -> of how many simulations they are made, for each parameter
    """

    images: NDArray[np.uint8]
    parameters: Sequence[Parameter]
    truth: NDArray[np.float64]
    draws: Mapping[str, Sequence[Draws]]
    accepted: Mapping[str, Sequence[int]]


@dataclass(frozen=True, eq=False)
class _Statistic:
    """A statistic of simulations and observed images: to compare, and (T, D) and (O, D) float64 to regress on."""

    table: NDArray[Any]
    observed: NDArray[Any]
    table_features: NDArray[np.float64]
    observed_features: NDArray[np.float64]


def infer(table: Coded, observed: Coded, parameters: Sequence[Parameter]) -> Posteriors:
    """Infer posteriors of `observed` from the simulations in `table`, which are drawn from the prior.

    Methods: `guess`, the prior; `code nearest` and `pixels nearest`, the simulations at the least Euclidean distance;
    `code adjusted` and `pixels adjusted`, the same with local linear regression on the code, or on the leading
    principal components of the pixels. How many are accepted for the last two is chosen on the table alone.
    """
    values = true_values(table, parameters)
    statistics = {
        "code": _Statistic(
            table.codes, observed.codes, table.codes.astype(np.float64), observed.codes.astype(np.float64)
        ),
        "pixels": _pixels(table.images, observed.images),
    }
    guesses = values[_even_steps(len(values), GUESSES)]
    even = np.full((len(observed.codes), len(guesses)), 1 / len(guesses))
    draws = {GUESS: [Draws(np.broadcast_to(column, even.shape), even) for column in guesses.T]}
    accepted = {GUESS: [len(guesses)] * len(parameters)}
    distances = {
        name: inference_metrics.squared_distances(statistic.observed, statistic.table)
        for name, statistic in statistics.items()
    }
    count = _count(NEAREST_SHARE, len(values))
    for name, distance in distances.items():
        rows, weights = inference_metrics.accept(distance, count)
        draws[f"{name} {NEAREST}"] = [Draws(column[rows], weights) for column in values.T]
        accepted[f"{name} {NEAREST}"] = [count] * len(parameters)
    for name, statistic in statistics.items():
        best = _best_counts(statistic, values, table.identity, parameters)
        found = {
            count: _adjusted(statistic, statistic.observed_features, distances[name], values, parameters, count)
            for count in set(best)
        }
        draws[f"{name} {ADJUSTED}"] = [found[count][column] for column, count in enumerate(best)]
        accepted[f"{name} {ADJUSTED}"] = best
    return Posteriors(observed.images, parameters, true_values(observed, parameters), draws, accepted)


def true_values(images: Coded, parameters: Sequence[Parameter]) -> NDArray[np.float64]:
    """Return the true parameters, (M, P) degrees and standard deviations."""
    columns = []
    for parameter in parameters:
        if parameter.limits is not None:
            columns.append(images.values[parameter.name])
        else:
            assert images.coefficients is not None
            columns.append(images.coefficients[:, int(parameter.name.split()[1]) - 1])
    return np.stack(columns, axis=1).astype(np.float64)


def _best_counts(
    statistic: _Statistic,
    values: NDArray[np.float64],
    identity: NDArray[np.int64],
    parameters: Sequence[Parameter],
) -> list[int]:
    """Choose how many to accept for each parameter, so that simulations are inferred best from other identities'."""
    counts = sorted({_count(share, len(values)) for share in ADJUSTED_SHARES})
    if len(counts) == 1:
        return counts * len(parameters)
    trials = _even_steps(len(values), TRIALS)
    distances = inference_metrics.squared_distances(statistic.table[trials], statistic.table)
    distances[identity[trials, None] == identity] = distances.max() + 1  # farther than all others
    scores = []
    for count in counts:
        found = _adjusted(statistic, statistic.table_features[trials], distances, values, parameters, count)
        scores.append(
            [
                inference_metrics.ranked_probability_score(own.values, own.weights, parameter.circle, truth).mean()
                for own, parameter, truth in zip(found, parameters, values[trials].T, strict=True)
            ]
        )
    return [counts[best] for best in np.argmin(scores, axis=0)]


def _adjusted(
    statistic: _Statistic,
    features: NDArray[np.float64],
    distances: NDArray[np.float64],
    values: NDArray[np.float64],
    parameters: Sequence[Parameter],
    count: int,
) -> list[Draws]:
    """Make draws for images of `features` (O, D) from the `count` simulations at the least `distances` (O, T)."""
    rows, weights = inference_metrics.accept(distances, count)
    found = np.empty((len(parameters), *rows.shape))
    quantities = [parameter.quantities(column) for parameter, column in zip(parameters, values.T, strict=True)]
    ends = np.cumsum([columns.shape[1] for columns in quantities])[:-1]
    every = np.concatenate(quantities, axis=1)
    for image, own in enumerate(rows):
        moved = inference_metrics.adjust(every[own], statistic.table_features[own], features[image], weights[image])
        for place, columns in enumerate(np.split(moved, ends, axis=1)):
            found[place, image] = parameters[place].values(columns)
    return [Draws(own, weights) for own in found]


def _pixels(table: NDArray[np.uint8], observed: NDArray[np.uint8]) -> _Statistic:
    """Grey levels (M, H, W) to compare; their principal components to regress on."""
    flat, own = table.reshape(len(table), -1), observed.reshape(len(observed), -1)
    some = flat[_even_steps(len(flat), COMPONENT_IMAGES)].astype(np.float32)
    with np.errstate(invalid="ignore"):  # shares of a variance that is 0, where all images are alike
        components = PCA(min(COMPONENTS, *some.shape), svd_solver="randomized", random_state=0).fit(some)
    return _Statistic(flat, own, _project(components, flat), _project(components, own))


def _project(components: PCA, flat: NDArray[np.uint8]) -> NDArray[np.float64]:
    blocks = [flat[start : start + BLOCK].astype(np.float32) for start in range(0, len(flat), BLOCK)]
    return np.concatenate([components.transform(block) for block in blocks]).astype(np.float64)


def _count(share: float, simulations: int) -> int:
    return max(FEWEST_ACCEPTED, round(share * simulations))


def _even_steps(count: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of `count` rows at even steps, from the first to the last."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64)
