"""`dcign run RECIPE`: renders, trains, measures and re-renders as a recipe says, by commands that a user could type."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from assets.files import check_parent, make_output_folder, write_file
from pipelines.console import aligned
from pipelines.recipes.recipe import (
    Recipe,
    check_same,
    check_stages,
    option_words,
    parse_recipe,
    read_recipe,
    shipped,
)
from render.errors import BadInput, Failure
from render.factors import SPLITS
from render.shards.documents import Flag, ListOf, Maybe, Number, Record, Text, read_json

RECORD = "recipe.toml"  # in the output folder: what it was begun with
UNSEEN = "unseen.png"  # a test object, to re-render
VERDICT = Record(  # what of a report is read again
    {
        "headline": ListOf(Record({"name": Text(), "value": Maybe(Number()), "aim": Text(), "reached": Maybe(Flag())})),
        "warnings": ListOf(Text()),
    }
)
DCIGN = (sys.executable, "-m", "pipelines.cli")


@dataclass(frozen=True)
class Stage:
    """One `dcign` command, to be run if `makes` is missing or older than anything in `after`.

    Without `makes` it is always run: `render` and `train` see for themselves what is left to do.
    """

    words: list[str]
    makes: Path | None = None
    after: tuple[Path, ...] = ()  # files, and folders of runs

    def is_done(self) -> bool:
        """Tell whether there is nothing left to do."""
        if self.makes is None or not self.makes.exists():
            return False
        sources = [file for path in self.after for file in (path.glob("*.safetensors") if path.is_dir() else [path])]
        return all(source.stat().st_mtime <= self.makes.stat().st_mtime for source in sources)


@click.command(context_settings={"show_default": True})
@click.argument("recipe", required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), show_default="the recipe's name", help="Folder for everything."
)
@click.option("--list", "listing", is_flag=True, help="List the recipes that are shipped; also without RECIPE.")
@click.option("--dry-run", is_flag=True, help="Print the commands; run nothing.")
@click.pass_context
def command(ctx: click.Context, recipe: str | None, output: Path | None, listing: bool, dry_run: bool) -> None:
    """Render, train, measure and re-render an unseen object, as RECIPE says: a name on the list, or a .toml file.

    Leaves OUTPUT/report.html, to open in a browser. Stopped at any moment, the same command resumes.

    \b
    Examples:
      dcign run demo
      dcign run faces-small -o faces
      dcign run my-chairs.toml --dry-run
    """
    if recipe is None or listing:
        for line in _listed():
            click.echo(line)
        return
    wanted = read_recipe(recipe)
    folder = Path(wanted.stem) if output is None else output
    check_stages(wanted, (stage.words for stage in stages(wanted, folder)))
    check_parent(folder)
    _check_folder(folder, wanted)
    planned = list(stages(wanted, folder, _in_fp32(wanted)))
    if dry_run:
        for stage in planned:
            click.echo(shlex.join(["dcign", *stage.words]))
        return
    _claim(folder, wanted)
    click.echo(": ".join(text for text in (wanted.name, wanted.about, wanted.time) if text))
    again = shlex.join(["dcign", "run", recipe, *([] if output is None else ["-o", str(output)])])
    began = time.monotonic()
    for stage in planned:
        if stage.is_done():
            continue
        _run(ctx, stage.words, again)
    minutes = (time.monotonic() - began) / 60
    page = folder / "report.html"
    click.echo(f"\nDone in {minutes:.1f} minutes. Open {page} in a browser; pictures and figures lie beside it.")
    for line in verdict(page.with_suffix(".json")):
        click.echo(line)


def verdict(report: Path) -> list[str]:
    """Say which aims a report.json missed, a line each, and what is wrong with latents; or that all is well.

    Nothing where there is no report, or none with aims. BadInput for a damaged one.
    """
    if not report.is_file():
        return []
    document = read_json(report, VERDICT, advice="; measure the run again with `dcign evaluate`")
    judged = [line for line in document["headline"] if line["reached"] is not None and line["value"] is not None]
    missed = [
        f"Missed: {line['name']} is {line['value']:.3g}, the aim is {line['aim']}."
        for line in judged
        if not line["reached"]
    ]
    if judged and not missed:
        return ["All aims were reached."]
    return [*missed, *(warning for warning in document["warnings"] if judged and warning.startswith("z_"))]


def stages(recipe: Recipe, folder: Path, fp32: bool = False) -> Iterator[Stage]:
    """List the commands of a recipe in their order; `fp32`: training takes the steps meant for float32."""
    from render.shards.manifest import NAME as MANIFEST

    shards, run = folder / "shards", folder / "run"
    begun = folder / RECORD
    for split in SPLITS:
        for factor, count in recipe.counts(split).items():
            words = option_words({"factor": factor, "n": count, "split": split, **recipe.options("render")})
            yield Stage(["render", *words, "-o", _word(shards)])

    sheet = folder / "shards.png"
    yield Stage(["preview", _word(shards), "-o", _word(sheet)], sheet, (shards / MANIFEST,))

    before = range(len(recipe.refinements))
    trained = [*(folder / (f"round-{number}" if number else "first") for number in before), run]
    for number, place in enumerate(trained):
        training = recipe.training_of(number)
        if fp32 and not any("steps" in refinement for refinement in recipe.refinements[:number]):
            training["steps"] = recipe.sections["train"]["steps-fp32"]
        if number:
            training["start-from"] = str(trained[number - 1])
        yield Stage(["train", _word(shards), "-o", _word(place), *option_words(training)])

    models = {name: value for name, value in recipe.options("render").items() if name == "assets"}
    measuring = option_words({**models, **recipe.options("evaluate")})
    words = ["evaluate", _word(run), _word(shards), "-o", _word(folder), *measuring]
    yield Stage(words, folder / "report.html", (begun, run))

    angles = recipe.options("rerender")
    turning = recipe.sections.get("rerender", {}).get("turning")
    pictures = {"rerender.png": angles, "turning.gif": {"azimuth": turning} if turning else {}}
    if any(pictures.values()):
        unseen = folder / UNSEEN
        yield Stage(["preview", _word(shards), "--frontal", "-o", _word(unseen)], unseen, (shards / MANIFEST,))
    for picture, sweeps in pictures.items():
        if sweeps:
            words = ["rerender", _word(run), _word(folder / UNSEEN), *option_words(sweeps)]
            yield Stage([*words, "-o", _word(folder / picture)], folder / picture, (begun, run))


def _word(path: Path) -> str:
    """Write a path so that it is not taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _listed() -> list[str]:
    """List the shipped recipes, a line each: name, object, size, the steps taken here, time; the smallest first."""
    rows = [("recipe", "object", "mini-batches", "training", "time")]
    recipes = [parse_recipe(name, text) for name, text in shipped().items()]
    for recipe in sorted(recipes, key=lambda recipe: sum(recipe.counts("train").values())):
        train, test = (sum(recipe.counts(split).values()) for split in SPLITS)
        training = recipe.sections["train"]
        network = training.get("widths") or training["network"]
        steps = [training[_steps(recipe)]]
        for refinement in recipe.refinements:
            steps.append(refinement.get("steps", steps[-1]))
        taken = f"{' + '.join(f'{count:,}' for count in steps)} steps of {network}"
        rows.append((recipe.name, recipe.object, f"{train:,} + {test:,}", taken, recipe.time))
    return aligned(rows)


