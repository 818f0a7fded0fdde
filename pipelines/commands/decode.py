"""`dcign decode RUN CODES -o pictures/`: turns graphics codes into images."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from assets.files import check_parent, make_output_folder, write_file
from dcign.config import DEVICES
from dcign.errors import BadInput
from pipelines.console import counted, progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dcign.engine.code_files import CodeFile
    from dcign.engine.engine import Engine

MOST_IN_STRIP, IN_A_ROW = 1000, 10
LONGEST_NAME, LONGEST_CAPTION = 50, 20  # letters
OTHER_PICTURES = (".gif", ".webp", ".mp4")  # surely not meant as names of folders
WRITTEN_BY = "dcign decode"  # in each PNG, so that no other file of that name is ever overwritten


@click.command(name="decode", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("codes", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True,
    help="A folder for a PNG of each code, or strip.png (.jpg) for all in one.",
)  # fmt: skip
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(run: Path, codes: Path, output: Path, device: str) -> None:
    """Decode the graphics CODES in a .json, .csv or .npz file, as `dcign encode` writes it, with a trained RUN.

    The pictures in a folder are called after the images that were encoded. Pictures of an earlier `dcign decode` are
    replaced, other files never.

    \b
    Example:
      dcign encode run/ ann.png bob.jpg -o codes.csv
      dcign decode run/ codes.csv -o decoded/
      dcign decode run/ codes.csv -o strip.png
    """
    from dcign.engine.code_files import read_codes
    from dcign.engine.drawing import STILL_SUFFIXES
    from dcign.engine.engine import load

    suffix = output.suffix.lower()
    strip = suffix in STILL_SUFFIXES
    if suffix in OTHER_PICTURES:
        raise BadInput(f"-o {output}: expected a folder, or a name that ends in .png or .jpg")
    check_parent(output)
    if strip and output.is_dir():
        raise BadInput(f"-o {output}: expected a file, found a folder")
    engine = load(run, device)
    file = read_codes(codes, engine.latents)
    warn_of_another_run(codes, file, engine)
    names = safe_names(file.images or [""] * len(file.codes))
    if strip:
        write_file(output, draw_strip(engine, file.codes, names, suffix))
    else:
        write_folder(engine, file.codes, names, make_output_folder(output))
    click.echo(f"{output}: {counted(len(names), 'image')}")


def warn_of_another_run(path: Path, file: CodeFile, engine: Engine) -> None:
    """Warn on standard error of codes of other weights: latents of one name need not mean the same there."""
    if file.fingerprint not in (None, engine.fingerprint):
        click.echo(
            f"Warning: {path} was encoded by a run on other training data; its codes may mean little here.", err=True
        )
    elif file.step not in (None, engine.step):
        click.echo(
            f"Warning: {path} was encoded at step {file.step} and {engine.folder} is at step {engine.step} now; "
            "encode the images again.",
            err=True,
        )


def safe_names(images: Iterable[str]) -> list[str]:
    """Turn the untrusted names of images into names of files, without their ends and all different.

    'a/b/Ann 1.jpg' becomes 'Ann 1'. No folders, no hidden files; other than letters, digits and - . ( ) or a space
    becomes '_'.
    """
    names: list[str] = []
    copies: dict[str, int] = {}  # how often a name was taken; some disks take Ann.png and ann.png for one
    for number, image in enumerate(images):
        stem = PurePosixPath(image.replace("\\", "/")).stem
        base = re.sub(r"[^\w(). -]", "_", stem)[:LONGEST_NAME].strip(". ") or f"code-{number:05d}"
        name = base
        while name.casefold() in copies:
            copies[base.casefold()] += 1
            name = f"{base}-{copies[base.casefold()]}"
        copies[name.casefold()] = 1
        names.append(name)
    return names


def draw_strip(engine: Engine, codes: NDArray[np.float32], names: list[str], suffix: str) -> bytes:
    """Decode all images into one picture, a PNG or JPEG file, side by side, ten in a row, each under its name."""
    from dcign.engine.drawing import Row, Tile, draw_rows, still

    if len(codes) > MOST_IN_STRIP:
        raise BadInput(f"a strip holds at most {MOST_IN_STRIP} images, found {len(codes)} codes; give -o a folder")
    tiles = [Tile(image, _caption(name)) for image, name in zip(engine.decode(codes), names, strict=True)]
    rows = [Row(tiles[start : start + IN_A_ROW]) for start in range(0, len(tiles), IN_A_ROW)]
    return still(draw_rows(rows), suffix)


def write_folder(engine: Engine, codes: NDArray[np.float32], names: list[str], folder: Path) -> None:
    """Write a PNG of each code to `folder`. BadInput, before any is written, if a foreign file is in the way."""
    from dcign.engine.engine import AT_ONCE

    paths = [folder / f"{name}.png" for name in names]
    for path in paths:
        if path.exists() and not _is_ours(path):
            raise BadInput(f"-o {folder}: {path.name} in it is no picture of `dcign decode`; give another folder")
    with progress_bar("decode", len(codes), "image", disable=len(codes) <= AT_ONCE) as bar:
        for start in range(0, len(codes), AT_ONCE):
            images = engine.decode(codes[start : start + AT_ONCE])
            for path, image in zip(paths[start:], images, strict=False):
                write_file(path, _signed_png(image))
            bar.update(len(images))


def _caption(name: str) -> str:
    return name if len(name) <= LONGEST_CAPTION else f"{name[: LONGEST_CAPTION - 1]}…"


def _signed_png(image: NDArray[np.float32]) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from dcign.engine.drawing import to_uint8

    text, file = PngInfo(), io.BytesIO()
    text.add_text("Software", WRITTEN_BY)
    Image.fromarray(to_uint8(image)).save(file, "PNG", optimize=True, pnginfo=text)
    return file.getvalue()


def _is_ours(path: Path) -> bool:
    from PIL import Image

    if not path.is_file():
        return False
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get("Software") == WRITTEN_BY
    except Exception:  # decoders raise whatever a foreign file leads them to
        return False
