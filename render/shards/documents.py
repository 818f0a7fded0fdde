"""JSON documents that a disk, an editor or a stranger may have damaged: read within limits, held against a shape.

A shape says what a value has to be; shapes nest as the document does:

    PERSON = Record({"name": Text(), "age": Whole(0)}, {"nicknames": ListOf(Text()), "weight": Maybe(Number())})
    person = read_json(path, PERSON, RunError)

What is wrong is told with its place: `people.json: [2].age: expected a whole number from 0, found null`. Whoever has
read a document by its shape may use it without asking again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from render.errors import BadInput

MOST_LEVELS = 64  # of brackets inside brackets: what writes a document again goes down as many levels of calls
LARGEST_WHOLE = 2**63 - 1
LARGEST_NUMBER = 1e300  # a whole number in JSON may be larger than any float


class Unexpected(ValueError):
    """A value is not what its shape says.

    place  the way to it from the top, such as `settings.ranges.azimuth[1]`; '' for the document itself
    """

    def __init__(self, place: str, expected: str, found: str) -> None:
        super().__init__(f"{place}{': ' * bool(place)}expected {expected}, found {found}")
        self.place, self.expected, self.found = place, expected, found


class Shape(Protocol):
    """A requirement on a value."""

    def check(self, value: Any, place: str = "") -> None:
        """Raise Unexpected, naming the place of the first fault, unless `value` has this shape."""


def read_json(
    path: Path, shape: Shape, error: type[BadInput] = BadInput, largest: int = 2**28, advice: str = ""
) -> Any:
    """Read the JSON document of this shape at `path`.

    Raises `error` naming the file, the place in it, what was expected and what was found, and then `advice`, which
    follows a semicolon: for a file that cannot be read or has more than `largest` bytes, and for all that `parse_json`
    and `shape` refuse.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise Unexpected("", f"at most {largest:,} bytes", "more")
        value = parse_json(content)
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror or problem}{advice}") from None
    except Unexpected as problem:
        raise error(f"{path}: {problem}{advice}") from None
    check_shape(path, value, shape, error, advice)
    return value


def check_shape(path: Path, value: Any, shape: Shape, error: type[BadInput] = BadInput, advice: str = "") -> None:
    """Raise `error`, as `read_json` does, unless the document `value` from `path` has this shape."""
    try:
        shape.check(value)
    except Unexpected as problem:
        raise error(f"{path}: {problem}{advice}") from None


