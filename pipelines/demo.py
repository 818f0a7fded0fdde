"""`dcign demo`: the main job on the built-in face model, by the very commands that a user would type."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import click
import numpy as np
from PIL import Image

from dcign.precision import resolve_device, resolve_precision
from render.errors import Failure
from render.files import write_file
from render.shards import open_data_set

TRAIN, TEST = 600, 80  # mini-batches of 20 images over the four factors
# Chosen by measurement, docs/results.md: what 2 cores reach in a quarter of an hour. The paper's own settings
# (96/64/32 maps, 1:1:1:10, `invariance`, 1/100) want a GPU and the long run; they are the defaults of `dcign train`.
TRAINING = (
    "--widths 24/16/8 --ratio 1:1:1:2 --inactive-gradient shared --invariance-strength 3"
    " --learning-rate 0.001 --weight-average 0.998"
)
STEPS = {"bf16": 8000, "fp32": 4500}  # a step in fp32 takes twice as long; both stay below 25 minutes in all
SWEEPS = "--azimuth -75:75:9 --elevation -25:25:9 --light -70:70:9"


@click.command(context_settings={"show_default": True})
@click.option("-o", "--output", type=click.Path(path_type=Path), default="demo", help="Folder for everything.")
def command(output: Path) -> None:
    """Render faces, train a graphics code, measure it and re-render an unseen face: about 20 minutes on 2 cores.

    Leaves OUTPUT/report.html, to open in a browser. Stopped at any moment, the same command resumes.

    \b
    Example:
      dcign demo -o demo
    """
    began = time.monotonic()
    shards, run, face = output / "shards", output / "run", output / "face.png"
    _step(f"render --factor all --n {TRAIN} -o", shards)
    _step(f"render --factor all --split test --n {TEST} -o", shards)
    _step("preview", shards, "-o", output / "shards.png")
    steps = STEPS[resolve_precision("auto", resolve_device("auto"))]
    _step("train", shards, "-o", run, *TRAINING.split(), "--steps", steps)
    trained = max(path.stat().st_mtime for path in run.glob("*.safetensors"))

    def outdated(name: str) -> bool:
        return not (output / name).exists() or (output / name).stat().st_mtime < trained

    if outdated("report.html"):
        _step("evaluate", run, shards, "-o", output)
    if outdated("turning.gif"):
        _write_unseen_face(shards, face)
        _step("rerender", run, face, *SWEEPS.split(), "-o", output / "rerender.png")
        _step("rerender", run, face, "--azimuth", "-75:75:31", "-o", output / "turning.gif")
    minutes = (time.monotonic() - began) / 60
    page = output / "report.html"
    click.echo(f"\nDone in {minutes:.1f} minutes. Open {page} in a browser; pictures and figures lie beside it.")


def _step(command_line: str, *arguments: object) -> None:
    """Show one `dcign` command and run it in a process of its own: the stages never share one."""
    words = [*command_line.split(), *map(str, arguments)]
    click.secho(f"\n$ dcign {shlex.join(words)}", bold=True, err=True)
    process = subprocess.Popen([sys.executable, "-m", "pipelines.cli", *words])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the command, which saves and stops
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise Failure(f"`dcign {words[0]}` stopped with exit code {code}; run the demo again to resume")


def _write_unseen_face(shards: Path, path: Path) -> None:
    """The test face that looks most nearly straight ahead in even light, as a PNG file."""
    data = open_data_set(shards, "test")
    batches = [data.minibatch("intrinsic", i) for i in range(data.count("intrinsic"))]
    frontal = min(batches, key=lambda batch: sum(abs(values[0]) for values in batch.values.values()))
    buffer = BytesIO()
    Image.fromarray(np.asarray(frontal.images[0])).save(buffer, "PNG")
    write_file(path, buffer.getvalue())
