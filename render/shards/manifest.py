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
from render.factors import EXTRINSIC, FACTORS, SPLITS
from render.shards.shard_file import shard_name

FORMAT, VERSION = "dcign-shards", 1
NAME = "manifest.json"
# What every manifest says of how the pixels of a mini-batch came about; some say more (`Job.settings`).
SETTINGS = ("object", "assets", "size", "batch_size", "ranges", "seed", "camera", "shading", "renderer", "gl")

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
    """Read one manifest file."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: expected JSON, found {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ShardError(f"{path}: expected the manifest of a dcign shard folder, found another file")
    if document.get("version") != VERSION:
        raise ShardError(f"{path}: expected format version {VERSION}, found {document.get('version')!r}")
    try:
        settings, shards = dict(document["settings"]), dict(document["shards"])
        manifest = Manifest(settings, {name: Entry(**entry) for name, entry in shards.items()})
    except (KeyError, TypeError, ValueError) as error:
        raise ShardError(f"{path}: expected 'settings' and 'shards' of version {VERSION}, found {error}") from None
    _check(manifest, path)
    return manifest


def _check(manifest: Manifest, path: Path) -> None:
    settings = manifest.settings
    missing = [key for key in SETTINGS if key not in settings]
    if missing:
        raise ShardError(f"{path}: expected settings {', '.join(SETTINGS)}, found no {', '.join(missing)}")
    for key in ("size", "batch_size", "seed"):
        if not isinstance(settings[key], int):
            raise ShardError(f"{path}: expected an integer {key}, found {settings[key]!r}")
    if not isinstance(settings["ranges"], dict) or not set(settings["ranges"]) <= set(EXTRINSIC):
        raise ShardError(f"{path}: expected ranges of {', '.join(EXTRINSIC)}, found {settings['ranges']!r}")
    if settings["object"] not in ("face", "chair"):
        raise ShardError(f"{path}: expected object face or chair, found {settings['object']!r}")
    for name, entry in manifest.shards.items():
        numbers = (entry.bytes, entry.index, entry.first, entry.count)
        if (
            entry.factor not in FACTORS
            or entry.split not in SPLITS
            or not all(isinstance(n, int) and n >= 0 for n in numbers)
            or entry.count == 0
            or name != shard_name(entry.factor, entry.split, entry.index)
        ):
            raise ShardError(f"{path}: expected a shard entry of a known factor, split and range, found {name!r}")


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
