"""The charts of the report: inferred latent against true angle (paper, Figure 6), and the table of |Spearman|."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dcign.calibration import Curve
from dcign.metrics.spearman import Table

INK, POINTS, LINE = "#222222", "#3b6fb6", "#c8501e"
DPI = 110


def scatter(
    degrees: dict[str, NDArray[np.floating]],
    latents: dict[str, NDArray[np.floating]],
    curves: dict[str, Curve | None],
    own: dict[str, float | None],
) -> bytes:
    """PNG: each latent (M,) against its true angle (M,) in degrees, with the calibration curve."""
    names = list(latents)
    figure = Figure(figsize=(4.2 * len(names), 3.9), dpi=DPI)
    figure.set_layout_engine("constrained", wspace=0.05)
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))).flat, names, strict=True):
        count = len(latents[name])
        axes.scatter(
            degrees[name],
            latents[name],
            s=7,
            color=POINTS,
            alpha=float(np.clip(150 / count, 0.12, 0.6)),
            linewidths=0,
            label=f"{count} images",
        )
        curve = curves.get(name)
        if curve is not None:
            axes.plot(curve.degrees, curve.latent, color=LINE, linewidth=2, label="calibration")
        value = own.get(name)
        axes.set_title(f"{name}: |Spearman| " + ("not defined" if value is None else f"{value:.3f}"), color=INK)
        axes.set_xlabel(f"true {name}, degrees")
        axes.set_ylabel(f"inferred z_{name}")
        axes.grid(alpha=0.25)
        legend = axes.legend(loc="best", fontsize=8, frameon=True)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    return _png(figure)


def heat_map(table: Table) -> bytes:
    """PNG: |Spearman| of latents (rows) with true factors (columns), 0 to 1; a dash where it is not defined."""
    latents, factors = list(table), list(next(iter(table.values())))
    values = np.array([[np.nan if table[z][f] is None else table[z][f] for f in factors] for z in latents], float)
    figure = Figure(figsize=(1.9 + 1.25 * len(factors), 1.3 + 0.85 * len(latents)), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(np.ma.masked_invalid(values), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_facecolor("#eeeeee")
    axes.set_xticks(range(len(factors)), [f"true {name}" for name in factors])
    axes.set_yticks(range(len(latents)), [f"z_{name}" for name in latents])
    for i, j in np.ndindex(values.shape):
        value = values[i, j]
        text = "–" if np.isnan(value) else f"{value:.2f}"
        axes.text(j, i, text, ha="center", va="center", color="white" if value > 0.55 else INK, fontsize=12)
    figure.colorbar(image, ax=axes, label="|Spearman|")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
