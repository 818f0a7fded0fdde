"""Shards of images from elsewhere, written one by one into a locked folder; the manifest grows with each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.jobs.job import MINIBATCHES_PER_SHARD, Task
from render.shards.manifest import Entry, Manifest
from render.shards.shard_file import Arrays, write_shard

Key = tuple[str, str]  # factor, split


def add_shard(folder: Path, manifest: Manifest, task: Task, members: Arrays) -> None:
    """Write the shard of `task`, and the manifest that lists it now. `members` are those of a whole shard."""
    written = write_shard(folder / task.name, members)
    manifest.shards[task.name] = Entry(*written, task.factor, task.split, task.index, task.first, task.count)
    manifest.write(folder)


class ShardWriter:
    """Collects mini-batches that come one by one, and writes a shard whenever one is full."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.counts: dict[Key, int] = {}
        self._open: dict[Key, list[dict[str, NDArray[Any]]]] = {}

    def next_index(self, factor: str, split: str) -> int:
        """Return the index that the next mini-batch will have."""
        return self.counts.get((factor, split), 0)

    def add(self, factor: str, split: str, arrays: dict[str, NDArray[Any]]) -> None:
        """Add one mini-batch: the members of a shard without their first axis."""
        waiting = self._open.setdefault((factor, split), [])
        waiting.append(arrays)
        self.counts[factor, split] = self.next_index(factor, split) + 1
        if len(waiting) == MINIBATCHES_PER_SHARD:
            self._write(factor, split)

    def finish(self) -> None:
        """Write what is left as last, shorter shards."""
        for factor, split in list(self._open):
            self._write(factor, split)

    def _write(self, factor: str, split: str) -> None:
        waiting = self._open.pop((factor, split))
        first = self.counts[factor, split] - len(waiting)
        task = Task(factor, split, first // MINIBATCHES_PER_SHARD, first, len(waiting))
        members = {member: np.stack([arrays[member] for arrays in waiting]) for member in waiting[0]}
        add_shard(self.folder, self.manifest, task, members)
