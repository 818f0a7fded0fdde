"""The code as a summary statistic: what an unseen image shows, inferred with the renderer as the simulator.

A table of simulations with known parameters serves every observed image. The posterior is made of those simulations
whose code, or whose pixels, are nearest to the observed: approximate Bayesian computation, without a likelihood.
See docs/decisions/0019-inference-by-a-shared-table.md.
Charts of posterior distributions: a few of them beside their images, and whether they mean what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from dcign.evaluation.charts import DPI, INK, LINE, POINTS, figure_png
from dcign.evaluation.evidence.posteriors import (
    ADJUSTED,
    COMPONENTS,
    FEWEST_ACCEPTED,
    GUESS,
    NEAREST,
    Draws,
    Parameter,
    Posteriors,
    infer,
)
from dcign.evaluation.evidence.types import Coded, Figure, Section, Table
from dcign.evaluation.metrics import inference as inference_metrics
from dcign.evaluation.metrics.bootstrap import FEWEST, Estimate, estimate, mean

LEADING_SHAPE = 3  # coefficients of shape that are asked for, from the first on
FEWEST_SIMULATIONS = 10 * FEWEST_ACCEPTED
COVERED = (0.5, 0.9)
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SHOWN = 3  # images whose posteriors are drawn
COLOURS = {"code": POINTS, "pixels": LINE}  # by the first word of a method's name
PALE = "#999999"
STEPS = 240  # points of a density that is drawn
SHOWN_DEVIATIONS = 3.5  # to either side of a coefficient, at least


def measure(
    table: Coded, observed: Coded, ranges: Mapping[str, tuple[float, float]], parts: Mapping[str, int]
) -> tuple[dict[str, Any], Posteriors | None]:
    """Infer posteriors of the `observed` images (one an identity) from the simulations in `table`, and their errors.

    `table` is drawn from the prior: angles all over `ranges`, factor -> (low, high), and coefficients of which `parts`
    says how many are of shape, albedo, expression, in their order; of other identities than the observed. No posteriors
    where there are too few simulations, or nothing to infer. ValueError when `parts` do not add up.
    """
    parameters = _parameters(table, ranges, parts)
    names = [parameter.name for parameter in parameters]
    result: dict[str, Any] = {
        "observed": len(observed.codes),
        "simulations": len(table.codes),
        "parameters": {parameter.name: parameter.unit for parameter in parameters},
    }
    warnings = _obstacles(table, observed, parameters)
    if warnings:
        return {**result, **dict.fromkeys(("accepted", *_SCORES)), "warnings": warnings}, None
    for name, values in (("code", table.codes), ("pixels", table.images)):
        if not np.any(values != values[0]):
            warnings.append(f"inference: the {name} of all simulations are the same, and tell nothing.")
    with threadpool_limits(1, "blas"):  # sums in one order, whatever the machine
        posteriors = infer(table, observed, parameters)
        scores = _scores(posteriors, observed.identity)
    result["accepted"] = {
        method: dict(zip(names, counts, strict=True)) for method, counts in posteriors.accepted.items()
    }
    return {**result, **scores, "warnings": warnings}, posteriors


def _parameters(table: Coded, ranges: Mapping[str, tuple[float, float]], parts: Mapping[str, int]) -> list[Parameter]:
    """List every angle that varies, and the leading coefficients of shape."""
    found = [Parameter(name, (low, high)) for name, (low, high) in ranges.items() if low < high]
    if table.coefficients is None:
        return found
    if sum(parts.values()) != table.coefficients.shape[1] or next(iter(parts), "shape") != "shape":
        raise ValueError(f"{dict(parts)}, shape first, are not {table.coefficients.shape[1]} coefficients")
    leading = min(LEADING_SHAPE, parts.get("shape", 0))
    varying = [n for n in range(leading) if np.any(table.coefficients[:, n] != table.coefficients[0, n])]
    return found + [Parameter(f"shape {n + 1}", None) for n in varying]


def _obstacles(table: Coded, observed: Coded, parameters: Sequence[Parameter]) -> list[str]:
    if not parameters:
        return ["inference: nothing varies that could be inferred."]
    if len(observed.codes) == 0:
        return ["inference: there is no image to infer from."]
    if len(table.codes) < FEWEST_SIMULATIONS:
        return [f"inference: {len(table.codes)} simulations are too few (at least {FEWEST_SIMULATIONS} are needed)."]
    return []


_SCORES = ("methods", "relative_error", "code_over_pixels", "calibration")


def _scores(posteriors: Posteriors, identity: NDArray[np.int64]) -> dict[str, Any]:
    """Score each method and parameter, each method, the code beside the pixels, and each level of interval."""
    names = [parameter.name for parameter in posteriors.parameters]
    errors, levels, methods = {}, {}, {}
    for method, marginals in posteriors.draws.items():
        columns = list(zip(marginals, posteriors.parameters, posteriors.truth.T, strict=True))
        errors[method] = np.stack([_errors(*column) for column in columns], axis=1)
        levels[method] = np.stack([_levels(*column) for column in columns], axis=1)
        methods[method] = {
            name: _marginal_scores(*column, errors[method][:, place], levels[method][:, place], identity)
            for place, (name, column) in enumerate(zip(names, columns, strict=True))
        }
    inferred = [method for method in errors if method != GUESS]
    return {
        "methods": methods,
        "relative_error": {method: _relative(errors[method], errors[GUESS], identity) for method in inferred},
        "code_over_pixels": {
            kind: {
                name: _relative(errors[f"code {kind}"][:, [place]], errors[f"pixels {kind}"][:, [place]], identity)
                for place, name in enumerate(names)
            }
            for kind in (NEAREST, ADJUSTED)
        },
        "calibration": {
            "levels": list(LEVELS),
            "methods": {
                method: [mean((levels[method] <= level).mean(axis=1), identity) for level in LEVELS]
                for method in inferred
            },
        },
    }


def _marginal_scores(
    draws: Draws,
    parameter: Parameter,
    truth: NDArray[np.float64],
    errors: NDArray[np.float64],
    levels: NDArray[np.float64],
    identity: NDArray[np.int64],
) -> dict[str, Estimate]:
    of_draws = draws.values, draws.weights, parameter.circle
    scores: dict[str, Estimate] = {
        "rms_error": estimate(lambda rows: float(np.sqrt(np.mean(errors[rows] ** 2))), identity),
        "median_absolute_error": estimate(lambda rows: float(np.median(np.abs(errors[rows]))), identity),
        "ranked_probability_score": mean(inference_metrics.ranked_probability_score(*of_draws, truth), identity),
    }
    for level in COVERED:
        ends = inference_metrics.quantiles(*of_draws, [(1 - level) / 2, (1 + level) / 2])
        scores[f"coverage_{level:.0%}".rstrip("%")] = _share(levels <= level)
        scores[f"width_{level:.0%}".rstrip("%")] = mean(ends[:, 1] - ends[:, 0], identity)
    return scores


def _errors(draws: Draws, parameter: Parameter, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors (O,) of the posterior mean."""
    middle = inference_metrics.mean(draws.values, draws.weights, parameter.circle)
    return inference_metrics.difference(middle, truth, parameter.circle)


