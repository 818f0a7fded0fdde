"""Errors inside boxes around eyes, brows, nose and mouth, which people look at in a face.

The mean over all pixels is mostly background, skin and hair; a face without a mouth hardly shows in it. The boxes come
from the landmarks of the face model, through the camera of the true renderer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcign.engine.drawing import Row, Tile, draw_rows, png, to_uint8
from dcign.evaluation.evidence.types import Boxes, Cell, Coded, Figure, Section, Sweep, Table
from dcign.evaluation.evidence.view_errors import NovelViews
from dcign.evaluation.metrics import bootstrap, image_quality
from dcign.evaluation.metrics.bootstrap import Estimate

PARTS = {  # of the report -> features, of which each image shows as many as are turned to the camera
    "eyes": ("left eye", "right eye"),
    "brows": ("left brow", "right brow"),
    "nose": ("nose",),
    "mouth": ("mouth",),
}
HALF_PROFILE, NEAR = 45.0, 5.0  # degrees of azimuth, to either side; a sweep has no angle there if none is so near
PEOPLE = 4  # shown
MAGNIFIED = 96  # pixels a side of what is shown of a feature


@dataclass(frozen=True, eq=False)
class Measured:
    """B boxes, each with its errors.

    boxes     where they lie in the images
    identity  (B,) who is shown
    mse       (B,) mean squared error inside each
    ssim      (B,) mean of the map of structural similarity inside each
    truths    (n, H, W) uint8, the true images
    images    (n, H, W) in [0, 1], the decoded ones
    """

    boxes: Boxes
    identity: NDArray[np.int64]
    mse: NDArray[np.float64]
    ssim: NDArray[np.float64]
    truths: NDArray[np.uint8]
    images: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class FeatureErrors:
    """Boxes of reconstructions, of novel views at half profile (None where no sweep has it), and of every sweep."""

    reconstruction: Measured
    half_profile: Measured | None
    sweeps: Mapping[str, Measured]


def compare(
    inputs: Coded,
    reconstructions: NDArray[np.floating],
    boxes: Boxes,
    views: NovelViews,
    sweeps: Mapping[str, Sweep],
    sweep_boxes: Mapping[str, Boxes],
) -> FeatureErrors:
    """Compare what boxes hold in decoded images and in the true ones.

    inputs           (n) images, and `boxes` in them
    reconstructions  (n, H, W) in [0, 1], the inputs decoded from their own codes
    views            decoded images of each of the `sweeps`, with `sweep_boxes` in their images, object by object
    """
    reconstruction = _measured(reconstructions, inputs.images, inputs.identity, boxes)
    found, half_profile = {}, None
    for name, factor in views.factors.items():
        if factor is None:
            continue
        truths = sweeps[name].images
        who = np.repeat(factor.identity, truths.shape[1])
        flat = (factor.images.reshape(-1, *truths.shape[2:]), truths.reshape(-1, *truths.shape[2:]), who)
        found[name] = _measured(*flat, sweep_boxes[name])
        aside = np.abs(np.abs(factor.values) - HALF_PROFILE) <= NEAR
        if name == "azimuth" and aside.any():
            half_profile = _only(found[name], aside.reshape(-1))
    return FeatureErrors(reconstruction, half_profile, found)


def _measured(
    images: NDArray[np.floating], truths: NDArray[np.uint8], identity: NDArray[np.int64], boxes: Boxes
) -> Measured:
    mse, ssim = image_quality.in_boxes(images, truths, boxes.image, boxes.limits)
    return Measured(boxes, identity[boxes.image], mse, ssim, truths, images)


def _only(measured: Measured, images: NDArray[np.bool_]) -> Measured:
    """Return the boxes of some of the images (n,)."""
    kept, boxes = images[measured.boxes.image], measured.boxes
    some = Boxes(boxes.image[kept], boxes.feature[kept], boxes.limits[kept])
    errors = (measured.identity[kept], measured.mse[kept], measured.ssim[kept])
    return Measured(some, *errors, measured.truths, measured.images)


def measure(errors: FeatureErrors, rule: str) -> dict[str, Any]:
    """Mean errors inside the boxes of each part, with intervals over identities, for report.json.

    `rule` says in words which boxes there are.
    """
    missing = (
        f"No sweep shows faces at azimuths of {-HALF_PROFILE:g} and {HALF_PROFILE:g} degrees, so no novel views there."
    )
    return {
        "rule": rule,
        "people": len(np.unique(errors.reconstruction.identity)),
        "reconstruction": _by_part(errors.reconstruction),
        "half_profile": None if errors.half_profile is None else _by_part(errors.half_profile),
        "novel_views": {name: _by_part(found) for name, found in errors.sweeps.items()},
        "warnings": [missing] if errors.half_profile is None else [],
    }


def _by_part(found: Measured) -> dict[str, Any]:
    """Errors of each part, and of `all`, the mean over parts, each box of a part counting alike."""
    rows = {part: np.isin(found.boxes.feature, features) for part, features in PARTS.items()}
    parts: dict[str, Any] = {
        part: {
            "boxes": int(chosen.sum()),
            "mse": bootstrap.mean(found.mse[chosen], found.identity[chosen]),
            "ssim": bootstrap.mean(found.ssim[chosen], found.identity[chosen]),
        }
        for part, chosen in rows.items()
    }
    place = np.select(list(rows.values()), range(len(rows)), -1)
    whole = {
        name: _over_parts(values, place, found.identity) for name, values in (("mse", found.mse), ("ssim", found.ssim))
    }
    return {**parts, "all": {"boxes": len(found.mse), **whole}}


def _over_parts(values: NDArray[np.float64], part: NDArray[np.integer], identity: NDArray[np.int64]) -> Estimate:
    """Estimate the mean over parts of the mean of `values` (B,) in each, `part` (B,) saying which; None without one."""

    def statistic(rows: NDArray[np.int64]) -> float | None:
        counts = np.bincount(part[rows], minlength=len(PARTS))
        if (counts == 0).any():
            return None
        return float((np.bincount(part[rows], values[rows], minlength=len(PARTS)) / counts).mean())

    return bootstrap.estimate(statistic, identity)


def section(measures: Mapping[str, Any], errors: FeatureErrors) -> Section:
    """The part of the report: a table, and what boxes hold, magnified. `measures` as `measure` gave them."""
    text = (
        "Errors inside boxes around eyes, brows, nose and mouth, where people look first and where a picture that is "
        f"right on average may show nothing. {measures['rule']}"
    )
    figure = _figure(errors)
    parts: list[Table | Figure] = [_table(measures)]
    if figure is not None:
        parts.append(figure)
    return Section("Eyes, brows, nose and mouth", text, parts, list(measures["warnings"]))


def _table(measures: Mapping[str, Any]) -> Table:
    kinds = {"reconstruction": measures["reconstruction"]}
    if measures["half_profile"] is not None:
        kinds["novel views at ±45° of azimuth"] = measures["half_profile"]
    kinds |= {f"novel views, whole sweep of {name}": found for name, found in measures["novel_views"].items()}
    rows: list[list[Cell]] = []
    for name, found in kinds.items():
        for key, label in (("ssim", "SSIM"), ("mse", "MSE")):
            rows.append([f"{name}: {label}", *(found[part][key] for part in (*PARTS, "all"))])
    caption = (
        f"Mean over the boxes of {measures['people']} people, grey values in [0, 1]; `all` is the mean of the four "
        "parts. SSIM is best high (1 is the same picture), MSE best low. Reconstructions are of images in all poses "
        "and lights; novel views are of one image, turned by its code, against the true one."
    )
    return Table(["inside boxes", *PARTS, "all"], rows, caption)


def _figure(errors: FeatureErrors) -> Figure | None:
    """Draw what boxes hold; None where there is no box."""
    kinds = [(errors.reconstruction, "")]
    if errors.half_profile is not None:
        kinds.append((errors.half_profile, ", ±45°"))
    people = np.unique(kinds[-1][0].identity)
    if not len(people):
        return None
    rows: list[Row] = []
    for who in people[np.unique(np.linspace(0, len(people) - 1, PEOPLE).round().astype(int))]:
        truths: list[Tile] = []
        decoded: list[Tile] = []
        for found, name in kinds:
            for part, box in _shown(found, who):
                truths.append(Tile(_crop(found.truths, found.boxes, box), part + name))
                decoded.append(Tile(_crop(found.images, found.boxes, box)))
        rows += [Row(truths, "true", f"identity {who}"), Row(decoded, "decoded")]
    caption = (
        f"{PEOPLE} of the people, at even steps through their numbers and not by taste, each in the image that shows "
        "most of these features: the square around each box, magnified, the true picture above the decoded one; first "
        "of an image decoded from its own code, then of another image of the person, turned to half profile."
    )
    return Figure("facial-features", png(draw_rows(rows)), caption, broad=True)


def _shown(found: Measured, who: np.int64) -> list[tuple[str, int]]:
    """Return each part with a box of it, all in that image of identity `who` that has most boxes."""
    own = np.flatnonzero(found.identity == who)
    if not len(own):
        return []
    images, counts = np.unique(found.boxes.image[own], return_counts=True)
    there = own[found.boxes.image[own] == images[np.argmax(counts)]]
    shown = []
    for part, features in PARTS.items():
        boxes = there[np.isin(found.boxes.feature[there], features)]
        if len(boxes):
            shown.append((part, int(boxes[0])))
    return shown


def _crop(images: NDArray[Any], boxes: Boxes, box: int) -> NDArray[np.floating]:
    """Cut the square around a box from its image, magnified: (MAGNIFIED, MAGNIFIED) in [0, 1]."""
    left, top, right, bottom = boxes.limits[box].tolist()
    image = images[boxes.image[box]]
    grey = image if image.dtype == np.uint8 else to_uint8(image)
    side = min(max(right - left, bottom - top), len(grey))
    x, y = (int(np.clip((low + high - side) // 2, 0, len(grey) - side)) for low, high in ((left, right), (top, bottom)))
    square = Image.fromarray(grey[y : y + side, x : x + side])
    return np.asarray(square.resize((MAGNIFIED, MAGNIFIED), Image.Resampling.NEAREST)) / 255.0
