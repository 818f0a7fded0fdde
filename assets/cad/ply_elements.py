"""The elements of a PLY file, ASCII or binary: rows of numbers and of lists, as its header declares them.

What follows the elements that are drawn is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from assets.cad.number_text import parse_numbers
from assets.cad.parts import MOST_VERTICES
from assets.cad.text import plain_text, words_of
from assets.errors import AssetError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_TEXT = 64 * 2**20  # bytes of an ASCII file
LARGEST_HEADER = 65_536  # bytes
GATHERED = 1_000_000  # values taken out of scattered places at once: bounds the memory
DRAWN = ("vertex", "face", "tristrips")

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8", "int64": "i8", "uint64": "u8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


@dataclass(frozen=True)
class Property:
    """One number of an element, of type `kind`; a list of them where `length_kind` is the type of its length."""

    name: str
    kind: np.dtype[Any]
    length_kind: np.dtype[Any] | None = None


@dataclass
class Element:
    """The rows of an element: `scalars` name -> (N,), `lists` name -> lengths (N,) and all values in their order."""

    name: str
    count: int
    properties: list[Property]
    scalars: dict[str, NDArray[Any]] = field(default_factory=dict)
    lists: dict[str, tuple[Integers, NDArray[Any]]] = field(default_factory=dict)

    def columns(self, *choices: tuple[str, ...]) -> tuple[Floats, np.dtype[Any]] | None:
        """Return the first of `choices` whose properties are all there, (N, k), and their type."""
        for names in choices:
            if all(name in self.scalars for name in names):
                kind = next(p.kind for p in self.properties if p.name == names[0])
                return np.stack([self.scalars[name] for name in names], axis=1).astype(np.float64), kind
        return None

    def colours(self) -> Floats | None:
        """Return (N, 3) colours in [0, 1]."""
        found = self.columns(*_COLOURS)
        if found is None:
            return None
        values, kind = found
        if kind.kind in "ui" and kind.itemsize < 4:
            return values / (255.0 if kind.itemsize == 1 else 65535.0)
        return values / (255.0 if np.nanmax(values, initial=0.0) > 1 else 1.0)


def read_elements(data: bytes) -> dict[str, Element]:
    """Read the elements of a PLY file up to the last of DRAWN. Raises AssetError (without its name)."""
    if not data.startswith(b"ply"):
        data = plain_text(data)
    header, mark, rest = data[:LARGEST_HEADER].partition(b"end_header")
    if not data.startswith(b"ply") or not mark:
        raise AssetError("expected a PLY file with a header, found none")
    start = len(header) + len(mark)
    trailing = rest[:200].partition(b"\n")[0]
    start += len(trailing) + 1 if not trailing.strip() else 1  # \r alone, or \r\n, or \n
    order, elements = _parsed_header(plain_text(header))
    declared = sum(element.count for element in elements)
    if declared > len(data):
        raise AssetError(f"expected {declared} elements as its header says, found only {len(data)} bytes")
    most = max((element.count for element in elements), default=0)
    if most > MOST_VERTICES:
        raise AssetError(f"expected at most {MOST_VERTICES} rows of an element, found {most}")
    body: Body
    if order:
        body = _Binary(data, start, order)
    elif len(data) > LARGEST_TEXT:
        raise AssetError(f"expected at most {LARGEST_TEXT} bytes of an ASCII file, found {len(data)}; use a binary one")
    else:
        body = _Text(plain_text(data[start:]))
    last = max((k for k, element in enumerate(elements) if element.name in DRAWN), default=-1)
    for element in elements[: last + 1]:
        _read_rows(body, element)
    return {element.name: element for element in reversed(elements[: last + 1])}


def _parsed_header(header: bytes) -> tuple[str, list[Element]]:
    """Return the byte order, '' for ASCII, and the elements with their properties."""
    order: str | None = None
    elements: list[Element] = []
    for line in header.split(b"\n"):
        words = words_of(line).split()
        key = words[0] if words else ""
        try:
            if key == "format":
                order = _ORDERS[words[1]]
            elif key == "element":
                elements.append(Element(words[1], int(words[2]), []))
                if elements[-1].count < 0:
                    raise ValueError
            elif key == "property" and words[1] == "list":
                elements[-1].properties.append(Property(words[4], _type(words[3]), _type(words[2])))
            elif key == "property":
                elements[-1].properties.append(Property(words[2], _type(words[1])))
        except (KeyError, IndexError, ValueError):
            raise AssetError(
                f"expected a PLY header, found the line {line[:80].decode('utf-8', 'replace')!r}"
            ) from None
    if order is None:
        raise AssetError("expected the format in a PLY header, found none")
    return order, elements


def _type(name: str) -> np.dtype[Any]:
    return np.dtype(_TYPES[name])


class _Binary:
    """The bytes behind the header; places and sizes are in bytes."""

    def __init__(self, data: bytes, at: int, order: str) -> None:
        self.data, self.at = data, at
        self.order: Literal["<", ">"] = "<" if order == "<" else ">"
        self.bytes = np.frombuffer(data, dtype=np.uint8)
        self.end = len(data)

    def size(self, kind: np.dtype[Any]) -> int:
        return kind.itemsize

    def length(self, place: int, kind: np.dtype[Any]) -> int:
        order = "little" if self.order == "<" else "big"
        return int.from_bytes(self.data[place : place + kind.itemsize], order, signed=kind.kind == "i")  # type: ignore[arg-type]

    def starts(self, count: int) -> Integers | None:
        """Return None: rows follow one another."""
        return None

    def column(self, place: int, step: int, count: int, kind: np.dtype[Any]) -> NDArray[Any]:
        """Return `count` numbers, the first at `place`, each `step` behind the one before."""
        return np.ndarray((count,), kind.newbyteorder(self.order), self.data, place, (step,))

    def gather(self, places: Integers, kind: np.dtype[Any]) -> NDArray[Any]:
        """Return the numbers at `places`."""
        values = np.empty(len(places), kind.newbyteorder(self.order))
        rows = values.view(np.uint8).reshape(len(places), kind.itemsize)
        for low in range(0, len(places), GATHERED):
            some = places[low : low + GATHERED]
            rows[low : low + GATHERED] = self.bytes[some[:, None] + np.arange(kind.itemsize)]
        return values


class _Text:
    """The numbers of an ASCII file; each has the size 1, and places count them."""

    def __init__(self, text: bytes) -> None:
        self.values = parse_numbers(text, np.float64, "numbers behind the header", optional=True)
        self.at, self.end = 0, len(self.values)
        self.lines = _line_starts(text)

    def size(self, kind: np.dtype[Any]) -> int:
        return 1

    def length(self, place: int, kind: np.dtype[Any]) -> int:
        value = float(self.values[place]) if place < self.end else np.nan
        return int(value) if value.is_integer() else -1

    def column(self, place: int, step: int, count: int, kind: np.dtype[Any]) -> NDArray[Any]:
        return self._as(self.values[place : place + step * (count - 1) + 1 : step], kind)

    def gather(self, places: Integers, kind: np.dtype[Any]) -> NDArray[Any]:
        return self._as(self.values[places], kind)

    def _as(self, values: Floats, kind: np.dtype[Any]) -> NDArray[Any]:
        return values.astype(kind) if kind.kind == "f" else values  # whole numbers have yet to be looked at

    def starts(self, count: int) -> Integers | None:
        """Return where the next `count` rows begin, and the one after them: each on a line, which may hold more.

        None if there are not that many lines: then rows follow one another.
        """
        first = int(np.searchsorted(self.lines, self.at))
        return self.lines[first : first + count + 1] if len(self.lines) > first + count else None


def _line_starts(text: bytes) -> Integers:
    """Return the place of the first word of each line that has one, counted in words, and the number of all words."""
    data = np.frombuffer(text, dtype=np.uint8)
    blank = data <= 32
    words = ~blank & np.concatenate([[True], blank[:-1]])
    counted = np.cumsum(words, dtype=np.int32)
    ends = counted[np.flatnonzero(data == ord("\n"))]
    total = int(counted[-1]) if len(counted) else 0
    return np.unique(np.concatenate([[0], ends, [total]])).astype(np.int64)


Body: TypeAlias = "_Binary | _Text"


def _read_rows(body: Body, element: Element) -> None:
    """Fill `element` from where `body` is, and move `body` behind it. Raises AssetError if it ends too early."""
    if not element.count or not element.properties:
        return
    starts = body.starts(element.count)
    row = _row(body, element, body.at)
    step = row[-1] - body.at
    if starts is not None and row[-1] > starts[1]:  # the first row goes on: so do the others
        starts = None
    if starts is not None:
        steps = np.diff(starts)
        step = int(steps[0]) if step <= steps[0] and (steps == steps[0]).all() else 0
    end = row[-1] + (element.count - 1) * step
    if step and end <= body.end and _alike(body, element, row, step):
        _read_alike(body, element, row, step)
        body.at += element.count * step
    else:
        _read_apart(body, element, starts)


def _row(body: Body, element: Element, at: int) -> list[int]:
    """Return the place of each property of the row at `at`, and of what follows."""
    places = []
    for p in element.properties:
        places.append(at)
        if p.length_kind is None:
            at += body.size(p.kind)
        else:
            after = at + body.size(p.length_kind)
            length = body.length(at, p.length_kind) if after <= body.end else 0
            if length < 0:
                raise AssetError(f"expected the length of {p.name}, found none or a negative one")
            at = after + length * body.size(p.kind)
        if at > body.end:
            raise AssetError(f"expected {element.count} rows of {element.name}, found the end of the file")
    return [*places, at]


def _alike(body: Body, element: Element, row: list[int], step: int) -> bool:
    """Tell whether the lists of all rows are as long as those of the first `row`."""
    lists = ((place, p.length_kind) for place, p in zip(row, element.properties, strict=False) if p.length_kind)
    columns = (body.column(place, step, element.count, kind) for place, kind in lists)
    return all(bool((column == column[0]).all()) for column in columns)


def _read_alike(body: Body, element: Element, row: list[int], step: int) -> None:
    for place, after, p in zip(row, row[1:], element.properties, strict=False):
        if p.length_kind is None:
            element.scalars[p.name] = body.column(place, step, element.count, p.kind)
            continue
        size = body.size(p.kind)
        first = place + body.size(p.length_kind)
        columns = [body.column(at, step, element.count, p.kind) for at in range(first, after, size)]
        values = np.stack(columns, axis=1).reshape(-1) if columns else np.empty(0)
        element.lists[p.name] = np.full(element.count, len(columns), dtype=np.int64), values


def _read_apart(body: Body, element: Element, starts: Integers | None) -> None:
    """Read rows whose lists differ in length, one after another; their numbers are then gathered all at once."""
    properties = element.properties
    places = np.empty((element.count, len(properties) + 1), dtype=np.int64)
    for number, row in enumerate(_rows(body, element, starts)):
        places[number] = row
    for k, p in enumerate(properties):
        if p.length_kind is None:
            element.scalars[p.name] = body.gather(places[:, k], p.kind)
            continue
        size = body.size(p.kind)
        first = places[:, k] + body.size(p.length_kind)
        lengths = (places[:, k + 1] - first) // size
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        element.lists[p.name] = lengths, body.gather(np.repeat(first, lengths) + size * within, p.kind)


def _rows(body: Body, element: Element, starts: Integers | None) -> Iterator[list[int]]:
    nexts = None if starts is None else starts[1:].tolist()
    for number in range(element.count):
        row = _row(body, element, body.at)
        if nexts is not None and row[-1] > nexts[number]:
            raise AssetError(f"expected whole rows of {element.name}, found a line of {nexts[number] - row[0]} numbers")
        body.at = row[-1] if nexts is None else nexts[number]
        yield row
