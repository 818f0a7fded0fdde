"""The model card of weights that ship: that of any run, how to use it by name, and every measure of its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dcign.engine.calibration import Calibration
from dcign.export.model_card import model_card
from dcign.report.compared import MEASURES
from dcign.report.comparison import estimate_of
from dcign.report.html import number
from dcign.report.saved import reach
from dcign.runs.run import Run


def shipped_card(
    run: Run,
    curves: Calibration,
    report: Mapping[str, Any],
    drawn: Mapping[str, Any],
    *,
    name: str,
    recipe: str,
    shards: str,
    commit: str,
) -> str:
    """README.md of the weights `name`, in Markdown.

    report        the content of report.json
    drawn         the settings of the shards, as in rendering.json
    recipe        name of the recipe that made the run; `shards` is where it leaves them
    commit        of this repository, that the run was trained with
    """
    use = f"""\
Ships with dcign: its name stands wherever a command takes a run, and in Python.

    dcign rerender {name} picture.png --azimuth 0:90:7 -o turned.png
    dcign evaluate {name} {shards}    # measures it again, on what `dcign run {recipe}` has rendered

    engine = dcign.load("{name}")
"""
    facts = {
        "recipe": f"{recipe}, beside this card as recipe.toml",
        "commit": commit,
        "stored in": "float16, rounded after training; every figure here is of the rounded weights",
    }
    card = model_card(run, curves, report, name=name, drawn=drawn, facts=facts, use=use)
    return f"{card}\n## Every measure\n\n{every_measure(report)}\n"


def every_measure(report: Mapping[str, Any]) -> str:
    """The rows of `dcign compare` that were measured, with their 95 % intervals, as a table in Markdown."""
    lines = ["| measure | value | 95 % interval | |", "| --- | --- | --- | --- |"]
    for group, measures in MEASURES.items():
        rows = []
        for measure in measures:
            found = estimate_of(reach(report, measure.keys))
            if found["value"] is None:
                continue
            known = found["low"] is not None and found["high"] is not None
            ends = f"{number(found['low'], found['value'])} to {number(found['high'], found['value'])}" if known else ""
            cells = (measure.label, number(found["value"]), ends, measure.says)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines += [f"| **{group}** | | | |", *rows] if rows else []
    return "\n".join(lines)
