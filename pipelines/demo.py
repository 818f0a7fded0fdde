"""`dcign demo`: the main job on the built-in face model, by the very commands that a user would type."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np

from render.errors import Failure
from render.files import write_file
from render.shards import open_data_set

TRAIN, TEST = 600, 80  # mini-batches of 20 images over the four factors
# Chosen by measurement, docs/results.md: what 2 cores reach in a quarter of an hour. The paper's own settings
# (96/64/32 maps, 1:1:1:10, `invariance`, 1/100) want a GPU and the long run; they are the defaults of `dcign train`.
TRAINING = (
    "--widths 24/16/8 --ratio 1:1:1:1 --inactive-gradient shared --invariance-strength 10 --steps 4000"
)  # fmt: skip


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
    shards, run = output / "shards", output / "run"
    _step(f"render --factor all --n {TRAIN} -o", shards)
    _step(f"render --factor all --split test --n {TEST} -o", shards)
    _step("preview", shards, "-o", output / "shards.png")
    _step("train", shards, "-o", run, *TRAINING.split())
    report, face = output / "report.html", output / "face.png"
    newest = max(path.stat().st_mtime for path in run.glob("*.safetensors"))
    if not report.exists() or report.stat().st_mtime < newest:
        _step("evaluate", run, shards, "-o", output)
    _write_unseen_face(shards, face)
    for name, angles in (("azimuth", "-75:75:9"), ("elevation", "-25:25:9"), ("light", "-70:70:9")):
        _step("rerender", run, face, f"--{name}", angles, "-o", output / f"{name}.png")
    minutes = (time.monotonic() - began) / 60
    click.echo(f"\nDone in {minutes:.1f} minutes. Open {report} in a browser; pictures and figures lie beside it.")


def _step(command_line: str, *arguments: object) -> None:
    """Show one `dcign` command and run it in a process of its own: the stages never share one."""
    words = [*command_line.split(), *map(str, arguments)]
    click.secho(f"\n$ dcign {shlex.join(words)}", bold=True, err=True)
    code = subprocess.run([sys.executable, "-m", "pipelines.cli", *words], check=False).returncode
    if code:
        raise Failure(f"`dcign {words[0]}` stopped with exit code {code}; run the demo again to resume")


def _write_unseen_face(shards: Path, path: Path) -> None:
    """The test face that looks most nearly straight ahead in even light, as a PNG file."""
    from io import BytesIO

    from PIL import Image

    data = open_data_set(shards, "test")
    batches = [data.minibatch("intrinsic", i) for i in range(data.count("intrinsic"))]
    frontal = min(batches, key=lambda batch: abs(batch.azimuth[0]) + abs(batch.elevation[0]) + abs(batch.light[0]))
    buffer = BytesIO()
    Image.fromarray(np.asarray(frontal.images[0])).save(buffer, "PNG")
    write_file(path, buffer.getvalue())
