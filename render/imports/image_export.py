"""Shards written out as PNG files and a table of them, from which `image_table` makes the same shards again.

    images.csv                    a row an image: path, identity, a column for each factor, split, and its place
    images.json                   what the table cannot say (`tables.description`)
    train/azimuth/00012/03.png    image 3 of mini-batch 12

Every image of a mini-batch has a file of its own, also one that is in several.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.files import make_output_folder, replaced, write_file
from render.errors import BadInput, Failure
from render.imports.image_table import IDENTITY, SPLIT
from render.imports.read_ahead import read_ahead
from render.imports.tables.description import NAME as DESCRIPTION
from render.imports.tables.description import description_of
from render.imports.tables.labels import name_and_unit
from render.imports.tables.minibatches import DEALT
from render.imports.tables.rows import PATH
from render.shards.data_set import DataSet, MiniBatch
from render.shards.labels import Label

TABLE = "images.csv"


def export_images(splits: list[DataSet], folder: Path, tick: Callable[[int], object]) -> None:
    """Write the images of some data sets of one shard folder into `folder`, and last the table.

    Calls `tick(n)` as n more are written. BadInput if the folder holds anything but an export of the same data set that
    was stopped; Failure if the disk is full.
    """
    description = json.dumps(description_of(splits[0].manifest.settings, splits[0].labels), indent=1) + "\n"
    _open(folder, description.encode())
    try:
        with replaced(folder / TABLE) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow([PATH, IDENTITY, *map(_head, splits[0].labels.values()), SPLIT, *DEALT])
            for rows in read_ahead(_Writer(splits, folder).write, _minibatches(splits)):
                table.writerows(rows)
                tick(len(rows))
    except OSError as error:
        raise Failure(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from error


def _minibatches(splits: list[DataSet]) -> Iterator[tuple[MiniBatch, NDArray[np.uint8]]]:
    for batch in chain.from_iterable(data.minibatches() for data in splits):
        yield batch, batch.images  # read in this thread, which is the data set's


def _open(folder: Path, description: bytes) -> None:
    make_output_folder(folder)
    found = sorted(path.name for path in folder.iterdir())
    path = folder / DESCRIPTION
    if TABLE in found or (found and not (path.is_file() and path.read_bytes() == description)):
        raise BadInput(f"{folder}: expected an empty folder, found {TABLE if TABLE in found else found[0]!r} in it")
    write_file(path, description)


class _Writer:
    """Writes the pictures of mini-batches; for several threads at once."""

    def __init__(self, splits: list[DataSet], folder: Path) -> None:
        self.folder, self.labels = folder, splits[0].labels
        names = splits[0].manifest.settings["assets"].get("identities", [])
        largest = max(int(batch.identity.max()) for data in splits for batch in data.minibatches())
        self.identities: list[str] = names if largest < len(names) else []
        self.width = len(str(splits[0].batch_size - 1))

    def write(self, read: tuple[MiniBatch, NDArray[np.uint8]]) -> list[list[str]]:
        """Write the pictures of a mini-batch, and return their rows of the table."""
        batch, images = read
        above = f"{batch.split}/{batch.factor}/{batch.index:05d}"
        (self.folder / above).mkdir(parents=True, exist_ok=True)
        rows = []
        for position, image in enumerate(images):
            path = f"{above}/{position:0{self.width}d}.png"
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            with replaced(self.folder / path, flush=False) as temporary:
                temporary.write_bytes(buffer.getvalue())
            who = int(batch.identity[position])
            values = [_cell(label, batch.values[name][position]) for name, label in self.labels.items()]
            identity = self.identities[who] if self.identities else str(who)
            rows.append([path, identity, *values, batch.split, batch.factor, str(batch.index), str(position)])
        return rows


def _head(label: Label) -> str:
    """Return the head of a factor's column: its name, and its unit if that can be read back."""
    head = f"{label.name} ({label.unit})"
    return head if label.unit and name_and_unit(head) == (label.name, label.unit) else label.name


def _cell(label: Label, value: np.float32) -> str:
    """Write a value so that it is read back to the last bit."""
    return label.categories[round(float(value))] if label.categories else str(value).removesuffix(".0")
