"""Novel views of one image against the clamped picture: how much of the error is the view, how much the picture.

Training decodes a mini-batch of a factor from its own latents of that factor and the mean of all others (paper, section
3.2): the clamped picture, which twenty images have told of the person. At use one image has to tell all of that. Both
are decoded here at the very values of the images, read from the images themselves, so that no calibration has a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.engine.codes import decode
from dcign.evaluation.encoding import Encoding
from dcign.evaluation.evidence.types import Cell, Section, Table
from dcign.evaluation.metrics import bootstrap, image_quality
from dcign.model.code import AngleLatents
from dcign.runs.run import Run
from render.shards.data_set import DataSet

MOST = 50  # mini-batches of each factor, at even steps through the set


@dataclass(frozen=True, eq=False)
class ClampedViews:
    """Mean squared errors (n,) of the images of one factor's mini-batches, and `identity` (n,), who is shown.

    reconstruction  decoded from the image's own code
    clamped         from its own latents of the factor, all others averaged over its mini-batch
    other           from its own latents of the factor, all others those of one other image of its mini-batch
    """

    identity: NDArray[np.int64]
    reconstruction: NDArray[np.float64]
    clamped: NDArray[np.float64]
    other: NDArray[np.float64]


def compare(run: Run, data: DataSet, encoding: Encoding, angle_latents: AngleLatents) -> dict[str, ClampedViews]:
    """Decode mini-batches of each factor that has latents of its own, in these ways; factor -> errors.

    `encoding` is of `data`; an image that stands in a mini-batch several times counts once, and mini-batches of fewer
    than two different ones are passed over.
    """
    found = {}
    for name in data.factors:
        numbers = np.unique(encoding.minibatch[encoding.kinds == name])
        if name in angle_latents.groups and len(numbers) and data.batch_size > 1:
            shown = np.unique(np.linspace(0, len(numbers) - 1, MOST).round().astype(int))
            views = _compare_factor(run, data, encoding, name, angle_latents.groups[name], numbers, shown)
            if views is not None:
                found[name] = views
    return found


def _compare_factor(
    run: Run,
    data: DataSet,
    encoding: Encoding,
    name: str,
    own: NDArray[np.int64],
    numbers: NDArray[np.int64],
    shown: NDArray[np.int64],
) -> ClampedViews | None:
    rng = np.random.default_rng(0)
    rows: list[NDArray[np.int64]] = []
    clamped: list[NDArray[np.float64]] = []
    other: list[NDArray[np.float64]] = []
    for index in shown:
        here = np.flatnonzero(encoding.minibatch == numbers[index])
        different = np.sort(np.unique(encoding.keys[here], return_index=True)[1])
        if len(different) < 2:
            continue
        truths = np.asarray(data.minibatch(name, int(index)).images)[different]
        here = here[different]
        codes = encoding.codes[here]
        averaged = np.broadcast_to(codes.mean(axis=0), codes.shape)
        for errors, others in ((clamped, averaged), (other, codes[one_other(len(codes), rng)])):
            mixed = others.copy()
            mixed[:, own] = codes[:, own]
            errors.append(image_quality.mse(decode(run, mixed), truths))
        rows.append(here)
    if not rows:
        return None
    chosen = np.concatenate(rows)
    return ClampedViews(
        encoding.identity[chosen], encoding.errors[chosen], np.concatenate(clamped), np.concatenate(other)
    )


def one_other(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each of `count` images another one of them at random, each of them once."""
    order = rng.permutation(count)
    found = np.empty(count, np.int64)
    found[order] = np.roll(order, 1)
    return found


def measure(views: Mapping[str, ClampedViews]) -> dict[str, Any]:
    """Errors with their intervals over identities, for report.json.

    `view_share` is what of the error of one other image goes away when twenty tell the picture instead: 0 where all of
    it is the picture's, 1 where all of it comes with the view.
    """
    return {
        "factors": {name: _measure_factor(found) for name, found in views.items()},
        "warnings": [] if views else ["No mini-batches of a factor with latents of its own: nothing to clamp."],
    }


def _measure_factor(views: ClampedViews) -> dict[str, Any]:
    def share(rows: NDArray[np.int64]) -> float | None:
        whole = float(views.other[rows].mean())
        return 1.0 - float(views.clamped[rows].mean()) / whole if whole > 0 else None

    return {
        "images": len(views.identity),
        "reconstruction_mse": bootstrap.mean(views.reconstruction, views.identity),
        "clamped_mse": bootstrap.mean(views.clamped, views.identity),
        "one_image_mse": bootstrap.mean(views.other, views.identity),
        "view_share": bootstrap.estimate(share, views.identity),
    }


def section(measures: Mapping[str, Any]) -> Section:
    """The part of the report: a table of these errors. `measures` as `measure` gave them."""
    rows: list[list[Cell]] = [
        [name, *(found[key] for key in ("reconstruction_mse", "clamped_mse", "one_image_mse", "view_share"))]
        for name, found in measures["factors"].items()
    ]
    head = ["mini-batches of", "its own code", "clamped picture", "one other image", "share of the view"]
    caption = (
        "Mean squared error of decoded images against the true ones, each with the latents of the factor inferred from "
        "itself. All other latents are its own; averaged over its mini-batch, as the clamp of training averages them; "
        "or those of one other image in it, as at use. The error of the clamped picture is what the decoder cannot "
        "paint, whatever it is told of the object; what comes on top with one other image, as it tells less of the "
        "object than all of them, is the view's. Its share is of the error with one other image."
    )
    text = (
        "A novel view of one image can be wrong because the picture is blurred in any view, or because the image in "
        "another pose or light told the wrong object. Mini-batches tell the two apart."
    )
    parts = [Table(head, rows, caption)] if rows else []
    return Section("The view or the picture", text, parts, list(measures["warnings"]))
