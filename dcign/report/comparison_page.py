"""compare.html: runs side by side in one table, then their novel views under each other. Self-contained, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dcign.report.comparison import shown
from dcign.report.html import Chapter, Td, captioned, cell, command_block, figure, page, table, warning_list
from dcign.report.saved import SavedReport
from render.factors import EXTRINSIC

SIGN = {"higher": "higher is better", "lower": "lower is better", "": ""}


def html(comparison: Mapping[str, Any], reports: Sequence[SavedReport], command: str) -> str:
    """The page of compare.json's content; the pictures are those beside the reports."""
    data, names = comparison["data_set"], list(comparison["runs"])
    subtitle = (
        f"{shown(data.get('images'))} {data['split']} images of {shown(data.get('identities'))} {data['object']}s, the "
        f"same for all, fingerprint {data['fingerprint'][:12]}"
    )
    chapters = [
        Chapter("The runs", _settings(comparison, names)),
        Chapter("Side by side", _measures(comparison, names)),
        *_views(reports),
    ]
    own = [_own_warnings(name, entry["warnings"]) for name, entry in comparison["runs"].items()]
    if any(own):
        chapters.append(Chapter("What the reports say of themselves", "\n".join(own)))
    files = [(name, [cell(entry["report"]), cell(entry["folder"])]) for name, entry in comparison["runs"].items()]
    footer = command_block(command) + table(("run", "report", "folder when measured"), files, "facts")
    return page(f"DC-IGN: {len(names)} runs side by side", subtitle, comparison["warnings"], chapters, footer)


def _settings(comparison: Mapping[str, Any], names: Sequence[str]) -> str:
    rows = [
        (row["label"], [cell(shown(row["values"][name]), "differs" if row["differs"] else "") for name in names])
        for row in comparison["settings"]
    ]
    caption = "How the runs were trained. In bold what differs; all other settings are the same."
    return captioned(table(("setting", *names), rows, "named"), caption)


def _measures(comparison: Mapping[str, Any], names: Sequence[str]) -> str:
    rows: list[tuple[str, list[Td]]] = []
    group = None
    for row in comparison["measures"]:
        if row["group"] != group:
            group = row["group"]
            rows.append((group, []))
        cells = [_value(row["values"][name], row["best"] == name) for name in names]
        says = " ".join(filter(None, (f"{SIGN[row['better']]}." if row["better"] else "", row["says"])))
        rows.append((row["label"], [*cells, cell(says[:1].upper() + says[1:], "soft says")]))
    caption = (
        "Values with 95 % intervals by bootstrap. Bold and marked ▲: the best of its row, where its interval lies "
        "apart from that of every other; no mark where intervals touch or are missing."
    )
    shown_table = captioned(table(("measure", *names, "what it says"), rows, "named"), caption)
    return shown_table + _not_measured(comparison)


def _value(entry: Mapping[str, Any], is_best: bool) -> Td:
    if entry["value"] is None:
        return Td("not measured", "number soft")
    found = cell({"value": entry["value"], "low": entry["low"], "high": entry["high"]}, "best" if is_best else "")
    return Td(f"▲ {found.html}", found.kind) if is_best else found


def _not_measured(comparison: Mapping[str, Any]) -> str:
    """Why values are missing: those of one run, then those that no run has."""
    lines: dict[str, list[str]] = {}
    for row in comparison["measures"]:
        for name, entry in row["values"].items():
            if entry["value"] is None:
                lines.setdefault(f"{name}: {entry['why']}", []).append(row["label"])
    for row in comparison["not_measured"]:
        lines.setdefault(f"all runs: {row['why']}", []).append(row["label"])
    rows = [(why, [cell("; ".join(labels))]) for why, labels in lines.items()]
    return table(("why not measured", "what"), rows, "named") if rows else ""


def _views(reports: Sequence[SavedReport]) -> list[Chapter]:
    """The strips of each angle of all runs, under each other."""
    chapters = []
    for factor in EXTRINSIC:
        strips = []
        for report in reports:
            picture = report.picture(f"novel-views-{factor}")
            if picture is not None:
                command = str(report.document["made"].get("command", ""))
                caption = f"{report.name}: {factor} asked for, decoded, true, and the difference."
                strips.append(figure(picture, caption, command, broad=True))
        if strips:
            chapters.append(Chapter(f"Novel views: {factor}", "\n".join(strips)))
    return chapters


def _own_warnings(name: str, lines: Sequence[str]) -> str:
    return warning_list([f"{name}: {line}" for line in lines])
