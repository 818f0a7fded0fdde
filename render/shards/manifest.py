"""`manifest.json`: the settings of a shard folder's data set, and a list of its shards.

Machines that share nothing but a folder cannot rely on its locks, so no two of them write the same file: of a job in
parts (`--part I/N`), part I renders every N-th shard and lists its own in `manifest.part-I-of-N.json`. Readers take all
manifests of a folder together.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from assets.files import write_file
from render.errors import BadInput, ShardError
from render.factors import FACTORS, SPLITS
from render.shards.documents import (
    Flag,
    Line,
    ListOf,
    Maybe,
    Number,
    Record,
    Shape,
    Table,
    Text,
    Unexpected,
    Whole,
    check_shape,
    read_json,
)
from render.shards.labels import LABELS, OBJECT, RANGES, check_labels
from render.shards.shard_file import shard_name

FORMAT, VERSION = "dcign-shards", 1
NAME = "manifest.json"
LARGEST_SIZE, LARGEST_BATCH = 65536, 65536  # pixels, and images of a mini-batch, that a file may speak of
# What every manifest says of how the pixels of a mini-batch came about; some say more (`Job.settings`).
SETTINGS: dict[str, Shape] = {
    "object": OBJECT,
    "assets": Record(
        optional={
            "name": Line(),
            "models": Table(Text()),
            "parts": Table(Whole(0)),
            "sampling": Record(optional={"sigma": Maybe(Number()), "expressions": Flag(), "walk": Flag()}),
        }
    ),
    "size": Whole(1, LARGEST_SIZE),
    "batch_size": Whole(1, LARGEST_BATCH),
    "ranges": RANGES,
    "seed": Whole(0),
    "camera": Table(),
    "shading": Table(),
    "renderer": Line(),
    "gl": Line(),
}
# Settings that early manifests do not have, and `labels`, which only those of images taken elsewhere have.
LATER = {"views": Table(ListOf(Number())), "detail": Table(), "labels": LABELS}
ENTRY = Record(
    {
        "sha256": Line(),
        "bytes": Whole(0),
        "factor": Line(),
        "split": Text(SPLITS),
        "index": Whole(0),
        "first": Whole(0),
        "count": Whole(1),
    },
    closed=True,
)
DOCUMENT = Record({"settings": Record(SETTINGS, LATER), "shards": Table(ENTRY)})

T = TypeVar("T")
_MANIFEST = re.compile(r"manifest\.part-\d+-of-\d+\.json")
_LOCK = re.compile(r"\.part-\d+-of-\d+\.lock")


@dataclass(frozen=True)
class Entry:
    """One shard: mini-batches `first` .. `first + count - 1` of one factor and split."""

    sha256: str
    bytes: int
    factor: str
    split: str
    index: int
    first: int
    count: int


@dataclass
class Manifest:
    """The settings of a data set, and its finished shards by file name."""

    settings: dict[str, Any]
    shards: dict[str, Entry] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """sha256 over the settings: equal for shards that belong to one data set."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    def write(self, folder: Path, name: str = NAME) -> None:
        """Write `manifest.json`, or that of a part, into `folder`, atomically."""
        shards = {name: asdict(self.shards[name]) for name in sorted(self.shards)}
        document = {"format": FORMAT, "version": VERSION, "settings": self.settings, "shards": shards}
        write_file(folder / name, (json.dumps(document, indent=1) + "\n").encode())


