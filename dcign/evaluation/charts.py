"""The charts of the report: inferred latents against true angles (paper, Figure 6), and the table of |Spearman|."""

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

INK, POINTS, LINE = "#222222", "#3b6fb6", "#c8501e"
DPI = 110


def scatter(
    degrees: Mapping[str, NDArray[np.floating]],
    latents: Mapping[str, NDArray[np.floating]],
    curves: Mapping[str, FactorCurve],
    measures: Mapping[str, Any],
) -> bytes:
    """PNG: each single latent (M,) against its true angle (M,) in degrees, with the calibration curve.

    A group of latents (M, W) shows the angle read back from it instead, and two latents their plane before that.
    `measures` are those of the evaluation, for the titles.
    """
    panels: list[Callable[[Axes], None]] = []
    for name, own in latents.items():
        true, curve = degrees[name], curves.get(name)
        if own.ndim == 1:
            panels.append(partial(_single, name, true, own, curve, measures["spearman"]["own"].get(name)))
        else:
            if own.shape[1] == 2:
                panels.append(partial(_plane, name, true, own, curve, measures["groups"][name]["circular_r2"]))
            panels.append(partial(_read_back, name, true, own, curve))
    figure = Figure(figsize=(4.2 * len(panels), 3.9), dpi=DPI)
    figure.set_layout_engine("constrained", wspace=0.05)
    for axes, draw in zip(np.atleast_1d(figure.subplots(1, len(panels))).flat, panels, strict=True):
        draw(axes)
        axes.grid(alpha=0.25)
    return figure_png(figure)


def _single(
    name: str,
    true: NDArray[np.floating],
    own: NDArray[np.floating],
    curve: FactorCurve | None,
    value: float | None,
    axes: Axes,
) -> None:
    """One latent (M,) against its true angle (M,), with the calibration curve."""
    _points(axes, true, own, POINTS)
    if curve is not None:
        axes.plot(curve.values, curve.latent, color=LINE, linewidth=2, label="calibration")
    axes.set_title(f"{name}: |Spearman| {_text(value)}", color=INK)
    axes.set_xlabel(f"true {name}, degrees")
    axes.set_ylabel(f"inferred z_{name}")
    _legend(axes)


def _plane(
    name: str,
    true: NDArray[np.floating],
    own: NDArray[np.floating],
    curve: FactorCurve | None,
    value: float | None,
    axes: Axes,
) -> None:
    """Two latents (M, 2) against each other, coloured by their true angle (M,), with the calibration curve."""
    turn = curve is not None and curve.circular
    colours = axes.scatter(
        own[:, 0], own[:, 1], c=true, s=7, alpha=0.6, linewidths=0, cmap="hsv" if turn else "viridis"
    )
    axes.figure.colorbar(colours, ax=axes, label=f"true {name}, degrees")
    if curve is not None:
        axes.plot(*np.asarray(curve.latent).T, color=LINE, linewidth=2, label="calibration")
        _legend(axes)
    axes.set_title(f"{name}: circular R² {_text(value)}", color=INK)
    axes.set_xlabel(f"inferred z_{name}, first")
    axes.set_ylabel(f"inferred z_{name}, second")


def _read_back(
    name: str,
    true: NDArray[np.floating],
    own: NDArray[np.floating],
    curve: FactorCurve | None,
    axes: Axes,
) -> None:
    """The angle read back from a group of latents (M, W) against the true one (M,)."""
    axes.set_xlabel(f"true {name}, degrees")
    axes.set_ylabel(f"{name} read back, degrees")
    if curve is None:
        axes.set_title(f"{name}: no calibration", color=INK)
        return
    low, high = curve.range
    angle = low + np.mod(true - low, high - low) if curve.circular else true
    _points(axes, angle, curve.to_value(own), POINTS)
    axes.plot([low, high], [low, high], color=LINE, linewidth=1, label="without error")
    axes.set_title(f"{name}: error {curve.residual:.1f}° (RMS)", color=INK)
    _legend(axes)


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
