"""Responses of the code when one factor turns and all else of the object holds still: the paper's Figure 6, and beyond.

The right latent should follow its factor, steadily and on a straight line; all others should not move at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray

from dcign.engine.drawing import value_text
from dcign.evaluation.charts import DPI, INK, LINE, POINTS, figure_png
from dcign.evaluation.evidence import basis
from dcign.evaluation.evidence.types import Cell, Coded, Figure, Section, Sweep, Table
from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.angles import JUMP_WIDTH, circular_r2, group_circular_r2, jump_at_zero
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.evaluation.units import chart_text, in_units
from dcign.model.code import AngleLatents
from render.shards.labels import DEGREES, Label

FLAT = 0.1  # of the average slope: below this a stretch counts as flat
COLOURS = (POINTS, LINE, "#3f8f5b", "#8a5aa8", "#8c8c8c", "#b59a2a")  # of blocks of latents, or latents of a group
POINTS_OF_LINE, POINTS_OF_CIRCLE = 9, 12  # where objects have values of their own, and these are no small grid

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Course:
    """A sweep of O objects, and the P values at which their mean is told.

    values    (O, S), of which `known` (O, S) says where there are any
    points    (P,) ascending: values that all objects share, or the mean value in each of P bins
    place     (O, S) which of the points a value belongs to
    identity  (O,)
    """

    label: Label
    values: Values
    known: NDArray[np.bool_]
    points: Values
    place: NDArray[np.int64]
    identity: NDArray[np.int64]

    def pooled(self, latents: NDArray[Any], rows: NDArray[np.int64]) -> tuple[NDArray[Any], Values]:
        """Return `latents` (O, S, ...) of objects `rows`, one after another, and the values that they are at."""
        there = self.known[rows]
        return latents[rows][there], self.values[rows][there]

    def at(self, point: int, latents: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return `latents` (O, S) at one of the points, and whose they are."""
        there = self.known & (self.place == point)
        return latents[there], np.broadcast_to(self.identity[:, None], there.shape)[there]

    def moments(self, latent: Values) -> tuple[Values, Values]:
        """Return mean and standard deviation (P,) of `latent` (O, S) at each point."""
        place, there = self.place[self.known], latent[self.known]
        counts = np.bincount(place)
        mean = np.bincount(place, there) / counts
        return mean, np.sqrt(np.bincount(place, (there - mean[place]) ** 2) / counts)


def _course(sweep: Sweep, label: Label, identity: NDArray[np.int64]) -> _Course:
    values, known, shared = sweep.values, sweep.known, sweep.shared
    if shared is not None:
        place = np.broadcast_to(np.arange(len(shared)), values.shape)
        return _Course(label, values, known, shared, place, identity)
    found = np.unique(values[known])
    most = POINTS_OF_CIRCLE if label.circular else POINTS_OF_LINE
    if label.categories or len(found) <= 2 * most:
        return _Course(label, values, known, found, np.searchsorted(found, np.where(known, values, found[0])), identity)
    share = (np.where(known, values, label.low) - label.low) / (label.high - label.low)
    bins = np.clip(np.floor(share * most), 0, most - 1).astype(np.int64)
    used, place = np.unique(np.where(known, bins, bins[known][0]), return_inverse=True)
    place = place.reshape(values.shape)
    points = np.array([values[known & (place == point)].mean() for point in range(len(used))])
    return _Course(label, values, known, points, place, identity)


def measure(
    inputs: Coded,
    sweeps: Mapping[str, Sweep],
    probes: Coded,
    angle_latents: AngleLatents,
    labels: Mapping[str, Label],
) -> dict[str, Any]:
    """Measure responses to the true `sweeps` of `inputs`, by factor, for report.json.

    `probes` (M), of many objects with all factors varying, give each latent's standard deviation, and the test for a
    jump at 0 degrees. A factor without latents of its own is None, with a warning.
    """
    warnings: list[str] = []
    factors: dict[str, Any] = {}
    for name, sweep in sweeps.items():
        label = labels[name]
        if not label.varies:
            continue
        if name not in angle_latents.groups:
            warnings.append(f"{name}: no latents of its own, so there is nothing that should follow it.")
            factors[name] = None
            continue
        course = _course(sweep, label, inputs.identity[sweep.rows])
        own = angle_latents.groups[name]
        blocks = {**angle_latents.groups, "rest": angle_latents.rest}
        factors[name] = {
            "circular": label.circular,
            "angles": [float(point) for point in course.points],
            "objects": len(course.identity),
            **({} if sweep.shared is not None else {"identities": len(np.unique(course.identity))}),
            "latents": [
                _own(sweep.codes[..., latent], course)
                | {"latent": int(latent), "jump_at_zero": _jump(int(latent), name, probes, label)}
                for latent in own
            ],
            "group_r2": _group_r2(sweep.codes[..., own], course),
            "moved": {block: _moved(sweep.codes[..., latents], course, probes.codes[:, latents])
                      for block, latents in blocks.items()},
        }  # fmt: skip
        warnings += _warnings(name, factors[name], label)
    return {"factors": factors, "found": angle_latents.found, "warnings": warnings}