def read_manifest(folder: Path) -> Manifest:
    """Read all that a shard folder holds, from its manifest and those of its parts.

    Raises ShardError naming the folder or file, expected and found; and both files if two hold different data sets.
    """
    if not folder.is_dir():
        if ":/" in str(folder):
            raise ShardError(f"{folder}: expected a folder on this machine, found an address; copy it here first")
        raise ShardError(f"{folder}: expected a folder of shards, found {'a file' if folder.exists() else 'nothing'}")
    paths = [path for path in (folder / NAME, *part_manifests(folder)) if path.is_file()]
    if not paths:
        raise ShardError(f"{folder}: expected a shard folder with {NAME}, found none; make one with `dcign render`")
    manifest = read_manifest_file(paths[0])
    for path in paths[1:]:
        other = read_manifest_file(path)
        if other.fingerprint != manifest.fingerprint:
            difference = first_difference(manifest.settings, other.settings)
            raise ShardError(f"{path}: expected the same data set as in {paths[0]}, found another: {difference}")
        for name, entry in other.shards.items():
            known = manifest.shards.get(name)
            if known is None or known.count <= entry.count:  # a longer job replaces the shards of a shorter one
                manifest.shards[name] = entry
    return manifest


def read_manifest_file(path: Path) -> Manifest:
    """Read one manifest file. ShardError names the file, the place in it, what was expected and what was found."""
    document = read_json(path, Record(), ShardError)
    if document.get("format") != FORMAT:
        raise ShardError(f"{path}: expected the manifest of a dcign shard folder, found another file")
    if document.get("version") != VERSION:
        raise ShardError(f"{path}: expected format version {VERSION}, found {document.get('version')!r:.60}")
    check_shape(path, document, DOCUMENT, ShardError)
    try:
        check_labels(document["settings"], "settings")
    except Unexpected as error:
        raise ShardError(f"{path}: {error}") from None
    shards = {name: Entry(**entry) for name, entry in document["shards"].items()}
    factors = [*document["settings"]["ranges"], *(name for name, factor in FACTORS.items() if factor.parts)]
    for name, entry in shards.items():
        if entry.factor not in factors:
            place = f"{path}: shards: {name[:60]!r}.factor"
            raise ShardError(f"{place}: expected one of {', '.join(factors)}, found {entry.factor[:60]!r}")
        wanted = shard_name(entry.factor, entry.split, entry.index)
        if name != wanted:
            raise ShardError(f"{path}: shards: expected {wanted} by what is said of it, found {name!r:.60}")
    return Manifest(document["settings"], shards)


def first_difference(stored: Any, wanted: Any, where: str = "") -> str:
    """Describe the first place where two settings differ; '' if none. An unknown GL renderer ("") equals any."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for key in [*stored, *(key for key in wanted if key not in stored)]:
            path = f"{where}.{key}" if where else str(key)
            found = first_difference(stored.get(key), wanted.get(key), path)
            if found:
                return found
        return ""
    if stored == wanted or (where == "gl" and not wanted):
        return ""
    if stored in (None, {}) and wanted in (None, {}):  # a setting that is younger than the manifest
        return ""
    return f"its {where} is {stored!r}, asked for is {wanted!r}"


@dataclass(frozen=True)
class JobPart:
    """Part `number` of `count` of a job, counted from 1."""

    number: int
    count: int

    @property
    def manifest(self) -> str:
        return f"manifest.part-{self.number}-of-{self.count}.json"

    @property
    def lock(self) -> str:
        return f".part-{self.number}-of-{self.count}.lock"

    def of(self, tasks: Sequence[T]) -> list[T]:
        """Take every `count`-th of `tasks`: all parts together have each of them once."""
        return list(tasks[self.number - 1 :: self.count])


def parse_part(text: str) -> JobPart:
    """Parse "I/N"."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    part = JobPart(int(match[1]), int(match[2])) if match else None
    if part is None or not 1 <= part.number <= part.count:
        raise BadInput(f"`part`: expected I/N with I from 1 to N, such as 3/8, found {text!r}")
    return part


def is_part_manifest(name: str) -> bool:
    """Tell whether a file of this name is the manifest of a part."""
    return bool(_MANIFEST.fullmatch(name))


def is_part_file(name: str) -> bool:
    """Tell whether a file of this name is the manifest or the lock of a part."""
    return is_part_manifest(name) or bool(_LOCK.fullmatch(name))


def part_manifests(folder: Path) -> list[Path]:
    """List the manifests of parts in `folder`, in the order of their names."""
    return sorted(path for path in folder.iterdir() if is_part_manifest(path.name))
