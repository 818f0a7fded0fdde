"""Novel views: an unseen object turned by its code, beside the true renderer's image of it at that very angle.

Figures 7 and 8 of the paper show such views. Here each stands beside the truth, so that its error is a number; best and
worst objects are those of least and largest error, not of anyone's taste.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray

from dcign.engine.codes import decode
from dcign.engine.curves import FactorCurve, value_error
from dcign.engine.drawing import Row, Tile, degrees_text, draw_rows, png, readable_scale, to_uint8
from dcign.errors import RunError
from dcign.evaluation.charts import DPI, INK, LINE, POINTS, figure_png
from dcign.evaluation.evidence.types import Cell, Coded, Figure, Section, Sweep, Table
from dcign.evaluation.metrics import bootstrap, image_quality
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.model.code import AngleLatents
from dcign.runs.run import Run

STEADY = 2  # objects at even steps through the set, beside the best and the worst

MEASURES = ("mse", "psnr", "ssim", "lpips")
BRIGHTER = 2  # how much the picture of the error is brightened
WIDTHS = (5.0, 10.0, 15.0, 20.0, 30.0)  # degrees of change that may share a bin
MOST_BINS = 8


@dataclass(frozen=True, eq=False)
class Scores:
    """Measures (O, S) of images against truths: mean squared error, PSNR in decibels, SSIM, and LPIPS if it is had."""

    mse: NDArray[np.float64]
    psnr: NDArray[np.float64]
    ssim: NDArray[np.float64]
    lpips: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Strip:
    """One object: its input, and the sweep as decoded and as it truly looks; `row` of the inputs, `why` it is shown.

    input, reconstruction  (H, W) uint8
    decoded, truths        (S, H, W) uint8
    """

    row: int
    why: str
    input: NDArray[np.uint8]
    reconstruction: NDArray[np.uint8]
    decoded: NDArray[np.uint8]
    truths: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FactorViews:
    """The novel views of O objects at S angles of one factor.

    angles      (S,) degrees asked for
    start       (O,) degrees in the input
    change      (O, S) degrees between the two, the short way round a circle
    decoded     of the decoded images against the truth
    copied      of the input itself given as the answer
    mean_image  (O, S) mean squared error of the mean of all these truths
    relative    (O,) mean squared error over that of an empty picture, so that a dark object is not easier than a bright
                one: what best and worst are told by
    """

    angles: NDArray[np.float64]
    start: NDArray[np.float64]
    change: NDArray[np.float64]
    decoded: Scores
    copied: Scores
    mean_image: NDArray[np.float64]
    relative: NDArray[np.float64]
    strips: Sequence[Strip]
    images: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NovelViews:
    """The novel views of every factor; None where one has no calibration.

    identity        (O,)
    reconstruction  (O,) mean squared error of the inputs decoded as they are
    likeness        (O,) SSIM of these
    lpips           why that distance was not measured; empty where it was
    """

    factors: Mapping[str, FactorViews | None]
    identity: NDArray[np.int64]
    reconstruction: NDArray[np.float64]
    likeness: NDArray[np.float64]
    lpips: str


def compare(
    run: Run,
    inputs: Coded,
    sweeps: Mapping[str, Sweep],
    curves: Mapping[str, FactorCurve],
    angle_latents: AngleLatents,
) -> NovelViews:
    """Decode each of the `inputs` (O) with the latents of a factor set to each angle of its sweep, and compare.

    Latents come from the calibration curve, angles beyond its range from its nearest end; all others stay those of the
    input. RunError when the decoder gives pixels that are not finite.
    """
    found = image_quality.find_lpips()
    distance = None if isinstance(found, str) else found
    reconstructions = _decode(run, inputs.codes)
    factors = {
        name: _factor_views(
            run, inputs, sweep, name, curves[name], angle_latents.groups[name], reconstructions, distance
        )
        if name in curves and name in angle_latents.groups
        else None
        for name, sweep in sweeps.items()
    }
    error, likeness = (measure(reconstructions, inputs.images) for measure in (image_quality.mse, image_quality.ssim))
    return NovelViews(factors, inputs.identity, error, likeness, found if isinstance(found, str) else "")


def _factor_views(
    run: Run,
    inputs: Coded,
    sweep: Sweep,
    name: str,
    curve: FactorCurve,
    own: NDArray[np.int64],
    reconstructions: NDArray[np.float32],
    distance: image_quality.Distance | None,
) -> FactorViews:
    truths = sweep.images
    codes = np.concatenate([_turned(code, own, curve, sweep.angles) for code in inputs.codes])  # (O S, Z)
    decoded = _decode(run, codes).reshape(truths.shape)
    scores = _scores(decoded, truths, distance)
    copies = np.broadcast_to(inputs.images[:, None], truths.shape) / np.float32(255.0)
    mean_image = np.broadcast_to(truths.mean(axis=(0, 1)) / 255.0, truths.shape)
    empty = np.broadcast_to(np.float32(run.background), truths.shape)
    scale = _each(image_quality.mse, empty, truths).mean(axis=1)
    relative = scores.mse.mean(axis=1) / np.maximum(scale, image_quality.ROUNDING)
    start = inputs.values[name].astype(np.float64)
    return FactorViews(
        sweep.angles,
        start,
        np.abs(value_error(sweep.angles[None], start[:, None], curve.label)),
        scores,
        _scores(copies, truths, distance),
        _each(image_quality.mse, mean_image, truths),
        relative,
        _strips(inputs, reconstructions, decoded, sweep, relative),
        decoded,
    )


def _turned(
    code: NDArray[np.float32], own: NDArray[np.int64], curve: FactorCurve, angles: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return `code` (Z,) with its latents `own` (W,) set to each of `angles` (S,): (S, Z)."""
    within = angles if curve.circular else np.clip(angles, *curve.range)
    codes = np.repeat(code[None], len(angles), axis=0)
    codes[:, own] = curve.to_latent(within).reshape(len(angles), len(own))
    return codes


