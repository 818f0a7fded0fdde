"""A run folder without training: a small network with its initial weights, in a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from labelled_shards import CODE, LABELS, OBJECT

from dcign.config import TrainConfig
from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Centroids, Curve, GroupCurve
from dcign.model.code import CodeLayout
from dcign.runs.checkpoint import Header, save_checkpoint
from render.factors import DEFAULT_RANGES, EXTRINSIC
from render.shards.labels import labels_to_json


def write_untrained(
    folder: Path,
    /,
    *,
    size=54,
    object="face",
    code=None,
    labels=None,
    fingerprint="none",
    step=7,
    seed=0,
    gain=30.0,
    **data,
) -> Path:
    """Write `folder` with a checkpoint of a 4/3/2-map network; `gain` makes its codes and pictures vary visibly.

    `code` is the layout of the graphics code, such as azimuth:2,rest:8; the usual one for the data by default. With
    `labels` it is a run of images that others took, such as those of `labelled_shards`. `data` is more of what it keeps
    of its images, such as background.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    rendered = {"ranges": {name: list(ends) for name, ends in DEFAULT_RANGES.get(object, {}).items()}}
    factors = [*(labels or EXTRINSIC), "intrinsic"]
    if code is not None:
        layout = CodeLayout.parse(code, labels or EXTRINSIC)
    else:
        layout = CodeLayout.for_data(labels, factors) if labels else CodeLayout.for_object(object)
    header = Header(
        step,
        TrainConfig(widths=(4, 3, 2)),
        layout,
        size,
        {
            "object": object,
            "size": size,
            "fingerprint": fingerprint,
            "factors": factors,
            **(labels_to_json(labels) if labels else rendered),
            "seed": 0,
            "folder": "nowhere",
            **data,
        },
    )
    model = dict(header.build_model().named_parameters())
    for name in ("encoder.mean.weight", "decoder.linear.weight"):
        model[name] = model[name] * gain
    zeros = {f"{kind}.{name}": torch.zeros_like(value) for name, value in model.items() for kind in ("mean", "square")}
    save_checkpoint(folder, header, model, zeros)
    return folder


def write_calibrated(folder, *, narrow=1.0, reconstruction=(), **untrained):
    """An untrained run with azimuth, elevation, light and two directions; `narrow` shrinks the range of azimuth."""
    curves = {
        name: Curve(name, (-reach, 0.0, reach), (-60.0, 0.0, 40.0), False, 3.0, 0.9, 100, 100)
        for name, reach in (("azimuth", 90.0 * narrow), ("elevation", 30.0), ("light", 80.0))
    }
    directions = np.zeros((2, 200))
    directions[0, 3:40], directions[1, 20:60] = 20.0, -15.0
    mean = (0.0,) * 3 + (5.0,) * 197
    measured = Calibration(curves, 7, {}, {}, reconstruction, tuple(map(tuple, directions.tolist())), mean)
    calibration.save(write_untrained(folder, gain=300.0, **untrained), measured)
    return folder


def write_calibrated_labelled(folder, /, **untrained):
    """An untrained run on the images of `labelled_shards`, of 12 latents, whose labels all have curves."""
    known = (False, 1.0, 0.9, 100, 100)
    curves = [
        GroupCurve(
            "azimuth", (0.0, 120.0, 240.0, 360.0), ((9.0, 0.0), (0.0, 9.0), (-9.0, 0.0), (9.0, 0.0)), True, *known[1:],
            label=LABELS["azimuth"],
        ),
        Curve("distance", (20.0, 40.0, 60.0), (30.0, 0.0, -9.0), *known, label=LABELS["distance"]),
        Centroids("colour", (0.0, 1.0, 2.0), ((9.0, 0.0), (0.0, 9.0), (5.0, 5.0)), *known, label=LABELS["colour"]),
        Curve("tilt", (-1.0, 1.0), (-20.0, 20.0), *known, label=LABELS["tilt"]),
    ]  # fmt: skip
    directions = ((0.0,) * 6 + (3.0, 4.0) + (0.0,) * 4,)
    measured = Calibration({curve.factor: curve for curve in curves}, 7, {}, directions=directions)
    run = write_untrained(folder, object=OBJECT, labels=LABELS, code=CODE, **{"gain": 300.0, **untrained})
    calibration.save(run, measured)
    return folder
