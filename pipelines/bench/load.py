"""`dcign bench load`: mini-batches a second of `np.load` for each, and of ours, from the same shards in one run."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

import click

from dcign.config import DEVICES
from pipelines.bench.measuring import JSON_OUTPUT, ask, two_processes, write_json

TURNS = 3  # of each loop; the median counts
NAIVE = "np.load"


@click.command(name="load", context_settings={"show_default": True})
@click.argument("shards", required=False, type=click.Path(path_type=Path))
@click.option("--n", "count", type=click.IntRange(min=1), default=100, help="Mini-batches a factor, without SHARDS.")
@click.option("--seconds", type=click.FloatRange(min=0.01), default=2.0, help="For each of three turns of each loop.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="auto: a CUDA GPU if there is one.")
@JSON_OUTPUT
def command(shards: Path | None, count: int, seconds: float, device: str, output: Path | None) -> None:
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
            from pipelines.bench.inputs import write_noise

            shards = Path(temporary)
            write_noise(shards, count)
        document = _measure(shards, device, seconds)
    write_json(output, document)


def _measure(folder: Path, device: str, seconds: float) -> dict[str, Any]:
    from pipelines.bench import load_loops as loops  # torch
    from render.shards.data_set import open_data_set

    data, on = open_data_set(folder), loops.resolve_device(device)
    size = sum(len((folder / name).read_bytes()) for name, e in data.manifest.shards.items() if e.split == data.split)
    total = sum(data.count(factor) for factor in data.factors)
    click.echo(
        f"{total} mini-batches of {data.batch_size} images of {data.size} x {data.size}, {size / 1e6:.0f} MB; {on.type}"
    )
    words = (folder, device)
    with two_processes() as (theirs, ours):
        limits = (None,) if on.type == "cpu" else (None, 0)  # 0 bytes: not resident
        memory = []
        for limit in limits:
            memory += ask(ours, loops.our_epochs, *words, limit)
            ask(ours, loops.check_same, *words, limit)
        turns: dict[str, list[float]] = {}
        for _ in range(TURNS):
            turns.setdefault(NAIVE, []).append(ask(theirs, loops.naive_rate, *words, seconds))
            for limit in limits:
                kind, rate = ask(ours, loops.our_rate, *words, seconds, limit)
                turns.setdefault(f"ours, {kind}", []).append(rate)
            turns.setdefault("conversion alone", []).append(ask(ours, loops.conversion_rate, *words, seconds))
    rates = {name: statistics.median(values) for name, values in turns.items()}
    ratios = {name: rate / rates[NAIVE] for name, rate in rates.items()}
    _show(rates, ratios, memory)
    return {
        "minibatches": total, "batch_size": data.batch_size, "size": data.size, "bytes": size, "device": on.type,
        "minibatches_per_second": rates, "ratio_to_np_load": ratios, "turns": turns, "epochs": memory,
        "cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.platform(),
    }  # fmt: skip


def _show(rates: dict[str, float], ratios: dict[str, float], memory: list[dict[str, Any]]) -> None:
    click.echo(f"\n{'':<30}{'mini-batches/s':>16}{'to np.load':>12}")
    for name, rate in rates.items():
        click.echo(f"{name:<30}{rate:>16.1f}{ratios[name]:>10.1f} x")
    click.echo(f"\n{'epoch':<8}{'ours':<10}{'mini-batches/s':>16}{'own MiB':>12}{'with files':>12}")
    for row in memory:
        columns = "".join(f"{row[key] / 2**20:>12.1f}" for key in ("anonymous_bytes", "total_bytes") if key in row)
        click.echo(f"{row['epoch']:<8}{row['kind']:<10}{row['minibatches_per_second']:>16.1f}{columns}")
    for kind in dict.fromkeys(row["kind"] for row in memory):
        first, *_, last = [row for row in memory if row["kind"] == kind]
        if "anonymous_bytes" in first:
            own, all_ = ((last[key] - first[key]) / 2**20 for key in ("anonymous_bytes", "total_bytes"))
            click.echo(
                f"{kind}: growth from epoch 1 to {last['epoch']}: {own:+.1f} MiB of its own, {all_:+.1f} MiB in all"
            )
