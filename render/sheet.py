"""Labelled pictures: rows of images with a title at the left and a caption under each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from render.factors import FACTORS
from render.shards.data_set import MiniBatch

MARGIN = 190  # pixels at the left for the row's label
LINE = 16
DEGREE = "\N{DEGREE SIGN}"


@dataclass(frozen=True, eq=False)
class Row:
    """images: (h, w) uint8 grey each, all rows alike; a caption for each; lines stand below the title."""

    title: str
    images: Sequence[NDArray[np.uint8]]
    captions: Sequence[str]
    lines: Sequence[str] = ()


def draw_rows(rows: Sequence[Row]) -> Image.Image:
    """An RGB sheet of the rows, as wide as the longest of them."""
    size = rows[0].images[0].shape[0]
    height = size + LINE + 4
    columns = max(len(row.images) for row in rows)
    sheet = Image.new("RGB", (MARGIN + columns * (size + 2), len(rows) * height), "white")
    pen = ImageDraw.Draw(sheet)
    font, bold = ImageFont.load_default(12), ImageFont.load_default(15)
    for y, row in enumerate(rows):
        top = y * height
        pen.text((8, top + 6), row.title, fill="black", font=bold)
        for line, text in enumerate(row.lines):
            pen.text((8, top + 28 + LINE * line), text, fill="#555555", font=font)
        for x, (image, caption) in enumerate(zip(row.images, row.captions, strict=True)):
            left = MARGIN + x * (size + 2)
            sheet.paste(Image.fromarray(np.asarray(image)), (left, top))
            pen.text((left + 4, top + size + 1), _fitting(caption, size - 4, font), fill="black", font=font)
    return sheet


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """As much of `text` as fits into `width` pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text


def minibatch_row(batch: MiniBatch, columns: int) -> Row:
    """The first `columns` images of a mini-batch, the values of its factor below, those of the others at the left."""
    held = {name: values for name, values in batch.values.items() if name != batch.factor}
    lines = [f"{name} {values[0]:.1f}{DEGREE}" for name, values in held.items()]
    if not set(FACTORS[batch.factor].parts) - {"expression"}:
        lines.append(f"identity {_short(batch.identity[0])}")
    if batch.factor in batch.values:
        captions = [f"{value:+.1f}{DEGREE}" for value in batch.values[batch.factor]]
    else:
        captions = [f"identity {_short(identity)}" for identity in batch.identity]
    title = f"{batch.factor} {batch.index} ({batch.split})"
    return Row(title, list(batch.images[:columns]), captions[:columns], lines)


def _short(identity: np.int64) -> str:
    return f"..{int(identity) % 10**6}"
