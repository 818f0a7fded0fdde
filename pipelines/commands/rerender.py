"""`dcign rerender RUN IMAGE...`: the objects of images in another pose or light, or with parts of another image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

from dcign import calibration
from dcign.calibration import Calibration
from dcign.config import DEVICES
from dcign.errors import BadInput
from dcign.image_files import find_images, read_image
from dcign.images import BACKGROUND, Box, grey_square
from dcign.knobs import NAMING
from dcign.likeness import reconstruction_error, unlike_warning
from dcign.manipulate import decode, encode
from dcign.pictures import Tile
from dcign.precision import resolve_device
from dcign.run import Run, load_run
from dcign.variations import INTRINSIC
from pipelines.console import NAME, STDIN, check_once, make_folder, piped_image, progress_bar
from pipelines.rerender.pictures import Block, Strip, check_output, different_stems, draw, save_images
from pipelines.rerender.request import (
    MAX_STEPS,
    Plan,
    Request,
    make_plan,
    parse_angles,
    parse_box,
    parse_direction,
    parse_latent,
)
from render.factors import EXTRINSIC
from render.files import write_file

if TYPE_CHECKING:
    from pipelines.rerender.truth import TrueObject

T = TypeVar("T")
MOST_INPUTS = 5000  # all are in memory before anything is written
MOST_TOGETHER = 2000  # images in one sheet or movie, or from one input: those are in memory
PATIENCE = 3.0  # seconds before a progress bar shows
TURNS = {"azimuth": "Turn the object", "elevation": "Raise the camera", "light": "Turn the light"}


def angle_options(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a command --NAME for each factor that has values."""
    for name in reversed(EXTRINSIC):
        text = f"{TURNS.get(name, f'Set {name}')}: degrees from A to B, or one angle."
        function = click.option(f"--{name}", metavar="A:B:STEPS", help=text)(function)
    return function


