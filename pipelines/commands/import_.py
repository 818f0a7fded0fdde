"""`dcign import`: turns images that were taken or rendered elsewhere into shards of single-factor mini-batches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands import import_collections, import_images
from pipelines.commands.import_job import Complaints
from pipelines.console import Group, progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm

    from render.imports.chair_import import Tally


@click.group(cls=Group)
def command() -> None:
    """Turn images that were taken or rendered elsewhere into shards, as `dcign render` writes them.

    \b
    Examples:
      dcign import images photos.csv
      dcign import rendered-chairs rendered_chairs.tar -o chairs/
    """


command.add_command(import_images.command)
import_collections.add_to(command)


@command.command("rendered-chairs", context_settings={"show_default": True})
@click.argument("path", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="shards", help="Folder of shards.")
@click.option(
    "--train-chairs", type=click.IntRange(min=1), default=1200, help="Chairs for training; others are tested on."
)
@click.option("--crop/--no-crop", default=True, help="Cut away white around each chair, the same from all its views.")
@click.option("--size", type=click.IntRange(16, 300), default=150, help="Image width and height in pixels.")
@click.option("--batch-size", type=click.IntRange(2, 64), default=20, help="Images in a mini-batch.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Same seed, same bytes.")
def rendered_chairs(
    path: Path, output: Path, train_chairs: int, crop: bool, size: int, batch_size: int, seed: int
) -> None:
    """Import the rendered chairs of Aubry et al. (2014), both splits, into OUTPUT/*.npz and OUTPUT/manifest.json.

    PATH is the folder rendered_chairs, or the one it lies in, or a tar or zip of it, which is read in place. Factors
    are azimuth (one chair) and intrinsic (many chairs from one direction). Stopped, the same command starts over.

    \b
    Example:
      dcign import rendered-chairs rendered_chairs.tar -o chairs/
    """
    from render.imports.chair_import import ChairImport, import_chairs, open_import
    from render.imports.rendered_chairs import open_rendered_chairs
    from render.shards.store import locked

    job = ChairImport(open_rendered_chairs(path), train_chairs, crop, size, batch_size, seed)
    with locked(output):
        manifest, finished = open_import(output, job)
        if finished:
            click.echo(f"{output}: all {len(manifest.settings['assets']['models'])} chairs are there already.")
            return
        with progress_bar("import", job.source.total, job.source.unit, unit_scale=True) as bar:
            progress = _Progress(bar)
            tally = import_chairs(output, manifest, job, progress.tick, progress.complain)
    click.echo(_summary(tally, output, train_chairs))


class _Progress:
    """The bar of an import, and above it the first few lines about what is left out."""

    def __init__(self, bar: tqdm) -> None:
        self.bar, self.images, self.complain = bar, 0, Complaints(bar)

    def tick(self, done: int, images: int) -> None:
        self.images += images
        if self.bar.unit == "B":  # of an archive; otherwise the bar itself counts images
            rate = self.images / max(self.bar.format_dict["elapsed"], 1e-3)
            self.bar.set_postfix_str(f"{self.images} images, {rate:.0f} images/s", refresh=False)
        self.bar.update(done)


def _summary(tally: Tally, output: Path, train_chairs: int) -> str:
    train, test = tally.chairs["train"], tally.chairs["test"]
    lines = [f"{output}: {train} chairs for train, {test} for test, from {tally.images} images."]
    if tally.faults or tally.skipped:
        lines.append(f"Left out: unusable images: {tally.faults}, chairs with too few images: {tally.skipped}.")
    if not test:
        lines.append(f"No chair is left for testing: --train-chairs is {train_chairs}, chairs found {train}.")
    lines.append(f"Look at them with `dcign preview {output} -o sheet.png`.")
    return "\n".join(lines)
