"""Runs side by side: every measure of their reports, in one table of plain data.

A run is called best at something only where its 95 % interval lies apart from that of every other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dcign.metrics.bootstrap import Estimate
from dcign.report.compared import MEASURES, Better, Measure
from dcign.report.saved import SavedReport, reach

FORMAT = 1
# Settings that make no difference to what is learnt, or stand in the table by another name
NO_SETTING = ("steps", "checkpoint_every", "keep", "picture_every", "device", "procedure", "widths", "seed")


def compare(reports: Sequence[SavedReport]) -> dict[str, Any]:
    """The table as plain data for compare.json; `reports` as `saved_reports.open_reports` gives them.

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
    """The run whose interval lies on the better side of that of every other with a value; None if there is none."""
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
    """What a report says, if it is a finite number or an Estimate of such."""
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
    """Why a report has no value there."""
    if keys[0] == "evidence":
        skipped = reach(document, (*keys[:2], "skipped"))
        if isinstance(skipped, str):
            return skipped
    missing = reach(document, keys[:2]) is None
    return "its report does not have it" if missing else "not defined for this code or these images"


def _settings(reports: Sequence[SavedReport]) -> list[dict[str, Any]]:
    """What the runs were trained with: always the first few, of the others those that differ."""
    rows: dict[str, dict[str, Any]] = {
        "procedure": _gather(reports, ("made", "config", "procedure")),
        "steps": _gather(reports, ("run", "step")),
        "widths": _gather(reports, ("made", "config", "widths")),
        "seed": _gather(reports, ("made", "config", "seed")),
        "training data": _gather(reports, ("made", "training_data", "fingerprint")),
        "knobs found": _gather(reports, ("knobs", "found")),
    }
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
    """A setting as text."""
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
    """What a report warns of, its kinds of evidence too."""
    lists = [document.get("warnings"), *(reach(kind, ("warnings",)) for kind in document["evidence"].values())]
    return [line for lines in lists if isinstance(lines, list) for line in lines if isinstance(line, str)]
