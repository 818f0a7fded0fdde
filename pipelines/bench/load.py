"""`dcign bench load`: mini-batches a second of `np.load` for each, and of ours, from the same shards in one run."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np

from render.errors import Failure
from render.factors import DEFAULT_RANGES, EXTRINSIC, MAIN
from render.files import write_file
from render.job import tasks_of
from render.manifest import Entry, Manifest
from render.shard_file import write_shard
from render.shards import open_data_set

TURNS = 3  # of each loop; the median counts
SIZE, IMAGES = 150, 20
NAIVE = "np.load"


@click.command(context_settings={"show_default": True})
@click.argument("shards", required=False, type=click.Path(path_type=Path))
@click.option("--n", "count", type=click.IntRange(min=1), default=100, help="Mini-batches a factor, without SHARDS.")
@click.option("--seconds", type=click.FloatRange(min=0.01), default=2.0, help="For each of three turns of each loop.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="auto: a CUDA GPU if there is one."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), show_default="none", help="JSON file to write.")
def load(shards: Path | None, count: int, seconds: float, device: str, output: Path | None) -> None:
    """Compare loading with an `np.load` for each mini-batch, and watch the memory of ours over five epochs.

    Both go through the mini-batches in a shuffled order and end in float tensors in [0, 1] on the training device; ours
    is what `dcign train` does. Every shard is read once beforehand, so that the page cache holds it for both. Each side
    has a process of its own and computes with one thread, and they take turns. 'Conversion alone' turns one mini-batch
    into floats over and over: the most that any loader could reach.

    SHARDS is a folder of shards. Without it, random images in the layout of `dcign render` go to a temporary folder.

    \b
    Examples:
      dcign bench load
      dcign bench load shards/ -o load.json
    """
    with tempfile.TemporaryDirectory() as temporary:
        if shards is None:
            shards = Path(temporary)
            write_random(shards, count)
        document = _measure(shards, device, seconds)
    if output is not None:
        write_file(output, (json.dumps(document, indent=1) + "\n").encode())


def write_random(folder: Path, count: int) -> None:
    """Write `count` mini-batches of random pixels for each factor, in shards as large as those of `dcign render`."""
    ranges = {name: list(limits) for name, limits in DEFAULT_RANGES["face"].items()}
    settings = {
        "object": "face", "assets": {"name": "random pixels", "models": {}}, "size": SIZE, "batch_size": IMAGES,
        "ranges": ranges, "seed": 0, "camera": {}, "shading": {}, "renderer": "none", "gl": "none",
    }  # fmt: skip
    manifest, rng = Manifest(settings), np.random.default_rng(0)
    for task in (task for factor in MAIN for task in tasks_of(factor, "train", count)):
        shape = (task.count, IMAGES)
        arrays: dict[str, Any] = {name: np.zeros(shape, np.float32) for name in EXTRINSIC}
        arrays["identity"] = np.zeros(shape, np.int64)
        arrays["images"] = rng.integers(256, size=(*shape, SIZE, SIZE), dtype=np.uint8)
        written = write_shard(folder / task.name, arrays)
        manifest.shards[task.name] = Entry(*written, task.factor, task.split, task.index, task.first, task.count)
    manifest.write(folder)


def _measure(folder: Path, device: str, seconds: float) -> dict[str, Any]:
    from pipelines.bench import load_loops as loops  # torch

    data, on = open_data_set(folder), loops.resolve_device(device)
    size = sum(len((folder / name).read_bytes()) for name, e in data.manifest.shards.items() if e.split == data.split)
    total = sum(data.count(factor) for factor in data.factors)
    click.echo(
        f"{total} mini-batches of {data.batch_size} images of {data.size} x {data.size}, {size / 1e6:.0f} MB; {on.type}"
    )
    words = (folder, device)
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as theirs, ProcessPoolExecutor(1, mp_context=context) as ours:
        limits = (None,) if on.type == "cpu" else (None, 0)  # 0 bytes: not resident
        memory = []
        for limit in limits:
            memory += _ask(ours, loops.our_epochs, *words, limit)
            _ask(ours, loops.check_same, *words, limit)
        turns: dict[str, list[float]] = {}
        for _ in range(TURNS):
            turns.setdefault(NAIVE, []).append(_ask(theirs, loops.naive_rate, *words, seconds))
            for limit in limits:
                kind, rate = _ask(ours, loops.our_rate, *words, seconds, limit)
                turns.setdefault(f"ours, {kind}", []).append(rate)
            turns.setdefault("conversion alone", []).append(_ask(ours, loops.conversion_rate, *words, seconds))
    rates = {name: statistics.median(values) for name, values in turns.items()}
    ratios = {name: rate / rates[NAIVE] for name, rate in rates.items()}
    _show(rates, ratios, memory)
    return {
        "minibatches": total, "batch_size": data.batch_size, "size": data.size, "bytes": size, "device": on.type,
        "minibatches_per_second": rates, "ratio_to_np_load": ratios, "turns": turns, "epochs": memory,
        "cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.platform(),
    }  # fmt: skip


def _ask(pool: ProcessPoolExecutor, function: Callable[..., Any], *words: Any) -> Any:
    try:
        return pool.submit(function, *words).result()
    except BrokenProcessPool:
        raise Failure(f"the process that measured {function.__name__} died; is there enough memory?") from None


def _show(rates: dict[str, float], ratios: dict[str, float], memory: list[dict[str, Any]]) -> None:
    click.echo(f"\n{'':<30}{'mini-batches/s':>16}{'to np.load':>12}")
    for name, rate in rates.items():
        click.echo(f"{name:<30}{rate:>16.1f}{ratios[name]:>10.1f} x")
    click.echo(f"\n{'epoch':<8}{'ours':<10}{'mini-batches/s':>16}{'own MiB':>12}{'with files':>12}")
    for row in memory:
        held = "".join(f"{row[key] / 2**20:>12.1f}" for key in ("anonymous_bytes", "total_bytes") if key in row)
        click.echo(f"{row['epoch']:<8}{row['kind']:<10}{row['minibatches_per_second']:>16.1f}{held}")
    for kind in dict.fromkeys(row["kind"] for row in memory):
        first, *_, last = [row for row in memory if row["kind"] == kind]
        if "anonymous_bytes" in first:
            own, all_ = ((last[key] - first[key]) / 2**20 for key in ("anonymous_bytes", "total_bytes"))
            click.echo(
                f"{kind}: growth from epoch 1 to {last['epoch']}: {own:+.1f} MiB of its own, {all_:+.1f} MiB in all"
            )
