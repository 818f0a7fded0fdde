"""`dcign render`: meshes in, shards of single-factor mini-batches out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from assets.catalog import Catalog, open_chairs, open_faces
from assets.model_source import ModelSource
from pipelines.progress import progress_bar
from render.errors import BadInput
from render.factors import DEFAULT_RANGES, FACTORS, SPLITS, parse_range
from render.job import Job, Task, check_disk, locked, open_manifest, render, tasks_of, unfinished

AUTHORS_COUNT = {"train": 12000, "test": 1400}  # mini-batches over the four factors


@click.command(context_settings={"show_default": True})
@click.option("--factor", type=click.Choice([*FACTORS, "all"]), default="all", help="What varies inside a mini-batch.")
@click.option(
    "--n", "count", type=click.IntRange(min=1), show_default="12000 for train, 1400 for test",
    help="Mini-batches; with --factor all, split evenly over the factors.",
)  # fmt: skip
@click.option("--object", "kind", type=click.Choice(["face", "chair"]), default="face", help="What is rendered.")
@click.option(
    "--assets", type=click.Path(path_type=Path), show_default="the built-in model",
    help="A face model: an ICT-FaceKit folder, Basel 2009 .mat, Basel 2017 or 2019 .h5, FLAME .npz. With --object "
    "chair: a file, a folder or a zip library of chairs (OBJ, OFF, GLB, PLY, STL).",
)  # fmt: skip
@click.option("--match", metavar="REGEX", default="", help="Only chair models of such names, e.g. 'chair|stool|seat'.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="shards", help="Folder of shards.")
@click.option("--split", type=click.Choice(SPLITS), default="train", help="Identities of the two never overlap.")
@click.option("--batch-size", type=click.IntRange(2, 1024), default=20, help="Images in a mini-batch.")
@click.option("--size", type=click.IntRange(16, 1024), default=150, help="Image width and height in pixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Same seed, same bytes.")
@click.option("--azimuth-range", metavar="A:B", show_default="-90:90; chairs 0:360", help="Degrees.")
@click.option("--elevation-range", metavar="A:B", show_default="-30:30; chairs 0:30", help="Degrees.")
@click.option("--light-range", metavar="A:B", show_default="-80:80", help="Degrees, in the camera's frame.")
@click.option("--workers", type=click.IntRange(min=1), show_default="one a core", help="Processes that render.")
def command(
    factor: str, count: int | None, kind: str, assets: Path | None, match: str, output: Path, split: str,
    batch_size: int, size: int, seed: int, azimuth_range: str | None, elevation_range: str | None,
    light_range: str | None, workers: int | None,
) -> None:  # fmt: skip
    """Render mini-batches in which exactly one factor varies, into OUTPUT/*.npz and OUTPUT/manifest.json.

    Stopped at any moment, the same command resumes; run to the end, it finds nothing left to do. The same seed gives
    the same bytes whatever the number of workers.

    \b
    Examples:
      dcign render --factor azimuth --n 12000
      dcign render --object chair --assets furniture/ --n 400 -o chairs
      dcign render --split test --n 80 -o test
    """
    ranges = dict(DEFAULT_RANGES[kind])
    for name, given in (("azimuth", azimuth_range), ("elevation", elevation_range), ("light", light_range)):
        if given is not None:
            ranges[name] = parse_range(given, f"--{name}-range")
    tasks = _tasks(factor, split, count or AUTHORS_COUNT[split])
    job = Job(_open_catalog(kind, assets, match), ranges, seed, size, batch_size)
    with locked(output):
        todo = unfinished(output, open_manifest(output, job.settings("")), tasks)
        total = sum(task.count for task in tasks)
        if not todo:
            click.echo(f"{output}: all {total} mini-batches are there already.")
            return
        left = sum(task.count for task in todo)
        check_disk(output, job, todo)
        workers = min(workers or len(os.sched_getaffinity(0)), len(todo))
        click.echo(
            f"{output}: {left} of {total} mini-batches to render, {left * batch_size} images of {size} x {size}, "
            f"{len(todo)} shards, {left * batch_size * size**2 / 1e6:.0f} MB, {workers} worker{'s' * (workers > 1)}."
        )
        with progress_bar("render", left * batch_size, "image") as bar:
            render(
                output, job, todo, workers,
                started=lambda gl: bar.write(f"OpenGL: {gl}"), tick=lambda n: bar.update(n * batch_size),
            )  # fmt: skip
    click.echo(f"{output}: {total} mini-batches. Look at them with `dcign preview {output} -o sheet.png`.")


def _tasks(factor: str, split: str, count: int) -> list[Task]:
    """The shards asked for; with "all", factors take turns so that an unfinished job holds some of each."""
    if factor != "all":
        return tasks_of(factor, split, count)
    if count < len(FACTORS):
        raise BadInput(f"--n: expected at least {len(FACTORS)} mini-batches with --factor all, found {count}")
    each, extra = divmod(count, len(FACTORS))
    tasks = [task for i, name in enumerate(FACTORS) for task in tasks_of(name, split, each + (i < extra))]
    return sorted(tasks, key=lambda task: task.index)


def _open_catalog(kind: str, path: Path | None, match: str) -> Catalog:

    if kind == "face":
        catalog = open_faces(path)
        modes = ", ".join(f"{count} of {part}" for part, count in catalog.model.parts.items() if count)
        click.echo(f"Face model: {catalog.name}; modes: {modes}.")
        return catalog
    chairs, unreadable = open_chairs(path, match, _with_bar)
    for error in unreadable:
        click.echo(f"Skipped: {error}", err=True)
    held = chairs.splits
    click.echo(
        f"Chairs: {len(chairs.sources)} models read, {len(unreadable)} unreadable; "
        f"{len(held['train'])} for train, {len(held['test'])} for test."
    )
    return chairs


def _with_bar(sources: Iterable[ModelSource]) -> Iterator[ModelSource]:
    found = list(sources)
    with progress_bar("read", len(found), "model") as bar:
        for source in found:
            yield source
            bar.update()
