"""Knowledge of each group of latents about each factor, measured on objects that the predictors have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dcign.evaluation.charts import INK, LINE, heat_map
from dcign.evaluation.evidence import basis
from dcign.evaluation.evidence.group_scores import REST, GroupScores, Predicted, Question, questions
from dcign.evaluation.evidence.types import Cell, Coded, Figure, Section, Table
from dcign.evaluation.metrics import groups as group_metrics
from dcign.model.code import AngleLatents
from render.shards.labels import Label

LEARNERS = ("ridge", "trees")


def measure(
    probes: Coded, angle_latents: AngleLatents, labels: Mapping[str, Label], parts: Mapping[str, int]
) -> dict[str, Any]:
    """Predict each factor from each group of latents, and score how well that goes, for report.json.

    `labels` of the probes, `parts` how many of `probes.coefficients` are of shape, albedo, expression, in their
    order; without coefficients the object itself is guessed. ValueError when `parts` do not add up to them.
    """
    warnings: list[str] = []
    named = {**angle_latents.groups, REST: angle_latents.rest}
    groups = {name: latents for name, latents in named.items() if len(latents)}
    factors = questions(probes, groups, labels, parts, warnings)
    names = [factor.name for factor in factors]
    result: dict[str, Any] = {
        "images": len(probes.codes),
        "identities": len(np.unique(probes.identity)),
        "found": angle_latents.found,
        "groups": {name: len(latents) for name, latents in groups.items()},
        "owners": {factor.name: factor.owner for factor in factors},
        "warnings": warnings,
    }
    if not factors:
        return {**result, "ridge": {}, "trees": {}, "matrix": {}, "scores": {}, "disentanglement": {}, "overall": {}}
    if len(groups) < 2:
        warnings.append("The code is one single group, so nothing can leak and no gap is defined.")
    if len(set(result["owners"].values())) < 2:
        warnings.append("All that varies belongs to one group, so no disentanglement is defined.")
    # Sums in one order, whatever the machine; and small trees on several threads spend their time waiting.
    with threadpool_limits(1):
        table = [_predict(probes, latents, factors) for latents in groups.values()]
        others = _predict_by_others(probes, groups, factors)
    for learner in LEARNERS:
        result[learner] = {
            group: {name: getattr(cell, learner) for name, cell in zip(names, row, strict=True)}
            for group, row in zip(groups, table, strict=True)
        }
    scores = GroupScores(probes.identity, list(groups), factors, table, others)
    return {
        **result,
        "matrix": {g: {f: scores.cells[i][j] for j, f in enumerate(names)} for i, g in enumerate(groups)},
        "scores": {name: scores.of_factor(column) for column, name in enumerate(names)},
        "disentanglement": {name: scores.disentanglement(number) for number, name in enumerate(groups)},
        "overall": scores.overall(),
    }


def _predict(probes: Coded, latents: NDArray[np.int64], factors: Sequence[Question]) -> list[Predicted]:
    """Predict each factor from those latents alone, by the better of ridge and trees; an object by its nearest mean."""
    codes = probes.codes[:, latents] if len(latents) else np.zeros((len(probes.codes), 1))
    fold = group_metrics.folds_by_identity(probes.identity)
    targets = [factor.target for factor in factors if factor.target is not None]
    lines = iter(group_metrics.ridge_predictions(codes, targets, fold) if targets else [])
    found = []
    for factor in factors:
        if factor.target is None:
            views = group_metrics.folds_by_view(probes.identity)
            guess = group_metrics.nearest_class_mean(codes, probes.identity, views)
            found.append(Predicted((guess != probes.identity).astype(np.float64)))
            continue
        line, bent = next(lines), group_metrics.tree_predictions(codes, factor.target, fold)
        ridge, trees = group_metrics.r2(factor.target, line), group_metrics.r2(factor.target, bent)
        better = line if (ridge or 0.0) >= (trees or 0.0) else bent
        found.append(Predicted(((factor.target - better) ** 2).sum(axis=1), better, ridge, trees))
    return found


def _predict_by_others(
    probes: Coded, groups: Mapping[str, NDArray[np.int64]], factors: Sequence[Question]
) -> list[Predicted]:
    """Predict each factor from all latents but those of the group that should know it."""
    every = np.arange(probes.codes.shape[1])
    found: dict[str, Predicted] = {}
    for owner in dict.fromkeys(factor.owner for factor in factors):
        theirs = [factor for factor in factors if factor.owner == owner]
        cells = _predict(probes, np.setdiff1d(every, groups[owner]), theirs)
        found.update(zip([factor.name for factor in theirs], cells, strict=True))
    return [found[factor.name] for factor in factors]


def section(measures: Mapping[str, Any]) -> Section:
    """The page's part on groups of latents, from what `measure` gave."""
    how = (
        "The training named no latents: for each factor, those that move most with it stand for it. "
        if measures["found"]
        else ""
    )
    text = (
        "A group of latents should know its own factor and no other. Each factor is predicted from each group by "
        "linear regression (ridge) and by gradient-boosted trees, always for objects that the predictor was not "
        f"fitted to, and the better of the two counts. {how}1 is a perfect prediction, 0 no better than the mean. "
        "Intervals are 95 %, over objects."
    )
    parts: list[Figure | Table] = []
    if measures["matrix"]:
        parts = [_matrix_figure(measures), _factor_table(measures), _group_table(measures), _learner_table(measures)]
    return Section("What each group of latents knows", basis.told(text, measures), parts, tuple(measures["warnings"]))


