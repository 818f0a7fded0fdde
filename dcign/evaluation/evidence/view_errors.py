"""Decoded views of an object at other values of one factor, and their errors against its true images there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.engine.codes import decode
from dcign.engine.curves import FactorCurve, value_error
from dcign.engine.drawing import to_uint8
from dcign.errors import RunError
from dcign.evaluation.evidence.types import Coded, Sweep
from dcign.evaluation.metrics import image_quality
from dcign.model.code import AngleLatents
from dcign.runs.run import Run
from render.shards.labels import Label

STEADY = 2  # objects at even steps through the set, beside the best and the worst


@dataclass(frozen=True, eq=False)
class Scores:
    """Measures (O, S) of images against truths: mean squared error, PSNR in decibels, SSIM, and LPIPS if it is had."""

    mse: NDArray[np.float64]
    psnr: NDArray[np.float64]
    ssim: NDArray[np.float64]
    lpips: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Strip:
    """One object: its input, and the sweep as decoded and as it truly looks.

    row                    of the objects, `why` it is shown
    input, reconstruction  (H, W) uint8
    values                 (S,) asked for
    decoded, truths        (S, H, W) uint8
    """

    row: int
    why: str
    input: NDArray[np.uint8]
    reconstruction: NDArray[np.uint8]
    values: NDArray[np.float64]
    decoded: NDArray[np.uint8]
    truths: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FactorViews:
    """The novel views of O objects at up to S values of one factor.

    values      (O, S) asked for, in the unit of `label`
    asked       (O, S) bool, where there is a view; all else below counts nowhere but there
    identity    (O,) who or what is shown
    start       (O,) value of the input
    change      (O, S) between the two, the short way round a circle; 0 or 1 for categories
    decoded     of the decoded images against the truth
    copied      of the input itself given as the answer
    mean_image  (O, S) mean squared error of the mean of all these truths
    relative    (O,) mean squared error over that of an empty picture, so that a dark object is not easier than a bright
                one: what best and worst are told by
    images      (O, S, H, W) in [0, 1], the decoded ones
    """

    label: Label
    values: NDArray[np.float64]
    asked: NDArray[np.bool_]
    identity: NDArray[np.int64]
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

    identity        (n,) of the inputs
    reconstruction  (n,) mean squared error of the inputs decoded as they are
    likeness        (n,) SSIM of these
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
    """Decode `inputs` (n) with the latents of a factor set to each value that its sweep asks for, and compare.

    Latents come from the calibration curve, values beyond its range from its nearest end; all others stay those of the
    input. RunError when the decoder gives pixels that are not finite.
    """
    found = image_quality.find_lpips()
    distance = None if isinstance(found, str) else found
    reconstructions = _decode(run, inputs.codes)
    factors = {
        name: _factor_views(run, inputs, reconstructions, sweep, curves[name], angle_latents.groups[name], distance)
        if name in curves and name in angle_latents.groups
        else None
        for name, sweep in sweeps.items()
    }
    error, likeness = (measure(reconstructions, inputs.images) for measure in (image_quality.mse, image_quality.ssim))
    return NovelViews(factors, inputs.identity, error, likeness, found if isinstance(found, str) else "")


def _factor_views(
    run: Run,
    inputs: Coded,
    reconstructions: NDArray[np.float32],
    sweep: Sweep,
    curve: FactorCurve,
    own: NDArray[np.int64],
    distance: image_quality.Distance | None,
) -> FactorViews:
    truths, asked, rows, label = sweep.images, sweep.asked, sweep.rows, curve.label
    start = inputs.values[label.name][rows].astype(np.float64)
    values = np.where(asked, sweep.values, start[:, None])
    codes = np.concatenate([_turned(inputs.codes[row], own, curve, at) for row, at in zip(rows, values, strict=True)])
    decoded = _decode(run, codes).reshape(truths.shape)
    scores = _scores(decoded, truths, distance)
    copies = np.broadcast_to(inputs.images[rows][:, None], truths.shape) / np.float32(255.0)
    mean_image = np.broadcast_to(truths[asked].mean(axis=0) / 255.0, truths.shape)
    empty = np.broadcast_to(np.float32(run.background), truths.shape)
    scale = _over_asked(_each(image_quality.mse, empty, truths), asked)
    relative = _over_asked(scores.mse, asked) / np.maximum(scale, image_quality.ROUNDING)
    return FactorViews(
        label,
        values,
        asked,
        inputs.identity[rows],
        start,
        np.abs(value_error(values, np.broadcast_to(start[:, None], values.shape), label)),
        scores,
        _scores(copies, truths, distance),
        _each(image_quality.mse, mean_image, truths),
        relative,
        _strips(inputs.images[rows], reconstructions[rows], decoded, sweep, relative),
        decoded,
    )


def _over_asked(values: NDArray[np.float64], asked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean (O,) of `values` (O, S) where there is a view."""
    return np.array([row[there].mean() for row, there in zip(values, asked, strict=True)])


def _turned(
    code: NDArray[np.float32], own: NDArray[np.int64], curve: FactorCurve, values: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return `code` (Z,) with its latents `own` (W,) set to each of `values` (S,): (S, Z)."""
    within = values if curve.circular else np.clip(values, *curve.range)
    codes = np.repeat(code[None], len(values), axis=0)
    codes[:, own] = curve.to_latent(within).reshape(len(values), len(own))
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
    inputs: NDArray[np.uint8],
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
            inputs[row],
            to_uint8(reconstructions[row]),
            sweep.values[row][sweep.asked[row]],
            to_uint8(decoded[row][sweep.asked[row]]),
            sweep.images[row][sweep.asked[row]],
        )
        for row, why in reasons.items()
    ]
