"""`dcign bench render`: images a second of the loops that users write, and of ours, on one scene in one run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.bench.measuring import JSON_OUTPUT, write_json
from pipelines.catalogs import BUILT_IN, model_path
from render.errors import Failure
from render.factors import DEFAULT_RANGES, MAIN

if TYPE_CHECKING:
    from assets.catalog import Catalog
    from render.jobs.job import Job

SIZE, IMAGES = 150, 20


@click.command(name="render", context_settings={"show_default": True})
@click.option(
    "--assets", "path", type=click.Path(path_type=Path), default=BUILT_IN, help="Face model, as for `dcign render`."
)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=6.0, help="For each loop to be compared with.")
@click.option("--n", "count", type=click.IntRange(min=1), default=100, help="Mini-batches of each factor, for ours.")
@click.option("--workers", type=click.IntRange(min=1), show_default="as `dcign render`", help="Processes, for ours.")
@click.option("--full-mesh", is_flag=True, help="Ours without level of detail.")
@JSON_OUTPUT
def command(path: Path, seconds: float, count: int, workers: int | None, full_mesh: bool, output: Path | None) -> None:
    """Compare rendering with the loops that users write: pyrender, and PyVista where it is installed.

    Each loop draws one image at a time in one process, with as many threads as its library likes; ours renders shards
    into a temporary folder, as `dcign render` does. Start-up is left out on both sides.

    \b
    Example:
      dcign bench render -o render.json
    """
    from assets.faces.catalog import open_faces
    from pipelines.bench.naive_render import LOOPS
    from pipelines.drawing.renderer import with_detail
    from render.jobs.devices import software_warning
    from render.jobs.job import Job
    from render.minibatch import Sampling

    catalog: Catalog = open_faces(model_path(path))
    if not full_mesh:
        catalog = with_detail(catalog, SIZE)
    rates: dict[str, dict[str, float]] = {}
    for library in [name for name in LOOPS if importlib.util.find_spec(name)]:
        rates[library] = {factor: _naive(library, factor, path, seconds) for factor in MAIN}
        click.echo(f"{library:<10} " + "  ".join(f"{factor} {rate:.1f}" for factor, rate in rates[library].items()))
    job = Job(catalog, Sampling(DEFAULT_RANGES["face"]), 0, SIZE, IMAGES)
    ours, gl, processes = _ours(job, workers, count)
    if warning := software_warning(gl):
        click.secho(f"Warning: {warning}", fg="yellow", err=True)
    click.echo(f"OpenGL: {gl}; {processes} workers; {catalog.name}, {getattr(catalog, 'detail', {})}")
    click.echo(f"\n{'images/s':<12}" + "".join(f"{name:>12}" for name in [*rates, "ours", *(f"/ {n}" for n in rates)]))
    for factor in MAIN:
        theirs = [rates[name][factor] for name in rates]
        cells = [f"{rate:.1f}" for rate in (*theirs, ours[factor])] + [
            f"{ours[factor] / rate:.1f} x" for rate in theirs
        ]
        click.echo(f"{factor:<12}" + "".join(f"{cell:>12}" for cell in cells))
    facts = {"gl": gl, "workers": processes, "model": catalog.name, "detail": getattr(catalog, "detail", {})}
    write_json(output, {"images_per_second": {**rates, "ours": ours}, **facts})


def _naive(library: str, factor: str, path: Path, seconds: float) -> float:
    """Measure images a second of one loop, in a process of its own, with the library's own choice of threads."""
    words = [sys.executable, "-m", "pipelines.bench.naive_render", library, factor, str(path), str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ))
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message"
        raise Failure(f"the {library} loop stopped: {last}")
    return float(done.stdout.splitlines()[-1])


def _ours(job: Job, workers: int | None, count: int) -> tuple[dict[str, float], str, int]:
    """Measure images a second for each factor, first mini-batch to last; with the OpenGL string and the processes."""
    from pipelines.drawing.renderer import drawing_pool
    from render.jobs.job import MINIBATCHES_PER_SHARD, tasks_of

    rates = {}
    with tempfile.TemporaryDirectory() as folder, drawing_pool(job, workers) as pool:
        gl = pool.first_info()
        for factor in MAIN:
            warm = tasks_of(factor, "test", MINIBATCHES_PER_SHARD * pool.count)  # as many shards as workers
            warm = [type(task)(task.factor, task.split, task.index, task.first, 1) for task in warm]
            pool.run([(Path(folder), task) for task in warm], lambda *_: None, lambda _: None)
            started = time.perf_counter()
            pool.run([(Path(folder), t) for t in tasks_of(factor, "train", count)], lambda *_: None, lambda _: None)
            rates[factor] = count * job.batch_size / (time.perf_counter() - started)
    return rates, gl, pool.count