def _steps(recipe: Recipe) -> str:
    """Return the key of the steps that this machine takes: steps or steps-fp32."""
    return "steps-fp32" if _in_fp32(recipe) else "steps"


def _in_fp32(recipe: Recipe) -> bool:
    """Tell whether the recipe has steps of its own for float32, and this machine trains in it."""
    options = recipe.sections.get("train", {})
    if "steps-fp32" not in options:
        return False
    from dcign.model.devices import resolve_device, resolve_precision  # torch, from here on

    device = resolve_device(str(options.get("device", "auto")))
    return resolve_precision(str(options.get("precision", "auto")), device) == "fp32"


def _check_folder(folder: Path, wanted: Recipe) -> None:
    """Raise BadInput unless `folder` is new, empty, or was begun with this recipe."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"-o {folder}: expected a folder, found a file")
    if (folder / RECORD).is_file():
        from dcign.runs.folder import MAY_CHANGE

        free = {"tensorboard", *(name.replace("_", "-") for name in MAY_CHANGE)}
        check_same(read_recipe(str(folder / RECORD)), wanted, free, folder)
    elif folder.is_dir() and any(not path.name.endswith(".tmp") for path in folder.iterdir()):
        raise BadInput(f"-o {folder}: expected an empty folder or one that `dcign run` began, found other files")


def _claim(folder: Path, wanted: Recipe) -> None:
    """Make the folder, and record the recipe in it."""
    make_output_folder(folder)
    record = folder / RECORD
    if not record.is_file() or record.read_bytes() != wanted.text:
        write_file(record, wanted.text)


def _run(ctx: click.Context, words: list[str], again: str) -> None:
    """Show one `dcign` command and run it in a process of its own: the stages never share one.

    A stop signal lets the command save what it has, and ends this one too. BadInput or Failure if it fails.
    """
    click.secho(f"\n$ {shlex.join(['dcign', *words])}", bold=True, err=True)
    received: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, frame: object) -> None:
        received.append(number)
        if process is not None and number == signal.SIGTERM:  # Ctrl-C reaches it from the terminal
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = subprocess.Popen([*DCIGN, *words])
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    code = 128 - code if code < 0 else code  # as a shell has it
    if received or code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        click.echo(f"Stopped in `dcign {words[0]}`. Run `{again}` again to resume.", err=True)
        ctx.exit(128 + received[0] if received else code)
    if code:
        kind = BadInput if code == BadInput.exit_code else Failure
        raise kind(f"stage `dcign {words[0]}` ended with exit code {code}, see above; `{again}` resumes")
