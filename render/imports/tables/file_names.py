"""Patterns of file names that hold labels: `{identity}_P{azimuth}_L{light}.png`, with folders or without."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from render.errors import BadInput

PASSED_OVER = "_"  # the name of what may be anything
MOST_PLACES = 32  # in a pattern
MOST_FILES = 20_000_000  # looked at


class Pattern:
    """A pattern with names in braces, `{_}` for what may be anything.

    Each stands for one character or more, up to where the text behind it is found first; none goes over a `/`. A name
    that comes twice has to stand for the same.

    text   the pattern
    names  in it, each once, in their order
    """

    def __init__(self, text: str) -> None:
        """Parse a pattern. BadInput for one without names, or in which it cannot be told where one ends."""
        self.text = text
        pieces = re.split(r"\{([^{}]*)\}", text)
        self._literals, self._places = pieces[::2], [name.strip() for name in pieces[1::2]]
        self.names = [name for name in dict.fromkeys(self._places) if name != PASSED_OVER]
        wanted = "`pattern`: expected a path below the folder, such as '{identity}/{azimuth}.png'"
        if not self.names or "" in self._places or any(sign in "".join(self._literals) for sign in "{}\0"):
            raise BadInput(f"{wanted}, with names in braces; found {text[:100]!r}")
        if "" in self._literals[1:-1]:
            raise BadInput(f"{wanted}, with some text between two names; found {text[:100]!r}")
        if len(self._places) > MOST_PLACES:
            raise BadInput(f"{wanted}, with at most {MOST_PLACES} names; found {len(self._places)}")
        if text.startswith("/") or not all(part.strip(".") for part in text.split("/")):
            raise BadInput(f"{wanted}; found {text[:100]!r}")

    def match(self, path: str) -> list[str] | None:
        """Return what each of `names` stands for in a path; None for one that does not follow the pattern."""
        if not path.startswith(self._literals[0]):
            return None
        found: dict[str, str] = {}
        start = len(self._literals[0])
        for number, (name, literal) in enumerate(zip(self._places, self._literals[1:], strict=True), 1):
            last = number == len(self._places)
            end = len(path) - len(literal) if last else path.find(literal, start + 1)
            value = path[start:end]
            if end <= start or "/" in value or (last and not path.endswith(literal)):
                return None
            if name != PASSED_OVER and found.setdefault(name, value) != value:
                return None
            start = end + len(literal)
        return [found[name] for name in self.names]

    def walk(self, folder: Path) -> Iterator[str]:
        """Yield the path of every file that is as deep below `folder` as the pattern's, in the order of the names.

        Hidden files and folders are passed over, links to folders are not followed.
        """
        yield from _walk(folder, "", self.text.count("/"), [0])


def _walk(folder: Path, above: str, depth: int, seen: list[int]) -> Iterator[str]:
    try:
        with os.scandir(folder / above) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError as error:
        raise BadInput(f"{folder / above}: cannot be read: {error.strerror or error}") from None
    seen[0] += len(found)
    if seen[0] > MOST_FILES:
        raise BadInput(f"{folder}: expected at most {MOST_FILES:,} files, found more")
    for name, is_folder in found:
        if name.startswith("."):
            continue
        if is_folder and depth:
            yield from _walk(folder, f"{above}{name}/", depth - 1, seen)
        elif not is_folder and not depth:
            yield above + name
