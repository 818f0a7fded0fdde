"""The pictures that visitors brought, in memory under ids of our own; the one unused for longest leaves first."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

from dcign.errors import RunError
from pipelines.explore.opened import Encoded
from render.views import Views

MOST = 32
LONGEST_NAME = 255  # characters, the most that a file can have
JOINERS = "\u200c\u200d"  # part of words in some scripts and of emoji


class Gone(RunError):
    """There is no picture of that id, or no more."""


@dataclass(frozen=True, eq=False)
class Held:
    """A picture.

    name     as the client calls the file; for people and command lines only
    encoded  what each of the runs makes of it
    start    slider -> where it stands in this picture, as far as known
    png      the file of a picture that has none on the visitor's side: one that was drawn here
    views    what was drawn, one view
    """

    name: str
    encoded: tuple[Encoded, ...]
    start: Mapping[str, float]
    png: bytes | None = None
    views: Views | None = None


class Pictures:
    """At most `MOST` pictures; for use from any thread."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._lock = Lock()

    def add(self, picture: Held) -> str:
        """Keeps a picture and returns its new id, which nobody can guess."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._held[name] = picture
            while len(self._held) > MOST:
                self._held.popitem(last=False)
        return name

    def get(self, name: str) -> Held:
        """The picture of an id. Gone where there is none."""
        with self._lock:
            if name not in self._held:
                raise Gone(f"this picture is no longer held (the last {MOST} in use are); load it again")
            self._held.move_to_end(name)
            return self._held[name]


def file_name(text: str) -> str:
    """What a client calls its file, as one plain line: the last part of a path, without control characters."""
    last = re.split(r"[/\\]", text)[-1]
    plain = "".join(letter for letter in last if _is_shown(letter)).strip()
    if len(plain) > LONGEST_NAME:
        plain = f"{plain[: LONGEST_NAME - 8]}{plain[-8:]}"
    return plain if plain.strip(".") else "image"


def _is_shown(letter: str) -> bool:
    """Whether a letter may stand in a line: what ends it or turns its direction may not, any space may."""
    return letter.isprintable() or unicodedata.category(letter) == "Zs" or letter in JOINERS
