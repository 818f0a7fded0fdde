"""The cache on disk for what takes long to make: the built-in head, albedo fitted to other heads, CAD models read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from assets.files import replaced

KINDS = {
    "built-in face models": "built-in-face-*.npz",
    "fitted albedo": "albedo-*.npz",
    "levels of detail": "lod-*.npz",
    "CAD models": "models/*.npz",
}


def cache_folder() -> Path:
    """Return `${XDG_CACHE_HOME:-~/.cache}/dcign`, made or not. Everything in it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcign"


def keep(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Store what `write` puts into a file under `path`, whole or not at all: another process may be doing the same.

    Where the cache cannot be written, nothing is stored.
    """
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path, flush=False) as temporary, open(temporary, "wb") as file:
            write(file)


@cache
def code_sha256(*places: str | Path) -> str:
    """SHA-256 over Python source, to name cached files after the code that fills them.

    places  modules, and folders, which stand for all modules directly in them
    """
    digest = hashlib.sha256()
    for place in map(Path, places):
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def keep_newest(pattern: str, count: int) -> None:
    """Remove all files of `pattern` but the `count` that were written last: those of other versions of the code."""
    with suppress(OSError):
        for path in sorted(cache_folder().glob(pattern), key=lambda path: -path.stat().st_mtime)[count:]:
            path.unlink()


def cached_files() -> dict[str, tuple[int, int]]:
    """Return for each of KINDS the number of files kept, and their bytes together."""
    found = {}
    for kind, pattern in KINDS.items():
        sizes = []
        for path in cache_folder().glob(pattern):
            with suppress(OSError):
                sizes.append(path.stat().st_size)
        found[kind] = (len(sizes), sum(sizes))
    return found
