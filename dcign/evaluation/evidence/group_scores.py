"""Questions to groups of latents, and the scores of their answers with intervals.

A `Question` is a labelled factor, a leading coefficient, or which object it is; `GroupScores` follow from held-out
predictions of each answer by each group.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.evaluation.evidence.types import Coded
from dcign.evaluation.metrics import groups as group_metrics
from dcign.evaluation.metrics.bootstrap import Estimate, estimate
from dcign.evaluation.metrics.disentanglement import columns
from dcign.evaluation.metrics.true_factors import true_factor
from render.shards.labels import Label

REST = "intrinsic"  # the group of all latents that no label has, and the owner of all that has no group of its own
LEADING = {"shape": 3, "albedo": 1}  # coefficients that are asked for, from the first on
MOST_CLASSES = 20  # categories that can be asked for
FEWEST_IDENTITIES = 10  # fewer values of a coefficient than this cannot be predicted for unseen objects
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Question:
    """Something to be predicted for M images from a group of latents.

    owner    the group that should know it
    target   (M, T) float64; of a circle cosine and sine, of K categories 0 or 1 for each. None for which object it is
    bounds   of its bins, in what `values` gives
    classes  K, of categories; 0 for all else
    """

    name: str
    owner: str
    target: NDArray[np.float64] | None
    bounds: tuple[float, float] = (0.0, 1.0)
    classes: int = 0

    def values(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The one number of each of `rows` (M, T): of points about a circle their angle in degrees, or the category."""
        if self.classes:
            return rows.argmax(axis=1).astype(np.float64)
        return rows[:, 0] if rows.shape[1] == 1 else np.rad2deg(np.arctan2(rows[:, 1], rows[:, 0]))


def questions(
    probes: Coded,
    groups: Collection[str],
    labels: Mapping[str, Label],
    parts: Mapping[str, int],
    warnings: list[str],
) -> list[Question]:
    """List all that varies in `probes` and can be asked for; `warnings` gets a line for what cannot.

    A label without a group of its own belongs to `REST`, which had to learn it. ValueError when `parts` do not add up
    to the coefficients.
    """
    identities = len(np.unique(probes.identity))
    if identities < group_metrics.FEWEST_FOLDS:
        warnings.append(f"{identities} objects are too few to predict anything for unseen ones.")
        return []
    found = _labelled(probes, groups, labels, warnings)
    if probes.coefficients is None:
        found += _identity(probes, warnings)
    elif identities < FEWEST_IDENTITIES:
        warnings.append(
            f"{identities} identities are too few (at least {FEWEST_IDENTITIES} are needed) to predict the "
            "coefficients of unseen ones."
        )
    else:
        found += _coefficients(probes.coefficients, parts, warnings)
    for factor in found:
        if factor.owner not in groups:
            warnings.append(f"The code has no latents left for {factor.name}.")
    return [factor for factor in found if factor.owner in groups]


def _labelled(
    probes: Coded, groups: Collection[str], labels: Mapping[str, Label], warnings: list[str]
) -> list[Question]:
    found = []
    for name, label in labels.items():
        if not label.varies or name not in probes.values:
            continue
        values, owner = probes.values[name], name if name in groups else REST
        if np.ptp(values) == 0:
            warnings.append(f"{name} is the same in all {len(values)} images.")
            continue
        target = columns(true_factor(values, label))
        classes = target.shape[1] if label.categories else 0
        if classes > MOST_CLASSES:
            warnings.append(f"{name} has {classes} categories, too many (more than {MOST_CLASSES}) to ask for.")
        elif classes:
            found.append(Question(name, owner, target, (0.0, float(classes)), classes))
        else:
            bounds = (-180.0, 180.0) if label.circular else (label.low, label.high)
            found.append(Question(name, owner, target, bounds))
    return found


def _identity(probes: Coded, warnings: list[str]) -> list[Question]:
    if np.unique(probes.identity, return_counts=True)[1].min() < 2:
        warnings.append("An object has a single image, so it cannot be recognised in another.")
        return []
    return [Question("identity", REST, None)]


