"""The import of labelled images, for every command that has some: its options, and the work itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.console import counted, printable, progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm

    from render.imports.labelled_images import LabelledImages

Command = Callable[..., None]

SHOWN = 10  # lines about images left out; more are only counted
SKIP = click.option(
    "--skip-unreadable", "skip", is_flag=True, help="Leave out pictures that cannot be read, and count them."
)


def import_options(limit: int | None = None) -> Callable[[Command], Command]:
    """Make a decorator that gives a command the options of `import_labelled_images`, the images apart.

    limit  what --n is by default; None for all that the images give
    """
    options = [
        click.option("-o", "--output", type=click.Path(path_type=Path), default="shards", help="Folder of shards."),
        click.option(
            "--n", "limit", type=click.IntRange(min=1), default=limit,
            show_default=True if limit else "all that the images give",
            help="Mini-batches of each factor and split at most, drawn by --seed.",
        ),
        click.option(
            "--test-share", type=click.FloatRange(0, 1, max_open=True), show_default="0.1",
            help="Share of the identities that is for testing, drawn by --seed.",
        ),
        click.option(
            "--crop", type=click.Choice(["centre", "none"]), default="centre",
            help="centre: the largest square of an image; none: all of it, filled up to a square.",
        ),
        click.option(
            "--size", type=click.IntRange(16, 1024), show_default="that of the images, or the nearest that the paper's "
            "network takes, 150 at most", help="Image width and height in pixels.",
        ),
        click.option(
            "--batch-size", type=click.IntRange(2, 1024), show_default="20", help="Images in a mini-batch."
        ),
        click.option("--seed", type=click.IntRange(min=0), show_default="0", help="Same seed, same bytes."),
    ]  # fmt: skip

    def with_options(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def import_labelled_images(
    images: LabelledImages,
    output: Path,
    limit: int | None,
    test_share: float | None,
    crop: str,
    size: int | None,
    batch_size: int | None,
    seed: int | None,
    skip: bool = False,
) -> None:
    """Deal images into mini-batches, write them into `output`, and say what came of it; see `import_options`.

    skip  images that cannot be read, instead of stopping at the first
    """
    from dcign.model.paper_sizes import nearest_size
    from pipelines.commands.import_summary import minibatches_in, summary
    from render.imports.image_import import (
        ImageImport,
        first_side,
        given_batch_size,
        is_finished,
        stage_images,
        write_shards,
    )
    from render.imports.image_stage import ImageStage
    from render.shards.store import locked

    size = size or nearest_size(first_side(images, crop, skip))
    job = ImageImport(images, size, crop, batch_size or given_batch_size(images), seed or 0, test_share, limit, skip)
    with locked(output):
        if is_finished(output, job):
            click.echo(f"{output}: all {counted(minibatches_in(job.dealing), 'mini-batch', 'es')} are there already.")
            return
        with ImageStage(output, job.size, len(images.identity)) as stage:
            with progress_bar("read", len(job.dealing.used), "image") as bar:
                job = stage_images(stage, job, bar.update, Complaints(bar))
            with progress_bar("write", minibatches_in(job.dealing), "mini-batch") as bar:
                write_shards(output, job, stage, bar.update)
    for line in summary(job, output):
        click.echo(printable(line))
    click.echo(f"Look at them with `dcign preview {output} -o sheet.png`.")


class Complaints:
    """The first few lines about what is left out, above a bar."""

    def __init__(self, bar: tqdm) -> None:
        self.bar, self.count = bar, 0

    def __call__(self, line: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self.bar.write(f"Left out: {line}", file=sys.stderr)
        elif self.count == SHOWN + 1:
            self.bar.write("Left out: more, which are counted below.", file=sys.stderr)