def _own(latent: NDArray[np.floating], course: _Course) -> dict[str, Any]:
    """Measure how `latent` (O, S) follows the factor: a line where it can, a sinusoid on a circle, or categories."""
    values = latent.astype(np.float64)
    mean, spread = course.moments(values)
    moves = bool(np.ptp(values[course.known]) > 0) and len(course.points) > 1
    answer: dict[str, Any] = {
        "mean": [bootstrap.mean(*course.at(point, values)) for point in range(len(course.points))],
        "spread": spread.tolist(),
    }
    if course.label.categories:
        return answer | {"category_r2": _over_objects(_category_r2, values, course)}
    if course.label.circular:
        turn = course.label.period
        return answer | {"sinusoid_r2": _over_objects(lambda y, x: circular_r2(y, x, turn), values, course)}
    points = course.points
    direction = 1.0 if (points - points.mean()) @ mean >= 0 else -1.0
    return answer | {
        "steps_in_order": bootstrap.mean(*_steps(direction * values, course)) if moves else None,
        "line_r2": _over_objects(_line_r2, values, course),
        "line_r2_of_mean": _line_r2(mean, points),
        "breaks": _breaks(mean, points, direction) if moves else None,
    }


def _steps(rising: Values, course: _Course) -> tuple[Values, NDArray[np.int64]]:
    """Return the share of steps to the next higher value at which each object's latent rises, and whose it is."""
    shares, identity = [], []
    for latent, values, known, who in zip(rising, course.values, course.known, course.identity, strict=True):
        up = np.diff(values[known]) > 0
        if up.any():
            shares.append(float(np.mean(np.diff(latent[known])[up] > 0)))
            identity.append(int(who))
    return np.array(shares), np.array(identity, np.int64)


def _over_objects(statistic: Callable[[Values, Values], float | None], values: Values, course: _Course) -> Estimate:
    """Compute `statistic` on all points `values` (O, S), with its interval over identities."""
    return bootstrap.estimate(lambda rows: statistic(*course.pooled(values, rows)), course.identity)


def _line_r2(values: Values, at: Values) -> float | None:
    """Share of the variance of `values` (n,) that a straight line of `at` (n,) explains."""
    if np.ptp(values) == 0 or np.ptp(at) == 0:
        return None
    return float(np.corrcoef(values, at)[0, 1] ** 2)


def _category_r2(values: Values, category: Values) -> float | None:
    """Share of the variance of `values` (n,) that the means of their categories (n,) explain."""
    if np.ptp(values) == 0 or np.ptp(category) == 0:
        return None
    number = np.unique(category, return_inverse=True)[1]
    mean = np.bincount(number, values) / np.bincount(number)
    return float(1.0 - np.sum((values - mean[number]) ** 2) / np.sum((values - values.mean()) ** 2))


def _group_r2(codes: NDArray[np.float32], course: _Course) -> Estimate | None:
    """Measure how well the point of the circle can be read off latents (O, S, W); None for one, or for no circle."""
    if not course.label.circular or codes.shape[-1] < 2:
        return None
    turn = course.label.period
    return bootstrap.estimate(lambda rows: group_circular_r2(*course.pooled(codes, rows), turn), course.identity)


def _breaks(mean: Values, points: Values, direction: float) -> list[dict[str, Any]]:
    """Find stretches where the mean response (P,) does not follow: `FLAT` against the average slope, or backwards."""
    widths, rises = np.diff(points), direction * np.diff(mean)
    slopes = rises / widths
    average = float(np.abs(rises).sum() / widths.sum())
    stretches: list[dict[str, Any]] = []
    for slope, start, end in zip(slopes, points[:-1], points[1:], strict=True):
        kind = "backwards" if slope < -FLAT * average else "flat" if slope < FLAT * average else ""
        if not kind:
            continue
        if stretches and stretches[-1]["to"] == start and stretches[-1]["kind"] == kind:
            stretches[-1]["to"] = float(end)
        else:
            stretches.append({"from": float(start), "to": float(end), "kind": kind})
    return stretches