def _factor_table(measures: Mapping[str, Any]) -> Table:
    head = {
        "informativeness": "its own group knows (informativeness)",
        "leakage": "most that another knows (leakage)",
        "group": "which one",
        "all_but_own": "all latents but its own group know",
        "gap": "own minus best other (gap)",
        "completeness": "completeness",
        "mutual_information_gap": "mutual information gap",
    }

    def row(scores: Mapping[str, Any]) -> list[Cell]:
        leak = scores["leakage"]
        which = _label(leak["group"]) if leak.get("group") and leak["value"] else ""
        flat = {**scores, "leakage": {key: leak[key] for key in ("value", "low", "high")}, "group": which}
        return [flat.get(key, "") for key in head]

    rows: list[list[Cell]] = [[name, *row(scores)] for name, scores in measures["scores"].items()]
    rows.append(["mean", *row(measures["overall"])])
    return Table(
        ["factor", *head.values()],
        rows,
        "Good: leakage near 0, all else near 1. The gap is the group-wise counterpart of SAP and negative where the "
        "wrong group knows best; completeness, that of DCI, is 1 where one group only knows the factor; the mutual "
        "information gap, that of MIG, is the largest less the second-largest mutual information of the factor with "
        "what a group predicts for it, over the factor's entropy. The mean of completeness weights factors by how much "
        "is known of them. An object (identity) is guessed from other views of it, scaled so that chance is 0, and has "
        "no mutual information gap.",
    )


def _group_table(measures: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = [
        [_label(name), count, measures["disentanglement"][name]] for name, count in measures["groups"].items()
    ]
    rows.append(
        [
            "all, weighted by how much they know",
            sum(measures["groups"].values()),
            measures["overall"]["disentanglement"],
        ]
    )
    return Table(
        ["group", "latents", "disentanglement"],
        rows,
        "Disentanglement, as in DCI but by groups: 1 for a group that knows only what is its own, 0 for one that knows "
        "everything alike, or nothing. For it and for completeness, what cannot be told from 0 counts as 0.",
    )


def _learner_table(measures: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = [
        [f"{_label(group)}, {learner}", *measures[learner][group].values()]
        for group in measures["groups"]
        for learner in LEARNERS
    ]
    return Table(
        ["group and predictor", *measures["owners"]], rows, "R² of both predictors, of which the better is shown above."
    )


def _matrix_figure(measures: Mapping[str, Any]) -> Figure:
    groups, names = list(measures["groups"]), list(measures["owners"])
    rows = [[measures["matrix"][group][name]["value"] for name in names] for group in groups]
    rows.append([measures["scores"][name]["all_but_own"]["value"] for name in names])

    def mark(axes: Axes) -> None:
        axes.axhline(len(groups) - 0.5, color=INK, linewidth=1)
        for j, owner in enumerate(measures["owners"].values()):
            corner = (j - 0.47, groups.index(owner) - 0.47)
            axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=LINE, linewidth=2.5))

    labels = [*map(_label, groups), "all but its own group"]
    size = (3.2 + 1.05 * len(names), 1.3 + 0.7 * len(rows))
    return Figure(
        "groups",
        heat_map(np.array(rows), labels, names, "predicted, 0 to 1", size, mark),
        "How well each factor (column) is predicted from each group of latents (row) for unseen objects: R² (of "
        "categories: of which it is, 0 or 1 for each), for an object scaled accuracy. Good: dark inside the frames, "
        "which mark the group that should know, pale elsewhere. "
        "The last row is what remains when that group is taken away.",
    )


def _label(group: str) -> str:
    return "all other latents" if group == REST else f"z_{group}"
