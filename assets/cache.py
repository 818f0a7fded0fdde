"""The cache on disk for what takes long to make: the built-in head, albedo fitted to other heads, CAD models read, ...

Each file is an `.npz` that holds its own SHA-256, so that one which was damaged or altered counts as not there.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.files import replaced

KINDS = {
    "built-in face models": "built-in-face-*.npz",
    "fitted albedo": "albedo-*.npz",
    "levels of detail": "lod-*.npz",
    "CAD models": "models/*.npz",
}
SHA256_SIZE = hashlib.sha256().digest_size  # bytes


def cache_folder() -> Path:
    """Return `${XDG_CACHE_HOME:-~/.cache}/dcign`, made or not. Everything in it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcign"


def keep_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], packed: bool = False) -> None:
    """Store named arrays for `read_arrays`, whole or not at all: another process may be doing the same.

    Where the cache cannot be written, nothing is stored.

    packed  deflated, at the level that costs least
    """
    file, method = io.BytesIO(), zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.comment = bytes(SHA256_SIZE)  # the end of the file, where its SHA-256 goes
    content = file.getbuffer()
    content[-SHA256_SIZE:] = _sha256(path, content)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path, flush=False) as temporary:
            temporary.write_bytes(content)


def read_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """Read what `keep_arrays` stored under this very name; None unless every byte of the file is as it was written."""
    try:
        content = path.read_bytes()
        if content[-SHA256_SIZE:] != _sha256(path, content):
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return dict(file)
    except OSError:
        return None


def _sha256(path: Path, content: bytes | memoryview) -> bytes:
    """SHA-256 of a file's name and of its content but for the end, where this hash stands."""
    digest = hashlib.sha256(path.name.encode() + b"\0")
    digest.update(memoryview(content)[:-SHA256_SIZE])
    return digest.digest()


def arrays_sha256(*arrays: NDArray[Any]) -> str:
    """SHA-256 over arrays and their shapes, to name cached files after what they were made from."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


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