def _moved(codes: NDArray[np.float32], course: _Course, probes: NDArray[np.float32]) -> dict[str, Any]:
    """Measure how far latents (O, S, W) move from their place at the middle value, as a root mean square over objects.

    In standard deviations over the `probes` (M, W); of a block, root of the summed squares over the root of the summed
    variances, so that latents which never say anything do not count as much as those that do.
    """
    scale = float(probes.astype(np.float64).var(axis=0).sum())
    if scale == 0:
        return {"by_angle": None, "overall": None}
    latents = codes.astype(np.float64)
    middle = latents[np.arange(len(latents)), course.known.sum(axis=1) // 2, None]
    squares = np.sum((latents - middle) ** 2, axis=2) / scale  # (O, S)
    means = np.array([row[known].mean() for row, known in zip(squares, course.known, strict=True)])
    return {
        "by_angle": [bootstrap.root(bootstrap.mean(*course.at(point, squares))) for point in range(len(course.points))],
        "overall": bootstrap.root(bootstrap.mean(means, course.identity)),
    }


def _jump(latent: int, name: str, probes: Coded, label: Label) -> Estimate:
    """Measure the jump at 0 degrees; None in other units, in which 0 is no place of its own."""
    if label.unit != DEGREES:
        return Estimate(value=None, low=None, high=None)
    return jump_at_zero(probes.codes[:, latent], probes.values[name], probes.identity, label.circular)


def _warnings(name: str, factor: Mapping[str, Any], label: Label) -> list[str]:
    lines = []
    if label.unit == DEGREES and any(entry["jump_at_zero"]["value"] is None for entry in factor["latents"]):
        lines.append(
            f"{name}: too few probes within {JUMP_WIDTH:g} degrees on either side of 0 (or a latent that "
            "never moves), so no test for a jump there."
        )
    silent = [block for block, moved in factor["moved"].items() if moved["overall"] is None]
    lines += [
        f"{_label(block)}: the same in all probes, so no measure of how far {name} moves them." for block in silent
    ]
    return lines


def section(measures: Mapping[str, Any], labels: Mapping[str, Label]) -> Section:
    """The part of the report: charts and a table of what `measure` gave."""
    known = {name: entry for name, entry in measures["factors"].items() if entry is not None}
    parts: list[Figure | Table] = [_chart(known, labels), _table(known, labels)] if known else []
    text = (
        "True images of unseen objects in which one factor turns and all else holds still, encoded. The latents of "
        "that factor should follow it, and every other latent should stay where it is."
    )
    if measures["found"]:
        text += " This training named no latents: those shown are the ones found to move most with each factor."
    text = basis.told_of_minibatches(text, measures)
    return Section("What moves when one factor turns", text, parts, list(measures["warnings"]))


def _chart(known: Mapping[str, Any], labels: Mapping[str, Label]) -> Figure:
    plot = Plot(figsize=(4.2 * len(known), 6.8), dpi=DPI, layout="constrained")
    panels = plot.subplots(2, len(known), squeeze=False)
    colours = dict(
        zip(dict.fromkeys(block for entry in known.values() for block in entry["moved"]), COLOURS, strict=False)
    )
    for column, (name, entry) in enumerate(known.items()):
        _draw_own(panels[0, column], name, entry, labels[name])
        _draw_moved(panels[1, column], name, entry, colours)
        for axes in panels[:, column]:
            axes.set_xlabel(f"true {chart_text(in_units(labels[name]))}")
            if labels[name].categories:
                names = [chart_text(labels[name].text(point)) for point in entry["angles"]]
                axes.set_xticks(entry["angles"], names, rotation=30, ha="right", fontsize=8)
            axes.grid(alpha=0.25)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=8)
    caption = (
        "Above: the latents of each factor against it, mean over objects, the band one standard deviation over them; "
        "dashed, the straight line nearest to the mean. Steep, straight and narrow is good. Below: how far each block "
        "of latents moves from where it is at the middle value, with 95 % intervals over identities. One unit is a "
        "standard deviation of the block over images of different objects in different poses; two such images lie 1.4 "
        "apart. The factor's own latents should move, all others stay at 0."
    )
    return Figure("response", figure_png(plot), caption)


