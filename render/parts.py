"""Parts of one job, `--part I/N`: which shards belong to one, and the files it keeps in the folder that all write to.

Machines that share nothing but a folder cannot rely on its locks, so no two of them write the same file: part I renders
every N-th shard and lists its own in `manifest.part-I-of-N.json`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from render.errors import BadInput

T = TypeVar("T")
_MANIFEST = re.compile(r"manifest\.part-\d+-of-\d+\.json")
_LOCK = re.compile(r"\.part-\d+-of-\d+\.lock")


@dataclass(frozen=True)
class Part:
    """Part `number` of `count`, counted from 1."""

    number: int
    count: int

    @property
    def manifest(self) -> str:
        return f"manifest.part-{self.number}-of-{self.count}.json"

    @property
    def lock(self) -> str:
        return f".part-{self.number}-of-{self.count}.lock"

    def of(self, tasks: Sequence[T]) -> list[T]:
        """Every `count`-th of `tasks`: all parts together have each of them once."""
        return list(tasks[self.number - 1 :: self.count])


def parse_part(text: str) -> Part:
    """Parse "I/N"."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    part = Part(int(match[1]), int(match[2])) if match else None
    if part is None or not 1 <= part.number <= part.count:
        raise BadInput(f"--part: expected I/N with I from 1 to N, such as 3/8, found {text!r}")
    return part


def is_part_manifest(name: str) -> bool:
    return bool(_MANIFEST.fullmatch(name))


def is_part_file(name: str) -> bool:
    """Whether a file of this name is the manifest or the lock of a part."""
    return is_part_manifest(name) or bool(_LOCK.fullmatch(name))


def part_manifests(folder: Path) -> list[Path]:
    """The manifests of parts in `folder`, in the order of their names."""
    return sorted(path for path in folder.iterdir() if is_part_manifest(path.name))