@click.command(name="rerender", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", nargs=-1)
@angle_options
@click.option(
    "--latent", "latents", metavar="NAME=A:B:STEPS", multiple=True,
    help="Set one latent, by its number or its angle, to raw values. Repeatable.",
)  # fmt: skip
@click.option(
    "--direction", "directions", metavar="K=A:B:STEPS", multiple=True,
    help="Go along the K-th leading direction of identity, in standard deviations. Repeatable.",
)  # fmt: skip
@click.option("--grid", is_flag=True, help="Set all of the above at once: the first sweep across, the second down.")
@click.option("--like", metavar="OTHER", help="First take from the image OTHER what --of names.")
@click.option(
    "--of", "parts", multiple=True, type=click.Choice([*EXTRINSIC, INTRINSIC]),
    help="What to take: an angle, or intrinsic, all that no angle has. Repeatable.",
)  # fmt: skip
@click.option("--towards", metavar="OTHER", help="Go over into the image OTHER, all latents together.")
@click.option("--steps", type=click.IntRange(2, MAX_STEPS), default=9, help="Images of --towards, both ends included.")
@click.option(
    "--random", metavar="N", type=click.IntRange(0, MAX_STEPS), default=0,
    help="Draw N other identities in the same pose.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of --random; first number of --objects.")
@click.option(
    "--assets", metavar="PATH", type=click.Path(path_type=Path),
    help="Instead of IMAGE: objects of a face model or of chairs, or built-in ones, drawn from in front.",
)  # fmt: skip
@click.option("--objects", metavar="N", type=click.IntRange(1, 100), default=1, help="How many of --assets.")
@click.option("--box", metavar="LEFT,TOP,SIZE", help="Square of each IMAGE to use, in pixels; else the centred one.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True,
    help="A sheet (.png), a movie (.gif, .webp, .mp4), or a folder for one PNG each.",
)  # fmt: skip
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(
    run: Path, images: tuple[str, ...], assets: Path | None, objects: int, box: str | None, output: Path, device: str,
    **asked: Any,
) -> None:  # fmt: skip
    """Re-pose or re-light the objects of IMAGE files with a trained RUN.

    IMAGE is a file of any size and mode, a folder of them, a quoted glob, or - for standard input: a square of it is
    taken, grey and resized. Each of --azimuth, --elevation, --light, --latent and --direction gives a row in which
    these latents alone are set; --towards and --random give one each. Several images give a block of rows each. Degrees
    need a calibration in RUN: `dcign evaluate` stores it. With --assets the true pictures stand below those of angles.

    \b
    Example:
      dcign rerender run/ face.jpg --azimuth -60:60:9 -o turned.png
      dcign rerender run/ face.jpg --azimuth -60:60:7 --elevation -20:20:5 --grid -o views.png
      dcign rerender run/ 'faces/*.jpg' --like studio.png --of light -o relit/
      dcign rerender run/ ann.png --towards bob.png --steps 24 -o morph.mp4
      dcign rerender faces --assets built-in --objects 3 --azimuth -60:60:7 -o beside-the-truth.png
    """
    angles = {name: parse_angles(text, f"--{name}") for name in EXTRINSIC if (text := asked.pop(name)) is not None}
    latents = [parse_latent(text) for text in asked.pop("latents")]
    directions = [parse_direction(text) for text in asked.pop("directions")]
    request = Request(angles, latents, directions, **asked)
    suffix = check_output(output)
    square = None if box is None else parse_box(box)
    if bool(images) == (assets is not None):
        raise BadInput("IMAGE...: expected images, or --assets PATH for objects to be drawn, and not both")
    if assets is not None and square is not None:
        raise BadInput("--box: is for images only")
    names = find_images(images)
    check_names(names, request, output)
    model = load_run(run, resolve_device(device))
    curves = load_calibration(model, request)
    plan = make_plan(request, model.layout, curves)
    count = (len(names) or objects) * plan.images
    together = count if suffix else plan.images
    if together > MOST_TOGETHER:
        hint = "; name a folder" if plan.images <= MOST_TOGETHER else ""
        raise BadInput(f"-o {output}: expected at most {MOST_TOGETHER} images together, found {together}{hint}")
    others = {name: read(model, curves, name) for name in (request.like, request.towards) if name is not None}
    drawn = [] if assets is None else _drawn(model, assets, request.seed, objects)
    inputs = [see(model, curves, each.name, each.pixels) for each in drawn]
    inputs += [read(model, curves, name, square) for name in _each(names, "read")]  # all, before anything is written
    blocks = (rerender(model, plan, given, others) for given in _each(inputs, "rerender"))
    if drawn:
        pairs = zip(drawn, blocks, strict=True)
        blocks = (replace(block, strips=each.beside(plan, block.strips)) for each, block in pairs)
    if suffix:
        write_file(output, draw(list(blocks), suffix))
    else:
        make_folder(output)
        for stem, block in zip(different_stems(given.name for given in inputs), blocks, strict=True):
            save_images(output, stem, block)
    click.echo(f"{output}: {count} images")


@dataclass(frozen=True, eq=False)
class Picture:
    """An image that was read: its name, its pixels (H, W) in [0, 1] and its code (Z,)."""

    name: str
    pixels: NDArray[np.float32]
    code: NDArray[np.float32]


def read(run: Run, curves: Calibration, name: str, box: Box | None = None) -> Picture:
    """Reads and encodes one image; warns as `see`."""
    shown = NAME if name == STDIN else name
    image = piped_image() if name == STDIN else read_image(Path(name))
    return see(run, curves, shown, grey_square(image, run.size, BACKGROUND.get(run.object, 0.0), shown, box))


def see(run: Run, curves: Calibration, shown: str, pixels: NDArray[np.float32]) -> Picture:
    """Encodes (H, W) in [0, 1]; warns of what the run reconstructs worse than nearly all it was tested on."""
    code = encode(run, pixels[None])[0]
    if curves.reconstruction:
        error = reconstruction_error(pixels, decode(run, code[None])[0])
        warning = unlike_warning(error, curves.reconstruction)
        if warning:
            click.echo(f"Warning: {shown}: {warning}", err=True)
    return Picture(shown, pixels, code)


def _drawn(run: Run, assets: Path, first: int, count: int) -> list[TrueObject]:
    from pipelines.rerender.truth import true_objects  # OpenGL, only where it is needed

    return true_objects(run, assets, first, count)


def rerender(run: Run, plan: Plan, given: Picture, others: Mapping[str, Picture]) -> Block:
    """All that is asked for of one image; `others` are the images that the request names."""
    named = {role: getattr(plan.request, role) for role in ("like", "towards")}
    beside = {role: others[name] for role, name in named.items() if name is not None}
    codes = {role: other.code for role, other in beside.items()}
    strips = [Strip(each, decode(run, each.codes)) for each in plan.variations(given.code, **codes)]
    tiles = [Tile(given.pixels, "input"), *(Tile(other.pixels, role) for role, other in beside.items())]
    return Block(Path(given.name).name, tuple(tiles), tuple(strips))


def load_calibration(run: Run, request: Request) -> Calibration:
    """That of the run; an empty one where there is none and nothing that is asked for needs it."""
    named = bool(request.parts or request.latents or request.random) and run.config.procedure not in NAMING
    if not (request.angles or request.directions or named) and not (run.folder / calibration.CALIBRATION_FILE).exists():
        return Calibration({}, run.step, {})
    curves = calibration.load(run.folder)
    if warning := curves.out_of_date(str(run.folder), run.step):
        click.echo(f"Warning: {warning}.", err=True)
    return curves


def check_names(names: Sequence[str], request: Request, output: Path) -> None:
    """BadInput for too many images, for standard input twice, and for an output that would replace an input."""
    if len(names) > MOST_INPUTS:
        raise BadInput(f"IMAGE: expected at most {MOST_INPUTS} images at once, found {len(names)}")
    used = [*names, *{name for name in (request.like, request.towards) if name is not None}]
    check_once(used)
    if output.is_file() and any(os.path.samefile(output, name) for name in used if os.path.exists(name)):
        raise BadInput(f"-o {output}: expected another file than the images that are read")


def _each(things: Sequence[T], label: str) -> Iterator[T]:
    """The things one by one; with a progress bar when they take long."""
    with progress_bar(label, len(things), "image", delay=PATIENCE) as bar:
        for thing in things:
            yield thing
            bar.update()
