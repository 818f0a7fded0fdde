"""Novel views: an unseen object turned by its code, beside the true renderer's image of it at that very angle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.engine.codes import decode
from dcign.engine.curves import Curve, GroupCurve, angle_error
from dcign.errors import RunError
from dcign.evaluation.evidence.coded import Coded, Sweep
from dcign.images.drawing import to_uint8
from dcign.images.images import BACKGROUND
from dcign.metrics import image_quality, lpips
from dcign.model.knobs import Knobs
from dcign.runs.run import Run

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
    given       (O,) degrees in the input
    change      (O, S) degrees between the two, the short way round a circle
    decoded     of the decoded images against the truth
    copied      of the input itself given as the answer
    mean_image  (O, S) mean squared error of the mean of all these truths
    relative    (O,) mean squared error over that of an empty picture, so that a dark object is not easier than a bright
                one: what best and worst are told by
    """

    angles: NDArray[np.float64]
    given: NDArray[np.float64]
    change: NDArray[np.float64]
    decoded: Scores
    copied: Scores
    mean_image: NDArray[np.float64]
    relative: NDArray[np.float64]
    strips: Sequence[Strip]


@dataclass(frozen=True, eq=False)
class NovelViews:
    """Those of every factor; None where one has no calibration.

    identity        (O,)
    reconstruction  (O,) mean squared error of the inputs decoded as they are
    lpips           why that distance was not measured; empty where it was
    """

    factors: Mapping[str, FactorViews | None]
    identity: NDArray[np.int64]
    reconstruction: NDArray[np.float64]
    lpips: str


def compare(
    run: Run,
    inputs: Coded,
    sweeps: Mapping[str, Sweep],
    curves: Mapping[str, Curve | GroupCurve],
    knobs: Knobs,
) -> NovelViews:
    """Decodes each of the `inputs` (O) with the latents of a factor set to each angle of its sweep, and compares.

    Latents come from the calibration curve, angles beyond its range from its nearest end; all others stay those of the
    input. RunError when the decoder gives pixels that are not finite.
    """
    found = lpips.find()
    distance = None if isinstance(found, str) else found
    reconstructions = _decode(run, inputs.codes)
    factors = {
        name: _factor_views(run, inputs, sweep, name, curves[name], knobs.groups[name], reconstructions, distance)
        if name in curves and name in knobs.groups
        else None
        for name, sweep in sweeps.items()
    }
    error = image_quality.mse(reconstructions, inputs.images)
    return NovelViews(factors, inputs.identity, error, found if isinstance(found, str) else "")


def _factor_views(
    run: Run,
    inputs: Coded,
    sweep: Sweep,
    name: str,
    curve: Curve | GroupCurve,
    own: NDArray[np.int64],
    reconstructions: NDArray[np.float32],
    distance: lpips.Distance | None,
) -> FactorViews:
    truths = sweep.images
    codes = np.concatenate([_turned(code, own, curve, sweep.angles) for code in inputs.codes])  # (O S, Z)
    decoded = _decode(run, codes).reshape(truths.shape)
    scores = _scores(decoded, truths, distance)
    copies = np.broadcast_to(inputs.images[:, None], truths.shape) / np.float32(255.0)
    mean_image = np.broadcast_to(truths.mean(axis=(0, 1)) / 255.0, truths.shape)
    empty = np.broadcast_to(np.float32(BACKGROUND[run.object]), truths.shape)
    scale = _each(image_quality.mse, empty, truths).mean(axis=1)
    relative = scores.mse.mean(axis=1) / np.maximum(scale, image_quality.ROUNDING)
    given = inputs.degrees[name].astype(np.float64)
    return FactorViews(
        sweep.angles,
        given,
        np.abs(angle_error(sweep.angles[None], given[:, None], curve.circular)),
        scores,
        _scores(copies, truths, distance),
        _each(image_quality.mse, mean_image, truths),
        relative,
        _strips(inputs, reconstructions, decoded, sweep, relative),
    )


def _turned(
    code: NDArray[np.float32], own: NDArray[np.int64], curve: Curve | GroupCurve, angles: NDArray[np.float64]
) -> NDArray[np.float32]:
    """`code` (Z,) with its latents `own` (W,) set to each of `angles` (S,): (S, Z)."""
    within = angles if curve.circular else np.clip(angles, *curve.range)
    codes = np.repeat(code[None], len(angles), axis=0)
    codes[:, own] = curve.to_latent(within).reshape(len(angles), len(own))
    return codes


def _decode(run: Run, codes: NDArray[np.float32]) -> NDArray[np.float32]:
    images = decode(run, codes)
    if not np.isfinite(images).all():
        raise RunError(f"{run.folder}: the decoder gives pixels that are not finite numbers; the training diverged")
    return images


def _scores(images: NDArray[np.floating], truths: NDArray[np.uint8], distance: lpips.Distance | None) -> Scores:
    """Every measure of `images` (O, S, H, W) in [0, 1] against `truths`."""
    errors = _each(image_quality.mse, images, truths)
    return Scores(
        errors,
        image_quality.psnr(errors),
        _each(image_quality.ssim, images, truths),
        None if distance is None else _each(distance, to_uint8(images), truths),
    )


def _each(measure: Any, images: NDArray[Any], truths: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`measure` of pairs of images (O, S, H, W), object by object: (O, S)."""
    return np.stack([measure(a, b) for a, b in zip(images, truths, strict=True)])


def _strips(
    inputs: Coded,
    reconstructions: NDArray[np.float32],
    decoded: NDArray[np.float32],
    sweep: Sweep,
    relative: NDArray[np.float64],
) -> list[Strip]:
    """The objects to show: some at even steps through the set, the best and the worst by `relative` error (O,)."""
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
