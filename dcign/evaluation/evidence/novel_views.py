"""Novel views: an unseen object turned by its code, beside the true image of it at that very angle.

Figures 7 and 8 of the paper show such views. Here each stands beside the truth, so that its error is a number; best and
worst objects are those of least and largest error, not of anyone's taste. The truth is what the renderer draws, or,
where nothing can be drawn, the other images of the input's mini-batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray

from dcign.engine.drawing import Row, Tile, draw_rows, png, readable_scale, value_text
from dcign.evaluation.charts import DPI, INK, LINE, POINTS, figure_png
from dcign.evaluation.evidence import basis
from dcign.evaluation.evidence.types import Cell, Figure, Section, Table
from dcign.evaluation.evidence.view_errors import STEADY, FactorViews, NovelViews, Scores
from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.evaluation.metrics.true_factors import bin_width
from dcign.evaluation.units import chart_text, in_units
from render.shards.labels import DEGREES, Label

MEASURES = ("mse", "psnr", "ssim", "lpips")
BRIGHTER = 2  # how much the picture of the error is brightened
WIDTHS = (5.0, 10.0, 15.0, 20.0, 30.0)  # degrees of change that may share a bin
MOST_BINS = 8


def measure(views: NovelViews) -> dict[str, Any]:
    """Errors of novel views with their intervals over identities, for report.json.

    `novel_view_mse` is that of azimuth; `ratio_to_copying` below 1 means better than handing back the input.
    """
    missing = [name for name, entry in views.factors.items() if entry is None]
    factors = {name: None if entry is None else _measure_factor(entry) for name, entry in views.factors.items()}
    azimuth = factors.get("azimuth")
    return {
        "objects": len(views.identity),
        "novel_view_mse": None if azimuth is None else azimuth["mse"],
        "reconstruction_mse": bootstrap.mean(views.reconstruction, views.identity),
        "reconstruction_ssim": bootstrap.mean(views.likeness, views.identity),
        "lpips": f"not measured: {views.lpips}" if views.lpips else "measured",
        "factors": factors,
        "warnings": [f"{name}: no calibration of latents of its own, so no novel views of it." for name in missing],
    }


def _measure_factor(views: FactorViews) -> dict[str, Any]:
    who = np.broadcast_to(views.identity[:, None], views.asked.shape)[views.asked]
    own, copied = views.decoded.mse[views.asked], views.copied.mse[views.asked]

    def ratio(rows: NDArray[np.int64]) -> float | None:
        scale = float(copied[rows].mean())
        return float(own[rows].mean()) / scale if scale > 0 else None

    same = bool(np.all(views.asked) and np.all(views.values == views.values[0]))
    return {
        "views": int(views.asked.sum()),
        **({"angles": [float(value) for value in views.values[0]]} if same else _counts(views)),
        **_means(views.decoded, views.asked, who),
        "copy_input": _means(views.copied, views.asked, who),
        "mean_image_mse": bootstrap.mean(views.mean_image[views.asked], who),
        "ratio_to_copying": bootstrap.estimate(ratio, who),
        **(
            {"by_category": _by_category(views, who)}
            if views.label.categories
            else {"by_change": _by_change(views, who)}
        ),
        "best": _object(views, int(np.argmin(views.relative))),
        "worst": _object(views, int(np.argmax(views.relative))),
    }


def _counts(views: FactorViews) -> dict[str, int]:
    """Say what the figures rest on where each object is shown at values of its own."""
    return {"minibatches": len(views.identity), "identities": len(np.unique(views.identity))}


def _object(views: FactorViews, row: int) -> dict[str, Any]:
    error = float(views.decoded.mse[row][views.asked[row]].mean())
    return {"identity": int(views.identity[row]), "mse": error, "over_empty_picture": float(views.relative[row])}


def _means(scores: Scores, asked: NDArray[np.bool_], who: NDArray[np.int64]) -> dict[str, Estimate | None]:
    values = {name: getattr(scores, name) for name in MEASURES}
    return {name: None if rows is None else bootstrap.mean(rows[asked], who) for name, rows in values.items()}


def _in_bins(views: FactorViews, who: NDArray[np.int64]) -> dict[str, Any]:
    """Errors by how far the factor had to change, or by the category asked for."""
    if views.label.categories:
        return {"by_category": _by_category(views, who)}
    return {"by_change": _by_change(views, who)}


def _by_change(views: FactorViews, who: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Errors in bins of the change of value; bins that no view falls into are left out."""
    change = views.change[views.asked]
    largest = float(change.max())
    width = _width(largest, views.label)
    last = max(0.0, np.ceil(largest / width) - 1)  # its upper end belongs to it
    bins = np.minimum(change // width, last)
    return [
        {"from": float(number * width), "to": float((number + 1) * width)} | _in_bin(views, who, bins == number)
        for number in np.unique(bins)
    ]


def _width(largest: float, label: Label) -> float:
    """Return a round width of bins, of which at most `MOST_BINS` reach to the `largest` change."""
    if label.unit == DEGREES:
        return next((width for width in WIDTHS if largest <= width * MOST_BINS), WIDTHS[-1])
    return bin_width(largest, MOST_BINS)


def _by_category(views: FactorViews, who: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Errors by the category asked for."""
    category = np.round(views.values[views.asked]).astype(np.int64)
    return [
        {"category": views.label.text(float(number))} | _in_bin(views, who, category == number)
        for number in np.unique(category)
    ]


def _in_bin(views: FactorViews, who: NDArray[np.int64], chosen: NDArray[np.bool_]) -> dict[str, Any]:
    errors = {"mse": views.decoded.mse[views.asked], "copy_mse": views.copied.mse[views.asked]}
    means = {name: bootstrap.mean(values[chosen], who[chosen]) for name, values in errors.items()}
    return {"views": int(chosen.sum()), **means}


def section(measures: Mapping[str, Any], views: NovelViews) -> Section:
    """The part of the report: table, error against change, and strips of images. `measures` as `measure` gave them."""
    known = {name: entry for name, entry in measures["factors"].items() if entry is not None}
    parts: list[Figure | Table] = []
    if known:
        parts += [_table(known, measures), _chart_figure(known, views, measures)]
    for name, entry in views.factors.items():
        if entry is not None:
            parts.append(_strips_figure(name, entry))
    text = (
        "From one image of an unseen object, its code is inferred, the latents of one factor are set through the "
        "calibration to the value asked for, and all others are left alone. What the decoder makes of it is compared "
        + (
            "with the true image there: another one of the same mini-batch, in which all else holds still."
            if basis.of(measures)
            else "with the true renderer's image of that very object at that very angle."
        )
    )
    text = basis.told_of_minibatches(text, measures)
    return Section("Novel views of one image, beside the truth", text, parts, list(measures["warnings"]))


def _table(known: Mapping[str, Any], measures: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = []
    for name, entry in known.items():
        rows.append([name, *(entry[key] for key in MEASURES), entry["ratio_to_copying"], _rests_on(entry)])
        rows.append([f"{name}: copy of the input", *(entry["copy_input"][key] for key in MEASURES), "", ""])
        rows.append([f"{name}: mean image", entry["mean_image_mse"], *[""] * 5])
    reconstruction = [measures["reconstruction_mse"], "", measures["reconstruction_ssim"]]
    rows.append(["input reconstructed, nothing asked", *reconstruction, *[""] * 3])
    head = ["turned by its code", "MSE", "PSNR, dB", "SSIM", "LPIPS", "MSE over that of copying", "from"]
    gone = {"LPIPS": measures["lpips"] != "measured", "from": not basis.of(measures)}
    keep = [k for k, column in enumerate(head) if not gone.get(column)]
    caption = (
        f"Mean over {measures['objects']} {'inputs' if basis.of(measures) else 'objects'} and all values asked for, "
        "grey values in [0, 1]. MSE is best low, "
        "PSNR and SSIM are best high (1 is the same image), LPIPS best low. Below each: what handing back the input "
        "itself would score, and the best constant picture, the mean of the true images. MSE over that of copying "
        f"should be well below 1. LPIPS: {measures['lpips']}."
    )
    return Table([head[k] for k in keep], [[row[k] for k in keep] for row in rows], caption)


def _rests_on(entry: Mapping[str, Any]) -> str:
    return (
        f"{entry['views']} views, {entry['minibatches']} mini-batches, {entry['identities']} identities"
        if "minibatches" in entry
        else ""
    )


def _chart_figure(known: Mapping[str, Any], views: NovelViews, measures: Mapping[str, Any]) -> Figure:
    plot = Plot(figsize=(4.2 * len(known), 3.6), dpi=DPI, layout="constrained")
    for axes, (name, entry) in zip(np.atleast_1d(plot.subplots(1, len(known))).flat, known.items(), strict=True):
        found = views.factors[name]
        assert found is not None
        _draw_errors(axes, name, entry, found.label)
        floor = measures["reconstruction_mse"]["value"]
        axes.axhline(floor, color=INK, linewidth=1, linestyle=":", label="input reconstructed")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    caption = (
        "Error of the novel view against how far the factor had to change from the input, or by the category asked "
        "for, with 95 % intervals over identities. Copying the input costs nothing at 0 and ever more beyond; a code "
        "that holds the object stays flat, near the error of merely reconstructing the input."
    )
    return Figure("novel-view-error", figure_png(plot), caption)


def _draw_errors(axes: Axes, name: str, entry: Mapping[str, Any], label: Label) -> None:
    rows = entry["by_category"] if label.categories else entry["by_change"]
    middle = np.arange(len(rows)) if label.categories else [(row["from"] + row["to"]) / 2 for row in rows]
    line = "none" if label.categories else "-"
    for key, color, what in (("copy_mse", LINE, "copy of the input"), ("mse", POINTS, "decoded")):
        values = np.array([row[key]["value"] for row in rows])
        ends = [np.array([np.nan if row[key][k] is None else row[key][k] for row in rows]) for k in ("low", "high")]
        axes.plot(middle, values, color=color, linestyle=line, marker="o", markersize=4, label=what)
        axes.fill_between(middle, ends[0], ends[1], color=color, alpha=0.2, linewidth=0)
    axes.axhline(entry["mean_image_mse"]["value"], color=INK, linewidth=1, linestyle="--", label="mean image")
    axes.set_title(name, color=INK)
    axes.set_ylabel("mean squared error")
    if label.categories:
        axes.set_xticks(middle, [chart_text(row["category"]) for row in rows], rotation=30, ha="right", fontsize=8)
        axes.set_xlabel(f"{name} asked for")
    else:
        axes.set_xlabel(f"change of {chart_text(in_units(label))}")


def _strips_figure(name: str, views: FactorViews) -> Figure:
    rows: list[Row] = []
    for strip in views.strips:
        start = value_text(views.label, views.start[strip.row])
        columns = [
            (strip.reconstruction, strip.input, "reconstructed", f"input {start}"),
            *(
                (decoded, truth, f"asked {value_text(views.label, value)}", "")
                for decoded, truth, value in zip(strip.decoded, strip.truths, strip.values, strict=True)
            ),
        ]
        errors = [np.abs(a.astype(np.float32) - b) / 255.0 * BRIGHTER for a, b, _, _ in columns]
        heading = f"identity {views.identity[strip.row]}, {strip.why}"
        rows.append(Row([Tile(a / 255.0, caption) for a, _, caption, _ in columns], "decoded", heading))
        rows.append(Row([Tile(b / 255.0, caption) for _, b, _, caption in columns], "truth"))
        rows.append(Row([Tile(error) for error in errors], f"error ×{BRIGHTER}"))
    size = views.strips[0].input.shape[0]
    caption = (
        f"{name.capitalize()} asked for, the decoded image, the true one, and their difference (absolute, {BRIGHTER} "
        "times brighter; black is no error). First column: the input as it is, below its reconstruction. "
        f"{STEADY} objects at even steps through the set, then the best and the worst by mean squared error over this "
        "sweep, as a share of what an empty picture would score (else the darkest object would be the best)."
    )
    return Figure(f"novel-views-{name}", png(draw_rows(rows, scale=readable_scale(size))), caption, broad=True)
