"""Responses of the code when one factor turns and all else of the object holds still: the paper's Figure 6, and beyond.

The right latent should follow its factor, steadily and on a straight line; all others should not move at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray

from dcign.engine.drawing import degrees_text
from dcign.evaluation.charts import DPI, INK, LINE, POINTS, figure_png
from dcign.evaluation.evidence.types import Cell, Coded, Figure, Section, Sweep, Table
from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.angles import JUMP_WIDTH, circular_r2, group_circular_r2, jump_at_zero
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.model.code import AngleLatents

FLAT = 0.1  # of the average slope: below this a stretch counts as flat
COLOURS = (POINTS, LINE, "#3f8f5b", "#8a5aa8", "#8c8c8c", "#b59a2a")  # of blocks of latents, or latents of a group

Angles = NDArray[np.float64]


def measure(
    inputs: Coded,
    sweeps: Mapping[str, Sweep],
    probes: Coded,
    angle_latents: AngleLatents,
    ranges: Mapping[str, tuple[float, float]],
) -> dict[str, Any]:
    """Measure responses to the true `sweeps` of the objects of `inputs` (O), by factor, for report.json.

    `probes` (M), of many objects with all factors varying, give each latent's standard deviation, and the test for a
    jump at 0 degrees. A factor without latents of its own is None, with a warning.
    """
    warnings: list[str] = []
    factors: dict[str, Any] = {}
    for name, sweep in sweeps.items():
        low, high = ranges[name]
        if low == high:
            continue
        if name not in angle_latents.groups:
            warnings.append(f"{name}: no latents of its own, so there is nothing that should follow it.")
            factors[name] = None
            continue
        circle = high - low >= 360.0
        factors[name] = {
            "circular": circle,
            "angles": [float(angle) for angle in sweep.angles],
            "objects": len(inputs.identity),
            "latents": [
                _own(sweep.codes[..., latent], sweep.angles, inputs.identity, circle)
                | {"latent": int(latent), "jump_at_zero": _jump(int(latent), name, probes, circle)}
                for latent in angle_latents.groups[name]
            ],
            "group_r2": _group_r2(sweep, angle_latents.groups[name], inputs.identity) if circle else None,
            "moved": {
                block: _moved(sweep, latents, inputs.identity, probes)
                for block, latents in {**angle_latents.groups, "rest": angle_latents.rest}.items()
            },
        }
        warnings += _warnings(name, factors[name])
    return {"factors": factors, "found": angle_latents.found, "warnings": warnings}


def _own(latent: NDArray[np.floating], angles: Angles, identity: NDArray[np.int64], circle: bool) -> dict[str, Any]:
    """Measure how `latent` (O, S) follows `angles` (S,): a line where it can, a sinusoid on a circle."""
    values = latent.astype(np.float64)
    mean = values.mean(axis=0)
    moves = bool(np.ptp(values) > 0) and len(angles) > 1
    answer: dict[str, Any] = {
        "mean": [bootstrap.mean(column, identity) for column in values.T],
        "spread": [float(spread) for spread in values.std(axis=0)],
    }
    if circle:
        return answer | {"sinusoid_r2": _over_objects(_sinusoid_r2, values, angles, identity)}
    direction = 1.0 if (angles - angles.mean()) @ mean >= 0 else -1.0
    in_order = np.mean(direction * np.diff(values, axis=1) > 0, axis=1)
    return answer | {
        "steps_in_order": bootstrap.mean(in_order, identity) if moves else None,
        "line_r2": _over_objects(_line_r2, values, angles, identity),
        "line_r2_of_mean": _line_r2(mean, angles),
        "breaks": _breaks(mean, angles, direction) if moves else None,
    }


def _over_objects(statistic: Any, values: NDArray[np.float64], angles: Angles, identity: NDArray[np.int64]) -> Estimate:
    """Compute `statistic` on all points `values` (O, S) at `angles` (S,), with its interval over identities."""
    return bootstrap.estimate(
        lambda rows: statistic(values[rows].reshape(-1), np.tile(angles, len(rows))),
        identity,
    )


def _line_r2(values: NDArray[np.float64], angles: Angles) -> float | None:
    """Share of the variance of `values` (n,) that a straight line of `angles` (n,) explains."""
    if np.ptp(values) == 0 or np.ptp(angles) == 0:
        return None
    return float(np.corrcoef(values, angles)[0, 1] ** 2)


def _sinusoid_r2(values: NDArray[np.float64], angles: Angles) -> float | None:
    return circular_r2(values, angles)


def _group_r2(sweep: Sweep, own: NDArray[np.int64], identity: NDArray[np.int64]) -> Estimate | None:
    """Measure how well the point of the circle can be read off a group of latents; None for a single one."""
    if len(own) < 2:
        return None
    codes = sweep.codes[..., own]  # (O, S, W)
    return bootstrap.estimate(
        lambda rows: group_circular_r2(codes[rows].reshape(-1, len(own)), np.tile(sweep.angles, len(rows))),
        identity,
    )


def _breaks(mean: NDArray[np.float64], angles: Angles, direction: float) -> list[dict[str, Any]]:
    """Find stretches where the mean response (S,) does not follow: `FLAT` against the average slope, or backwards."""
    widths, rises = np.diff(angles), direction * np.diff(mean)
    slopes = rises / widths
    average = float(np.abs(rises).sum() / widths.sum())
    stretches: list[dict[str, Any]] = []
    for slope, start, end in zip(slopes, angles[:-1], angles[1:], strict=True):
        kind = "backwards" if slope < -FLAT * average else "flat" if slope < FLAT * average else ""
        if not kind:
            continue
        if stretches and stretches[-1]["to"] == start and stretches[-1]["kind"] == kind:
            stretches[-1]["to"] = float(end)
        else:
            stretches.append({"from": float(start), "to": float(end), "kind": kind})
    return stretches


def _moved(sweep: Sweep, latents: NDArray[np.int64], identity: NDArray[np.int64], probes: Coded) -> dict[str, Any]:
    """Measure how far `latents` (W,) move from their place at the middle angle, as a root mean square over objects.

    In standard deviations over the probes; of a block, root of the summed squares over the root of the summed
    variances, so that latents which never say anything do not count as much as those that do.
    """
    scale = float(probes.codes[:, latents].astype(np.float64).var(axis=0).sum())
    if scale == 0:
        return {"by_angle": None, "overall": None}
    codes = sweep.codes[..., latents].astype(np.float64)  # (O, S, W)
    middle = codes[:, len(sweep.angles) // 2, None]
    squares = np.sum((codes - middle) ** 2, axis=2) / scale  # (O, S)
    return {
        "by_angle": [bootstrap.root(bootstrap.mean(column, identity)) for column in squares.T],
        "overall": bootstrap.root(bootstrap.mean(squares.mean(axis=1), identity)),
    }


def _jump(latent: int, name: str, probes: Coded, circle: bool) -> Estimate:
    return jump_at_zero(probes.codes[:, latent], probes.values[name], probes.identity, circle)


def _warnings(name: str, factor: Mapping[str, Any]) -> list[str]:
    lines = []
    if any(entry["jump_at_zero"]["value"] is None for entry in factor["latents"]):
        lines.append(
            f"{name}: too few probes within {JUMP_WIDTH:g} degrees on either side of 0 (or a latent that "
            "never moves), so no test for a jump there."
        )
    silent = [block for block, moved in factor["moved"].items() if moved["overall"] is None]
    lines += [
        f"{_label(block)}: the same in all probes, so no measure of how far {name} moves them." for block in silent
    ]
    return lines


def section(measures: Mapping[str, Any]) -> Section:
    """The part of the report: charts and a table of what `measure` gave."""
    known = {name: entry for name, entry in measures["factors"].items() if entry is not None}
    parts: list[Figure | Table] = [_chart(known), _table(known)] if known else []
    text = (
        "True images of unseen objects in which one factor turns and all else holds still, encoded. The latents of "
        "that factor should follow it, and every other latent should stay where it is."
    )
    if measures["found"]:
        text += " This training named no latents: those shown are the ones found to move most with each factor."
    return Section("What moves when one factor turns", text, parts, list(measures["warnings"]))


def _chart(known: Mapping[str, Any]) -> Figure:
    plot = Plot(figsize=(4.2 * len(known), 6.8), dpi=DPI, layout="constrained")
    panels = plot.subplots(2, len(known), squeeze=False)
    colours = dict(
        zip(dict.fromkeys(block for entry in known.values() for block in entry["moved"]), COLOURS, strict=False)
    )
    for column, (name, entry) in enumerate(known.items()):
        _draw_own(panels[0, column], name, entry)
        _draw_moved(panels[1, column], name, entry, colours)
        for axes in panels[:, column]:
            axes.set_xlabel(f"true {name}, degrees")
            axes.grid(alpha=0.25)
            axes.legend(fontsize=8)
    caption = (
        "Above: the latents of each factor against it, mean over objects, the band one standard deviation over them; "
        "dashed, the straight line nearest to the mean. Steep, straight and narrow is good. Below: how far each block "
        "of latents moves from where it is at the middle angle, with 95 % intervals over identities. One unit is a "
        "standard deviation of the block over images of different objects in different poses; two such images lie 1.4 "
        "apart. The factor's own latents should move, all others stay at 0."
    )
    return Figure("response", figure_png(plot), caption)


def _draw_own(axes: Axes, name: str, entry: Mapping[str, Any]) -> None:
    angles = np.asarray(entry["angles"])
    for latent, colour in zip(entry["latents"], COLOURS, strict=False):
        mean = np.array([estimate["value"] for estimate in latent["mean"]])
        spread = np.asarray(latent["spread"])
        axes.plot(angles, mean, color=colour, marker="o", markersize=3, label=f"mean of {_symbol(name, entry, latent)}")
        axes.fill_between(angles, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        if not entry["circular"] and len(angles) > 1:
            axes.plot(angles, np.polyval(np.polyfit(angles, mean, 1), angles), color=INK, linewidth=1, linestyle="--")
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
        own = block == name
        label = f"{block} (its own)" if own else _label(block)
        axes.plot(entry["angles"], value, color=colours[block], linestyle="--" if own else "-", label=label)
        axes.fill_between(entry["angles"], low, high, color=colours[block], alpha=0.15, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_title(f"{name}: what moves", color=INK)
    axes.set_ylabel("moved, standard deviations")


def _table(known: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = []
    for name, entry in known.items():
        others = [block for block in entry["moved"] if block != name]
        for latent in entry["latents"]:
            straight = latent.get("line_r2") or latent.get("sinusoid_r2")
            breaks = latent.get("breaks")
            broken = "; ".join(
                f"{stretch['kind']} {degrees_text(stretch['from'])} to {degrees_text(stretch['to'])}"
                for stretch in breaks or []
            )
            rows.append(
                [
                    _symbol(name, entry, latent),
                    "circle" if entry["circular"] else latent["steps_in_order"],
                    straight,
                    "circle" if entry["circular"] else broken or ("nowhere" if breaks is not None else "never moves"),
                    latent["jump_at_zero"],
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
        "Steps in order: share of neighbouring angles at which the latent of an object moves the right way (1 is "
        "monotone, 1/2 is chance). R² of one straight line for all objects (of a sinusoid where the factor goes full "
        "circle, or of the point of the circle from several latents together); 1 is best. Stops following: flat is a "
        "slope below a tenth of the average, backwards a slope of the other sign. Jump: difference at 0 degrees, in "
        f"standard deviations of the latent, between straight lines fitted to the {JUMP_WIDTH:g} degrees on "
        "either side, over images in which all else varies too (compare Figure 6 of the paper, whose azimuth "
        "jumps there); an interval that holds 0 shows none. Others: root mean square over all angles, in standard "
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
