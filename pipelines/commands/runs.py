"""`dcign runs`: lists the training runs below a folder and the weights that ship, with their best figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.console import aligned, printable

if TYPE_CHECKING:
    from dcign.runs.listing import RunSummary, ShippedSummary


@click.command(name="runs", context_settings={"show_default": True})
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(folders: tuple[Path, ...], as_json: bool) -> None:
    """List the training runs at and below FOLDERS (by default here), one line each, the newest first; then the weights
    that ship with dcign, whose names stand for a run in other commands.

    Bound and |Spearman| are measured while training, on mini-batches held out, at the step with the lowest bound (nats
    per image); MSE and leak are from the report of `dcign evaluate`, and so is |Spearman| of the weights that ship.
    Hidden folders are passed over.

    \b
    Example:
      dcign runs
      dcign runs demo/ experiments/ --json
    """
    from dcign.runs.listing import find_runs, summarise, summarise_shipped

    notes: list[str] = []
    found = dict.fromkeys(run for top in folders or (Path("."),) for run in find_runs(top))
    runs = [run for folder in found if (run := summarise(folder, notes.append)) is not None]
    runs.sort(key=lambda run: run.changed, reverse=True)
    ours = summarise_shipped(notes.append)
    if as_json:
        document = {
            "runs": [run.to_json() for run in runs],
            "shipped": [each.to_json() for each in ours],
            "notes": notes,
        }
        click.echo(json.dumps(document, indent=1, allow_nan=False))
        return
    if runs:
        for line in table(runs):
            click.echo(line)
    else:
        click.echo(f"No training runs in {', '.join(map(str, folders)) or 'this folder'}.")
    if ours:
        click.echo("\nShipped with dcign:")
        for line in shipped_table(ours):
            click.echo(line)
    for note in notes:
        click.echo(f"Note: {printable(note)}", err=True)


def table(runs: list[RunSummary]) -> list[str]:
    """Write a heading and a line for each run; a column of |Spearman| for each factor that any of them has."""
    factors = ranked_factors(runs)
    heading = ["run", "object", "procedure", "widths", "steps", "images/s", "bound"]
    rows = [[*heading, *(f"|{name}|" for name in factors), "MSE", "leak"]]
    for run in runs:
        known = [
            printable(str(run.folder)),
            printable(run.object) or "-",
            run.procedure,
            run.widths,
            f"{run.step:,} / {run.steps:,}",
        ]
        while_training = [number(run.images_per_second, ".0f"), number(run.bound, ".1f")]
        rows.append([*known, *while_training, *measured(run, factors)])
    return aligned(rows)


def shipped_table(ours: list[ShippedSummary]) -> list[str]:
    """Write the same for weights that ship, with their size."""
    factors = ranked_factors(ours)
    heading = ["name", "object", "procedure", "widths", "steps", "size"]
    rows = [[*heading, *(f"|{name}|" for name in factors), "MSE", "leak"]]
    for each in ours:
        known = [each.name, each.object, each.procedure, each.widths, f"{each.step:,}", f"{each.bytes / 1e6:.1f} MB"]
        rows.append([*known, *measured(each, factors)])
    return aligned(rows)


def ranked_factors(runs: Sequence[RunSummary | ShippedSummary]) -> list[str]:
    """List the factors of which any run has a |Spearman|: those of the renderer in their order, then all others."""
    from render.factors import EXTRINSIC

    found = dict.fromkeys(name for run in runs for name in run.spearman)
    return sorted(found, key=lambda name: EXTRINSIC.index(name) if name in EXTRINSIC else len(EXTRINSIC))


def measured(run: RunSummary | ShippedSummary, factors: list[str]) -> list[str]:
    """Write |Spearman| of `factors`, MSE and leak."""
    ranks = [number(run.spearman.get(name), ".3f") for name in factors]
    return [*ranks, number(run.mse, ".5f"), number(run.leak, ".3f")]


def number(value: float | None, form: str) -> str:
    """Format a number, or '-' if it is not known."""
    return "-" if value is None else format(value, form)
