"""All measures of one run on one data set, from one encoding pass, as plain data ready for JSON.

To add a measure: a pure function in `dcign/evaluation/metrics/`, a line in `measure`, and a row in
`dcign.report.comparison`.

The 95 % intervals are by bootstrap over mini-batches. Images of one mini-batch share all but one of their factors: in
all but those of `intrinsic` also the identity. So the mini-batch is what is drawn anew, and with it its identities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curve_fitting import fit
from dcign.engine.curves import FactorCurve, value_error
from dcign.engine.directions import leading_directions
from dcign.evaluation.encoding import Encoding, encode_data_set
from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.angles import (
    circular_r2,
    group_circular_r2,
    largest_leak,
    own_values,
    spearman,
    total_variance,
    within_variance,
)
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.evaluation.metrics.folds import Course, courses_of, words
from dcign.evaluation.metrics.image_quality import reconstruction_errors
from dcign.model.code import NAMING, AngleLatents, find_latents, named_latents
from dcign.runs.run import Run
from dcign.runs.training_data import trained_on
from render.factors import FACTORS
from render.shards.data_set import DataSet

FORMAT = 1
FOLDED = 45.0  # degrees: a group of latents that reads angles of a circle worse is named in the warnings
NAMED = 5  # identities named in a warning
WEAK_CURVE = 0.25  # a calibration that explains less of the latents' variance is named in the warnings


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
    names = tuple(name for name in angle_latents.groups if name in data.ranges)
    own = {name: angle_latents.own(encoding.codes, name) for name in names}
    latents = {name: own[name] for name in names if own[name].ndim == 1}
    # A rank correlation wants one number, so groups of latents have none, and no leak by it. What a group knows of
    # other factors shows in `invariance`: how far it moves while they vary.
    correlation = spearman(latents, encoding.values, encoding.minibatch)
    curves = {name: _fit(name, own[name], encoding, data) for name in names}
    fitted = {name: curve for name, curve in curves.items() if curve is not None}
    source = {"folder": str(data.folder), "split": data.split, "fingerprint": data.fingerprint}
    missing = [name for name in FACTORS if name in run.layout.names and name not in data.factors]
    pixels = reconstruction_errors(encoding.sums)
    inactive = {name: _inactive(run, angle_latents, name) for name in data.factors}
    holding = {name: _invariance(inactive[name], name, encoding) for name in data.factors}
    around = {name: circular_r2(latents[name], encoding.values[name]) for name in latents if _is_circle(data, name)}
    groups = {name: _group(own[name], encoding.values[name], curves[name]) for name in names if name not in latents}
    courses = courses_of(latents, encoding.values, encoding.minibatch, encoding.kinds, own_values(correlation.table))
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
            "ranges": {name: list(ends) for name, ends in data.ranges.items()},
            "seen_in_training": _seen(run, data, known),
            "trained_on": None if known is None else len(known),
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
        "invariance": holding,
        "knobs": {
            "found": angle_latents.found,
            "latents": {name: angle_latents.groups[name].tolist() for name in angle_latents.groups},
        },
        "intervals": intervals(encoding, own, fitted, pixels["mean_image_mse"], inactive),
        "calibration": {name: None if curve is None else curve.to_json() for name, curve in curves.items()},
        "warnings": [
            *_data_warnings(run, data, known, identities, missing),
            *_knob_warnings(run, angle_latents),
            *([] if angle_latents.found else _course_warnings(courses, data)),
            *correlation.warnings,
            *_curve_warnings(curves),
            *(f"{name}: too few images or latents for the variance of inactive latents." for name in _nulls(holding)),
            *(["All images are the same: no ratio to the mean-image predictor."] if pixels["ratio"] is None else []),
        ],
    }
    found = (
        {name: tuple(latents.tolist()) for name, latents in angle_latents.groups.items()} if angle_latents.found else {}
    )
    errors = tuple(np.quantile(encoding.errors, np.linspace(0.0, 1.0, calibration.PERCENTILES)).tolist())
    rows = leading_directions(encoding.codes, encoding.kinds, encoding.minibatch, angle_latents.rest).tolist()
    kept = Calibration(fitted, run.step, source, found, errors, tuple(map(tuple, rows)))
    return Evaluation(measures, encoding, kept, angle_latents)


def _fit(name: str, own: NDArray[np.floating], encoding: Encoding, data: DataSet) -> FactorCurve | None:
    return fit(data.labels[name], encoding.values[name], own, encoding.minibatch)


def _group(
    own: NDArray[np.floating], degrees: NDArray[np.floating], curve: FactorCurve | None
) -> dict[str, float | int | None]:
    """Measure how well an angle can be read back from its latents `own` (M, W); None where nothing was fitted."""
    return {
        "latents": own.shape[1],
        "circular_r2": None if curve is None else group_circular_r2(own, degrees),
        "read_back_degrees": None if curve is None else curve.residual,
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


def _is_circle(data: DataSet, factor: str) -> bool:
    low, high = data.ranges[factor]
    return high - low >= 360.0


def _seen(run: Run, data: DataSet, known: list[int] | None) -> str:
    """Tell if the run was trained on these: 'no', 'possibly', on 'some' of the identities, or on these 'images'."""
    if data.split == "train" and run.data.get("fingerprint") == data.fingerprint:
        return "images"
    if known:
        return "some"
    return "possibly" if data.split == "train" and known is None else "no"


def _data_warnings(run: Run, data: DataSet, known: list[int] | None, identities: int, missing: list[str]) -> list[str]:
    lines = []
    seen = _seen(run, data, known)
    if seen in ("images", "possibly"):
        what = "These are the very images" if seen == "images" else "The identities of these images may be among those"
        lines.append(f"{what} the run was trained on (split train): nothing here shows generalisation.")
    if seen == "some" and known:
        names = ", ".join(map(str, known[:NAMED])) + (", ..." if len(known) > NAMED else "")
        lines.append(
            f"The run was trained on {len(known)} of the {identities} identities of these images ({names}): what is "
            "said here is not all about unseen ones."
        )
    if missing:
        lines.append(
            f"No mini-batches of {', '.join(missing)} in these shards: what is said of these factors comes from the "
            "mini-batches of others, in which they hold still."
        )
    return lines


def _knob_warnings(run: Run, angle_latents: AngleLatents) -> list[str]:
    if not angle_latents.found:
        return []
    chosen = "; ".join(f"{name}: z[{', '.join(map(str, latents))}]" for name, latents in angle_latents.groups.items())
    return [
        f"Training with the procedure {run.config.procedure} gives no latent a meaning. The latents of largest "
        f"variance within mini-batches of an angle stand in for it here, found on these very images "
        f"({chosen or 'none'})."
    ]


def _course_warnings(courses: dict[str, Course], data: DataSet) -> list[str]:
    """Say which latents do not follow their angle; a full circle is spoken of by its calibration."""
    said = [words(name, found) for name, found in courses.items() if not _is_circle(data, name)]
    return [line for line in said if line is not None]


def _curve_warnings(curves: dict[str, FactorCurve | None]) -> list[str]:
    lines = []
    for name, curve in curves.items():
        if curve is None:
            lines.append(
                f"{name}: no calibration (too few independent angles, or an angle or a latent that never moves)."
            )
            continue
        if not curve.invertible:
            lines.append(
                f"{name} goes full circle: one latent takes each of its values at two angles or more, so no angle can "
                "be read back from it, and a turn in degrees cannot show every side; an angle is mapped to the mean "
                "latent there. |Spearman| depends on where 0 degrees lies: read the circular R² instead."
            )
        elif curve.circular and curve.residual is not None and curve.residual > FOLDED:
            lines.append(
                f"{name} is read back from its latents with an error of {curve.residual:.0f} degrees (RMS; a "
                "guess has 104): angles that lie far apart have nearly the same latents."
            )
        if curve.explained < WEAK_CURVE:
            lines.append(
                f"{name}: its calibration explains only {curve.explained:.0%} of its latents' variance; distrust it."
            )
    return lines


def intervals(
    encoding: Encoding,
    own: Mapping[str, NDArray[np.floating]],
    curves: Mapping[str, FactorCurve],
    mean_image_mse: float | None,
    inactive: Mapping[str, NDArray[np.int64]],
) -> dict[str, Any]:
    """Estimate the reconstruction, how each angle's latents `own` follow it, and how still the others hold.

    `own` factor -> (M,) or (M, W), `inactive` factor -> the latents that it must not move.
    """
    mse = bootstrap.mean(encoding.errors, encoding.minibatch)
    single = {name: latent for name, latent in own.items() if latent.ndim == 1}
    return {
        "mse": mse,
        "ratio": bootstrap.scaled(mse, 1 / mean_image_mse if mean_image_mse else None),
        "spearman": {
            latent: {
                factor: _correlation_interval(values, degrees, encoding.minibatch)
                for factor, degrees in encoding.values.items()
            }
            for latent, values in single.items()
        },
        "circular_r2": {
            name: _circular_interval(values, encoding.values[name], encoding.minibatch)
            for name, values in single.items()
            if name in curves and curves[name].circular
        },
        "read_back_degrees": {
            name: _read_back_interval(curve, own[name], encoding.values[name], encoding.minibatch)
            for name, curve in curves.items()
            if curve.invertible
        },
        "invariance": {name: _invariance_interval(latents, name, encoding) for name, latents in inactive.items()},
    }


def _correlation_interval(
    latent: NDArray[np.floating], degrees: NDArray[np.floating], minibatch: NDArray[np.integer]
) -> Estimate:
    """|Spearman| of `latent` (M,) with `degrees` (M,)."""

    def statistic(rows: NDArray[np.int64]) -> float | None:
        a, b = rankdata(latent[rows]), rankdata(degrees[rows])
        return None if np.ptp(a) == 0 or np.ptp(b) == 0 else abs(float(np.corrcoef(a, b)[0, 1]))

    return bootstrap.estimate(statistic, minibatch)


def _circular_interval(
    latent: NDArray[np.floating], degrees: NDArray[np.floating], minibatch: NDArray[np.integer]
) -> Estimate:
    return bootstrap.estimate(lambda rows: circular_r2(latent[rows], degrees[rows]), minibatch)


def _read_back_interval(
    curve: FactorCurve,
    own: NDArray[np.floating],
    degrees: NDArray[np.floating],
    minibatch: NDArray[np.integer],
) -> Estimate:
    """Root mean square error, in degrees, of the angle read from its latents, over all images alike."""
    squared = bootstrap.mean(value_error(curve.to_value(own), degrees.astype(np.float64), curve.label) ** 2, minibatch)
    return bootstrap.root(squared)


def _invariance_interval(latents: NDArray[np.int64], factor: str, encoding: Encoding) -> Estimate:
    """Variance of the inactive `latents` within mini-batches of `factor`, over that in the whole set."""
    chosen = np.flatnonzero(encoding.kinds == factor)
    total = encoding.codes[:, latents].astype(np.float64).var(axis=0, ddof=1).mean() if len(latents) else 0.0
    labels = np.unique(encoding.minibatch[chosen])
    members = [encoding.codes[chosen[encoding.minibatch[chosen] == label]][:, latents] for label in labels]
    if total == 0 or any(len(rows) < 2 for rows in members):
        return Estimate(value=None, low=None, high=None)
    within = np.array([rows.astype(np.float64).var(axis=0, ddof=1).mean() for rows in members])
    return bootstrap.scaled(bootstrap.mean(within, labels), 1 / float(total))
