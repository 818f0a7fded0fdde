"""`dcign rerender RUN IMAGE`: the object of one image in another pose or light."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcign import calibration
from dcign.calibration import Calibration
from dcign.config import DEVICES
from dcign.errors import BadInput
from dcign.images import BACKGROUND, load_grey
from dcign.manipulate import encode, sweep
from dcign.pictures import Row, Tile, degrees_text, draw_rows, gif, png
from dcign.precision import resolve_device
from dcign.run import Run, load_run
from render.files import write_file

MAX_STEPS = 360
FRAME_MILLISECONDS = 120


@click.command(name="rerender", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--azimuth", metavar="A:B:STEPS", help="Turn the object: degrees from A to B, or one angle.")
@click.option("--elevation", metavar="A:B:STEPS", help="Raise the camera: degrees from A to B, or one angle.")
@click.option("--light", metavar="A:B:STEPS", help="Turn the light: degrees from A to B, or one angle.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="out.png (a strip) or out.gif.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(run: Path, image: Path, output: Path, device: str, **angles: str | None) -> None:
    """Re-pose or re-light the object of one IMAGE file with a trained RUN.

    IMAGE may have any size and mode: its centred square is taken, grey and resized. Each of --azimuth, --elevation
    and --light gives a sweep (a row of the strip) in which the latents of that angle alone are set, so give one or
    more of them. RUN needs a calibration: `dcign evaluate` stores it.

    \b
    Example:
      dcign rerender run/ face.jpg --azimuth -60:60:9 -o turned.png
      dcign rerender run/ face.jpg --light -80:80:24 -o light.gif
    """
    targets = {name: parse_angles(text, f"--{name}") for name, text in angles.items() if text is not None}
    if not targets:
        raise BadInput("expected at least one of --azimuth, --elevation and --light, such as --azimuth -60:60:9")
    check_output(output)
    model = load_run(run, resolve_device(device))
    curves = calibration.load(model.folder)
    if curves.step != model.step:
        click.echo(
            f"Warning: {run} was calibrated at step {curves.step} and is at step {model.step} now; "
            "run `dcign evaluate` again for exact angles.",
            err=True,
        )
    picture = load_grey(image, model.size, BACKGROUND.get(model.object, 0.0))
    frames = rerender(model, curves, picture, targets)
    write_file(output, draw(picture, targets, frames, output.suffix.lower()))
    click.echo(f"{output}: {sum(len(each) for each in frames.values())} images")


def rerender(
    run: Run, curves: Calibration, picture: NDArray[np.float32], targets: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float32]]:
    """The object of `picture` (H, W) at each target: factor -> angles (S,) in degrees gives factor -> images (S, H, W).

    BadInput for an angle outside the calibrated range, RunError for a factor without latents of its own.
    """
    knobs = curves.knobs(run.layout)
    for name in targets:
        knobs.latents(name)  # before a calibration is missed that cannot be
    values = {name: curves.curve(name).to_latent(angles) for name, angles in targets.items()}
    code = encode(run, picture[None])[0]
    return {name: sweep(run, knobs, code, name, values[name]) for name in targets}


def parse_angles(text: str, option: str) -> NDArray[np.float64]:
    """'A:B:STEPS' as STEPS angles in degrees from A to B inclusive, or 'A' as one. BadInput names `option`."""
    problem = f"{option}: expected A:B:STEPS in degrees (such as -60:60:9) or one angle, found {text!r}"
    parts = text.split(":")
    if len(parts) not in (1, 3):
        raise BadInput(problem)
    try:
        ends = [float(part) for part in parts[:2]]
        steps = int(parts[2]) if len(parts) == 3 else 1
    except ValueError:
        raise BadInput(problem) from None
    if not np.isfinite(ends).all():
        raise BadInput(problem)
    if len(parts) == 3 and not 2 <= steps <= MAX_STEPS:
        raise BadInput(f"{option}: expected 2 to {MAX_STEPS} steps, found {steps} in {text!r}")
    return np.linspace(ends[0], ends[-1], steps)


def check_output(path: Path) -> None:
    """BadInput unless `path` can become a PNG or GIF file."""
    if path.suffix.lower() not in (".png", ".gif"):
        raise BadInput(f"-o {path}: expected a name that ends in .png or .gif")
    if path.is_dir():
        raise BadInput(f"-o {path}: expected a file, found a folder")
    if not path.parent.is_dir():
        raise BadInput(f"-o {path}: there is no folder {path.parent}; make it first")


def draw(
    picture: NDArray[np.float32],
    targets: Mapping[str, NDArray[np.float64]],
    frames: Mapping[str, NDArray[np.float32]],
    suffix: str,
) -> bytes:
    """The file to write: a strip with a row for each factor (.png), or a frame for each image (.gif)."""
    rows = [
        [Tile(image, degrees_text(angle)) for angle, image in zip(targets[name], frames[name], strict=True)]
        for name in frames
    ]
    source = Tile(picture, "input")
    if suffix == ".png":
        return png(draw_rows([Row([source, *tiles], label=name) for name, tiles in zip(frames, rows, strict=True)]))
    pages: list[Image.Image] = []
    for name, tiles in zip(frames, rows, strict=True):
        pages += [draw_rows([Row([source, tile], label=name)]) for tile in tiles]
    width, height = (max(page.size[axis] for page in pages) for axis in (0, 1))
    return gif([_on_page(page, width, height) for page in pages], FRAME_MILLISECONDS)


def _on_page(picture: Image.Image, width: int, height: int) -> Image.Image:
    page = Image.new("L", (width, height), 255)
    page.paste(picture, (0, 0))
    return page
