"""A folder of shards as mini-batches read from disk, checked against its manifest (`open_data_set`).

Identities have keys, which are equal in two data sets for the same person or model.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import ShardError
from render.factors import FACTORS, SPLITS
from render.shards.labels import Label, labels_of
from render.shards.manifest import Entry, Manifest, read_manifest
from render.shards.shard_file import ShardFile, Stamp

_OPEN_SHARDS = 128  # each holds one file descriptor; the usual limit is 1,024


@dataclass(frozen=True, eq=False)
class MiniBatch:
    """N images in which exactly one factor varies.

    values    factor that images are labelled with -> (N,) float32, in its unit
    identity  (N,) int64
    """

    split: str
    factor: str
    index: int
    values: dict[str, NDArray[np.float32]]
    identity: NDArray[np.int64]
    _file: ShardFile
    _row: int

    @property
    def shard(self) -> Path:
        """The file that it is from."""
        return self._file.path

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """The images, (N, H, W) uint8, read when they are first asked for; ShardError if the shard has changed."""
        return self._file.row("images", self._row)


class DataSet:
    """The mini-batches of one split of a shard folder. It serves one thread (`for_another_thread`)."""

    def __init__(self, folder: Path, split: str, manifest: Manifest) -> None:
        self.folder, self.split, self.manifest = folder, split, manifest
        self._entries: dict[str, list[tuple[str, Entry]]] = {}
        for name, entry in sorted(manifest.shards.items(), key=lambda item: item[1].first):
            if entry.split == split:
                self._entries.setdefault(entry.factor, []).append((name, entry))
        # factor -> how many mini-batches there are up to and with each shard
        self._ends = {
            factor: list(accumulate(entry.count for _, entry in entries)) for factor, entries in self._entries.items()
        }
        self._open: OrderedDict[str, ShardFile] = OrderedDict()
        self._stamps: dict[str, Stamp] = {}  # of all shards that were ever open

    @property
    def object(self) -> str:
        return str(self.manifest.settings["object"])

    @property
    def size(self) -> int:
        """Image height and width in pixels."""
        return int(self.manifest.settings["size"])

    @property
    def batch_size(self) -> int:
        """N, the images of a mini-batch."""
        return int(self.manifest.settings["batch_size"])

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each of `labels`, in its unit: degrees for what the renderer drew."""
        return {name: (label.low, label.high) for name, label in self.labels.items()}

    @property
    def fingerprint(self) -> str:
        """Hexadecimal hash of the settings of the data set, equal for all its splits and factors."""
        return self.manifest.fingerprint

    @property
    def imported(self) -> bool:
        """True for images that others took: not the renderer but `labels` in the settings say what they show."""
        return "labels" in self.manifest.settings

    @cached_property
    def labels(self) -> dict[str, Label]:
        """The labels of the images, by name: unit, range, categories."""
        return labels_of(self.manifest.settings)

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """The factors present: those of `labels` in their order, then those of the object itself."""
        own = (name for name, factor in FACTORS.items() if factor.parts)
        return tuple(name for name in (*self.labels, *own) if name in self._entries)

    def count(self, factor: str) -> int:
        """Count the mini-batches of `factor`."""
        return self._ends[factor][-1] if factor in self._ends else 0

    def minibatch(self, factor: str, index: int) -> MiniBatch:
        """Return mini-batch `index` of `factor`, 0 <= index < count(factor)."""
        file, row = self._find(factor, index)
        values = {name: file.labels[name][row] for name in self.ranges}
        return MiniBatch(self.split, factor, index, values, file.labels["identity"][row], file, row)

    def images(self, factor: str, index: int, into: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Read the images of a mini-batch alone, (N, H, W) uint8, into an array if there is one."""
        file, row = self._find(factor, index)
        return file.row("images", row, into)

    def minibatches(self) -> Iterator[MiniBatch]:
        """Yield all of them, factor by factor."""
        for factor in self.factors:
            for index in range(self.count(factor)):
                yield self.minibatch(factor, index)

    def check(self) -> None:
        """Open every shard once, so that a bad one is named before work starts."""
        for entries in self._entries.values():
            for name, entry in entries:
                self._shard(name, entry)

    def for_another_thread(self) -> DataSet:
        """Return the same data set for another thread; it knows what the shards were when this one opened them."""
        other = DataSet(self.folder, self.split, self.manifest)
        other._stamps.update(self._stamps)
        return other

    def _find(self, factor: str, index: int) -> tuple[ShardFile, int]:
        """Return the shard that holds a mini-batch, and its row there."""
        ends = self._ends.get(factor, [0])
        if not 0 <= index < ends[-1]:
            raise IndexError(f"{self.folder}: no mini-batch {index} of {factor}")
        number = bisect_right(ends, index)
        name, entry = self._entries[factor][number]
        return self._shard(name, entry), index - ends[number] + entry.count

    def _shard(self, name: str, entry: Entry) -> ShardFile:
        file = self._open.get(name)
        if file is not None:
            self._open.move_to_end(name)
            return file
        file = open_entry(self.folder, name, entry, self.manifest.settings)
        file.check_unchanged(self._stamps.get(name, file.stamp))
        self._stamps[name] = file.stamp
        self._open[name] = file
        if len(self._open) > _OPEN_SHARDS:
            self._open.popitem(last=False)
        return file


def open_entry(folder: Path, name: str, entry: Entry, settings: dict[str, Any]) -> ShardFile:
    """Open one shard after checking it against its manifest entry: file size, then the shape of its members."""
    path = folder / name
    if not path.is_file():
        raise ShardError(f"{path}: expected a shard of {entry.bytes} bytes as in the manifest, found no file")
    found = path.stat().st_size
    if found != entry.bytes:
        raise ShardError(f"{path}: expected {entry.bytes} bytes as in the manifest, found {found}; render again")
    file = ShardFile(path, settings["ranges"], entry.sha256)
    wanted = (entry.count, settings["batch_size"], settings["size"], settings["size"])
    if file.shapes["images"] != wanted:
        raise ShardError(f"{path}: expected images {wanted} as in the manifest, found {file.shapes['images']}")
    return file


def open_data_set(folder: Path, split: str = "train") -> DataSet:
    """Open the mini-batches of `split` in a shard folder, every shard checked by size, type and shape.

    Raises ShardError naming the folder or the shard; a folder without that split names what it holds.
    """
    manifest = read_manifest(folder)
    data = DataSet(folder, split, manifest)
    if not data.factors:
        splits = sorted({entry.split for entry in manifest.shards.values()})
        found = f"only {', '.join(splits)}" if splits else "no finished shard"
        advice = "import them with identities for both" if data.imported else "make them with `dcign render --split {}`"
        raise ShardError(f"{folder}: expected {split} shards, found {found}; {advice.format(split)}")
    data.check()
    return data


def open_splits(folder: Path) -> list[DataSet]:
    """Open the mini-batches of every split that a shard folder has. ShardError if it has none, or a shard is bad."""
    manifest = read_manifest(folder)
    splits = [split for split in SPLITS if any(entry.split == split for entry in manifest.shards.values())]
    if not splits:
        raise ShardError(f"{folder}: expected finished shards, found none; run `dcign render` again")
    return [open_data_set(folder, split) for split in splits]


def identity_keys(data: DataSet) -> dict[int, int]:
    """Return identity -> key of all that `data` shows; keys are equal in two data sets for the same person or model.

    A chair is known by the content of its file, wherever that lies; a face by its number and the face model; whoever
    is on images taken elsewhere by the number and the hash of their table.
    """
    found = {int(identity) for minibatch in data.minibatches() for identity in np.unique(minibatch.identity)}
    models = data.manifest.settings["assets"].get("models", {})
    if data.object != "chair" or data.imported:
        person = _hash(*(sha256 for _, sha256 in sorted(models.items())))
        return {identity: (identity * 0x9E3779B97F4A7C15 + person) % 2**64 for identity in sorted(found)}
    chairs: list[Any] = list(models.values())
    unlisted = data.manifest.settings["assets"].get("name")
    return {
        identity: _hash(chairs[identity]) if 0 <= identity < len(chairs) else _hash(unlisted, identity)
        for identity in sorted(found)
    }


def key_array(keys: dict[int, int]) -> NDArray[np.uint64]:
    """Return the keys, sorted and each once, (n,)."""
    return np.unique(np.array(list(keys.values()), np.uint64))


def _hash(*texts: object) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, texts)).encode()).digest()[:8], "little")