def _coefficients(coefficients: NDArray[np.float32], parts: Mapping[str, int], warnings: list[str]) -> list[Question]:
    if sum(parts.values()) != coefficients.shape[1]:
        raise ValueError(f"{dict(parts)} are not {coefficients.shape[1]} coefficients")
    found, start = [], 0
    for part, count in parts.items():
        for number in range(min(LEADING.get(part, 0), count)):
            name, values = f"{part} {number + 1}", coefficients[:, start + number].astype(np.float64)
            if np.ptp(values) == 0:
                warnings.append(f"{name} is the same in all {len(values)} images.")
            else:
                found.append(Question(name, REST, values[:, None], (float(values.min()), float(values.max()))))
        start += count
    return found


@dataclass(frozen=True, eq=False)
class Predicted:
    """The prediction of one factor from one set of latents: that of the better of two predictors, on images held out.

    errors        (M,) float64, squared; 0 or 1 where an object is guessed
    prediction    (M, T) float64; None where an object is guessed
    ridge, trees  R^2 of either predictor; None where an object is guessed
    """

    errors: NDArray[np.float64]
    prediction: NDArray[np.float64] | None = None
    ridge: float | None = None
    trees: float | None = None


class Matrix:
    """Scores of G groups for F factors, for any set of identities: of R^2's form, 1 - error / error of knowing nothing.

    For a guessed object that is (accuracy - chance) / (1 - chance).
    """

    def __init__(
        self, identity: NDArray[np.int64], factors: Sequence[Question], table: Sequence[Sequence[Predicted]]
    ) -> None:
        """`identity` (M,), `table` G rows of F predictions."""
        names, self._label, self._counts = np.unique(identity, return_inverse=True, return_counts=True)
        per_identity = [[np.bincount(self._label, cell.errors) for cell in row] for row in table]
        self._errors = np.array(per_identity).transpose(2, 0, 1)  # (I, G, F)
        self._squares = np.zeros((len(names), len(factors)))
        most = max([2, *(factor.target.shape[1] for factor in factors if factor.target is not None)])
        self._sums = np.zeros((len(names), len(factors), most))
        for column, factor in enumerate(factors):
            if factor.target is None:
                self._squares[:, column] = self._counts * (1 - 1 / len(names))
                continue
            target = factor.target - factor.target.mean(axis=0)
            self._squares[:, column] = np.bincount(self._label, (target**2).sum(axis=1))
            for axis, values in enumerate(target.T):
                self._sums[:, column, axis] = np.bincount(self._label, values)

    def __call__(self, rows: Rows) -> NDArray[np.float64]:
        """Score (G, F), in [0, 1], the identities of the images `rows`, as often as they are there."""
        weight = np.bincount(self._label[rows], minlength=len(self._counts)) / self._counts
        sums = np.tensordot(weight, self._sums, 1)  # (F, T)
        spread = weight @ self._squares - (sums**2).sum(axis=1) / len(rows)
        errors = np.tensordot(weight, self._errors, 1)
        return np.clip(1.0 - errors / np.maximum(spread, np.finfo(float).tiny), 0.0, 1.0)


