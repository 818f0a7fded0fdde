"""The pictures of `dcign rerender`: decoded, and written as a sheet of rows, a movie, or a folder of plain images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.files import check_parent, write_file
from dcign.engine.codes import decode
from dcign.engine.drawing import (
    MOVIE_SUFFIXES,
    PAPER,
    STILL_SUFFIXES,
    Row,
    Tile,
    check_movie,
    draw_rows,
    movie,
    png,
    still,
    to_uint8,
)
from dcign.engine.image_files import SUFFIXES as IMAGE_SUFFIXES
from dcign.engine.variations import Variation
from dcign.errors import BadInput
from dcign.runs.run import Run
from pipelines.rerender.inputs import EncodedImage
from pipelines.rerender.plan import Plan

FRAME_MILLISECONDS = 120
MOST_PLACES = 20_000  # of images on a sheet, empty ones too: a page of half a gigabyte


@dataclass(frozen=True, eq=False)
class Strip:
    """The decoded images (S, H, W) of a variation, and the true ones where these can be drawn."""

    variation: Variation
    images: NDArray[np.float32]
    truth: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Block:
    """The strips of one input. `before` stands left of each: the input and the other images of the request."""

    name: str
    before: tuple[Tile, ...]
    strips: tuple[Strip, ...]


def rerender(run: Run, plan: Plan, image: EncodedImage, others: Mapping[str, EncodedImage]) -> Block:
    """Decode all that is planned for one image; `others` are the images that the request names."""
    named = {role: getattr(plan.request, role) for role in ("like", "towards")}
    beside = {role: others[name] for role, name in named.items() if name is not None}
    codes = {role: other.code for role, other in beside.items()}
    strips = [Strip(each, decode(run, each.codes)) for each in plan.variations(image.code, **codes)]
    tiles = [Tile(image.pixels, "input"), *(Tile(other.pixels, role) for role, other in beside.items())]
    return Block(Path(image.name).name, tuple(tiles), tuple(strips))


def check_output(path: Path) -> str:
    """Tell what `path` is to become: the end of a picture's or movie's name, '' for a folder. BadInput if it cannot."""
    suffix = path.suffix.lower()
    check_parent(path)
    if path.is_dir() or suffix == "":
        if path.exists() and not path.is_dir():
            raise BadInput(f"-o {path}: expected a folder, found a file")
        return ""
    if suffix not in (*STILL_SUFFIXES, *MOVIE_SUFFIXES):
        raise BadInput(f"-o {path}: expected a name that ends in .png, .jpg, .gif, .webp or .mp4, or a folder")
    check_movie(path)
    return suffix


def draw(blocks: Sequence[Block], suffix: str) -> bytes:
    """Draw all blocks into one file: a sheet (.png, .jpg), or a movie with a frame for each image of all blocks."""
    if suffix in STILL_SUFFIXES:
        rows = [row for block in blocks for row in _sheet_rows(block, len(blocks) > 1)]
        columns = max(len(row.tiles) for row in rows)
        if len(rows) * columns > MOST_PLACES:
            raise BadInput(f"a sheet: {len(rows)} rows of up to {columns} images are too many; name a folder")
        return still(draw_rows(rows), suffix)
    pages = list(_pages(blocks))
    width, height = (max(page.size[axis] for page in pages) for axis in (0, 1))
    return movie([_on_page(page, width, height) for page in pages], suffix, FRAME_MILLISECONDS)


def save_images(folder: Path, stem: str, block: Block) -> None:
    """Write each image as folder/STEM-KEY.png, such as ann-azimuth=-60.png, a true one as STEM-true-KEY.png."""
    for strip in block.strips:
        for kind, images in (("", strip.images), ("true-", strip.truth)):
            for key, image in zip(strip.variation.keys, () if images is None else images, strict=images is not None):
                write_file(folder / f"{stem}-{kind}{key}.png", png(Image.fromarray(to_uint8(image))))


def different_stems(names: Iterable[str]) -> list[str]:
    """Make from each input's name how its files begin, all different: ann.png, b/ann.jpg -> ann, ann-2."""
    stems: list[str] = []
    taken: set[str] = set()
    for name in names:
        path = Path(name)
        stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
        number, unique = 1, stem
        while unique.casefold() in taken:  # some file systems do not tell capitals apart
            number += 1
            unique = f"{stem}-{number}"
        taken.add(unique.casefold())
        stems.append(unique)
    return stems


def _sheet_rows(block: Block, named: bool) -> Iterator[Row]:
    """Lay a block out in rows, under its name if `named`.

    Inputs stand in the first row of each strip, true pictures below the decoded ones.
    """
    blank = [Tile(np.ones_like(tile.image)) for tile in block.before]
    for number, strip in enumerate(block.strips):
        first, *others = _rows(strip, strip.images)
        heading = _heading(block.name if named and number == 0 else "", strip.variation)
        yield Row([*block.before, *first], strip.variation.label, heading)
        yield from (Row([*blank, *row]) for row in others)
        true = [] if strip.truth is None else _rows(strip, strip.truth)
        yield from (Row([*blank, *row], "" if place else "true") for place, row in enumerate(true))


def _pages(blocks: Sequence[Block]) -> Iterator[Image.Image]:
    """Draw a frame for each image of a block, which shows it of all blocks."""
    for strips in zip(*(block.strips for block in blocks), strict=True):
        variation = strips[0].variation
        for frame in range(len(variation.codes)):
            headings = [_heading(block.name if len(blocks) > 1 else "", variation) for block in blocks]
            parts = zip(blocks, strips, headings, strict=True)
            yield draw_rows(
                [Row([*one.before, *_frame(strip, frame)], variation.label, heading) for one, strip, heading in parts]
            )


def _frame(strip: Strip, number: int) -> list[Tile]:
    true = [] if strip.truth is None else [Tile(strip.truth[number], "true")]
    return [Tile(strip.images[number], strip.variation.captions[number]), *true]


def _heading(name: str, variation: Variation) -> str:
    return ": ".join(text for text in (name, variation.heading) if text)


def _rows(strip: Strip, images: NDArray[np.float32]) -> list[list[Tile]]:
    tiles = [Tile(image, text) for image, text in zip(images, strip.variation.captions, strict=True)]
    columns = strip.variation.columns
    return [tiles[start : start + columns] for start in range(0, len(tiles), columns)]


def _on_page(picture: Image.Image, width: int, height: int) -> Image.Image:
    page = Image.new("L", (width, height), PAPER)
    page.paste(picture, (0, 0))
    return page