def _levels(draws: Draws, parameter: Parameter, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level (O,) of the narrowest central interval that holds the truth."""
    return np.abs(2 * inference_metrics.rank(draws.values, draws.weights, parameter.circle, truth) - 1)


def _relative(errors: NDArray[np.float64], others: NDArray[np.float64], identity: NDArray[np.int64]) -> Estimate:
    """Mean over parameters of the root mean square of `errors` (O, P) over that of `others` (O, P)."""

    def statistic(rows: NDArray[np.int64]) -> float | None:
        of_others = np.mean(others[rows] ** 2, axis=0)
        return float(np.mean(np.sqrt(np.mean(errors[rows] ** 2, axis=0) / of_others))) if of_others.all() else None

    return estimate(statistic, identity)


def _share(hits: NDArray[np.bool_]) -> Estimate:
    """Share of hits with Wilson's interval: resampling would call 100 of 100 certain."""
    value = float(hits.mean())
    if len(hits) < FEWEST:
        return Estimate(value=value, low=None, high=None)
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return Estimate(value=value, low=float(interval.low), high=float(interval.high))


def section(measures: Mapping[str, Any], posteriors: Posteriors | None) -> Section:
    """The part of the report: errors, coverage, and the posteriors of a few images."""
    title = "Inference with the renderer: the code as a summary statistic"
    text = (
        "Which pose, light and shape does an image show? The renderer draws images of other objects with parameters "
        "taken at random; what is known of those that look most like the image is what can be said of it (approximate "
        "Bayesian computation). What 'most like' means is told by the code, or by the pixels: the same "
        f"{measures['simulations']:,} simulations serve both, and all {measures['observed']} images, each of another "
        "object that the network has never seen."
    )
    if posteriors is None:
        return Section(title, text, (), measures["warnings"])
    names = list(measures["parameters"])
    nearest = measures["accepted"][f"code {NEAREST}"][names[0]]
    shown = np.linspace(0, len(posteriors.truth) - 1, min(SHOWN, len(posteriors.truth))).astype(int).tolist()
    parts = (
        Table(
            ["error", *names, "all, over the guess's"],
            [[*row, measures["relative_error"].get(row[0], 1.0)] for row in _rows(measures, "rms_error")],
            "Error of the mean of the posterior, root mean square over the images, in degrees for angles and in "
            "standard deviations for shape; last the mean over all of them, each as a part of the guess's. Less is "
            f"better. 'Guess' knows the ranges only. 'Nearest' is the {nearest} simulations nearest to the image; "
            "'adjusted' is as many as serve a parameter best, judged on the simulations themselves, moved to where the "
            f"image is by linear regression on the code, or on the {COMPONENTS} leading principal components of the "
            "pixels.",
        ),
        Table(
            ["error with the code / with the pixels", *names],
            [[kind, *ratios.values()] for kind, ratios in measures["code_over_pixels"].items()],
            "The same errors, compared. Below 1 the code is the better statistic, above 1 the pixels are.",
        ),
        Table(
            ["coverage at 90 %", *names],
            _rows(measures, "coverage_90"),
            "Share of the images whose 90 % credible interval holds the truth. 0.9 is right; with less the posterior "
            "is narrower than what is known, with more it is wider.",
        ),
        Figure(
            "posteriors",
            examples_chart(posteriors, [f"code {ADJUSTED}", f"pixels {ADJUSTED}"], shown),
            f"What is inferred from {len(shown)} of the images, taken at even steps. A narrow curve about the truth is "
            "good.",
            broad=True,
        ),
        Figure(
            "posterior-calibration",
            calibration_chart(LEVELS, measures["calibration"]["methods"]),
            "How many of the credible intervals of each level hold the truth, all parameters together. On the grey "
            "line they mean what they say; below it they are too narrow, above it too wide. Bands are 95 % intervals.",
        ),
    )
    return Section(title, text, parts, measures["warnings"])


def _rows(measures: Mapping[str, Any], score: str) -> list[list[Any]]:
    return [[method, *(scores[score] for scores in found.values())] for method, found in measures["methods"].items()]


def examples_chart(posteriors: Posteriors, methods: Sequence[str], images: Sequence[int]) -> bytes:
    """PNG: a line for each of `images`, with the density that each method gives to each parameter."""
    columns = len(posteriors.parameters)
    figure = Plot(figsize=(1.7 + 1.9 * max(columns, 2), 0.6 + 1.75 * len(images)), dpi=DPI)
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
    """Estimate the density on `grid` (G,) by kernels that leave no weight outside the limits: mirrored there, or wound.

    The width of its Gaussian is Silverman's (1986, equation 3.31) for as many draws as the weights are worth.
    """
    values, weights = draws.values[image], draws.weights[image]
    centre = inference_metrics.mean(values[None], weights[None], parameter.circle)
    offsets = inference_metrics.difference(values, centre, parameter.circle)
    spread = float(np.sqrt(weights @ (offsets - weights @ offsets) ** 2))
    width = max(0.9 * spread * float(np.sum(weights**2)) ** 0.2, 0.004 * float(np.ptp(grid)))
    copies = [values]
    if parameter.circle:
        copies += [values + turn for turn in (-720.0, -360.0, 360.0, 720.0)]
    elif parameter.limits is not None:
        copies += [2 * end - values for end in parameter.limits]
    kernels = [np.exp(-0.5 * ((grid[:, None] - copy) / width) ** 2) @ weights for copy in copies]
    return np.sum(kernels, axis=0) / (width * np.sqrt(2 * np.pi))


def calibration_chart(levels: Sequence[float], coverage: Mapping[str, Sequence[Estimate]]) -> bytes:
    """PNG: how many of the intervals of each of `levels` hold the truth, for each method."""
    figure = Plot(figsize=(5.2, 4.8), dpi=DPI, layout="constrained")
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