class GroupScores:
    """The scores of G named groups for F factors. Those that need two groups, or two owners, are None without.

    cells  G rows of F Estimates: how well each group knows each factor
    """

    def __init__(
        self,
        identity: NDArray[np.int64],
        groups: Sequence[str],
        factors: Sequence[Question],
        table: Sequence[Sequence[Predicted]],
        others: Sequence[Predicted],
    ) -> None:
        """`table` (G rows of F) from each group, `others` (F) from all latents but those of each factor's own group."""
        self._identity, self._groups, self._factors, self._table = identity, groups, factors, table
        self._matrix, self._others = Matrix(identity, factors, table), Matrix(identity, factors, [others])
        self._columns = np.arange(len(factors))
        self._own = np.array([groups.index(factor.owner) for factor in factors])
        owners = list(dict.fromkeys(factor.owner for factor in factors))
        # A group with four factors of its own is to know all four; what counts is whether it knows another's.
        self._merge = np.array([[float(factor.owner == owner) for owner in owners] for factor in factors])
        self._merge /= self._merge.sum(axis=0)
        self._comparable, self._separable = len(groups) > 1, len(owners) > 1
        self.cells = [[self._cell(group, column) for column in range(len(factors))] for group in range(len(groups))]
        # Entropies take the smallest trace for knowledge: noise that happens to predict 0.1 % would be all that a group
        # knows, hence perfectly concentrated. What cannot be told from nothing counts as nothing.
        self._known = np.array([[cell["low"] is None or cell["low"] > 0 for cell in row] for row in self.cells])
        away = self._matrix(np.arange(len(identity)))
        away[self._own, self._columns] = -1.0
        self._leaking = away.argmax(axis=0)  # of each factor: the group that knows most of those that should not
        self._worst = int(away.max(axis=0).argmax())
        self._bins = [self._binned(column) for column in range(len(factors))]

    def of_factor(self, column: int) -> dict[str, Any]:
        """The scores of one factor."""
        return {
            "informativeness": self.cells[self._own[column]][column],
            "leakage": self._leak(column),
            "all_but_own": self._estimate(lambda rows: self._others(rows)[0, column]),
            "gap": self._compared(lambda rows: group_metrics.gaps(self._matrix(rows), self._own)[column]),
            "completeness": self._compared(lambda rows: group_metrics.completeness(self._counted(rows))[column]),
            "mutual_information_gap": self._estimate(lambda rows: self._information_gap(column, rows)),
        }

    def disentanglement(self, group: int) -> Estimate:
        """Disentanglement of one group, over the owners of what it knows."""
        return self._separated(lambda rows: group_metrics.disentanglement(self._counted(rows) @ self._merge)[group])

    def overall(self) -> dict[str, Any]:
        """Means over factors; disentanglement and completeness weighted by how much is known."""

        def disentanglement(rows: Rows) -> float:
            merged = self._counted(rows) @ self._merge
            return group_metrics.overall(group_metrics.disentanglement(merged), merged.sum(axis=1))

        def completeness(rows: Rows) -> float:
            matrix = self._counted(rows)
            return group_metrics.overall(group_metrics.completeness(matrix), matrix.sum(axis=0))

        return {
            "informativeness": self._estimate(lambda rows: self._matrix(rows)[self._own, self._columns].mean()),
            "leakage": self._compared(lambda rows: self._matrix(rows)[self._leaking, self._columns].mean()),
            "largest_leak": {"factor": self._factors[self._worst].name, **self._leak(self._worst)},
            "gap": self._compared(lambda rows: group_metrics.gaps(self._matrix(rows), self._own).mean()),
            "disentanglement": self._separated(disentanglement),
            "completeness": self._compared(completeness),
            "mutual_information_gap": self._estimate(self._mean_information_gap),
        }

    def _cell(self, group: int, factor: int) -> Estimate:
        return self._estimate(lambda rows: self._matrix(rows)[group, factor])

    def _counted(self, rows: Rows) -> NDArray[np.float64]:
        return np.where(self._known, self._matrix(rows), 0.0)

    def _leak(self, column: int) -> dict[str, Any]:
        """Score of the group that should not know a factor and knows most of it."""
        if not self._comparable:
            return {"group": None, "value": None, "low": None, "high": None}
        group = int(self._leaking[column])
        return {"group": self._groups[group], **self.cells[group][column]}

    def _binned(self, column: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return bins of a factor (M,) and of its predictions by each group (G, M); None where an object is guessed."""
        factor = self._factors[column]
        if factor.target is None:
            return None
        bins = factor.classes or group_metrics.FACTOR_BINS
        own = group_metrics.binned(factor.values(factor.target), factor.bounds, bins)
        predictions = [row[column].prediction for row in self._table]
        values = [factor.values(prediction) for prediction in predictions if prediction is not None]
        bins = factor.classes or group_metrics.PREDICTION_BINS
        return own, np.stack([group_metrics.binned(v, factor.bounds, bins) for v in values])

    def _information_gap(self, column: int, rows: Rows) -> float | None:
        bins = self._bins[column]
        return None if bins is None else group_metrics.information_gap(bins[0][rows], bins[1][:, rows])

    def _mean_information_gap(self, rows: Rows) -> float | None:
        gaps = [gap for column in range(len(self._factors)) if (gap := self._information_gap(column, rows)) is not None]
        return float(np.mean(gaps)) if gaps else None

    def _compared(self, statistic: Callable[[Rows], float]) -> Estimate:
        return self._estimate(statistic) if self._comparable else Estimate(value=None, low=None, high=None)

    def _separated(self, statistic: Callable[[Rows], float]) -> Estimate:
        return self._estimate(statistic) if self._separable else Estimate(value=None, low=None, high=None)

    def _estimate(self, statistic: Callable[[Rows], float | None]) -> Estimate:
        found = estimate(statistic, self._identity)
        return Estimate(value=_plain(found["value"]), low=found["low"], high=found["high"])


def _plain(value: float | None) -> float | None:
    """Return Python's own number, which JSON takes."""
    return None if value is None else float(value)
