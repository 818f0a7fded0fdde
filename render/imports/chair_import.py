"""The import of rendered chairs: its settings, its mini-batches, and the one pass over the source that writes them.

A chair gives one mini-batch of `azimuth` for each elevation it was rendered at. Every group of chairs of one split
gives one mini-batch of `intrinsic` for each view; the group is all that is kept in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.factors import generator
from render.imports.read_ahead import read_ahead
from render.imports.rendered_chairs import ChairSource, ChairViews, EncodedChair, decode_chair
from render.imports.shard_writer import ShardWriter
from render.jobs.job import Task, left_to_do
from render.shards.manifest import NAME, Manifest, read_manifest
from render.shards.store import Store

FEWEST_VIEWS = 2  # of a chair: fewer cannot turn

RANGES = {"azimuth": [0.0, 360.0], "elevation": [20.0, 30.0], "light": [0.0, 0.0]}
GROUP = 2  # times as many chairs in a group as images in a mini-batch


@dataclass(frozen=True)
class ChairImport:
    """Everything that decides the shards.

    train_chairs  how many chairs are for training: the first of the source
    crop          whether to cut white away around each chair
    size          of the images in pixels
    """

    source: ChairSource
    train_chairs: int
    crop: bool
    size: int
    batch_size: int
    seed: int

    def settings(self, models: dict[str, str]) -> dict[str, Any]:
        """Return the settings of the manifest; `models`, chair -> sha256, is empty until the source was read whole."""
        return {
            "object": "chair",
            "assets": {
                "name": "rendered-chairs",
                "source": self.source.fingerprint,
                "train_chairs": self.train_chairs,
                "models": models,
            },
            "size": self.size,
            "batch_size": self.batch_size,
            "ranges": RANGES,
            "seed": self.seed,
            "camera": {"crop": self.crop},
            "shading": {"background": 1.0},
            "renderer": "imported",
            "gl": "",
        }


@dataclass
class Tally:
    """Counts of an import: chairs of each split, chairs with too few views, images used, images that could not be."""

    chairs: dict[str, int] = field(default_factory=lambda: {"train": 0, "test": 0})
    skipped: int = 0
    images: int = 0
    faults: int = 0


def open_import(folder: Path, job: ChairImport) -> tuple[Manifest, bool]:
    """Open the manifest of `folder`, new for an empty one, and tell whether the import is finished, every shard whole.

    Raises ShardError if the folder holds another data set or other files.
    """
    assets = read_manifest(folder).settings["assets"] if (folder / NAME).exists() else {}
    models = assets.get("models", {})
    store = Store(folder)
    manifest = store.manifest(job.settings(models))
    store.clear()
    entries = manifest.shards.values()
    tasks = [Task(entry.factor, entry.split, entry.index, entry.first, entry.count) for entry in entries]
    return manifest, bool(models and tasks and not left_to_do(store, manifest, tasks))


def import_chairs(
    folder: Path,
    manifest: Manifest,
    job: ChairImport,
    tick: Callable[[int, int], None],
    complain: Callable[[str], None],
) -> Tally:
    """Read every chair of the source once, and write its mini-batches into the locked `folder`.

    Calls `tick(done, images)` after each chair and `complain` with a line for each image or chair that was left out.
    The same bytes result whatever the number of threads. An import that was stopped starts over and writes the same
    shards again.
    """
    tally = Tally()
    models: dict[str, str] = {}
    writer = ShardWriter(folder, manifest)
    minibatches = ChairMiniBatches(writer, job.seed, job.batch_size)
    for chair, done in _decoded(job):
        for fault in chair.faults:
            complain(fault)
        tally.faults += len(chair.faults)
        if len(chair.images) < FEWEST_VIEWS:
            complain(f"{chair.id}: expected at least {FEWEST_VIEWS} views of a chair, found {len(chair.images)}")
            tally.skipped += 1
        else:
            split = "train" if len(models) < job.train_chairs else "test"
            minibatches.add(chair, len(models), split)
            models[chair.id] = chair.sha256
            tally.chairs[split] += 1
            tally.images += len(chair.images)
        tick(done, len(chair.images))
    if not models:
        raise BadInput(f"{job.source.path}: expected chairs of at least {FEWEST_VIEWS} images each, found none")
    minibatches.finish()
    writer.finish()
    manifest.settings = job.settings(models)
    manifest.write(folder)
    return tally


def _decoded(job: ChairImport) -> Iterator[tuple[ChairViews, int]]:
    """Yield every chair decoded, and its `done`, in the order of the source."""

    def decode(chair: EncodedChair) -> tuple[ChairViews, int]:
        return decode_chair(chair, job.size, job.crop), chair.done

    return read_ahead(decode, job.source.chairs())


class ChairMiniBatches:
    """Makes the mini-batches of chairs that come one by one, all of `train` before those of `test`."""

    def __init__(self, writer: ShardWriter, seed: int, batch_size: int) -> None:
        self.writer, self.seed, self.batch_size = writer, seed, batch_size
        self._group: deque[tuple[int, ChairViews]] = deque(maxlen=GROUP * batch_size)
        self._split, self._fresh = "train", 0  # chairs since the last mini-batches of one view

    def add(self, chair: ChairViews, identity: int, split: str) -> None:
        """Add a chair of `split`; `identity` is its number in the data set."""
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
        """Add the last mini-batches of one view: of chairs since the last group, filled up with those before."""
        if self._fresh:
            self._compare()
        self._group.clear()

    def _turn(self, chair: ChairViews, identity: int, rows: NDArray[np.int64]) -> None:
        """Add one mini-batch of azimuth, from the views `rows` of a chair; a single view gives none."""
        places = self._draw("azimuth", len(rows))
        if places is not None:
            chosen = [(identity, chair, int(rows[i])) for i in places]
            self._add("azimuth", chosen)

    def _compare(self) -> None:
        """Add one mini-batch of intrinsic for each view that at least two chairs of the group have."""
        holders: dict[tuple[float, float], list[tuple[int, ChairViews, int]]] = {}
        for identity, chair in self._group:
            for row, view in enumerate(zip(chair.elevation.tolist(), chair.azimuth.tolist(), strict=True)):
                holders.setdefault(view, []).append((identity, chair, row))
        for view in sorted(holders):
            places = self._draw("intrinsic", len(holders[view]))
            if places is not None:
                self._add("intrinsic", [holders[view][i] for i in places])
        self._fresh = 0

    def _draw(self, factor: str, count: int) -> NDArray[np.int64] | None:
        """Draw `batch_size` places out of `count`, each at most once while there are enough; None for fewer than 2."""
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
