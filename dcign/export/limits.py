"""What a run cannot do, in sentences that come from its data and its figures, for the model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve, GroupCurve
from dcign.report.html import number
from dcign.report.saved import reach
from dcign.runs.run import Run
from render.factors import EXTRINSIC

WHAT = {
    "face": "heads of a face model before black: none has glasses, a beard, hair with volume or clothes",
    "chair": "single chairs before white, without a floor or a shadow",
}
NOT_MEASURED = "not measured"


def limits(run: Run, curves: Calibration | None, report: Mapping[str, Any] | None) -> Iterator[str]:
    """One sentence or two for each limit. What no figure is known of is named as not measured, never guessed."""
    yield (
        f"It was trained on renderings only, of {WHAT.get(run.object, run.object + 's')}. A photograph is unlike them, "
        "and what it does with one was " + NOT_MEASURED + "."
    )
    if run.data.get("ranges"):
        yield f"It knows no angles beyond those of its training: {range_text(run.data['ranges'])}."
    yield from _of_angles(curves)
    document = report or {}
    yield from _of_pixels(document)
    yield from _of_views(document)
    yield from _of_identity(run, document)
    missed = [line["name"] for line in document.get("headline", ()) if line.get("reached") is False]
    if missed:
        yield f"Aims that it misses: {', '.join(missed)}."
    warnings = document.get("warnings", ())
    yield from (str(warning) for warning in (warnings if isinstance(warnings, list) else ()))


def range_text(ranges: Mapping[str, Sequence[float]]) -> str:
    """azimuth -90° to 90°, light 0° only."""
    return ", ".join(
        f"{name} {low:g}° " + (f"to {high:g}°" if high > low else "only") for name, (low, high) in ranges.items()
    )


def _of_angles(curves: Calibration | None) -> Iterator[str]:
    if curves is None or not curves.curves:
        yield "It has no calibration: which latent value stands for which angle in degrees was " + NOT_MEASURED + "."
        return
    for name, curve in curves.curves.items():
        if isinstance(curve, Curve) and curve.circular:
            yield (
                f"One latent has to stand for {name} all the way round, and so takes each of its values at two angles "
                f"or more: turning passes through the same views twice. Its curve explains {curve.explained:.0%} of "
                "that latent's variance."
            )
        else:
            yield _of_reading(name, curve)


def _of_reading(name: str, curve: Curve | GroupCurve) -> str:
    low, high = curve.range
    guess = (high - low) / np.sqrt(12)  # standard deviation of an even spread
    return (
        f"The {name} read from an image is wrong by {curve.residual_degrees:.1f}° (root mean square; a guess at the "
        f"middle of {low:g}° to {high:g}° would be by {guess:.0f}°). Its curve explains {curve.explained:.0%} of the "
        "variance of its latents."
    )


def _of_pixels(report: Mapping[str, Any]) -> Iterator[str]:
    ratio, mse = (reach(report, ("reconstruction", key)) for key in ("ratio", "mse"))
    if not (_known(ratio) and _known(mse)):
        yield f"How well it reconstructs images was {NOT_MEASURED}."
        return
    yield (
        f"Fine detail is lost: a reconstruction is wrong by {ratio:.0%} of what the test set's mean image would be "
        f"(MSE {number(mse)})."
    )
    leak = reach(report, ("spearman", "largest_leak"))
    if isinstance(leak, dict) and _known(leak.get("value")):
        yield (
            f"The knobs are not quite apart: z_{leak.get('latent')} also follows {leak.get('factor')}, "
            f"|Spearman| {number(leak['value'])}."
        )
    leak = reach(report, ("evidence", "groups", "overall", "largest_leak"))
    if isinstance(leak, dict) and _known(leak.get("value")):
        group = f"z_{leak.get('group')}" if leak.get("group") in EXTRINSIC else "the latents of no angle"
        yield f"What should not know of {leak.get('factor')}, {group}, predicts it with R² {number(leak['value'])}."


def _of_views(report: Mapping[str, Any]) -> Iterator[str]:
    factors = reach(report, ("evidence", "novel_views", "factors"))
    if not isinstance(factors, dict) or not any(factors.values()):
        yield f"The error of a picture at another angle, against the true one there, was {NOT_MEASURED}."
        return
    for name, views in factors.items():
        own, copied, mean = (
            reach(views, keys)
            for keys in (("mse", "value"), ("copy_input", "mse", "value"), ("mean_image_mse", "value"))
        )
        if _known(own) and _known(copied) and _known(mean):
            verdict = "" if own < min(copied, mean) else ": no better than the best of these two"
            yield (
                f"A picture at another {name} has MSE {number(own)} against the true one; handing the input back has "
                f"{number(copied)}, the mean image {number(mean)}{verdict}."
            )


def _of_identity(run: Run, report: Mapping[str, Any]) -> Iterator[str]:
    found = {
        name: reach(report, ("evidence", "recognition", "methods", name, "rank1", "value"))
        for name in ("rest", "pixels")
    }
    chance = reach(report, ("evidence", "recognition", "chance", "rank1"))
    if not all(map(_known, (*found.values(), chance))):
        yield f"How far the identity survives a change of pose and light was {NOT_MEASURED}."
        return
    warning = " Do not recognise people with it." if run.object == "face" else ""
    yield (
        f"Across poses and lights it finds the same {run.object} again in {found['rest']:.0%} of cases (pixels "
        f"{found['pixels']:.0%}, chance {chance:.0%}).{warning}"
    )


def _known(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
