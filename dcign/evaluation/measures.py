"""All measures of one run on one data set, from one encoding pass, as plain data ready for JSON.

To add a measure: a pure function in `dcign/evaluation/metrics/`, a line in `measure`, and a row in
`dcign.report.comparison`. The 95 % intervals are in `dcign.evaluation.intervals`, the warnings in `remarks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curve_fitting import fit
from dcign.engine.curves import FactorCurve
from dcign.engine.directions import leading_directions, mean_identity
from dcign.evaluation import remarks
from dcign.evaluation.encoding import Encoding, encode_data_set
from dcign.evaluation.intervals import intervals
from dcign.evaluation.metrics.angles import (
    circular_r2,
    group_circular_r2,
    largest_leak,
    linear_r2,
    own_values,
    spearman,
    total_variance,
    within_variance,
)
from dcign.evaluation.metrics.categories import READERS, CategoryReads, read_categories
from dcign.evaluation.metrics.folds import courses_of
from dcign.evaluation.metrics.image_quality import reconstruction_errors
from dcign.model.code import NAMING, AngleLatents, find_latents, named_latents
from dcign.runs.run import Run
from dcign.runs.training_data import trained_on
from render.factors import FACTORS
from render.shards.data_set import DataSet
from render.shards.labels import DEGREES, FULL_TURN, Label, labels_to_json

FORMAT = 1


@dataclass(frozen=True)
class Evaluation:
    """`measures` is what report.json holds; the rest is what the pictures are drawn from."""

    measures: dict[str, Any]
    encoding: Encoding
    calibration: Calibration
    angle_latents: AngleLatents


def evaluate(run: Run, data: DataSet, advance: Callable[[int], object] = lambda images: None) -> Evaluation:
    """Encode `data` once with `run` and measure it; `advance` is told how many images each step has done.

    RunError or ShardError when they do not fit each other.
    """
    return measure(run, data, encode_data_set(run, data, advance))


def measure(run: Run, data: DataSet, encoding: Encoding) -> Evaluation:
    """Take every measure of an encoding. What cannot be computed is None in `measures` and named in its `warnings`."""
    angle_latents, known = _angle_latents(run, encoding), trained_on(run, data)
    identities = len(np.unique(encoding.identity))
    names = tuple(name for name in angle_latents.groups if name in data.labels)
    own = {name: angle_latents.own(encoding.codes, name) for name in names}
    numbers = {name: values for name, values in encoding.values.items() if not data.labels[name].categories}
    latents = {name: own[name] for name in names if own[name].ndim == 1 and name in numbers}
    # A rank correlation wants one number, so groups of latents and categories have none, and no leak by it. What a
    # group knows of other factors shows in `invariance`: how far it moves while they vary.
    correlation = spearman(latents, numbers, encoding.minibatch)
    curves = {name: fit(data.labels[name], encoding.values[name], own[name], encoding.minibatch) for name in names}
    fitted = {name: curve for name, curve in curves.items() if curve is not None}
    source = {"folder": str(data.folder), "split": data.split, "fingerprint": data.fingerprint}
    missing = [
        name for name in dict.fromkeys((*run.labels, *FACTORS)) if name in run.layout.names and name not in data.factors
    ]
    pixels = reconstruction_errors(encoding.sums)
    inactive = {name: _inactive(run, angle_latents, name) for name in data.factors}
    holding = {name: _invariance(inactive[name], name, encoding) for name in data.factors}
    around = {
        name: circular_r2(latents[name], encoding.values[name], data.labels[name].period)
        for name in latents
        if data.labels[name].circular
    }
    groups = {
        name: _group(own[name], encoding.values[name], curves[name], data.labels[name])
        for name in names
        if own[name].ndim > 1 and name in numbers
    }
    reads = {name: _reads(own[name], name, curves[name], encoding) for name in names if name not in numbers}
    courses = courses_of(latents, numbers, encoding.minibatch, encoding.kinds, own_values(correlation.table))
    small = remarks.rests_on(data, encoding) if data.imported else {}
    measures = {
        "format": FORMAT,
        "run": {
            "folder": str(run.folder),
            "step": run.step,
            "object": run.object,
            "size": run.size,
            "procedure": run.config.procedure,
        },
        "data_set": {
            **source,
            "object": data.object,
            "size": data.size,
            "images": len(encoding.codes),
            "identities": identities,
            "batch_size": data.batch_size,
            "minibatches": {name: data.count(name) for name in data.factors},
            "missing_factors": missing,
            **_labels(data),
            "seen_in_training": remarks.seen_in_training(run, data, known),
            "trained_on": None if known is None else len(known),
            **({"different_images": len(encoding.different), "rests_on": small} if small else {}),
        },
        "reconstruction": pixels,
        "spearman": {
            "matrix": correlation.table,
            "own": own_values(correlation.table),
            "largest_leak": largest_leak(correlation.table),
            "independent_draws": correlation.draws,
        },
        "course": {name: asdict(found) for name, found in courses.items()},
        "circular_r2": around,
        "groups": groups,
        **({"categories": {name: _category(read, own[name]) for name, read in reads.items()}} if reads else {}),
        "invariance": holding,
        "knobs": {
            "found": angle_latents.found,
            "latents": {name: angle_latents.groups[name].tolist() for name in angle_latents.groups},
        },
        "intervals": intervals(
            encoding, own, fitted, pixels["mean_image_mse"], inactive, data.labels, reads, data.imported
        ),
        "calibration": {name: None if curve is None else curve.to_json() for name, curve in curves.items()},
        "warnings": [
            *remarks.of_data(run, data, known, identities, missing),
            *(remarks.of_small_data(small, data.labels, identities) if small else ()),
            *remarks.of_knobs(run, angle_latents),
            *([] if angle_latents.found else remarks.of_courses(courses, data.labels)),
            *correlation.warnings,
            *remarks.of_curves(curves, data.labels),
            *(f"{name}: too few images or latents for the variance of inactive latents." for name in _nulls(holding)),
            *(["All images are the same: no ratio to the mean-image predictor."] if pixels["ratio"] is None else []),
        ],
    }
    found = (
        {name: tuple(latents.tolist()) for name, latents in angle_latents.groups.items()} if angle_latents.found else {}
    )
    errors = tuple(np.quantile(encoding.errors, np.linspace(0.0, 1.0, calibration.PERCENTILES)).tolist())
    codes, kinds, rest = encoding.codes, encoding.kinds, angle_latents.rest
    directions = tuple(map(tuple, leading_directions(codes, kinds, encoding.minibatch, rest).tolist()))
    mean = tuple(mean_identity(codes, kinds, rest).tolist()) if directions else ()
    kept = Calibration(fitted, run.step, source, found, errors, directions, mean)
    return Evaluation(measures, encoding, kept, angle_latents)


def _labels(data: DataSet) -> dict[str, Any]:
    """Return the ranges of the data set, and of images that others took all else that is known of their labels."""
    described = labels_to_json(data.labels)
    return described if data.imported else {"ranges": described["ranges"]}


def _group(
    own: NDArray[np.floating], true: NDArray[np.floating], curve: FactorCurve | None, label: Label
) -> dict[str, float | int | None]:
    """Measure how well a value can be read back from its latents `own` (M, W); None where nothing was fitted.

    An angle is asked for as a point of the circle, whatever its range, any other number as it is.
    """
    if label.circular or label.unit == DEGREES:
        kind, found = "circular_r2", group_circular_r2(own, true, label.period if label.circular else FULL_TURN)
    else:
        kind, found = "r2", linear_r2(own, true.astype(np.float64)[:, None])
    return {
        "latents": own.shape[1],
        kind: None if curve is None else found,
        "read_back_degrees": None if curve is None else curve.residual,
    }


def _reads(own: NDArray[np.floating], name: str, curve: FactorCurve | None, encoding: Encoding) -> CategoryReads:
    category = np.round(encoding.values[name]).astype(np.int64)
    read_back = None if curve is None else np.round(curve.to_value(own)).astype(np.int64)
    return read_categories(own.reshape(len(category), -1), category, encoding.identity, read_back)


def _category(read: CategoryReads, own: NDArray[np.floating]) -> dict[str, float | int | None]:
    """Return the shares of images whose category was read right, None by readers that could not be fitted."""
    shares = {name: float(np.mean(right)) for name, right in read.right.items()}
    return {
        "latents": 1 if own.ndim == 1 else own.shape[1],
        "categories": read.categories,
        "chance": read.chance,
        **{name: shares.get(name) for name in READERS},
    }


def _angle_latents(run: Run, encoding: Encoding) -> AngleLatents:
    if run.config.procedure in NAMING:
        return named_latents(run.layout)
    return find_latents(run.layout, encoding.codes, encoding.kinds, encoding.minibatch)


def _inactive(run: Run, angle_latents: AngleLatents, factor: str) -> NDArray[np.int64]:
    """Return the latents that `factor` must not move."""
    if angle_latents.found:
        own = angle_latents.groups.get(factor, angle_latents.rest)
        return np.setdiff1d(np.arange(run.layout.latents), own)
    return np.flatnonzero(~run.layout.active(factor))


def _invariance(inactive: NDArray[np.int64], factor: str, encoding: Encoding) -> dict[str, float | int | None]:
    """Within-mini-batch variance of the latents that `factor` must not move, beside that over the whole set."""
    chosen = encoding.kinds == factor
    result = within_variance(encoding.codes[chosen], encoding.minibatch[chosen], inactive)
    total = total_variance(encoding.codes, inactive)
    within = result["within"]
    return {**result, "total": total, "ratio": within / total if within is not None and total else None}


def _nulls(holding: dict[str, dict[str, float | int | None]]) -> list[str]:
    return [name for name, entry in holding.items() if entry["ratio"] is None]
