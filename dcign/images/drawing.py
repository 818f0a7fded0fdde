"""Rows of grey images with captions, for the report and for `dcign rerender`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK, PAPER, FAINT = 30, 255, 130  # grey levels
MARGIN = 6  # pixels between tiles
READABLE = 100  # pixels; smaller images are enlarged for the picture


@dataclass(frozen=True)
class Tile:
    """One grey image (H, W) in [0, 1] and the caption over it."""

    image: NDArray[np.floating]
    caption: str = ""


@dataclass(frozen=True)
class Row:
    """Tiles side by side, `label` to their left; a `heading` starts a block of rows."""

    tiles: Sequence[Tile]
    label: str = ""
    heading: str = ""


def degrees_text(angle: float) -> str:
    """-60.0 -> '−60°', 12.34 -> '12.3°'."""
    return f"{round(float(angle), 1) + 0.0:g}°".replace("-", "−")


@lru_cache
def font(pixels: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib carries with it."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), pixels)


def to_uint8(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Grey values in [0, 1] to 0..255, rounded."""
    return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def draw_rows(rows: Sequence[Row], scale: int = 1) -> Image.Image:
    """A grey picture of `rows`; each tile is enlarged `scale` times and otherwise left pixel for pixel as it is."""
    tiles = [tile for row in rows for tile in row.tiles]
    height = scale * max(tile.image.shape[0] for tile in tiles)
    pixels = max(11, min(16, height // 9))
    letters, line = font(pixels), pixels + 5
    width = max(scale * tile.image.shape[1] for tile in tiles)
    cell = max([width, *(int(letters.getlength(tile.caption)) + 2 for tile in tiles)])
    gutter = max([0, *(int(letters.getlength(row.label)) + 2 * MARGIN for row in rows if row.label)])
    columns = max(len(row.tiles) for row in rows)
    headings = sum(bool(row.heading) for row in rows)
    size = (
        gutter + MARGIN + columns * (cell + MARGIN),
        MARGIN + headings * (line + MARGIN) + len(rows) * (line + height + MARGIN),
    )
    picture = Image.new("L", size, PAPER)
    pen = ImageDraw.Draw(picture)
    y = MARGIN
    for row in rows:
        if row.heading:
            pen.text((MARGIN, y + MARGIN), row.heading, fill=INK, font=letters)
            y += line + MARGIN
        if row.label:
            pen.text((MARGIN, y + line + height // 2), row.label, fill=INK, font=letters, anchor="lm")
        for column, tile in enumerate(row.tiles):
            x = gutter + MARGIN + column * (cell + MARGIN)
            pen.text((x + cell // 2, y + line - 3), tile.caption, fill=INK, font=letters, anchor="ms")
            picture.paste(_enlarge(tile.image, scale), (x + (cell - width) // 2, y + line))
        y += line + height + MARGIN
    return picture


def _enlarge(image: NDArray[np.floating], scale: int) -> Image.Image:
    plain = Image.fromarray(to_uint8(image))
    return plain.resize((plain.width * scale, plain.height * scale), Image.Resampling.NEAREST) if scale > 1 else plain


def png(picture: Image.Image) -> bytes:
    """The PNG file of a picture."""
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def gif(frames: Sequence[Image.Image], milliseconds: int) -> bytes:
    """An endless GIF animation of grey frames of one size; equal neighbours become one longer frame."""
    file = io.BytesIO()
    first, *others = frames
    first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)
    return file.getvalue()