def _draw_own(axes: Axes, name: str, entry: Mapping[str, Any], label: Label) -> None:
    points = np.asarray(entry["angles"])
    for latent, colour in zip(entry["latents"], COLOURS, strict=False):
        mean = np.array([estimate["value"] for estimate in latent["mean"]])
        spread = np.asarray(latent["spread"])
        line = "none" if label.categories else "-"
        what = f"mean of {_symbol(name, entry, latent)}"
        axes.plot(points, mean, color=colour, linestyle=line, marker="o", markersize=3, label=what)
        axes.fill_between(points, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        if "line_r2" in latent and len(points) > 1:
            axes.plot(points, np.polyval(np.polyfit(points, mean, 1), points), color=INK, linewidth=1, linestyle="--")
    axes.set_title(f"{name}: its own latents", color=INK)
    axes.set_ylabel(f"inferred z_{name}")


def _draw_moved(axes: Axes, name: str, entry: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    for block, moved in entry["moved"].items():
        if moved["by_angle"] is None:
            continue
        value, low, high = (
            np.array([np.nan if point[key] is None else point[key] for point in moved["by_angle"]])
            for key in ("value", "low", "high")
        )
        own, colour = block == name, colours.get(block, INK)
        label = f"{block} (its own)" if own else _label(block)
        axes.plot(entry["angles"], value, color=colour, linestyle="--" if own else "-", label=label)
        axes.fill_between(entry["angles"], low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_title(f"{name}: what moves", color=INK)
    axes.set_ylabel("moved, standard deviations")


def _table(known: Mapping[str, Any], labels: Mapping[str, Label]) -> Table:
    rows: list[list[Cell]] = []
    for name, entry in known.items():
        others = [block for block in entry["moved"] if block != name]
        label = labels[name]
        whole = "category" if label.categories else "circle" if label.circular else ""
        for latent in entry["latents"]:
            straight = next((latent[key] for key in ("line_r2", "sinusoid_r2", "category_r2") if latent.get(key)), None)
            breaks = latent.get("breaks")
            broken = "; ".join(
                f"{stretch['kind']} {value_text(label, stretch['from'])} to {value_text(label, stretch['to'])}"
                for stretch in breaks or []
            )
            rows.append(
                [
                    _symbol(name, entry, latent),
                    whole or latent["steps_in_order"],
                    straight,
                    whole or broken or ("nowhere" if breaks is not None else "never moves"),
                    latent["jump_at_zero"] if label.unit == DEGREES else "",
                    "; ".join(f"{_label(block)} {_number(entry['moved'][block]['overall'])}" for block in others),
                ]
            )
        if entry["group_r2"] is not None:
            rows.append([f"z_{name}, together", "circle", entry["group_r2"], "circle", "", ""])
    head = (
        "latent",
        "steps in order",
        "R² of a line",
        "where its mean stops following",
        "jump at 0°",
        "how far the others move",
    )
    caption = (
        "Steps in order: share of neighbouring values at which the latent of an object moves the right way (1 is "
        "monotone, 1/2 is chance). R² of one straight line for all objects (of a sinusoid where the factor goes full "
        "circle, or of the point of the circle from several latents together; of the means of categories); 1 is best. "
        "Stops following: flat is a slope below a tenth of the average, backwards a slope of the other sign. Jump: "
        "difference at 0 degrees, in "
        f"standard deviations of the latent, between straight lines fitted to the {JUMP_WIDTH:g} degrees on "
        "either side, over images in which all else varies too (compare Figure 6 of the paper, whose azimuth "
        "jumps there); an interval that holds 0 shows none. Others: root mean square over all values, in standard "
        "deviations as in the chart; 0 is best."
    )
    return Table(head, rows, caption)


def _symbol(name: str, entry: Mapping[str, Any], latent: Mapping[str, Any]) -> str:
    """'z_azimuth', or with its place in the code where there are several."""
    return f"z_{name}" if len(entry["latents"]) == 1 else f"z_{name}, latent {latent['latent']}"


def _label(block: str) -> str:
    return "all other latents" if block == "rest" else block


def _number(estimate: Estimate | None) -> str:
    return "not defined" if estimate is None or estimate["value"] is None else f"{estimate['value']:.2f}"
