"""Runs side by side: every measure of their reports, in one table of plain data.

`MEASURES` are the rows of the table, each with the way to its value in report.json. A run is called best at something
only where its 95 % interval lies apart from that of every other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dcign.config import DEFAULT_NETWORK
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.report.saved import SavedReport
from dcign.runs.report_file import reach
from render.factors import EXTRINSIC

FORMAT = 1
# Settings that make no difference to what is learnt, or stand in the table by another name
NO_SETTING = ("steps", "checkpoint_every", "keep", "picture_every", "device", "procedure", "network", "widths", "seed")
Better = Literal["higher", "lower", ""]


def compare(reports: Sequence[SavedReport]) -> dict[str, Any]:
    """Make the table as plain data for compare.json; `reports` as `dcign.report.saved.open_reports` gives them.

    `values` of a row holds for each run an Estimate, with `why` where there is no value. Rows that no run has a value
    of are in `not_measured` instead.
    """
    rows: list[dict[str, Any]] = []
    none: list[dict[str, Any]] = []
    for group, measures in MEASURES.items():
        for measure in measures:
            row = _row(group, measure, reports)
            (rows if any(entry["value"] is not None for entry in row["values"].values()) else none).append(row)
    settings = _settings(reports)
    return {
        "format": FORMAT,
        "data_set": reports[0].document["data_set"],
        "runs": {
            report.name: {
                "report": str(report.path),
                **report.document["run"],
                "command": reach(report.document, ("made", "command")),
                "warnings": _own_warnings(report.document),
            }
            for report in reports
        },
        "settings": settings,
        "measures": rows,
        "not_measured": [
            {key: row[key] for key in ("group", "label")} | {"why": next(iter(row["values"].values()))["why"]}
            for row in none
        ],
        "warnings": _warnings(settings),
    }


def best(values: Mapping[str, Estimate], better: Better) -> str | None:
    """Return the run whose interval lies on the better side of that of every other with a value, or None."""
    known = {name: entry for name, entry in values.items() if entry["value"] is not None}
    if not better or len(known) < 2:
        return None
    ends = {name: _ends(entry) for name, entry in known.items()}
    for name, own in ends.items():
        others = [end for other, end in ends.items() if other != name]
        if own is None or any(end is None for end in others):
            return None
        low, high = own
        if better == "higher" and all(low > end[1] for end in others if end is not None):
            return name
        if better == "lower" and all(high < end[0] for end in others if end is not None):
            return name
    return None


def _row(group: str, measure: Measure, reports: Sequence[SavedReport]) -> dict[str, Any]:
    found = {report.name: estimate_of(reach(report.document, measure.keys)) for report in reports}
    values = {
        report.name: {**found[report.name], "why": _why(report.document, measure.keys)}
        if found[report.name]["value"] is None
        else dict(found[report.name])
        for report in reports
    }
    return {
        "group": group,
        "label": measure.label,
        "better": measure.better,
        "says": measure.says,
        "values": values,
        "best": best(found, measure.better),
    }


def estimate_of(found: object) -> Estimate:
    """Return what a report says as an Estimate, if it is a finite number or an Estimate of such."""
    entry = found if isinstance(found, Mapping) else {"value": found}
    value, low, high = (_number(entry.get(key)) for key in ("value", "low", "high"))
    if value is None or low is None or high is None or low > high:
        low = high = None
    return Estimate(value=value, low=low, high=high)


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not abs(found) < 1e300:
        return None
    return float(found)


def _ends(entry: Estimate) -> tuple[float, float] | None:
    return None if entry["low"] is None or entry["high"] is None else (entry["low"], entry["high"])


def _why(document: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return the reason why a report has no value there."""
    if keys[0] == "evidence":
        skipped = reach(document, (*keys[:2], "skipped"))
        if isinstance(skipped, str):
            return skipped
    missing = reach(document, keys[:2]) is None
    return "its report does not have it" if missing else "not defined for this code or these images"


