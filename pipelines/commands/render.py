"""`dcign render`: turns meshes into shards of single-factor mini-batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.catalogs import kind_at, only_for, open_catalog
from pipelines.console import counted, progress_bar
from render.errors import BadInput
from render.factors import DEFAULT_RANGES, EXTRINSIC, FACTORS, MAIN, SPLITS, VIEWS, parse_range
from render.jobs.job import RENDERERS

if TYPE_CHECKING:
    from render.jobs.job import Job, Task
    from render.jobs.pool import Workers
    from render.minibatch import Sampling

AUTHORS_COUNT = {"train": 12000, "test": 1400}  # mini-batches over the four factors


def range_options(command: Any) -> Any:
    """Give a command `--azimuth-range A:B` and its like, one for each extrinsic factor."""
    for name in reversed(EXTRINSIC):
        (face, chair) = (f"{low:g}:{high:g}" for low, high in (DEFAULT_RANGES[k][name] for k in ("face", "chair")))
        shown = face if face == chair else f"{face}; chairs {chair}"
        command = click.option(f"--{name}-range", metavar="A:B", show_default=shown, help="Degrees.")(command)
    return command


@click.command(context_settings={"show_default": True})
@click.option(
    "--factor", type=click.Choice([*FACTORS, "all"]), default="all",
    help=f"What varies inside a mini-batch; all: {', '.join(MAIN)}.",
)  # fmt: skip
@click.option(
    "--n", "count", type=click.IntRange(min=1), show_default="12000 for train, 1400 for test",
    help="Mini-batches; with --factor all, split evenly over the factors.",
)  # fmt: skip
@click.option(
    "--object", "kind", type=click.Choice(["face", "chair"]), show_default="what PATH holds; face",
    help="What is rendered.",
)  # fmt: skip
@click.option(
    "--assets", metavar="PATH", type=click.Path(path_type=Path), show_default="the built-in model",
    help="A face model: an ICT-FaceKit folder or archive, Basel 2009 .mat, Basel 2017 or 2019 .h5, FLAME .npz. Or "
    "chairs: a CAD file (OBJ, OFF, GLB, PLY, STL, DAE), a folder or a zip library of them.",
)  # fmt: skip
@click.option("--match", metavar="REGEX", default="", help="Only chair models of such names, e.g. 'chair|stool|seat'.")
@click.option(
    "--train-chairs", type=click.IntRange(min=1200), show_default="1200",
    help="Built-in chairs to train on; the 157 to test on stay the same.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Stop at a chair model that cannot be read, instead of leaving it out.")
@click.option(
    "-o", "--output", metavar="FOLDER", default="shards",
    help="Folder of shards, or the address of one, such as s3://bucket/faces.",
)  # fmt: skip
@click.option("--split", type=click.Choice(SPLITS), default="train", help="Identities of the two never overlap.")
@click.option("--batch-size", type=click.IntRange(2, 1024), default=20, help="Images in a mini-batch.")
@click.option("--size", type=click.IntRange(16, 1024), default=150, help="Image width and height in pixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Same seed, same bytes.")
@range_options
@click.option(
    "--views", type=click.Choice(list(VIEWS)), show_default="anywhere in the ranges",
    help="Azimuths and elevations of a grid; paper: 30 azimuths and 2 elevations.",
)  # fmt: skip
@click.option(
    "--sigma", type=click.FloatRange(min=0, min_open=True), show_default="no limit",
    help="Faces no farther than this from the mean in any mode, in standard deviations.",
)  # fmt: skip
@click.option("--expressions", is_flag=True, help="Faces with expressions instead of neutral ones.")
@click.option("--walk", is_flag=True, help="Faces of a mini-batch lead in even steps from one to another.")
@click.option(
    "--renderer", type=click.Choice(RENDERERS), default="batched",
    help="batched draws a mini-batch at once; reference is pyrender, an image at a time.",
)  # fmt: skip
@click.option("--full-mesh", is_flag=True, help="Draw all triangles, also those too small to be seen at --size.")
@click.option(
    "--workers", metavar="N", default="auto",
    help="Processes that render; auto: as many as cores, on NVIDIA GPUs up to 16 for each.",
)  # fmt: skip
@click.option("--part", metavar="I/N", help="Only every N-th shard from the I-th, for N machines that share OUTPUT.")
@click.option("--ray", metavar="ADDRESS", help="Render on a Ray cluster; local: one on this machine.")
@click.option("--dry-run", is_flag=True, help="Say what would be rendered and how long it takes; write nothing.")
def command(
    factor: str, count: int | None, kind: str | None, assets: Path | None, match: str, train_chairs: int | None,
    strict: bool, output: str, split: str, batch_size: int, size: int, seed: int, views: str | None,
    sigma: float | None, expressions: bool, walk: bool, renderer: str, full_mesh: bool, workers: str,
    part: str | None, ray: str | None, dry_run: bool, **ranges: str | None,
) -> None:  # fmt: skip
    """Render mini-batches in which exactly one factor varies, into OUTPUT/*.npz and OUTPUT/manifest.json.

    Stopped at any moment, the same command resumes; run to the end, it finds nothing left to do. The same seed gives
    the same bytes whatever the number of workers.

    \b
    Examples:
      dcign render --factor azimuth --n 12000
      dcign render --object chair --assets furniture/ --n 400 -o chairs
      dcign render --factor expression --n 400 -o expressions
      dcign render --split test --n 80 -o test
      dcign render --part 3/8 -o /mnt/shared/shards
    """
    from assets.faces.catalog import FaceSampling
    from pipelines.drawing.renderer import with_detail
    from render.jobs.devices import software_warning
    from render.jobs.job import Job, Plan, left_to_do, render
    from render.shards.manifest import parse_part
    from render.shards.store import locked, open_store

    number = _number_of_workers(workers)
    chosen = parse_part(part) if part else None
    kind = kind or kind_at(assets)
    tasks = _tasks(factor, split, count or AUTHORS_COUNT[split])
    sampling = _sampling(kind, ranges, views)
    if kind == "chair":
        only_for("faces", {"--sigma": sigma, "--expressions": expressions, "--walk": walk})
    faces = FaceSampling(sigma, expressions or factor == "expression", walk)
    catalog = open_catalog(kind, assets, faces, match, strict, train_chairs)
    for task in tasks:
        if FACTORS[task.factor].parts and not catalog.varies(FACTORS[task.factor].parts):
            raise BadInput(f"--factor {task.factor}: {catalog.name} has no modes of it; see `dcign render --help`")
    if not full_mesh:
        catalog = with_detail(catalog, size)
    job = Job(catalog, sampling, seed, size, batch_size, renderer)
    if chosen:
        tasks = chosen.of(tasks)
    wanted = sum(task.count for task in tasks)
    with open_store(output) as store, nullcontext() if dry_run else locked(store.folder, chosen):
        manifest = store.manifest(job.settings(""))
        plan = Plan(job, left_to_do(store, manifest, tasks))
        if not plan.tasks:
            if store.parts() and not (chosen or dry_run):
                store.merge_parts(manifest)
            click.echo(f"{output}: all {wanted} mini-batches are there already.")
            return
        with _workers(job, number, ray, len(plan.tasks)) as pool:
            plan.check_disk(store, pool.count)
            gl = pool.first_info()
            store.manifest(job.settings(gl))  # which may differ from the one it was begun with
            if warning := software_warning(gl):
                click.secho(f"Warning: {warning}", fg="yellow", err=True)
            seconds = plan.seconds(pool) if dry_run or not plan.is_short(pool.count) else None
            for line in plan.lines(wanted, output, gl, pool.count, seconds):
                click.echo(line)
            if dry_run:
                return
            with progress_bar("render", plan.images, "image") as bar:
                render(store, job, pool, plan.tasks, chosen, tick=lambda n: bar.update(n * batch_size))
    look = f"Look at them with `dcign preview {output} -o sheet.png`."
    done = counted(wanted, "mini-batch", "es")
    click.echo(f"{output}: {done}. {'Copy them here to train on them.' if '://' in output else look}")


def _number_of_workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise BadInput(f"--workers: expected auto or a number from 1, found {text!r}")
    return int(text)


@contextmanager
def _workers(job: Job, number: int | None, ray: str | None, tasks: int) -> Iterator[Workers]:
    """Start the processes to render on, here or on a Ray cluster, no more than there are tasks."""
    if ray:
        from render.jobs.cluster import Cluster

        with Cluster(job, ray, number, tasks) as cluster:
            yield cluster
    else:
        from pipelines.drawing.renderer import drawing_pool

        with drawing_pool(job, number, tasks) as pool:
            yield pool


def _tasks(factor: str, split: str, count: int) -> list[Task]:
    """List the shards to render; with "all", factors take turns so that an unfinished job holds some of each."""
    from render.jobs.job import tasks_of

    if factor != "all":
        return tasks_of(factor, split, count)
    if count < len(MAIN):
        raise BadInput(f"--n: expected at least {len(MAIN)} mini-batches with --factor all, found {count}")
    each, extra = divmod(count, len(MAIN))
    tasks = [task for i, name in enumerate(MAIN) for task in tasks_of(name, split, each + (i < extra))]
    return sorted(tasks, key=lambda task: task.index)


def _sampling(kind: str, options: dict[str, str | None], views: str | None) -> Sampling:
    """Read ranges from `options` (azimuth_range -> "A:B") and the grid of --views. BadInput for both of one factor."""
    from render.minibatch import Sampling

    ranges = dict(DEFAULT_RANGES[kind])
    grid = VIEWS[views] if views else {}
    for name in EXTRINSIC:
        text, option = options[f"{name}_range".replace("-", "_")], f"--{name}-range"
        if text is not None:
            ranges[name] = parse_range(text, option)
            if name in grid:
                raise BadInput(f"{option}: expected none beside --views {views}, which says the {name}s")
    return Sampling(ranges, grid)