def _decode(run: Run, codes: NDArray[np.float32]) -> NDArray[np.float32]:
    images = decode(run, codes)
    if not np.isfinite(images).all():
        raise RunError(f"{run.folder}: the decoder gives pixels that are not finite numbers; the training diverged")
    return images


def _scores(images: NDArray[np.floating], truths: NDArray[np.uint8], distance: image_quality.Distance | None) -> Scores:
    """Take every measure of `images` (O, S, H, W) in [0, 1] against `truths`."""
    errors = _each(image_quality.mse, images, truths)
    return Scores(
        errors,
        image_quality.psnr(errors),
        _each(image_quality.ssim, images, truths),
        None if distance is None else _each(distance, to_uint8(images), truths),
    )


def _each(measure: Any, images: NDArray[Any], truths: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Apply `measure` to pairs of images (O, S, H, W), object by object: (O, S)."""
    return np.stack([measure(a, b) for a, b in zip(images, truths, strict=True)])


def _strips(
    inputs: Coded,
    reconstructions: NDArray[np.float32],
    decoded: NDArray[np.float32],
    sweep: Sweep,
    relative: NDArray[np.float64],
) -> list[Strip]:
    """Choose the objects to show: some at even steps, and the best and the worst by `relative` error (O,)."""
    count = len(relative)
    reasons: dict[int, list[str]] = {}
    for place in np.linspace(0, count - 1, STEADY + 2)[1:-1].round():
        reasons.setdefault(int(place), []).append(f"number {int(place) + 1} of {count}, taken at even steps")
    reasons.setdefault(int(np.argmin(relative)), []).append(f"best of {count}")
    reasons.setdefault(int(np.argmax(relative)), []).append(f"worst of {count}")
    return [
        Strip(
            row,
            f"{'; '.join(dict.fromkeys(why))}: error {relative[row]:.0%} of an empty picture's",
            inputs.images[row],
            to_uint8(reconstructions[row]),
            to_uint8(decoded[row]),
            sweep.images[row],
        )
        for row, why in reasons.items()
    ]


def measure(views: NovelViews) -> dict[str, Any]:
    """Errors of novel views with their intervals over identities, for report.json.

    `novel_view_mse` is that of azimuth; `ratio_to_copying` below 1 means better than handing back the input.
    """
    missing = [name for name, entry in views.factors.items() if entry is None]
    factors = {
        name: None if entry is None else _measure_factor(entry, views.identity) for name, entry in views.factors.items()
    }
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


def _measure_factor(views: FactorViews, identity: NDArray[np.int64]) -> dict[str, Any]:
    objects, steps = views.change.shape
    who = np.repeat(identity, steps)
    own, copied = views.decoded.mse.reshape(-1), views.copied.mse.reshape(-1)

    def ratio(rows: NDArray[np.int64]) -> float | None:
        scale = float(copied[rows].mean())
        return float(own[rows].mean()) / scale if scale > 0 else None

    return {
        "views": objects * steps,
        "angles": [float(angle) for angle in views.angles],
        **_means(views.decoded, who),
        "copy_input": _means(views.copied, who),
        "mean_image_mse": bootstrap.mean(views.mean_image.reshape(-1), who),
        "ratio_to_copying": bootstrap.estimate(ratio, who),
        "by_change": _by_change(views, who),
        "best": _object(views, identity, int(np.argmin(views.relative))),
        "worst": _object(views, identity, int(np.argmax(views.relative))),
    }


def _object(views: FactorViews, identity: NDArray[np.int64], row: int) -> dict[str, Any]:
    error = float(views.decoded.mse[row].mean())
    return {"identity": int(identity[row]), "mse": error, "over_empty_picture": float(views.relative[row])}


def _means(scores: Scores, who: NDArray[np.int64]) -> dict[str, Estimate | None]:
    values = {name: getattr(scores, name) for name in MEASURES}
    return {name: None if rows is None else bootstrap.mean(rows.reshape(-1), who) for name, rows in values.items()}


def _by_change(views: FactorViews, who: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Errors in bins of the angle of change; bins that no view falls into are left out."""
    change = views.change.reshape(-1)
    largest = float(change.max())
    width = next((w for w in WIDTHS if largest <= w * MOST_BINS), WIDTHS[-1])
    last = max(0.0, np.ceil(largest / width) - 1)  # its upper end belongs to it
    bins = np.minimum(change // width, last)
    rows = []
    for number in np.unique(bins):
        chosen = bins == number
        entry: dict[str, Any] = {"from": float(number * width), "to": float((number + 1) * width)}
        entry["views"] = int(chosen.sum())
        for name, scores in (("mse", views.decoded), ("copy_mse", views.copied)):
            entry[name] = bootstrap.mean(scores.mse.reshape(-1)[chosen], who[chosen])
        rows.append(entry)
    return rows


def section(measures: Mapping[str, Any], views: NovelViews) -> Section:
    """The part of the report: table, error against change, and strips of images. `measures` as `measure` gave them."""
    known = {name: entry for name, entry in measures["factors"].items() if entry is not None}
    parts: list[Figure | Table] = []
    if known:
        parts += [_table(known, measures), _chart_figure(known, measures)]
    for name, entry in views.factors.items():
        if entry is not None:
            parts.append(_strips_figure(name, entry, views.identity))
    text = (
        "From one image of an unseen object, its code is inferred, the latents of one angle are set through the "
        "calibration to the degrees asked for, and all others are left alone. What the decoder makes of it is compared "
        "with the true renderer's image of that very object at that very angle."
    )
    return Section("Novel views of one image, beside the truth", text, parts, list(measures["warnings"]))


def _table(known: Mapping[str, Any], measures: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = []
    for name, entry in known.items():
        rows.append([name, *(entry[key] for key in MEASURES), entry["ratio_to_copying"]])
        rows.append([f"{name}: copy of the input", *(entry["copy_input"][key] for key in MEASURES), ""])
        rows.append([f"{name}: mean image", entry["mean_image_mse"], "", "", "", ""])
    reconstruction = [measures["reconstruction_mse"], "", measures["reconstruction_ssim"]]
    rows.append(["input reconstructed, nothing asked", *reconstruction, "", ""])
    head = ["turned by its code", "MSE", "PSNR, dB", "SSIM", "LPIPS", "MSE over that of copying"]
    keep = [k for k in range(len(head)) if head[k] != "LPIPS" or measures["lpips"] == "measured"]
    caption = (
        f"Mean over {measures['objects']} objects and all angles of the sweep, grey values in [0, 1]. MSE is best low, "
        "PSNR and SSIM are best high (1 is the same image), LPIPS best low. Below each: what handing back the input "
        "itself would score, and the best constant picture, the mean of the true images. MSE over that of copying "
        f"should be well below 1. LPIPS: {measures['lpips']}."
    )
    return Table([head[k] for k in keep], [[row[k] for k in keep] for row in rows], caption)


def _chart_figure(known: Mapping[str, Any], measures: Mapping[str, Any]) -> Figure:
    plot = Plot(figsize=(4.2 * len(known), 3.6), dpi=DPI, layout="constrained")
    for axes, (name, entry) in zip(np.atleast_1d(plot.subplots(1, len(known))).flat, known.items(), strict=True):
        _draw_change(axes, name, entry)
        floor = measures["reconstruction_mse"]["value"]
        axes.axhline(floor, color=INK, linewidth=1, linestyle=":", label="input reconstructed")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    caption = (
        "Error of the novel view against how far the object (or the light) had to turn from its input, with 95 % "
        "intervals over identities. Copying the input costs nothing at 0 and ever more beyond; a code that holds the "
        "object stays flat, near the error of merely reconstructing the input."
    )
    return Figure("novel-view-error", figure_png(plot), caption)


def _draw_change(axes: Axes, name: str, entry: Mapping[str, Any]) -> None:
    rows = entry["by_change"]
    middle = [(row["from"] + row["to"]) / 2 for row in rows]
    for key, color, label in (("copy_mse", LINE, "copy of the input"), ("mse", POINTS, "decoded")):
        values = np.array([row[key]["value"] for row in rows])
        ends = [np.array([np.nan if row[key][k] is None else row[key][k] for row in rows]) for k in ("low", "high")]
        axes.plot(middle, values, color=color, marker="o", markersize=4, label=label)
        axes.fill_between(middle, ends[0], ends[1], color=color, alpha=0.2, linewidth=0)
    axes.axhline(entry["mean_image_mse"]["value"], color=INK, linewidth=1, linestyle="--", label="mean image")
    axes.set_title(name, color=INK)
    axes.set_xlabel(f"change of {name}, degrees")
    axes.set_ylabel("mean squared error")


def _strips_figure(name: str, views: FactorViews, identity: NDArray[np.int64]) -> Figure:
    rows: list[Row] = []
    for strip in views.strips:
        columns = [
            (strip.reconstruction, strip.input, "reconstructed", f"input {degrees_text(views.start[strip.row])}"),
            *(
                (decoded, truth, f"asked {degrees_text(angle)}", "")
                for decoded, truth, angle in zip(strip.decoded, strip.truths, views.angles, strict=True)
            ),
        ]
        errors = [np.abs(a.astype(np.float32) - b) / 255.0 * BRIGHTER for a, b, _, _ in columns]
        heading = f"identity {identity[strip.row]}, {strip.why}"
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
