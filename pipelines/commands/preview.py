"""`dcign preview`: draws a labelled sheet of what shards hold, or takes one image out of them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import click

from assets.files import check_parent, write_file
from pipelines.console import counted, picture_format


@click.command(context_settings={"show_default": True})
@click.argument("shards", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="sheet.png", help="Picture to write.")
@click.option("--rows", type=click.IntRange(1, 100), default=2, help="Mini-batches of each factor.")
@click.option("--columns", type=click.IntRange(1, 100), default=10, help="Images of each mini-batch.")
@click.option(
    "--frontal", is_flag=True, help="Instead: one image as it is, of the test object seen best from in front."
)
def command(shards: Path, output: Path, rows: int, columns: int, frontal: bool) -> None:
    """Draw a sheet of the folder SHARDS: one row a mini-batch, labelled with its factor and the values of all.

    With --frontal write the image of a test object that looks most nearly straight ahead in even light, to re-render.

    \b
    Examples:
      dcign preview shards/ -o sheet.png
      dcign preview shards/ --frontal -o unseen.png
    """
    check_parent(output)
    if frontal:
        _write_frontal_image(shards, output)
        return
    from pipelines.drawing.sheet import minibatch_row, save_sheet
    from render.shards.data_set import open_splits

    splits = open_splits(shards)
    chosen = []
    for data in splits:
        for factor in data.factors:
            count = data.count(factor)
            places = sorted({i * count // rows for i in range(rows)})  # spread over the data set
            chosen += [minibatch_row(data, data.minibatch(factor, place), columns) for place in places]
    sheet = save_sheet(chosen, output)
    shown = counted(len(chosen), "mini-batch", "es")
    click.echo(
        f"{output}: {shown} of {', '.join(data.split for data in splits)}, {sheet.width} x {sheet.height} pixels."
    )


def _write_frontal_image(shards: Path, path: Path) -> None:
    """Write the first image of the mini-batch whose object looks most nearly straight ahead in even light."""
    import numpy as np
    from PIL import Image

    from render.shards.data_set import open_data_set
    from render.shards.labels import DEGREES

    form = picture_format(path)
    data = open_data_set(shards, "test")
    factor = "intrinsic" if "intrinsic" in data.factors else data.factors[0]
    batches = (data.minibatch(factor, i) for i in range(data.count(factor)))
    angles = [name for name, label in data.labels.items() if label.unit == DEGREES]
    chosen = min(batches, key=lambda batch: sum(abs((batch.values[name][0] + 180) % 360 - 180) for name in angles))
    buffer = BytesIO()
    Image.fromarray(np.asarray(chosen.images[0])).save(buffer, form, quality=95)
    write_file(path, buffer.getvalue())
    click.echo(f"{path}: a test image of {factor}, mini-batch {chosen.index}.")
