"""The rows of a comparison: every measure of a report, with the way to its value in report.json.

Rows of a factor are there for each that the images are labelled with, by what its values are: angles, other numbers, or
categories. What only the renderer's images can tell has no row for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dcign.runs.report_file import reach
from render.factors import EXTRINSIC
from render.shards.labels import DEGREES, INTRINSIC, Label, labels_of

Better = Literal["higher", "lower", ""]
RENDERED = {name: Label(name, 0.0, 0.0) for name in EXTRINSIC}  # of whatever ranges


@dataclass(frozen=True)
class Measure:
    """A row: its name, the keys that lead to its value in report.json, which end is better, and what it says."""

    label: str
    keys: tuple[str, ...]
    better: Better
    says: str


def is_rendered(report: Mapping[str, Any]) -> bool:
    """Tell whether a report is about images that the renderer drew, not about such as others took."""
    return "labels" not in (reach(report, ("data_set",)) or {})


def labels_in(report: Mapping[str, Any]) -> dict[str, Label]:
    """Return the labels of the images that a report is about; all those of the renderer where it drew them."""
    found = labels_of(reach(report, ("data_set",)) or {})
    return {**RENDERED, **found} if is_rendered(report) else found


def measures_of(report: Mapping[str, Any]) -> dict[str, tuple[Measure, ...]]:
    """Return the rows, by heading, for reports on the images of this one."""
    labels, rendered = labels_in(report), is_rendered(report)
    groups = {
        "Reconstruction": _RECONSTRUCTION,
        "Knobs": _knobs(labels.values(), rendered),
        "Holding still": _holding_still(labels),
        "Novel views of one image": _novel_views(labels.values(), "degrees" if rendered else "value"),
        "Eyes, brows, nose and mouth": _FEATURES if rendered else (),
        "What moves when one factor turns": _response(labels.values(), rendered),
        "Recognition of unseen objects": _RECOGNITION,
        "Disentanglement, latent by latent": _DISENTANGLEMENT,
        "Groups of latents": _GROUPS,
        "Inference with the renderer, the code as statistic": _inference(labels) if rendered else (),
    }
    return {name: rows for name, rows in groups.items() if rows}


def _each(labels: Iterable[Label], label: str, keys: Sequence[str], better: Better, says: str) -> tuple[Measure, ...]:
    """Make a measure for each factor, whose name takes the place of `FACTOR`."""
    return tuple(
        Measure(
            label.replace("FACTOR", own.name),
            tuple(key.replace("FACTOR", own.name) for key in keys),
            better,
            says.replace("FACTOR", own.name),
        )
        for own in labels
    )


def _kinds(labels: Iterable[Label], rendered: bool) -> tuple[list[Label], list[Label], list[Label]]:
    """Return those on a line, those around a circle, and categories; an angle of the renderer's may be both."""
    numbers = [label for label in labels if not label.categories]
    return (
        [label for label in numbers if rendered or not label.circular],
        [label for label in numbers if rendered or label.circular],
        [label for label in labels if label.categories],
    )


_READ_BACK = (
    (
        "error",
        "read_back_degrees",
        "Root mean square error of the VALUE read from its latents through the calibration.",
    ),
    ("median error", "read_back_median", "Half of all images are read nearer; a few that are far off hardly count."),
)


def _knobs(labels: Iterable[Label], rendered: bool) -> tuple[Measure, ...]:
    every = list(labels)
    _, circles, categories = _kinds(every, rendered)
    numbers = [label for label in every if not label.categories]
    return (
        *_each(
            numbers,
            "|Spearman| of z_FACTOR",
            ("intervals", "spearman", "FACTOR", "FACTOR"),
            "higher",
            "1: the latent orders images exactly by their true FACTOR.",
        ),
        *_each(
            circles,
            "circular R² of z_FACTOR",
            ("intervals", "circular_r2", "FACTOR"),
            "higher",
            "Share of the latent's variance that a sinusoid of the angle explains, where it goes full circle.",
        ),
        *(
            Measure(
                f"{error} of {label.name} read back" + (f", {label.unit}" if label.unit else ""),
                ("intervals", key, label.name),
                "lower",
                says.replace("VALUE", "angle" if label.unit == DEGREES else "value"),
            )
            for label in numbers
            for error, key, says in _READ_BACK
        ),
        *_each(
            categories,
            "FACTOR read back right",
            ("intervals", "categories", "FACTOR", "read_back"),
            "higher",
            "Share of images whose category is read right from its latents through the calibration.",
        ),
        *_each(
            categories,
            "FACTOR read right by a linear reader",
            ("intervals", "categories", "FACTOR", "linear"),
            "higher",
            "The same by regression on its latents, fitted to other identities.",
        ),
        Measure(
            "largest leak",
            ("spearman", "largest_leak"),
            "lower",
            "Largest |Spearman| of a knob with another's factor. Without an interval, so never marked.",
        ),
    )