def _settings(reports: Sequence[SavedReport]) -> list[dict[str, Any]]:
    """List the settings that the runs were trained with: always the first few, of the others those that differ."""
    rows: dict[str, dict[str, Any]] = {
        "procedure": _gather(reports, ("made", "config", "procedure")),
        "steps": _gather(reports, ("run", "step")),
        "widths": _gather(reports, ("made", "config", "widths")),
        "seed": _gather(reports, ("made", "config", "seed")),
        "training data": _gather(reports, ("made", "training_data", "fingerprint")),
        "knobs found": _gather(reports, ("knobs", "found")),
    }
    networks = {
        name: network or DEFAULT_NETWORK for name, network in _gather(reports, ("made", "config", "network")).items()
    }
    if set(networks.values()) != {DEFAULT_NETWORK}:
        rows["network"] = networks
    others = dict.fromkeys(key for report in reports for key in report.document["made"]["config"])
    for key in others:
        values = _gather(reports, ("made", "config", key))
        if key not in NO_SETTING and _differ(values):
            rows[key.replace("_", " ")] = values
    return [{"label": label, "values": values, "differs": _differ(values)} for label, values in rows.items()]


def _gather(reports: Sequence[SavedReport], keys: Sequence[str]) -> dict[str, Any]:
    return {report.name: reach(report.document, keys) for report in reports}


def _differ(values: Mapping[str, Any]) -> bool:
    first, *others = values.values()
    return any(other != first for other in others)


