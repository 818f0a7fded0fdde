"""Columns of a table as numbers: millions of cells in a few bytes each, every different text kept once.

A cell is a number if it is written as one, in decimal digits. Two texts are one label in two spellings if they differ
in nothing but case, blanks or the form of their characters, or if they are the same number.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.shards.documents import Line, Unexpected
from render.shards.labels import MOST_VALUES

LONGEST_LABEL = 200  # characters
LONGEST_PATH = 4096  # bytes
LARGEST_NUMBER = 1e30  # float32 holds it
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)

Place = Callable[[int], str]  # line -> where it is


def number_in(text: str, decimal_comma: bool = False) -> float | None:
    """Return the number that a cell is; None for any other text."""
    if decimal_comma and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    return float(text) if _NUMBER.fullmatch(text) else None


def exact_number(text: str) -> float | None:
    """Return the number that a cell is, as `number_in`; whole ones of any length without rounding."""
    return int(text) if _WHOLE.fullmatch(text) else number_in(text)


def normal_form(text: str) -> str:
    """Return what is equal for two spellings of one text."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


class TextColumn:
    """A column of short texts.

    texts   each different one, in the order of appearance
    lines   in which each of them first stands
    codes   of the rows: places in `texts`
    """

    def __init__(self, name: str, place: Place) -> None:
        self.name, self.place = name, place
        self._known: dict[str, int] = {}
        self.lines = array("q")
        self.codes = array("i")

    @property
    def texts(self) -> list[str]:
        return list(self._known)

    def extend(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        """Add the cells of some rows. BadInput for one that is missing, too long or cannot be shown in a line."""
        for line, cell in zip(lines, cells, strict=True):
            code = self._known.get(cell)
            if code is None:
                self._check(line, cell)
                code = self._known[cell] = len(self._known)
                self.lines.append(line)
            self.codes.append(code)

    def fault(self, line: int, expected: str, found: str) -> BadInput:
        """Make the error that a cell of this column is not what was expected."""
        return BadInput(f"{self.place(line)}, column {self.name}: expected {expected}, found {found}")

    def numbers(self) -> NDArray[np.int32]:
        """Return the codes, (M,)."""
        return np.frombuffer(self.codes, np.int32)

    def check_spellings(self) -> None:
        """Raise BadInput if two of the texts are one in two spellings."""
        seen: dict[object, int] = {}
        for code, text in enumerate(self._known):
            number = exact_number(text)
            first = seen.setdefault(normal_form(text) if number is None else number, code)
            if first != code:
                other = f"{self.texts[first]!r} (line {self.lines[first]})"
                raise self.fault(self.lines[code], "one spelling of each label", f"{text!r} and {other}")

    def _check(self, line: int, cell: str) -> None:
        if not cell or cell.casefold() == "nan":
            raise self.fault(line, "a value", "NaN" if cell else "nothing")
        if len(cell) > LONGEST_LABEL:
            raise self.fault(line, f"at most {LONGEST_LABEL} characters", f"{len(cell)}")
        try:
            Line().check(cell)
        except Unexpected as error:
            raise self.fault(line, error.expected, error.found) from None


class LabelColumn(TextColumn):
    """A column of labels: texts, or numbers of any count.

    quantities  the number of each row once there are more texts than a label may have values; empty before
    """

    def __init__(self, name: str, place: Place, decimal_comma: bool) -> None:
        super().__init__(name, place)
        self.decimal_comma = decimal_comma
        self.quantities = array("d")
        self._is_long = False

    def extend(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        if not self._is_long:
            super().extend(lines, cells)
            if len(self._known) > MOST_VALUES:
                self._is_long = True
                known = [self.number(line, text) for line, text in zip(self.lines, self._known, strict=True)]
                self.quantities.extend(known[code] for code in self.codes)
                self._known.clear()
                del self.codes[:]
            return
        for line, cell in zip(lines, cells, strict=True):
            self._check(line, cell)
            self.quantities.append(self.number(line, cell))

    def number(self, line: int, cell: str) -> float:
        """Return the number in a cell. BadInput if it is none, or too large."""
        number = number_in(cell, self.decimal_comma)
        if number is None:
            many = f"a number, since no factor has more than {MOST_VALUES} names"
            wanted = many if self._is_long else "a number as in other rows (or see `categorical`)"
            raise self.fault(line, wanted, repr(cell))
        if abs(number) > LARGEST_NUMBER:
            raise self.fault(line, f"a number of at most {LARGEST_NUMBER:g}", cell)
        return number


class PathColumn:
    """The column of paths, one behind another in one buffer."""

    def __init__(self, name: str, place: Place) -> None:
        self.name, self.place = name, place
        self._text, self._ends = bytearray(), array("q", [0])
        self._hashes = array("q")

    def __len__(self) -> int:
        return len(self._hashes)

    def __getitem__(self, row: int) -> str:
        return self._text[self._ends[row] : self._ends[row + 1]].decode(errors="surrogateescape")

    def extend(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        """Add the paths of some rows. BadInput for one that is not below the folder, by its words."""
        for line, cell in zip(lines, cells, strict=True):
            parts = [part for part in cell.split("/") if part not in ("", ".")]
            problem = (
                "nothing" if not parts
                else f"{cell[:100]!r}, which leaves it" if cell.startswith("/") or ".." in parts
                else "a path that is too long" if len(cell) > LONGEST_PATH
                else "characters that no name has" if "\0" in cell or not _encodes(cell)
                else ""
            )  # fmt: skip
            if problem:
                wanted = "a path below the folder of the table"
                raise BadInput(f"{self.place(line)}, column {self.name}: expected {wanted}, found {problem}")
            path = "/".join(parts)
            self._text += path.encode(errors="surrogateescape")
            self._ends.append(len(self._text))
            self._hashes.append(hash(path))

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Yield the rows whose path stands in an earlier one, each with the first that has it."""
        hashes = np.frombuffer(self._hashes, np.int64)
        order = np.argsort(hashes, kind="stable")
        alike: list[int] = []
        for place in np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]]).tolist():
            before, row = int(order[place]), int(order[place + 1])
            if not alike or hashes[alike[0]] != hashes[row]:
                alike = [before]
            first = next((other for other in alike if self[other] == self[row]), None)
            if first is None:
                alike.append(row)
            else:
                yield row, first


def _encodes(text: str) -> bool:
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
