"""A table of a user's own images, read into `LabelledImages`: one row an image, a column for each factor.

    path,identity,azimuth,distance (cm),colour
    mug/000.png,mug,0,20,red

`path` is below the folder of the table, `identity` says who or what the image shows, `split` may say train or test, and
all other columns are factors. Where there are columns `factor`, `minibatch` and `position`, which `dcign export-images`
writes, they say which mini-batches the images form.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.factors import SPLITS
from render.imports.labelled_images import LabelledImages
from render.imports.tables.columns import LabelColumn, PathColumn, TextColumn
from render.imports.tables.description import Description, read_description
from render.imports.tables.labels import LabelOptions, name_and_unit, read_label
from render.imports.tables.minibatches import DEALT, DealtColumns, read_minibatches
from render.imports.tables.pictures import Decode, Pictures
from render.imports.tables.rows import PATH, Rows, open_rows
from render.shards.documents import LARGEST_WHOLE
from render.shards.labels import MOST_VALUES, is_name

IDENTITY, SPLIT = "identity", "split"
BACKGROUND = 1.0
_IDENTITY = re.compile(r"0|-?[1-9][0-9]{0,18}")  # that is a number itself


@dataclass(frozen=True)
class TableOptions:
    """Options for reading a table.

    ignore      columns that are no factors
    object      what the images show; None: what `images.json` says, else 'object'
    background  grey value in 0..1 for transparent pixels and beside images; None: what `images.json` says, else white
    skip        pictures that cannot be read
    """

    labels: LabelOptions
    ignore: Collection[str] = ()
    object: str | None = None
    background: float | None = None
    skip: bool = False


def open_image_table(
    path: Path, pattern: str | None, options: TableOptions, decode: Decode
) -> tuple[LabelledImages, Description]:
    """Read a table, or the names of the files in a folder, and what a file beside it says.

    BadInput names line and column of what is wrong.

    decode  turns the content of an image file into an image, upright; it is called from several threads
    """
    rows = open_rows(path, pattern)
    description = read_description(rows.folder) or Description()
    table = _Columns(rows, options.ignore)
    options.labels.check(table.labels)
    for block in rows.blocks():
        table.extend(block.lines, block.rows)
    return table.images(options, description, decode), description


class _Columns:
    """The columns of a table while it is read."""

    def __init__(self, rows: Rows, ignore: Collection[str]) -> None:
        self.rows = rows
        heads = {head: name_and_unit(head) for head in rows.columns}
        for name in ignore:
            if name not in heads and name not in (known for known, _ in heads.values()):
                raise BadInput(f"`ignore`: expected a column of {rows.path}, found {name!r}")
        used = {head: (name, unit) for head, (name, unit) in heads.items() if not {head, name} & set(ignore)}
        names = [name for name, _ in used.values()]
        for name in (PATH, IDENTITY):
            if name not in names:
                raise BadInput(
                    f"{rows.path}: expected columns {PATH} and {IDENTITY}, found {', '.join(rows.columns)}"[:300]
                )
        self.is_dealt = set(DEALT) <= set(names)
        self.units: dict[str, str | None] = {}
        self.labels: dict[str, LabelColumn] = {}
        self.texts: dict[str, TextColumn] = {}
        self.paths = PathColumn(PATH, rows.place)
        self.lines = array("q")
        self._order: list[PathColumn | TextColumn | None] = []
        for head in rows.columns:
            self._order.append(self._column(*used[head]) if head in used else None)
        if not self.labels:
            raise BadInput(f"{rows.path}: expected a column for each factor, found {', '.join(names)}")

    def _column(self, name: str, unit: str | None) -> PathColumn | TextColumn:
        if name == PATH:
            return self.paths
        if name in (IDENTITY, SPLIT) or (self.is_dealt and name in DEALT):
            return self.texts.setdefault(name, TextColumn(name, self.rows.place))
        if not is_name(name):
            wanted = "names of factors, such as distance: a letter, then letters, digits or _, and no word of ours"
            raise BadInput(
                f"{self.rows.path}: expected {wanted}; found the column {name[:60]!r} (leave it out by `ignore`)"
            )
        if name in self.labels:
            raise BadInput(f"{self.rows.path}: expected each factor once, found {name!r} twice")
        self.units[name] = unit
        return self.labels.setdefault(name, LabelColumn(name, self.rows.place, self.rows.decimal_comma))

    def extend(self, lines: list[int], rows: list[list[str]]) -> None:
        """Add some rows."""
        self.lines.extend(lines)
        for column, cells in zip(self._order, zip(*rows, strict=True), strict=True):
            if column is not None:
                column.extend(lines, cells)

    def images(self, options: TableOptions, description: Description, decode: Decode) -> LabelledImages:
        """Return what the rows say."""
        found = {
            name: read_label(column, self.units[name], options.labels, description.labels.get(name))
            for name, column in self.labels.items()
        }
        labels = {name: label for name, (label, _) in found.items()}
        values = {name: values for name, (_, values) in found.items()}
        identity, identities = self._identities(description.identities)
        test = self._test()
        self._check_paths({IDENTITY: identity, **values, **({} if test is None else {SPLIT: test})})
        lines = np.frombuffer(self.lines, np.int64)
        chosen = (options.background, description.background, BACKGROUND)
        background = next(value for value in chosen if value is not None)
        pictures = Pictures(
            self.rows.folder, self.paths, lambda row: self.rows.picture(int(lines[row]), self.paths[row]), decode,
            background,
        )  # fmt: skip
        digest = hashlib.sha256(self.rows.digest() + pictures.digest(stop=not options.skip))
        minibatches = None
        if self.is_dealt:
            factor, minibatch, position = (self.texts[name] for name in DEALT)
            columns = DealtColumns(factor, minibatch, position, lines)
            minibatches = read_minibatches(columns, test, labels, values, identity)

        def remarks() -> list[str]:
            return [*self.rows.remarks(), *pictures.remarks()]

        return LabelledImages(
            "images", options.object or description.object or "object", digest.hexdigest(), labels, values, identity,
            test, background, pictures.read, identities, remarks, minibatches, str(self.rows.path),
        )  # fmt: skip

    def _identities(self, given: Sequence[str]) -> tuple[NDArray[np.int64], Sequence[str]]:
        """Return the number of each row's identity, and their names: none if they are numbers, or too many to list.

        Names are numbered as given, others behind those by the alphabet.
        """
        column = self.texts[IDENTITY]
        column.check_spellings()
        texts = column.texts
        if not given and all(_IDENTITY.fullmatch(text) and abs(int(text)) <= LARGEST_WHOLE for text in texts):
            return np.array(list(map(int, texts)), np.int64)[column.numbers()], ()
        names = list(dict.fromkeys([*given, *sorted(texts)]))
        places = {name: place for place, name in enumerate(names)}
        numbers = np.array([places[text] for text in texts], np.int64)[column.numbers()]
        return numbers, names if len(names) <= MOST_VALUES else ()

    def _test(self) -> NDArray[np.bool_] | None:
        """Tell which rows are for testing; None if the table does not say."""
        column = self.texts.get(SPLIT)
        if column is None:
            return None
        for line, text in zip(column.lines, column.texts, strict=True):
            if text not in SPLITS:
                raise column.fault(line, " or ".join(SPLITS), repr(text))
        return np.array([text == SPLITS[1] for text in column.texts])[column.numbers()]

    def _check_paths(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Raise BadInput if a picture stands in two rows: only mini-batches may share one, and with the same labels."""
        for row, first in self.paths.repeated():
            place, earlier = self.rows.picture(self.lines[row], self.paths[row]), f"line {self.lines[first]}"
            for name, column in columns.items():
                if column[row] != column[first]:
                    raise BadInput(f"{place}: expected the {name} that {earlier} says, found another")
            if not self.is_dealt:
                raise BadInput(f"{place}: expected each picture once, found it in {earlier} too")
