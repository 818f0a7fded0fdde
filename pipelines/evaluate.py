"""`dcign evaluate RUN SHARDS`: measure a run, calibrate it in degrees, write the report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from dcign import calibration
from dcign.config import DEVICES
from dcign.cpu import prepare_cpu
from dcign.encoding import check_match
from dcign.errors import BadInput
from dcign.evaluation import evaluate
from dcign.headline import Headline, headlines
from dcign.precision import resolve_device
from dcign.report import write_report
from dcign.run import load_run
from pipelines.progress import progress_bar
from render.factors import SPLITS
from render.shards import open_data_set


@click.command(name="evaluate", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("shards", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=None, help="Folder for the report.  [default: RUN]"
)
@click.option("--split", type=click.Choice(SPLITS), default="test", help="Which images: test shows unseen identities.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(run: Path, shards: Path, output: Path | None, split: str, device: str) -> None:
    """Measure RUN on the images in SHARDS, and write report.json, report.html and the pictures in it.

    RUN is a folder, of which the newest checkpoint is taken, or a checkpoint, such as run/best.safetensors. Also stores
    calibration.json beside it: which latent values stand for which angle. `dcign rerender` needs it.

    \b
    Example:
      dcign render --factor all --split test --n 100 -o shards-test/
      dcign evaluate run/ shards-test/
    """
    place = resolve_device(device)
    if place.type == "cpu":
        prepare_cpu()
    model = load_run(run, place)
    data = open_data_set(shards, split)
    check_match(model, data)  # before anything is written
    folder = make_folder(model.folder if output is None else output)
    images = data.batch_size * sum(data.count(factor) for factor in data.factors)
    with progress_bar("evaluate", images, "image") as bar:
        evaluation = evaluate(model, data, bar.update)
    calibration.save(model.folder, evaluation.calibration)
    page = write_report(model, data, evaluation, folder, shlex.join(["dcign", *sys.argv[1:]]))  # the page comes last
    for line in headlines(evaluation.measures):
        click.echo(summary(line))
    for warning in evaluation.measures["warnings"]:
        click.echo(f"Note: {warning}")
    click.echo(f"Report: {page}")


def make_folder(folder: Path) -> Path:
    """The output folder, made if it is missing. BadInput when something else has its name or it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"-o {folder}: expected a folder, found a file") from None
    except OSError as error:
        raise BadInput(f"-o {folder}: cannot be made ({error.strerror})") from None
    return folder


def summary(line: Headline) -> str:
    """One headline number as a line of text."""
    value = "not defined" if line.value is None else f"{line.value:.4g}"
    verdict = {None: "", True: "  reached", False: "  missed"}[line.reached]
    return f"{line.name:42s} {value:>12s}  {line.aim}{verdict}".rstrip()
