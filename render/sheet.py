"""A labelled picture of what shards hold: one row a mini-batch, its values under each image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from render.factors import FACTORS
from render.shards import MiniBatch

MARGIN = 190  # pixels at the left for the row's label
LINE = 16


def draw_sheet(rows: list[MiniBatch], columns: int) -> Image.Image:
    """An RGB sheet: a row for each mini-batch, its first `columns` images with the value of the active factor below."""
    size = rows[0].images.shape[1]
    height = size + LINE + 4
    sheet = Image.new("RGB", (MARGIN + columns * (size + 2), len(rows) * height), "white")
    pen = ImageDraw.Draw(sheet)
    font, bold = ImageFont.load_default(12), ImageFont.load_default(15)
    for y, batch in enumerate(rows):
        top = y * height
        pen.text((8, top + 6), f"{batch.factor} {batch.index} ({batch.split})", fill="black", font=bold)
        for line, text in enumerate(_held(batch)):
            pen.text((8, top + 28 + LINE * line), text, fill="#555555", font=font)
        for x in range(min(columns, len(batch.images))):
            left = MARGIN + x * (size + 2)
            sheet.paste(Image.fromarray(np.asarray(batch.images[x])), (left, top))
            pen.text((left + 4, top + size + 1), _value(batch, x), fill="black", font=font)
    return sheet


def _held(batch: MiniBatch) -> list[str]:
    """The values that all images of the mini-batch share."""
    held = {name: values for name, values in batch.values.items() if name != batch.factor}
    lines = [f"{name} {values[0]:.1f}\N{DEGREE SIGN}" for name, values in held.items()]
    return lines if "shape" in FACTORS[batch.factor].parts else [*lines, f"identity ..{_short(batch.identity, 0)}"]


def _value(batch: MiniBatch, x: int) -> str:
    if batch.factor in batch.values:
        return f"{batch.values[batch.factor][x]:+.1f}\N{DEGREE SIGN}"
    return f"identity ..{_short(batch.identity, x)}"


def _short(identity: NDArray[np.int64], x: int) -> str:
    return f"{int(identity[x]) % 10**6}"
