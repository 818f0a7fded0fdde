"""Small folders of pictures with a table, of four free factors: a circle, a distance, a colour, and a plain number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

HEADER = ("path", "identity", "azimuth", "distance (cm)", "colour", "twist")
OBJECTS = ("cup", "jug", "mug", "pot")
AZIMUTHS, DISTANCES, COLOURS, TWISTS = (0, 120, 240), (20, 30.5), ("blue", "red"), (0.1, 0.3)


def grid_rows(objects=OBJECTS) -> list[tuple]:
    """Every object in every combination, in the order of HEADER."""
    return [
        (f"{who}/{azimuth}-{distance}-{colour}-{twist}.png", who, azimuth, distance, colour, twist)
        for who in objects
        for azimuth in AZIMUTHS
        for distance in DISTANCES
        for colour in COLOURS
        for twist in TWISTS
    ]


def picture(row: tuple, side: int = 20) -> np.ndarray:
    """(side, side) uint8: different for each row, the same for equal ones."""
    rng = np.random.default_rng(list(repr(row).encode()))
    return rng.integers(0, 256, (side, side)).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def write_pictures(folder: Path, rows: Iterable[tuple], side: int = 20) -> None:
    for row in rows:
        path = folder / row[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(picture(row, side)))


def write_table(path: Path, rows: Iterable[tuple], header: Iterable[str] = HEADER, delimiter: str = ",") -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def decode(content: bytes, name: str) -> Image.Image:
    """Stand in for the process that decodes."""
    from render.errors import BadInput

    try:
        image = Image.open(io.BytesIO(content), formats=("PNG",))
        image.load()
    except OSError as error:
        raise BadInput(f"{name}: {error}") from None
    return image


def labelled(columns: Mapping[str, np.ndarray], identity, labels, **more):
    """`LabelledImages` of arrays, whose images are 8 x 8 pixels of one value: their place modulo 256."""
    from render.imports.labelled_images import LabelledImages

    def read(rows):
        for row in rows:
            yield np.full((8, 8), row % 256, np.uint8)

    values = {name: np.asarray(column, np.float32) for name, column in columns.items()}
    given = {"test": None, "background": 1.0, "read": read, **more}
    return LabelledImages("images", "object", "0" * 64, labels, values, np.asarray(identity, np.int64), **given)