def _holding_still(labels: Iterable[str]) -> tuple[Measure, ...]:
    return tuple(
        Measure(
            f"others' variance while {name} varies",
            ("intervals", "invariance", name),
            "lower",
            "Within mini-batches, over that in the whole set. 0: the other latents hold still; 1: they do not.",
        )
        for name in (*labels, INTRINSIC)
    )


def _novel_views(labels: Iterable[Label], asked: str) -> tuple[Measure, ...]:
    every = list(labels)
    return (
        *_each(
            every,
            "novel-view MSE, FACTOR",
            ("evidence", "novel_views", "factors", "FACTOR", "mse"),
            "lower",
            f"Decoded at the {asked} asked for, against the true image there.",
        ),
        *_each(
            every,
            "ratio to copying the input, FACTOR",
            ("evidence", "novel_views", "factors", "FACTOR", "ratio_to_copying"),
            "lower",
            "Below 1: better than handing back the input.",
        ),
        *_each(
            every,
            "MSE of the clamped picture, FACTOR",
            ("evidence", "clamped_views", "factors", "FACTOR", "clamped_mse"),
            "lower",
            "What the decoder cannot paint, with all else averaged over images in which only FACTOR varies.",
        ),
        *_each(
            every,
            "share of the view, FACTOR",
            ("evidence", "clamped_views", "factors", "FACTOR", "view_share"),
            "lower",
            "Of the error with all else from one other image: what the average of all takes away.",
        ),
    )


def _response(labels: Iterable[Label], rendered: bool) -> tuple[Measure, ...]:
    every = list(labels)
    lines, circles, categories = _kinds(every, rendered)
    first = ("evidence", "response", "factors", "FACTOR", "latents", "0")
    return (
        *_each(
            lines,
            "R² of a line, z_FACTOR",
            (*first, "line_r2"),
            "higher",
            "How straight the latent follows true FACTOR while all else holds still.",
        ),
        *_each(
            circles,
            "R² of a sinusoid, z_FACTOR",
            (*first, "sinusoid_r2"),
            "higher",
            "The same where the angle goes full circle.",
        ),
        *_each(
            categories,
            "R² of categories, z_FACTOR",
            (*first, "category_r2"),
            "higher",
            "How much of the latent is told by which FACTOR it is, while all else holds still.",
        ),
        *_each(
            every,
            "how far other latents move with FACTOR",
            ("evidence", "response", "factors", "FACTOR", "moved", "rest", "overall"),
            "lower",
            "Those of no angle, in standard deviations over different objects in different poses; 0 is best."
            if rendered
            else "Those of no factor, in standard deviations over different images; 0 is best.",
        ),
    )


def _inference(labels: Iterable[str]) -> tuple[Measure, ...]:
    inferred = dict.fromkeys(labels, "degrees") | {f"shape {n}": "standard deviations" for n in (1, 2, 3)}
    return (
        Measure(
            "error over that of guessing",
            ("evidence", "inference", "relative_error", "code adjusted"),
            "lower",
            "Mean over all parameters. 0: all known; 1: nothing.",
        ),
        Measure(
            "error over that of guessing, pixels",
            ("evidence", "inference", "relative_error", "pixels adjusted"),
            "",
            "The same simulations, but compared by their pixels: no run has a part in it.",
        ),
        *(
            Measure(
                f"error of {name}, {unit}",
                ("evidence", "inference", "methods", "code adjusted", name, "rms_error"),
                "lower",
                "Root mean square error of the mean of the posterior.",
            )
            for name, unit in inferred.items()
        ),
        *(
            Measure(
                f"coverage of {name}",
                ("evidence", "inference", "methods", "code adjusted", name, "coverage_90"),
                "",
                "Share of 90 % credible intervals that hold the truth: 0.9 is right.",
            )
            for name in inferred
        ),
    )


