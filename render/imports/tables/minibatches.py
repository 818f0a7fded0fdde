"""Mini-batches that a table gives in its columns `factor`, `minibatch` and `position`, checked against the labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.factors import FACTORS, SPLITS
from render.imports.labelled_images import MiniBatchRows
from render.imports.tables.columns import TextColumn
from render.shards.labels import Label
from render.shards.manifest import LARGEST_BATCH
from render.shards.verification import differences, passing

DEALT = ("factor", "minibatch", "position")  # all three, or they are factors like others
_WHOLE = re.compile(r"[0-9]{1,9}")
_ADVICE = "; without the columns factor, minibatch and position (`ignore`) they are dealt anew"


@dataclass(frozen=True, eq=False)
class DealtColumns:
    """The columns that say which mini-batch an image belongs to, and the (M,) lines of the rows."""

    factor: TextColumn
    minibatch: TextColumn
    position: TextColumn
    lines: NDArray[np.int64]


def read_minibatches(
    columns: DealtColumns,
    test: NDArray[np.bool_] | None,
    labels: Mapping[str, Label],
    values: Mapping[str, NDArray[np.float32]],
    identity: NDArray[np.int64],
) -> MiniBatchRows:
    """Return the mini-batches of each factor and split.

    BadInput names the line where one is not whole, or differs in more than its factor.
    """
    own = [name for name, factor in FACTORS.items() if factor.parts]
    names = [*labels, *own]
    for line, text in zip(columns.factor.lines, columns.factor.texts, strict=True):
        if text not in names:
            raise columns.factor.fault(line, f"one of {', '.join(names)}", repr(text))
    factor = np.array([names.index(text) for text in columns.factor.texts])[columns.factor.numbers()]
    number, position = _whole_numbers(columns.minibatch), _whole_numbers(columns.position)
    batch_size = int(position.max()) + 1
    if not 2 <= batch_size <= LARGEST_BATCH:
        raise BadInput(f"{columns.position.place(1)}: expected mini-batches of 2 to {LARGEST_BATCH} images, found "
                       f"positions up to {batch_size - 1}")  # fmt: skip
    found = {}
    for which, name in enumerate(names):
        for split in SPLITS:
            rows = np.flatnonzero((factor == which) & ((split == "test") == (False if test is None else test)))
            if len(rows):
                order = rows[np.lexsort((position[rows], number[rows]))]
                _check_whole(columns, order, number, position, batch_size)
                found[name, split] = order.reshape(-1, batch_size)
                _check_alike(columns, found[name, split], name, labels, values, identity)
    return found


def _whole_numbers(column: TextColumn) -> NDArray[np.int64]:
    for line, text in zip(column.lines, column.texts, strict=True):
        if not _WHOLE.fullmatch(text):
            raise column.fault(line, "a whole number from 0", repr(text))
    return np.array(list(map(int, column.texts)), np.int64)[column.numbers()]


def _check_whole(
    columns: DealtColumns,
    order: NDArray[np.int64],
    number: NDArray[np.int64],
    position: NDArray[np.int64],
    batch_size: int,
) -> None:
    """Raise BadInput unless the rows `order` are mini-batches 0, 1, ..., each with all positions once."""
    wanted_number, wanted_position = np.divmod(np.arange(len(order)), batch_size)
    wrong = (number[order] != wanted_number) | (position[order] != wanted_position)
    if wrong.any():
        at = int(np.argmax(wrong))
        row = order[at]
        wanted = f"position {wanted_position[at]} of mini-batch {wanted_number[at]}"
        found = f"position {position[row]} of mini-batch {number[row]}"
        raise columns.position.fault(int(columns.lines[row]), wanted, found + _ADVICE)
    if len(order) % batch_size:
        row = order[-1]
        wanted = f"position {position[row] + 1} of mini-batch {number[row]} too"
        raise columns.position.fault(int(columns.lines[row]), wanted, f"none{_ADVICE}")


def _check_alike(
    columns: DealtColumns,
    rows: NDArray[np.int64],
    factor: str,
    labels: Mapping[str, Label],
    values: Mapping[str, NDArray[np.float32]],
    identity: NDArray[np.int64],
) -> None:
    """Raise BadInput if the images of a mini-batch, (n, N) `rows`, differ in anything but its factor."""
    differ = {
        name: differences(values[name][rows], label) > passing(values[name], label)
        for name, label in labels.items()
        if name != factor
    }
    if factor in labels or factor == "expression":
        differ["identity"] = identity[rows] != identity[rows][:, :1]
    for name, where in differ.items():
        if where.any():
            row = int(rows[tuple(np.argwhere(where)[0])])
            place = f"{columns.factor.place(int(columns.lines[row]))}, column {name}"
            raise BadInput(f"{place}: expected one value in each mini-batch of {factor}, found another{_ADVICE}")
