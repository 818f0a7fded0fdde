"""Mini-batches from rendered chairs, one pass over them: of one chair (azimuth), and of one view (intrinsic).

A chair gives one mini-batch of `azimuth` for each elevation it was rendered at. Every group of chairs of one split
gives one mini-batch of `intrinsic` for each view; the group is all that is kept in memory.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.chair_views import ChairViews
from render.factors import generator
from render.job import MINIBATCHES_PER_SHARD
from render.manifest import Entry, Manifest
from render.shard_file import shard_name, write_shard

RANGES = {"azimuth": [0.0, 360.0], "elevation": [20.0, 30.0], "light": [0.0, 0.0]}
GROUP = 2  # times as many chairs in a group as images in a mini-batch

Key = tuple[str, str]  # factor, split


class ShardWriter:
    """Collects mini-batches and writes a shard whenever one is full; the manifest grows with each."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.counts: dict[Key, int] = {}
        self._open: dict[Key, list[dict[str, NDArray[Any]]]] = {}

    def next_index(self, factor: str, split: str) -> int:
        """The index that the next mini-batch will have."""
        return self.counts.get((factor, split), 0)

    def add(self, factor: str, split: str, arrays: dict[str, NDArray[Any]]) -> None:
        """One mini-batch: the members of a shard without their first axis."""
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
        index = first // MINIBATCHES_PER_SHARD
        name = shard_name(factor, split, index)
        members = {member: np.stack([arrays[member] for arrays in waiting]) for member in waiting[0]}
        written = write_shard(self.folder / name, members)
        self.manifest.shards[name] = Entry(*written, factor, split, index, first, len(waiting))
        self.manifest.write(self.folder)


class ChairMiniBatches:
    """Draws the mini-batches of chairs that come one by one, all of `train` before those of `test`."""

    def __init__(self, writer: ShardWriter, seed: int, batch_size: int) -> None:
        self.writer, self.seed, self.batch_size = writer, seed, batch_size
        self._group: deque[tuple[int, ChairViews]] = deque(maxlen=GROUP * batch_size)
        self._split, self._fresh = "train", 0  # chairs since the last mini-batches of one view

    def add(self, chair: ChairViews, identity: int, split: str) -> None:
        """A chair of `split`; `identity` is its number in the data set."""
        if split != self._split:
            self.finish()
            self._split = split
        for elevation in np.unique(chair.elevation):
            self._turn(chair, identity, np.flatnonzero(chair.elevation == elevation))
        self._group.append((identity, chair))
        self._fresh += 1
        if self._fresh == self._group.maxlen:
            self._compare()

    def finish(self) -> None:
        """The last mini-batches of one view: of the chairs since the last group, filled up with those before."""
        if self._fresh:
            self._compare()
        self._group.clear()

    def _turn(self, chair: ChairViews, identity: int, rows: NDArray[np.int64]) -> None:
        """One mini-batch of azimuth, from the views `rows` of a chair; a single view gives none."""
        drawn = self._draw("azimuth", len(rows))
        if drawn is not None:
            chosen = [(identity, chair, int(rows[i])) for i in drawn]
            self._add("azimuth", chosen)

    def _compare(self) -> None:
        """One mini-batch of intrinsic for each view that at least two chairs of the group have."""
        holders: dict[tuple[float, float], list[tuple[int, ChairViews, int]]] = {}
        for identity, chair in self._group:
            for row, view in enumerate(zip(chair.elevation.tolist(), chair.azimuth.tolist(), strict=True)):
                holders.setdefault(view, []).append((identity, chair, row))
        for view in sorted(holders):
            drawn = self._draw("intrinsic", len(holders[view]))
            if drawn is not None:
                self._add("intrinsic", [holders[view][i] for i in drawn])
        self._fresh = 0

    def _draw(self, factor: str, count: int) -> NDArray[np.int64] | None:
        """`batch_size` places out of `count`, each at most once while there are enough; None for fewer than 2."""
        if count < 2:
            return None
        index = self.writer.next_index(factor, self._split)
        rng = generator(self.seed, self._split, factor, index, "views")
        return rng.choice(count, self.batch_size, replace=count < self.batch_size)

    def _add(self, factor: str, chosen: list[tuple[int, ChairViews, int]]) -> None:
        arrays = {
            "images": np.stack([chair.images[row] for _, chair, row in chosen]),
            "azimuth": np.array([chair.azimuth[row] for _, chair, row in chosen], np.float32),
            "elevation": np.array([chair.elevation[row] for _, chair, row in chosen], np.float32),
            "light": np.zeros(len(chosen), np.float32),
            "identity": np.array([identity for identity, _, _ in chosen], np.int64),
        }
        self.writer.add(factor, self._split, arrays)
