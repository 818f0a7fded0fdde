"""`dcign rerender RUN IMAGE...`: shows the objects of images in another pose or light, or with parts of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from assets.files import make_output_folder, write_file
from dcign.config import DEVICES
from dcign.errors import BadInput
from pipelines.console import CUT_OUT, FIT, counted, progress_bar
from pipelines.rerender.request import MAX_STEPS, Request, parse_box, parse_direction, parse_factors, parse_latent
from render.factors import EXTRINSIC

T = TypeVar("T")
MOST_TOGETHER = 2000  # images in one sheet or movie, or from one input: those are in memory
PATIENCE = 3.0  # seconds before a progress bar shows
TURNS = {"azimuth": "Turn the object", "elevation": "Raise the camera", "light": "Turn the light"}


def angle_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command --NAME for each factor of the renderer that has values."""
    for name in reversed(EXTRINSIC):
        text = f"{TURNS.get(name, f'Set {name}')}: degrees from A to B, or one angle."
        function = click.option(f"--{name}", metavar="A:B:STEPS", help=text)(function)
    return function


@click.command(name="rerender", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", nargs=-1)
@angle_options
@click.option(
    "--set", "settings", metavar="NAME=VALUES", multiple=True,
    help="Set any factor of the run: NAME=A:B:STEPS, NAME=A or NAME=A,B,... in its unit, or names of categories, such "
    "as colour=red,green. Repeatable.",
)  # fmt: skip
@click.option(
    "--latent", "latents", metavar="NAME=A:B:STEPS", multiple=True,
    help="Set one latent, by its number or its factor, to raw values. Repeatable.",
)  # fmt: skip
@click.option(
    "--direction", "directions", metavar="K=A:B:STEPS", multiple=True,
    help="Go along the K-th leading direction of identity, in standard deviations. Repeatable.",
)  # fmt: skip
@click.option("--grid", is_flag=True, help="Set all of the above at once: the first sweep across, the second down.")
@click.option("--like", metavar="OTHER", help="First take from the image OTHER what --of names.")
@click.option(
    "--of", "parts", metavar="NAME", multiple=True,
    help="What to take: a factor of the run, or intrinsic, all that no factor has. Repeatable.",
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
@click.option("--cut-out", is_flag=True, help=CUT_OUT)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True,
    help="A sheet (.png, .jpg), a movie (.gif, .webp, .mp4), or a folder for one PNG each.",
)  # fmt: skip
@FIT
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(
    run: Path, images: tuple[str, ...], assets: Path | None, objects: int, box: str | None, cut_out: bool, fit: int,
    output: Path, device: str, **options: Any,
) -> None:  # fmt: skip
    """Re-pose or re-light the objects of IMAGE files with a trained RUN, or change any other factor that it knows.

    IMAGE is a file of any size and mode, a folder of them, a quoted glob, or - for standard input: a square of it is
    taken, grey and resized. Each of --azimuth, --elevation, --light, --set, --latent and --direction gives a row in
    which these latents alone are set; --towards and --random give one each. Several images give a block of rows each.
    Values of factors need a calibration in RUN: `dcign evaluate` stores it. With --assets the true pictures stand below
    those of angles.

    \b
    Example:
      dcign rerender run/ face.jpg --azimuth -60:60:9 -o turned.png
      dcign rerender run/ a.png --azimuth -60:60:7 --light 0:60:3 --grid -o b.png
      dcign rerender run/ me.jpg --cut-out --light -70:70:24 -o me.gif
      dcign rerender run/ 'faces/*.jpg' --like studio.png --of light -o relit/
      dcign rerender run/ car.png --set distance=20:60:5 --set colour=red -o car/
      dcign rerender run/ ann.png --towards bob.png --steps 24 -o morph.mp4
      dcign rerender faces ann.png --fit 10 --azimuth -60:60:7 -o closer.png
      dcign rerender faces --assets built-in --azimuth -60:60:7 -o truth.png
    """
    from dcign.engine.cut_out import check_cut_out
    from dcign.engine.image_files import find_images
    from dcign.model.devices import resolve_device
    from dcign.runs.run import load_run
    from pipelines.rerender.inputs import check_names, encode_pixels, read
    from pipelines.rerender.pictures import check_output, different_stems, draw, rerender, save_images
    from pipelines.rerender.plan import calibration_for, make_plan

    factors = parse_factors({name: options.pop(name) for name in EXTRINSIC}, options.pop("settings"))
    latents = [parse_latent(text) for text in options.pop("latents")]
    directions = [parse_direction(text) for text in options.pop("directions")]
    request = Request(factors, latents, directions, **options)
    suffix = check_output(output)
    square = None if box is None else parse_box(box)
    if bool(images) == (assets is not None):
        raise BadInput("IMAGE...: expected images, or --assets PATH for objects to be drawn, and not both")
    if assets is not None and (square is not None or cut_out):
        raise BadInput(f"--{'cut-out' if cut_out else 'box'}: is for images only")
    names = find_images(images)
    check_names(names, request, output)
    model = load_run(run, resolve_device(device), fit)
    if cut_out:
        check_cut_out(model.object)
    curves = calibration_for(model, request)
    plan = make_plan(request, model.layout, curves)
    count = (len(names) or objects) * plan.images
    together = count if suffix else plan.images
    if together > MOST_TOGETHER:
        hint = "; name a folder" if plan.images <= MOST_TOGETHER else ""
        raise BadInput(f"-o {output}: expected at most {MOST_TOGETHER} images together, found {together}{hint}")
    named = [name for name in (request.like, request.towards) if name is not None]
    others = {name: read(model, curves, name, None, cut_out) for name in named}
    rendered = []
    if assets is not None:
        from pipelines.rerender.truth import true_objects  # OpenGL, only where it is needed

        rendered = true_objects(model, assets, request.seed, objects)
    inputs = [encode_pixels(model, curves, each.name, each.pixels) for each in rendered]
    inputs += [read(model, curves, name, square, cut_out) for name in _each(names, "read")]
    blocks = (rerender(model, plan, image, others) for image in _each(inputs, "rerender"))
    if rendered:
        pairs = zip(rendered, blocks, strict=True)
        blocks = (replace(block, strips=each.beside(plan, block.strips)) for each, block in pairs)
    if suffix:
        write_file(output, draw(list(blocks), suffix))
    else:
        make_output_folder(output)
        for stem, block in zip(different_stems(image.name for image in inputs), blocks, strict=True):
            save_images(output, stem, block)
    click.echo(f"{output}: {counted(count, 'image')}")


def _each(things: Sequence[T], label: str) -> Iterator[T]:
    """Give the things one by one, with a progress bar if they take long."""
    with progress_bar(label, len(things), "image", delay=PATIENCE) as bar:
        for thing in things:
            yield thing
            bar.update()
