"""`dcign evaluate RUN SHARDS`: measures a run, calibrates it in the units of its factors, writes the report."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assets.files import check_parent, make_output_folder
from dcign.config import DEVICES
from dcign.errors import RunError
from pipelines.console import FIT, progress_bar
from render.factors import SPLITS

if TYPE_CHECKING:
    from dcign.engine.calibration import Calibration
    from dcign.report.headline import Headline


@click.command(name="evaluate", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("shards", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path),
    show_default="RUN; RUN/fitted with --fit; NAME-report for weights that ship",
    help="Folder for the report.",
)  # fmt: skip
@click.option(
    "--assets", metavar="PATH", type=click.Path(path_type=Path), show_default="the built-in model",
    help="The models that SHARDS were rendered from, to draw more of them.",
)  # fmt: skip
@click.option(
    "--identities", type=click.IntRange(0, 1000), default=100,
    help="Unseen objects to draw in all poses and lights, or to take out of SHARDS; 0 leaves out what needs them.",
)  # fmt: skip
@click.option(
    "--simulations", type=click.IntRange(0, 100_000), default=5000,
    help="Images to draw for inference; 0 leaves it out.",
)  # fmt: skip
@click.option("--split", type=click.Choice(SPLITS), default="test", help="Which images: test shows unseen identities.")
@FIT
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(
    run: Path, shards: Path, output: Path | None, assets: Path | None, identities: int, simulations: int, split: str,
    fit: int, device: str,
) -> None:  # fmt: skip
    """Measure RUN on the images in SHARDS, and write report.json, report.html and the pictures in it.

    Beyond the images in SHARDS, whose factors vary one at a time, others of unseen objects are drawn, by the renderer
    and with the models of SHARDS: everything varying at once, the true views beside the decoded ones, and simulations.
    Where nothing can be drawn, the images in SHARDS take their place, and the report says what they cannot tell.

    RUN is a folder, of which the newest checkpoint is taken, or a checkpoint, such as run/best.safetensors. Also stores
    calibration.json beside it: which latent values stand for which value of a factor. `dcign rerender` needs it. RUN
    may also be the name of weights that ship with dcign: they stay as they are, and the calibration goes with the
    report. So it does with --fit, which measures what fitted codes are worth.

    \b
    Example:
      dcign render --factor all --split test --n 100 -o shards-test/
      dcign evaluate run/ shards-test/
      dcign evaluate faces shards-test/ -o faces-report/
      dcign evaluate run/ ict-test/ --assets FaceXModel/ -o ict-report/
    """
    from dcign.engine import calibration
    from dcign.evaluation.encoding import check_match
    from dcign.evaluation.measures import evaluate
    from dcign.model.devices import keep_freed_memory, resolve_device
    from dcign.report.headline import headlines
    from dcign.report.write import write_report
    from dcign.runs.run import load_run
    from dcign.runs.shipped import shipped_name
    from pipelines.drawing.evidence import gather, renderer_or_reason
    from render.shards.data_set import open_data_set

    place = resolve_device(device)
    if place.type == "cpu":
        keep_freed_memory()
    model = load_run(run, place, fit)
    data = open_data_set(shards, split)
    check_match(model, data)  # before anything is written
    if output is not None:
        check_parent(output)
    images = data.batch_size * sum(data.count(factor) for factor in data.factors)
    name = shipped_name(model.folder)
    usual = model.folder / "fitted" if fit else model.folder
    with renderer_or_reason(data, assets, identities) as renderer:
        folder = make_output_folder(output or (Path(f"{name}-report") if name else usual))
        with progress_bar("evaluate", images, "image") as bar:
            evaluation = evaluate(model, data, bar.update)
        evidence = gather(model, data, evaluation, renderer, identities, simulations)
    home = folder if name or fit else model.folder
    calibration.save(home, with_earlier_curves(home, evaluation.calibration))
    line = shlex.join(["dcign", *sys.argv[1:]])
    page = write_report(model, data, evaluation, evidence, folder, line)  # the page comes last
    for headline in headlines(evaluation.measures, evidence):
        click.echo(summary(headline))
    for warning in evaluation.measures["warnings"]:
        click.echo(f"Note: {warning}")
    click.echo(f"Report: {page}")


def with_earlier_curves(folder: Path, found: Calibration) -> Calibration:
    """Return what was found, with the run's earlier curves of factors that these shards could not calibrate."""
    from dcign.engine import calibration

    try:
        before = calibration.load(folder)
    except RunError:
        return found
    if before.step != found.step or dict(before.found) != dict(found.found):
        return found
    others = {name: curve for name, curve in before.curves.items() if name not in found.curves}
    if others:
        click.echo(f"Kept: the calibration of {', '.join(others)}, measured on {before.data_set.get('folder')}.")
    return replace(found, curves={**found.curves, **others})


def summary(line: Headline) -> str:
    """Write one headline number as a line of text."""
    value = "not defined" if line.value is None else f"{line.value:.4g}"
    between = "" if line.low is None or line.high is None else f"{line.low:.4g} to {line.high:.4g}"
    verdict = {None: "", True: "  reached", False: "  missed"}[line.reached]
    return f"{line.name:42s} {value:>12s}  {between:20s}  {line.aim}{verdict}".rstrip()
