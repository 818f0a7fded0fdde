"""`dcign preview`: a labelled sheet of what shards hold."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.drawing.sheet import draw_rows, minibatch_row
from render.errors import BadInput, ShardError
from render.factors import SPLITS
from render.manifest import read_manifest
from render.shards import open_data_set


@click.command(context_settings={"show_default": True})
@click.argument("shards", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="sheet.png", help="Picture to write.")
@click.option("--rows", type=click.IntRange(1, 100), default=2, help="Mini-batches of each factor.")
@click.option("--columns", type=click.IntRange(1, 100), default=10, help="Images of each mini-batch.")
def command(shards: Path, output: Path, rows: int, columns: int) -> None:
    """Draw a sheet of the folder SHARDS: one row a mini-batch, labelled with its factor and values in degrees.

    \b
    Example:
      dcign preview shards/ -o sheet.png
    """
    manifest = read_manifest(shards)
    held = [split for split in SPLITS if any(entry.split == split for entry in manifest.shards.values())]
    if not held:
        raise ShardError(f"{shards}: expected finished shards, found none; run `dcign render` again")
    chosen = []
    for split in held:
        data = open_data_set(shards, split)
        for factor in data.factors:
            count = data.count(factor)
            places = sorted({i * count // rows for i in range(rows)})  # spread over the data set
            chosen += [data.minibatch(factor, place) for place in places]
    sheet = draw_rows([minibatch_row(batch, columns) for batch in chosen])
    try:
        sheet.save(output)
    except (OSError, ValueError) as error:
        raise BadInput(f"{output}: cannot be written as a picture: {error}") from error
    click.echo(f"{output}: {len(chosen)} mini-batches of {', '.join(held)}, {sheet.width} x {sheet.height} pixels.")
