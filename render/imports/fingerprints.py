"""Fingerprints of collections: hashes that tell them apart without all of their bytes being read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

FILE_ENDS = 2**20  # bytes at either end of a file


def of_ends(paths: Iterable[Path], *words: str) -> str:
    """Hash the sizes and the ends of large files, and words that say how they are read: hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        digest.update(str(size).encode())
        with open(path, "rb") as file:
            digest.update(file.read(FILE_ENDS))
            file.seek(max(0, size - FILE_ENDS))
            digest.update(file.read(FILE_ENDS))
    for word in words:
        digest.update(f"\n{word}".encode())
    return digest.hexdigest()


def of_names(files: Iterable[tuple[str, int]]) -> str:
    """Hash the names and sizes of many files, in the order given: hexadecimal."""
    digest = hashlib.sha256()
    for name, size in files:
        digest.update(f"{name} {size}\n".encode())
    return digest.hexdigest()
