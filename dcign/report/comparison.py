"""Runs side by side: every measure of their reports, in one table of plain data.

The rows are those of `dcign.report.rows`. A run is called best at something only where its 95 % interval lies apart
from that of every other, and where both were measured on the same images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dcign.config import DEFAULT_NETWORK
from dcign.evaluation.evidence import basis
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.report.rows import Better, Measure, measures_of
from dcign.report.saved import SavedReport
from dcign.runs.report_file import reach

FORMAT = 1
# Settings that make no difference to what is learnt, or stand in the table by another name
NO_SETTING = ("steps", "checkpoint_every", "keep", "picture_every", "device", "procedure", "network", "widths", "seed")


def compare(reports: Sequence[SavedReport]) -> dict[str, Any]:
    """Make the table as plain data for compare.json; `reports` as `dcign.report.saved.open_reports` gives them.

    `values` of a row holds for each run an Estimate, with `why` where there is no value. Rows that no run has a value
    of are in `not_measured` instead.
    """
    rows: list[dict[str, Any]] = []
    none: list[dict[str, Any]] = []
    for group, measures in measures_of(reports[0].document).items():
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
        "warnings": [*_warnings(settings), *_apart(reports)],
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
        "best": best(found, measure.better) if len(set(_images_of(measure.keys, reports).values())) < 2 else None,
    }


def _images_of(keys: Sequence[str], reports: Sequence[SavedReport]) -> dict[str, str]:
    """Return, for runs that have a measure, what images it was taken on: drawn ones, or some of the shards."""
    kinds = {report.name: reach(report.document, keys[:2]) for report in reports if keys[0] == "evidence"}
    found = {}
    for name, kind in kinds.items():
        if isinstance(kind, Mapping) and "skipped" not in kind:
            counts = [reach(kind, ("basis", key)) for key in ("images", "identities")]
            found[name] = "{} images of {} identities of the shards".format(*counts) if basis.of(kind) else "drawn"
    return found


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


def _apart(reports: Sequence[SavedReport]) -> list[str]:
    """Warn of evidence on different images: drawn for one run, and taken from the shards for another."""
    kinds = {kind: _images_of(("evidence", kind), reports) for kind in reports[0].document["evidence"]}
    apart = {kind: images for kind, images in kinds.items() if len(set(images.values())) > 1}
    if not apart:
        return []
    names = ", ".join(kind.replace("_", " ") for kind in apart)
    images = "; ".join(f"{name}: {what}" for name, what in next(iter(apart.values())).items())
    return [
        f"The runs were not measured on the same images ({images}): none is marked as best at {names}. Evaluate all of "
        "them with the models of the shards (--assets), or none, and with the same --identities."
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
