"""JSON documents with one thing wrong in each: what a disk, an editor or a stranger may make of them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

DEEP = 100_000
# What may stand where something else is expected: as JSON, or as text that is none
VALUES = (
    "null", "true", "[]", "[null]", "[[[]]]", "{}", '{"a": null}', '""', '"x"', '"\\ud800\\n"', "0", "-1", "2.5",
    str(10**30), str(10**400), "9" * 5000, "1e400", "NaN", "-Infinity", "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP, "[" * 90 + "]" * 90,
)  # fmt: skip
MARK = "@@here@@"


def damaged_documents(whole: bytes, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield (what was done, content): each value exchanged, each key gone, some more; then bytes, ends, encodings."""
    document = json.loads(whole)
    for place in places(document):
        for value in VALUES:
            text = json.dumps(with_value(document, place, MARK)).replace(json.dumps(MARK), value)
            yield f"{place} = {value[:40]}", text.encode()
        if place:
            yield f"{place} gone", json.dumps(with_value(document, place, None, remove=True)).encode()
        if isinstance(at(document, place), dict):
            yield f"{place} with another key", json.dumps(with_value(document, (*place, "another"), [1])).encode()
            text = json.dumps(with_value(document, (*place, MARK), 1))
            twice = json.dumps(next(iter(at(document, place)), "a"))
            yield f"{place} with a key twice", text.replace(json.dumps(MARK), twice).encode()
    yield from damaged_bytes(whole, seed)


def damaged_bytes(whole: bytes, seed: int = 0, count: int = 20) -> Iterator[tuple[str, bytes]]:
    """Yield (what was done, content) of files cut short, with other bytes, or in another encoding."""
    rng = random.Random(seed)
    for _ in range(count):
        cut = rng.randrange(len(whole))
        yield f"cut at {cut}", whole[:cut]
        flipped = bytearray(whole)
        for place in (places := [rng.randrange(len(whole)) for _ in range(rng.choice((1, 1, 3)))]):
            flipped[place] = rng.randrange(256)
        yield f"other bytes at {places}", bytes(flipped)
    yield "empty", b""
    yield "twice", whole * 2
    yield "zeros behind", whole + bytes(100)
    yield "nothing but zeros", bytes(len(whole))
    yield "another format", b"\x89PNG\r\n\x1a\n" + bytes(50)
    yield "an archive", b"PK\x03\x04" + whole
    yield "with a byte order mark", b"\xef\xbb\xbf" + whole
    for encoding in ("utf-16", "utf-32", "utf-7", "cp500"):
        yield f"in {encoding}", whole.decode("latin-1").encode(encoding, "replace")
    yield "Latin-1 inside", whole.replace(b'"', b'"\xe9', 1)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the ways to all values; of a list of many, those of the first two."""
    yield place
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*place, key))
    elif isinstance(value, list):
        for number in range(min(2, len(value))):
            yield from places(value[number], (*place, number))


def at(value: Any, place: tuple[Any, ...]) -> Any:
    """Return what is at a place."""
    for key in place:
        value = value[key]
    return value


def with_value(document: Any, place: tuple[Any, ...], value: Any, remove: bool = False) -> Any:
    """Return a copy with another value at a place, or without what is there."""
    if not place:
        return value
    key, rest = place[0], place[1:]
    copy = dict(document) if isinstance(document, dict) else list(document)
    if rest:
        copy[key] = with_value(copy[key], rest, value, remove)
    elif remove:
        del copy[key]
    else:
        copy[key] = value
    return copy
