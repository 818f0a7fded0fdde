"""The charts of the report: inferred latents against true values (paper, Figure 6), and the table of |Spearman|."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dcign.engine.curves import FactorCurve
from dcign.evaluation.metrics.angles import Table
from dcign.evaluation.units import amount_text, chart_text, in_units
from render.shards.labels import Label

INK, POINTS, LINE = "#222222", "#3b6fb6", "#c8501e"
DPI = 110
MOST_TICKS = 20  # names of categories along an axis


def scatter(
    values: Mapping[str, NDArray[np.floating]],
    latents: Mapping[str, NDArray[np.floating]],
    curves: Mapping[str, FactorCurve],
    measures: Mapping[str, Any],
    labels: Mapping[str, Label],
) -> bytes:
    """PNG: each single latent (M,) against its true value (M,), with the calibration curve.

    A group of latents (M, W) shows the value read back from it instead, and two latents their plane before that;
    categories show which were read as which. `measures` are those of the evaluation, for the titles.
    """
    panels: list[Callable[[Axes], None]] = []
    for name, own in latents.items():
        true, curve, label = values[name], curves.get(name), labels[name]
        if own.ndim > 1 and own.shape[1] == 2:
            found = measures["groups"].get(name, {}).get("circular_r2")
            panels.append(partial(_plane, label, true, own, curve, found))
        if label.categories:
            panels.append(partial(_confusion, label, true, own, curve))
        elif own.ndim == 1:
            panels.append(partial(_single, label, true, own, curve, measures["spearman"]["own"].get(name)))
        else:
            panels.append(partial(_read_back, label, true, own, curve))
    figure = Figure(figsize=(4.2 * len(panels), 3.9), dpi=DPI)
    figure.set_layout_engine("constrained", wspace=0.05)
    for axes, draw in zip(np.atleast_1d(figure.subplots(1, len(panels))).flat, panels, strict=True):
        axes.grid(alpha=0.25)
        draw(axes)
    return figure_png(figure)


def _single(
    label: Label,
    true: NDArray[np.floating],
    own: NDArray[np.floating],
    curve: FactorCurve | None,
    value: float | None,
    axes: Axes,
) -> None:
    """One latent (M,) against its true value (M,), with the calibration curve."""
    _points(axes, true, own, POINTS)
    if curve is not None:
        axes.plot(curve.values, curve.latent, color=LINE, linewidth=2, label="calibration")
    axes.set_title(f"{label.name}: |Spearman| {_text(value)}", color=INK)
    axes.set_xlabel(f"true {chart_text(in_units(label))}")
    axes.set_ylabel(f"inferred z_{label.name}")
    _legend(axes)


def _plane(
    label: Label,
    true: NDArray[np.floating],
    own: NDArray[np.floating],
    curve: FactorCurve | None,
    value: float | None,
    axes: Axes,
) -> None:
    """Two latents (M, 2) against each other, coloured by their true value (M,), with the calibration curve."""
    turn = curve is not None and curve.circular
    colours = axes.scatter(
        own[:, 0], own[:, 1], c=true, s=7, alpha=0.6, linewidths=0, cmap="hsv" if turn else "viridis"
    )
    bar = axes.figure.colorbar(colours, ax=axes, label=f"true {chart_text(in_units(label))}")
    if 0 < len(label.categories) <= MOST_TICKS:
        bar.set_ticks(range(len(label.categories)), labels=list(map(chart_text, label.categories)))
    if curve is not None:
        line = "none" if label.categories else "-"
        points = np.asarray(curve.latent).T
        axes.plot(*points, color=LINE, linewidth=2, linestyle=line, marker="o" if label.categories else "",
                  label="calibration")  # fmt: skip
        _legend(axes)
    axes.set_title(label.name if value is None else f"{label.name}: circular R² {_text(value)}", color=INK)
    axes.set_xlabel(f"inferred z_{label.name}, first")
    axes.set_ylabel(f"inferred z_{label.name}, second")


def _read_back(
    label: Label,
    true: NDArray[np.floating],
    own: NDArray[np.floating],
    curve: FactorCurve | None,
    axes: Axes,
) -> None:
    """The value read back from a group of latents (M, W) against the true one (M,)."""
    axes.set_xlabel(f"true {chart_text(in_units(label))}")
    axes.set_ylabel(chart_text(f"{label.name} read back" + (f", {label.unit}" if label.unit else "")))
    if curve is None or curve.residual is None:
        axes.set_title(f"{label.name}: no calibration", color=INK)
        return
    low, high = curve.range
    value = low + np.mod(true - low, high - low) if curve.circular else true
    _points(axes, value, curve.to_value(own), POINTS)
    axes.plot([low, high], [low, high], color=LINE, linewidth=1, label="without error")
    axes.set_title(chart_text(f"{label.name}: error {amount_text(label, curve.residual)} (RMS)"), color=INK)
    _legend(axes)


def _confusion(
    label: Label,
    true: NDArray[np.floating],
    own: NDArray[np.floating],
    curve: FactorCurve | None,
    axes: Axes,
) -> None:
    """Which category (rows) was read from the latents of images that truly have each (columns), as shares of these."""
    axes.set_xlabel(f"true {label.name}")
    axes.set_ylabel(f"{label.name} read back")
    axes.grid(False)
    if curve is None:
        axes.set_title(f"{label.name}: no calibration", color=INK)
        return
    count = len(label.categories)
    read, known = (np.round(each).astype(np.int64) for each in (curve.to_value(own), true))
    table = np.zeros((count, count))
    np.add.at(table, (read, known), 1.0)
    axes.imshow(table / np.maximum(table.sum(axis=0), 1.0), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    if count <= MOST_TICKS:
        names = list(map(chart_text, label.categories))
        axes.set_xticks(range(count), names, rotation=30, ha="right", fontsize=8)
        axes.set_yticks(range(count), names, fontsize=8)
    axes.set_title(f"{label.name}: {np.mean(read == known):.0%} read back right", color=INK)


def _points(axes: Axes, x: NDArray[np.floating], y: NDArray[np.floating], color: str) -> None:
    alpha = float(np.clip(150 / len(x), 0.12, 0.6))
    axes.scatter(x, y, s=7, color=color, alpha=alpha, linewidths=0, label=f"{len(x)} images")


def _legend(axes: Axes) -> None:
    legend = axes.legend(loc="best", fontsize=8, frameon=True)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def _text(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def spearman_map(table: Table) -> bytes:
    """PNG: |Spearman| of latents (rows) with true factors (columns), 0 to 1; a dash where it is not defined."""
    latents, factors = list(table), list(next(iter(table.values())))
    values = np.array([[np.nan if table[z][f] is None else table[z][f] for f in factors] for z in latents], float)
    size = (1.9 + 1.25 * len(factors), 1.3 + 0.85 * len(latents))
    return heat_map(values, [f"z_{name}" for name in latents], [f"true {name}" for name in factors], "|Spearman|", size)


def heat_map(
    values: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    size: tuple[float, float],
    mark: Callable[[Axes], object] = lambda axes: None,
) -> bytes:
    """PNG: `values` (R, C) from 0 to 1 as colours and numbers; a dash for NaN.

    `label` names the values, `size` is in inches, and `mark` may draw more into the axes, whose cells are 1 x 1 about
    whole numbers.
    """
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(np.ma.masked_invalid(values), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_facecolor("#eeeeee")  # shows where a value is missing
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    for i, j in np.ndindex(values.shape):
        value = values[i, j]
        text = "–" if np.isnan(value) else f"{value:.2f}"
        axes.text(j, i, text, ha="center", va="center", color="white" if value > 0.55 else INK, fontsize=12)
    mark(axes)
    figure.colorbar(image, ax=axes, label=label)
    return figure_png(figure)


def figure_png(figure: Figure) -> bytes:
    """The PNG file of a figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
