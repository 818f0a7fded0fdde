"""`dcign export-images`: writes what shards hold as PNG files and a table, which `dcign import images` reads."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.console import counted, progress_bar


@click.command(context_settings={"show_default": True})
@click.argument("shards", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="images", help="Folder of the images.")
def command(shards: Path, output: Path) -> None:
    """Write the images of the folder SHARDS into OUTPUT as PNG files, with images.csv and images.json.

    images.csv has a row for each image: path, identity, the value of every factor, split, and in which mini-batch it
    is at which position; images.json has what a table cannot say. `dcign import images OUTPUT/images.csv` makes the
    same shards of them again. An image that is in several mini-batches is written for each.

    \b
    Example:
      dcign export-images shards/ -o images
    """
    from render.imports.image_export import TABLE, export_images
    from render.shards.data_set import open_splits

    splits = open_splits(shards)
    total = sum(data.count(factor) for data in splits for factor in data.factors)
    with progress_bar("export", total * splits[0].batch_size, "image") as bar:
        export_images(splits, output, bar.update)
    written = counted(total * splits[0].batch_size, "image")
    click.echo(f"{output}: {written} of {counted(total, 'mini-batch', 'es')}, listed in {output / TABLE}.")