def parse_json(content: bytes | str) -> Any:
    """Return the value of a JSON document in UTF-8, with or without a byte order mark, or in UTF-16 or UTF-32.

    Raises Unexpected for anything else, and for what JSON has no single meaning for: NaN, Infinity, a number beyond
    any float, a key twice in one object, more than MOST_LEVELS of brackets.
    """
    try:
        value = json.loads(content, object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite)
    except Unexpected:
        raise
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:  # of the text or its encoding
        raise Unexpected("", "JSON", f"something else ({error})") from None
    _check_levels(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unexpected("", "each key of an object once", f"{_shown(twice)} twice")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unexpected("", "finite numbers", text if len(text) <= 40 else f"{text[:40]}...")
    return value


def _check_levels(value: Any) -> None:
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Unexpected:
    return Unexpected("", f"JSON of at most {MOST_LEVELS} levels of brackets", "deeper ones")


@dataclass(frozen=True)
class Anything:
    """Any value."""

    def check(self, value: Any, place: str = "") -> None:
        """Accept it."""


@dataclass(frozen=True)
class Text:
    """A text; one of `among`, if there are any."""

    among: Sequence[str] = ()

    def check(self, value: Any, place: str = "") -> None:
        if not isinstance(value, str) or (self.among and value not in self.among):
            raise Unexpected(place, f"one of {', '.join(self.among)}" if self.among else "a text", _shown(value))


@dataclass(frozen=True)
class Line:
    """A text that can be shown in a line: of valid characters, without line ends and other control characters."""

    def check(self, value: Any, place: str = "") -> None:
        if not isinstance(value, str) or re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", value):
            raise Unexpected(place, "a line of text", _shown(value))


@dataclass(frozen=True)
class Flag:
    """true or false."""

    def check(self, value: Any, place: str = "") -> None:
        if not isinstance(value, bool):
            raise Unexpected(place, "true or false", _shown(value))


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`; 3.0 and true are none."""

    least: int = -LARGEST_WHOLE
    most: int = LARGEST_WHOLE

    def check(self, value: Any, place: str = "") -> None:
        if type(value) is not int or not self.least <= value <= self.most:
            raise Unexpected(place, f"a whole number{_limits(self.least, self.most, LARGEST_WHOLE)}", _shown(value))


@dataclass(frozen=True)
class Number:
    """A finite number, whole or not, from `least` to `most`; true is none."""

    least: float = -LARGEST_NUMBER
    most: float = LARGEST_NUMBER

    def check(self, value: Any, place: str = "") -> None:
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not self.least <= value <= self.most:  # NaN is not
            raise Unexpected(place, f"a number{_limits(self.least, self.most, LARGEST_NUMBER)}", _shown(value))


@dataclass(frozen=True)
class Maybe:
    """`of`, or null."""

    of: Shape

    def check(self, value: Any, place: str = "") -> None:
        if value is not None:
            self.of.check(value, place)


@dataclass(frozen=True)
class ListOf:
    """A list of values `of` one shape."""

    of: Shape

    def check(self, value: Any, place: str = "") -> None:
        if not isinstance(value, list):
            raise Unexpected(place, "a list", _shown(value))
        for number, each in enumerate(value):
            self.of.check(each, f"{place}[{number}]")


@dataclass(frozen=True)
class Row:
    """A list of as many values as there are shapes in `of`, one of each."""

    of: Sequence[Shape]

    def check(self, value: Any, place: str = "") -> None:
        if not isinstance(value, list) or len(value) != len(self.of):
            raise Unexpected(place, f"a list of {len(self.of)}", _shown(value))
        for number, (shape, each) in enumerate(zip(self.of, value, strict=True)):
            shape.check(each, f"{place}[{number}]")


@dataclass(frozen=True)
class Table:
    """An object whose keys are names, of `keys` if there are any, and whose values are `of` one shape."""

    of: Shape = field(default_factory=Anything)
    keys: Sequence[str] = ()

    def check(self, value: Any, place: str = "") -> None:
        _check_object(value, place)
        for name, each in value.items():
            if self.keys and name not in self.keys:
                raise Unexpected(place, f"keys of {', '.join(self.keys)}", _shown(name))
            self.of.check(each, _below(place, name))


@dataclass(frozen=True)
class Record:
    """An object with the keys of `required` and perhaps those of `optional`; others are left alone, unless `closed`."""

    required: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)
    closed: bool = False

    def check(self, value: Any, place: str = "") -> None:
        _check_object(value, place)
        known = {**self.required, **self.optional}
        for name in self.required:
            if name not in value:
                raise Unexpected(place, f"a key {name!r}", "none")
        for name, each in value.items():
            if name in known:
                known[name].check(each, _below(place, name))
            elif self.closed:
                raise Unexpected(place, f"keys of {', '.join(known)}", _shown(name))


def _check_object(value: Any, place: str) -> None:
    if not isinstance(value, dict):
        raise Unexpected(place, "an object", _shown(value))


def _limits(least: float, most: float, largest: float) -> str:
    if least == -largest:
        return "" if most == largest else f" up to {most}"
    return f" from {least}" if most == largest else f" from {least} to {most}"


def _below(place: str, name: str) -> str:
    shown = name if re.fullmatch(r"[\w.+-]{1,100}", name) else _shown(name)
    return f"{place}.{shown}" if place else shown


def _shown(value: Any) -> str:
    """Write a value in a few words of JSON."""
    if isinstance(value, dict):
        return f"an object of {len(value)} keys" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