def _warnings(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    told = {
        "steps": "not one at the same steps",
        "training data": "not one on the same training images",
        "network": "not one of networks of the same kind",
        "widths": "not one of networks of the same size",
        "seed": "one of other random draws too",
    }
    return [
        f"The runs differ in {row['label']} ({'; '.join(f'{n}: {shown(v)}' for n, v in row['values'].items())}): this "
        f"comparison is {told[row['label']]}."
        for row in settings
        if row["differs"] and row["label"] in told
    ]


def shown(value: object) -> str:
    """Write a setting as text."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return "/".join(map(str, value))
    text = str(value)
    return text[:12] if len(text) == 64 else text  # a fingerprint


def _own_warnings(document: Mapping[str, Any]) -> list[str]:
    """List what a report warns of, its kinds of evidence too."""
    lists = [document.get("warnings"), *(reach(kind, ("warnings",)) for kind in document["evidence"].values())]
    return [line for lines in lists if isinstance(lines, list) for line in lines if isinstance(line, str)]


@dataclass(frozen=True)
class Measure:
    """A row: its name, the keys that lead to its value in report.json, which end is better, and what it says."""

    label: str
    keys: tuple[str, ...]
    better: Better
    says: str


def _each(label: str, keys: Sequence[str], better: Better, says: str) -> tuple[Measure, ...]:
    """Make a measure for each angle, whose name takes the place of `FACTOR`."""
    return tuple(
        Measure(
            label.replace("FACTOR", name),
            tuple(key.replace("FACTOR", name) for key in keys),
            better,
            says.replace("FACTOR", name),
        )
        for name in EXTRINSIC
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
INFERRED = dict.fromkeys(EXTRINSIC, "degrees") | {f"shape {n}": "standard deviations" for n in (1, 2, 3)}

MEASURES: dict[str, tuple[Measure, ...]] = {
    "Reconstruction": (
        Measure("test MSE", ("intervals", "mse"), "lower", "Mean squared error, grey values in [0, 1]."),
        Measure("MSE over that of the mean image", ("intervals", "ratio"), "lower", "0: perfect; 1: no better."),
        Measure(
            "SSIM of the inputs of novel views",
            ("evidence", "novel_views", "reconstruction_ssim"),
            "higher",
            "Whole images, decoded from their own codes; 1: the same picture.",
        ),
    ),
    "Knobs": (
        *_each(
            "|Spearman| of z_FACTOR",
            ("intervals", "spearman", "FACTOR", "FACTOR"),
            "higher",
            "1: the latent orders images exactly by their true FACTOR.",
        ),
        *_each(
            "circular R² of z_FACTOR",
            ("intervals", "circular_r2", "FACTOR"),
            "higher",
            "Share of the latent's variance that a sinusoid of the angle explains, where it goes full circle.",
        ),
        *_each(
            "error of FACTOR read back, degrees",
            ("intervals", "read_back_degrees", "FACTOR"),
            "lower",
            "Root mean square error of the angle read from its latents through the calibration.",
        ),
        Measure(
            "largest leak",
            ("spearman", "largest_leak"),
            "lower",
            "Largest |Spearman| of a knob with another's factor. Without an interval, so never marked.",
        ),
    ),
    "Holding still": tuple(
        Measure(
            f"others' variance while {name} varies",
            ("intervals", "invariance", name),
            "lower",
            "Within mini-batches, over that in the whole set. 0: the other latents hold still; 1: they do not.",
        )
        for name in (*EXTRINSIC, "intrinsic")
    ),
    "Novel views of one image": (
        *_each(
            "novel-view MSE, FACTOR",
            ("evidence", "novel_views", "factors", "FACTOR", "mse"),
            "lower",
            "Decoded at the degrees asked for, against the true image there.",
        ),
        *_each(
            "ratio to copying the input, FACTOR",
            ("evidence", "novel_views", "factors", "FACTOR", "ratio_to_copying"),
            "lower",
            "Below 1: better than handing back the input.",
        ),
        *_each(
            "MSE of the clamped picture, FACTOR",
            ("evidence", "clamped_views", "factors", "FACTOR", "clamped_mse"),
            "lower",
            "What the decoder cannot paint, with all else averaged over images in which only FACTOR varies.",
        ),
        *_each(
            "share of the view, FACTOR",
            ("evidence", "clamped_views", "factors", "FACTOR", "view_share"),
            "lower",
            "Of the error with all else from one other image: what the average of all takes away.",
        ),
    ),
    "Eyes, brows, nose and mouth": (
        *(
            Measure(
                f"{key.upper()} of {'all four' if part == 'all' else part}, {name}",
                ("evidence", "facial_features", where, part, key),
                better,
                says,
            )
            for where, name in (("reconstruction", "reconstructed"), ("half_profile", "novel views at ±45°"))
            for key, better, says in _IN_BOXES
            for part in ("eyes", "brows", "nose", "mouth", "all")
        ),
    ),
    "What moves when one factor turns": (
        *_each(
            "R² of a line, z_FACTOR",
            ("evidence", "response", "factors", "FACTOR", "latents", "0", "line_r2"),
            "higher",
            "How straight the latent follows true FACTOR while all else holds still.",
        ),
        *_each(
            "R² of a sinusoid, z_FACTOR",
            ("evidence", "response", "factors", "FACTOR", "latents", "0", "sinusoid_r2"),
            "higher",
            "The same where the angle goes full circle.",
        ),
        *_each(
            "how far other latents move with FACTOR",
            ("evidence", "response", "factors", "FACTOR", "moved", "rest", "overall"),
            "lower",
            "Those of no angle, in standard deviations over different objects in different poses; 0 is best.",
        ),
    ),
    "Recognition of unseen objects": (
        _recognition("rank-1 recognition", "rest", "rank1", "higher", _OF_REST),
        _recognition("rank-1 recognition, whole code", "code", "rank1", "higher", "By all latents, angles among them."),
        _recognition("rank-1 recognition, pixels", "pixels", "rank1", "", _OF_PIXELS),
        _recognition("equal error rate", "rest", "eer", "lower", "Of telling whether two images show one object."),
        _recognition("equal error rate, pixels", "pixels", "eer", "", _OF_PIXELS),
    ),
    "Disentanglement, latent by latent": (
        _score("MIG", "mig", "Does one latent alone know each factor?"),
        _score("SAP", "sap", "Does one latent alone predict each factor by a straight line?"),
        _score("modularity", "modularity", "Does each latent know one factor only?"),
        _score("DCI disentanglement", "disentanglement", "Do trees use each latent for one factor only?"),
        _score("DCI completeness", "completeness", "Do trees need one latent only for each factor?"),
        _score("DCI informativeness", "informativeness", "How well do trees predict the factors of unseen objects?"),
        _score("FactorVAE score", "factor_vae", "Which factor do images share, by the latent that varies least?"),
        _score("beta-VAE score", "beta_vae", "Which factor do pairs of images share, by the differences of codes?"),
    ),
    "Groups of latents": (
        _group_score("informativeness", "higher", "How well each factor is predicted from its own group."),
        _group_score("leakage", "lower", "How well from the group that knows most of those that should not know it."),
        _group_score("largest_leak", "lower", "The worst of these over all factors."),
        _group_score("gap", "higher", "Own group less the best other one; below 0, the wrong group knows best."),
        _group_score("disentanglement", "higher", "1: each group knows one kind of factor only."),
        _group_score("completeness", "higher", "1: each factor is known to one group only."),
        _group_score("mutual_information_gap", "higher", "Group-wise MIG: 1 where one group alone knows all."),
    ),
    "Inference with the renderer, the code as statistic": (
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
            for name, unit in INFERRED.items()
        ),
        *(
            Measure(
                f"coverage of {name}",
                ("evidence", "inference", "methods", "code adjusted", name, "coverage_90"),
                "",
                "Share of 90 % credible intervals that hold the truth: 0.9 is right.",
            )
            for name in INFERRED
        ),
    ),
}
