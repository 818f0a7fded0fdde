"""`dcign compare RUN RUN ...`: sets the reports of several runs side by side."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from assets.files import make_output_folder, write_file
from pipelines.console import aligned, printable


@click.command(name="compare", context_settings={"show_default": True})
@click.argument("runs", nargs=-1, metavar="RUN RUN ...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("."), help="Folder for the comparison.")
def command(runs: tuple[Path, ...], output: Path) -> None:
    """Set the reports of runs side by side: compare.json, compare.html, and a table here.

    RUN is a folder that `dcign evaluate` or `dcign run` has left report.json in, that file, or the run folder below it.
    All must be measured on the same images. MSE is of grey values in [0, 1], errors of angles are in degrees, those of
    other factors in their unit. A * marks the best value where its 95 % interval lies apart from those of all others;
    the intervals are on the page.

    \b
    Example:
      dcign evaluate clamped/ shards-test/
      dcign evaluate entangled/ shards-test/
      dcign compare clamped/ entangled/ -o comparison/
    """
    from dcign.report.comparison import compare
    from dcign.report.pages import comparison_page
    from dcign.report.saved import open_reports

    reports = open_reports(runs)
    comparison = compare(reports)
    line = shlex.join(["dcign", *sys.argv[1:]])
    page = comparison_page(comparison, reports, line)
    text = json.dumps({**comparison, "command": line}, indent=1, allow_nan=False) + "\n"
    folder = make_output_folder(output)
    write_file(folder / "compare.json", text.encode())
    write_file(folder / "compare.html", page.encode(errors="replace"))
    for row in table(comparison):
        click.echo(row)
    for warning in comparison["warnings"]:
        click.echo(f"Note: {printable(warning)}")
    click.echo(f"Comparison: {folder / 'compare.html'}")


def table(comparison: Mapping[str, Any]) -> list[str]:
    """Set the settings and the measures of each run in columns."""
    from dcign.report.comparison import shown

    names = list(comparison["runs"])
    rows = [["", *map(printable, names)]]
    for row in comparison["settings"]:
        rows.append([printable(row["label"]), *(printable(shown(row["values"][name])) for name in names)])
    group = None
    for row in comparison["measures"]:
        if row["group"] != group:
            group = row["group"]
            rows.append([group])
        rows.append([f"  {row['label']}", *(_value(row["values"][name], row["best"] == name) for name in names)])
    return aligned(rows)


def _value(entry: Mapping[str, Any], is_best: bool) -> str:
    from dcign.report.html import number

    if entry["value"] is None:
        return "not measured"
    return number(entry["value"]) + (" *" if is_best else "")
