"""Charts of posterior distributions: a few of them beside their images, and whether they mean what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dcign.evaluation.charts import DPI, INK, LINE, POINTS, figure_png
from dcign.evaluation.evidence.posteriors import ADJUSTED, GUESS, Draws, Parameter, Posteriors
from dcign.metrics import weighted_draws
from dcign.metrics.bootstrap import Estimate

COLOURS = {"code": POINTS, "pixels": LINE}  # by the first word of a method's name
PALE = "#999999"
STEPS = 240  # points of a curve
SHOWN_DEVIATIONS = 3.5  # of a coefficient, at least


def examples(posteriors: Posteriors, methods: Sequence[str], images: Sequence[int]) -> bytes:
    """PNG: a line for each of `images`, with the density that each method gives to each parameter."""
    columns = len(posteriors.parameters)
    figure = Figure(figsize=(1.7 + 1.9 * max(columns, 2), 0.6 + 1.75 * len(images)), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    grid = figure.subplots(len(images), 1 + columns, squeeze=False, width_ratios=[1.0] + [1.2] * columns)
    for line, image in zip(grid, images, strict=True):
        line[0].imshow(posteriors.images[image], cmap="gray", vmin=0, vmax=255)
        line[0].set_axis_off()
        for column, axes in enumerate(line[1:]):
            _densities(axes, posteriors, methods, image, column)
    for first, last, parameter in zip(grid[0, 1:], grid[-1, 1:], posteriors.parameters, strict=True):
        first.set_title(parameter.name, color=INK, fontsize=11)
        last.set_xlabel(parameter.unit, fontsize=9)
    lines, labels = grid[0, 1].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside upper center", ncols=len(labels), fontsize=9)
    return figure_png(figure)


def _densities(axes: Axes, posteriors: Posteriors, methods: Sequence[str], image: int, column: int) -> None:
    parameter, truth = posteriors.parameters[column], float(posteriors.truth[image, column])
    end = max(SHOWN_DEVIATIONS, abs(truth) + 0.5)
    low, high = parameter.limits or (-end, end)
    grid = np.linspace(low, high, STEPS)
    prior = density(posteriors.draws[GUESS][column], image, parameter, grid)
    axes.plot(grid, prior, color=PALE, linewidth=1, label="known before")
    for method in methods:
        curve = density(posteriors.draws[method][column], image, parameter, grid)
        axes.plot(grid, curve, color=_colour(method), linewidth=1.6, label=method)
        axes.fill_between(grid, curve, color=_colour(method), alpha=0.12, linewidth=0)
    axes.axvline(
        low + (truth - low) % 360.0 if parameter.circle else truth,
        color=INK,
        linewidth=1.2,
        linestyle="--",
        label="truth",
    )
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.tick_params(labelsize=8)


def density(draws: Draws, image: int, parameter: Parameter, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kernel estimate on `grid` (G,) that lets no weight out of the limits: mirrored at them, wound about a circle.

    The width of its Gaussian is Silverman's (1986, equation 3.31) for as many draws as the weights are worth.
    """
    values, weights = draws.values[image], draws.weights[image]
    centre = weighted_draws.mean(values[None], weights[None], parameter.circle)
    offsets = weighted_draws.difference(values, centre, parameter.circle)
    spread = float(np.sqrt(weights @ (offsets - weights @ offsets) ** 2))
    width = max(0.9 * spread * float(np.sum(weights**2)) ** 0.2, 0.004 * float(np.ptp(grid)))
    copies = [values]
    if parameter.circle:
        copies += [values + turn for turn in (-720.0, -360.0, 360.0, 720.0)]
    elif parameter.limits is not None:
        copies += [2 * end - values for end in parameter.limits]
    kernels = [np.exp(-0.5 * ((grid[:, None] - copy) / width) ** 2) @ weights for copy in copies]
    return np.sum(kernels, axis=0) / (width * np.sqrt(2 * np.pi))


def calibration(levels: Sequence[float], coverage: Mapping[str, Sequence[Estimate]]) -> bytes:
    """PNG: how many of the intervals of each of `levels` hold the truth, for each method."""
    figure = Figure(figsize=(5.2, 4.8), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=1, label="as it should be")
    for method, found in coverage.items():
        values, lows, highs = (
            np.array([point[key] for point in found], float)  # None, where there are few images, becomes NaN
            for key in ("value", "low", "high")
        )
        line = "-" if method.endswith(ADJUSTED) else ":"
        axes.plot(levels, values, line, color=_colour(method), marker="o", markersize=3, label=method)
        if line == "-":
            axes.fill_between(levels, lows, highs, color=_colour(method), alpha=0.15, linewidth=0)
    axes.set_xlabel("level of the credible interval")
    axes.set_ylabel("share of these intervals that hold the truth")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="upper left")
    return figure_png(figure)


def _colour(method: str) -> str:
    return COLOURS[method.split()[0]]
