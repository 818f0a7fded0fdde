"""`dcign bench import`: images a second and peak memory of `dcign import images`, for a few images and for many."""

from __future__ import annotations

import csv
import io
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from pipelines.bench.measuring import JSON_OUTPUT, write_json
from render.errors import Failure

PICTURES = 100  # different ones, linked to by all others
VIEWS = [(azimuth, light) for azimuth in range(0, 360, 30) for light in (-60, -20, 20, 60)]  # of each identity
SHARES = (0.25, 0.5, 1.0)  # of the images, to see how the memory grows

# Run in a fresh process: imports one table and prints the most memory that this took.
IMPORTING = """
import re, sys
from pathlib import Path
from pipelines.cli import group
group(["import", "images", *sys.argv[1:]], standalone_mode=False)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
"""


@click.command(name="import", context_settings={"show_default": True})
@click.option("--n", "count", type=click.IntRange(min=400), default=20_000, help="Images.")
@click.option("--size", type=click.IntRange(16, 1024), default=54, help="Image width and height in pixels.")
@JSON_OUTPUT
def command(count: int, size: int, output: Path | None) -> None:
    """Import a quarter, a half and all of N images from a table of PNG files, each in a process of its own.

    Each identity has 12 azimuths under 4 lights, so that every image is dealt into three mini-batches. Files and shards
    go to a temporary folder; the pictures are a hundred, under many names. CPU seconds include the processes that
    decode.

    \b
    Example:
      dcign bench import --n 200000 --size 32 -o import.json
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write_pictures(folder, size)
        click.echo(f"{'images':>8}{'seconds':>9}{'CPU s':>9}{'images/s':>10}{'by CPU':>8}{'peak MiB':>10}")
        rows = [_measure(folder, round(share * count), size) for share in SHARES]
    growth = (rows[-1]["peak_bytes"] - rows[0]["peak_bytes"]) / (rows[-1]["images"] - rows[0]["images"])
    click.echo(f"Growth of the peak: {growth:.0f} bytes an image.")
    versions = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.platform()}
    write_json(output, {"imports": rows, "size": size, "growth_bytes_per_image": growth, **versions})


def _write_pictures(folder: Path, size: int) -> None:
    """Write the pictures that all rows of all tables link to: waves, compressed about as well as photographs."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size
    for number in range(PICTURES):
        (a, b, c), noise = rng.uniform(1, 9, 3), rng.normal(0, 2, (size, size))
        grey = 127 + 90 * np.sin(a * rows + b * columns + c) + noise
        file = io.BytesIO()
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(file, "PNG")
        (folder / f"{number}.png").write_bytes(file.getvalue())


def _measure(folder: Path, count: int, size: int) -> dict[str, Any]:
    name = f"table-{count}"
    (folder / name).mkdir()
    with open(folder / name / "table.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "identity", "azimuth", "light"])
        for row in range(count):
            who, view = divmod(row, len(VIEWS))
            above = folder / name / f"{who // 1000}"
            above.mkdir(exist_ok=True)
            os.link(folder / f"{row % PICTURES}.png", above / f"{row}.png")
            table.writerow([f"{above.name}/{row}.png", f"object {who}", *VIEWS[view]])
    words = [f"{name}/table.csv", "-o", f"{name}-shards", "--size", str(size)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", IMPORTING, *words], cwd=folder, capture_output=True, text=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise Failure(f"dcign import images failed: {done.stderr.strip().splitlines()[-1:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(done.stdout.split()[-1])
    rates = f"{count / seconds:>10.0f}{count / cpu:>8.0f}"
    click.echo(f"{count:>8}{seconds:>9.1f}{cpu:>9.1f}{rates}{peak / 2**20:>10.0f}")
    return {"images": count, "seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak}