def _recognition(label: str, method: str, key: str, better: Better, says: str) -> Measure:
    return Measure(label, ("evidence", "recognition", "methods", method, key), better, says)


def _score(label: str, key: str, says: str) -> Measure:
    return Measure(label, ("evidence", "disentanglement", "scores", key), "higher", says)


def _group_score(key: str, better: Better, says: str) -> Measure:
    label = f"group-wise {key.replace('_', ' ')}"
    return Measure(label, ("evidence", "groups", "overall", key), better, says)


_OF_REST = "By the latents of no angle: how often the most similar known image shows the right object."
_OF_PIXELS = "For comparison: no run has a part in it."
_IN_BOXES: tuple[tuple[str, Better, str], ...] = (
    ("ssim", "higher", "Likeness inside boxes around them; 1: the same picture."),
    ("mse", "lower", "Mean squared error inside boxes around them."),
)
_RECONSTRUCTION = (
    Measure("test MSE", ("intervals", "mse"), "lower", "Mean squared error, grey values in [0, 1]."),
    Measure("MSE over that of the mean image", ("intervals", "ratio"), "lower", "0: perfect; 1: no better."),
    Measure(
        "SSIM of the inputs of novel views",
        ("evidence", "novel_views", "reconstruction_ssim"),
        "higher",
        "Whole images, decoded from their own codes; 1: the same picture.",
    ),
)
_FEATURES = tuple(
    Measure(
        f"{key.upper()} of {'all four' if part == 'all' else part}, {name}",
        ("evidence", "facial_features", where, part, key),
        better,
        says,
    )
    for where, name in (("reconstruction", "reconstructed"), ("half_profile", "novel views at ±45°"))
    for key, better, says in _IN_BOXES
    for part in ("eyes", "brows", "nose", "mouth", "all")
)
_RECOGNITION = (
    _recognition("rank-1 recognition", "rest", "rank1", "higher", _OF_REST),
    _recognition("rank-1 recognition, whole code", "code", "rank1", "higher", "By all latents, angles among them."),
    _recognition("rank-1 recognition, pixels", "pixels", "rank1", "", _OF_PIXELS),
    _recognition("equal error rate", "rest", "eer", "lower", "Of telling whether two images show one object."),
    _recognition("equal error rate, pixels", "pixels", "eer", "", _OF_PIXELS),
)
_DISENTANGLEMENT = (
    _score("MIG", "mig", "Does one latent alone know each factor?"),
    _score("SAP", "sap", "Does one latent alone predict each factor by a straight line?"),
    _score("modularity", "modularity", "Does each latent know one factor only?"),
    _score("DCI disentanglement", "disentanglement", "Do trees use each latent for one factor only?"),
    _score("DCI completeness", "completeness", "Do trees need one latent only for each factor?"),
    _score("DCI informativeness", "informativeness", "How well do trees predict the factors of unseen objects?"),
    _score("FactorVAE score", "factor_vae", "Which factor do images share, by the latent that varies least?"),
    _score("beta-VAE score", "beta_vae", "Which factor do pairs of images share, by the differences of codes?"),
)
_GROUPS = (
    _group_score("informativeness", "higher", "How well each factor is predicted from its own group."),
    _group_score("leakage", "lower", "How well from the group that knows most of those that should not know it."),
    _group_score("largest_leak", "lower", "The worst of these over all factors."),
    _group_score("gap", "higher", "Own group less the best other one; below 0, the wrong group knows best."),
    _group_score("disentanglement", "higher", "1: each group knows one kind of factor only."),
    _group_score("completeness", "higher", "1: each factor is known to one group only."),
    _group_score("mutual_information_gap", "higher", "Group-wise MIG: 1 where one group alone knows all."),
)
