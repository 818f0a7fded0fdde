"""Warnings of a report: data that show too little, latents that mean nothing or fold, weak calibrations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dcign.engine.curves import FactorCurve
from dcign.evaluation.encoding import Encoding
from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.folds import Course, words
from dcign.evaluation.units import amount_text
from dcign.model.code import AngleLatents
from dcign.runs.run import Run
from render.shards.data_set import DataSet
from render.shards.labels import DEGREES, Label

FOLDED = 1 / 8  # of a turn: a group of latents that reads a circle worse is named
NAMED = 5  # identities named in a warning
WEAK_CURVE = 0.25  # a calibration that explains less of the latents' variance is named
FEWEST_MINIBATCHES, FEWEST_IDENTITIES = bootstrap.FEWEST, bootstrap.FEWEST  # for a calibration that holds for others
FEWEST_VALUES, FEWEST_AROUND = 3, 4  # of a range, of a circle


def seen_in_training(run: Run, data: DataSet, known: list[int] | None) -> str:
    """Tell if the run was trained on these: 'no', 'possibly', on 'some' of the identities, or on these 'images'.

    `known` are the identities of `data` that it was trained on, None if that is not known.
    """
    if data.split == "train" and run.data.get("fingerprint") == data.fingerprint:
        return "images"
    if known:
        return "some"
    return "possibly" if data.split == "train" and known is None else "no"


def of_data(run: Run, data: DataSet, known: list[int] | None, identities: int, missing: list[str]) -> Iterator[str]:
    """Say whether the images were trained on, and which factors of the code no mini-batch is of."""
    seen = seen_in_training(run, data, known)
    if seen in ("images", "possibly"):
        what = "These are the very images" if seen == "images" else "The identities of these images may be among those"
        yield f"{what} the run was trained on (split train): nothing here shows generalisation."
    if seen == "some" and known:
        names = ", ".join(map(str, known[:NAMED])) + (", ..." if len(known) > NAMED else "")
        yield (
            f"The run was trained on {len(known)} of the {identities} identities of these images ({names}): what is "
            "said here is not all about unseen ones."
        )
    if missing:
        yield (
            f"No mini-batches of {', '.join(missing)} in these shards: what is said of these factors comes from the "
            "mini-batches of others, in which they hold still."
        )


def rests_on(data: DataSet, encoding: Encoding) -> dict[str, dict[str, int]]:
    """Count the mini-batches of each factor, the different images and identities in them, and values of a label."""
    found = {}
    for name in data.factors:
        rows = encoding.kinds == name
        found[name] = {
            "minibatches": data.count(name),
            "images": len(np.unique(encoding.keys[rows])),
            "identities": len(np.unique(encoding.identity[rows])),
            **({"values": len(np.unique(encoding.values[name][rows]))} if name in data.labels else {}),
        }
    return found


def of_small_data(
    counts: Mapping[str, Mapping[str, int]], labels: Mapping[str, Label], identities: int
) -> Iterator[str]:
    """Say which figures rest on too little to hold for others; `counts` as `rests_on` gives them."""
    if identities < bootstrap.FEWEST:
        yield (
            f"These images show {identities} {'identity' if identities == 1 else 'identities'}, too few to say how far "
            f"any figure holds for others: intervals need at least {bootstrap.FEWEST}."
        )
    for name, found in counts.items():
        if name not in labels:
            continue
        label = labels[name]
        fewest = len(label.categories) if label.categories else FEWEST_AROUND if label.circular else FEWEST_VALUES
        wanted = {
            "minibatches": FEWEST_MINIBATCHES,
            "identities": FEWEST_IDENTITIES,
            "values": min(fewest, len(label.values) or fewest),
        }
        if any(found[key] < least for key, least in wanted.items()):
            yield (
                f"{name} rests on {found['minibatches']} mini-batches of {found['identities']} identities with "
                f"{found['values']} different values; a calibration that is to hold for others needs at least "
                f"{wanted['minibatches']} mini-batches of {wanted['identities']} identities with {wanted['values']}."
            )


def of_knobs(run: Run, angle_latents: AngleLatents) -> Iterator[str]:
    """Say which latents stand for a factor because the training named none."""
    if angle_latents.found:
        chosen = "; ".join(
            f"{name}: z[{', '.join(map(str, latents))}]" for name, latents in angle_latents.groups.items()
        )
        what = "a factor" if run.imported else "an angle"
        yield (
            f"Training with the procedure {run.config.procedure} gives no latent a meaning. The latents of largest "
            f"variance within mini-batches of {what} stand in for it here, found on these very images "
            f"({chosen or 'none'})."
        )


def of_courses(courses: Mapping[str, Course], labels: Mapping[str, Label]) -> Iterator[str]:
    """Say which latents do not follow their factor; a full circle is spoken of by its calibration."""
    for name, found in courses.items():
        line = None if labels[name].circular else words(name, found, labels)
        if line is not None:
            yield line


def of_curves(curves: Mapping[str, FactorCurve | None], labels: Mapping[str, Label]) -> Iterator[str]:
    """Say which factors have no calibration, or one that is not to be trusted."""
    for name, curve in curves.items():
        label = labels[name]
        degrees = label.unit == DEGREES
        value, one = ("angle", "an angle") if degrees else ("value", "a value")
        if curve is None:
            yield f"{name}: no calibration (too few independent {value}s, or {one} or a latent that never moves)."
            continue
        if not curve.invertible:
            yield (
                f"{name} goes full circle: one latent takes each of its values at two {value}s or more, so no {value} "
                f"can be read back from it, and a turn{' in degrees' if degrees else ''} cannot show every side; {one} "
                "is mapped to the mean latent there. |Spearman| depends on where "
                f"{'0 degrees lies' if degrees else 'it starts'}: read the circular R² instead."
            )
        elif curve.circular and curve.residual is not None and curve.residual > FOLDED * label.period:
            guess = label.period / np.sqrt(12)
            error = f"{curve.residual:.0f} degrees" if degrees else amount_text(label, curve.residual)
            guessed = f"{guess:.0f}" if degrees else amount_text(label, float(guess))
            yield (
                f"{name} is read back from its latents with an error of {error} (RMS; a "
                f"guess has {guessed}): {value}s that lie far apart have nearly the same latents."
            )
        if curve.explained < WEAK_CURVE:
            yield f"{name}: its calibration explains only {curve.explained:.0%} of its latents' variance; distrust it."
