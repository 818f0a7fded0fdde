"""One import of rendered chairs: what decides its shards, whether it is finished, and the pass over the source."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from render.chair_minibatches import RANGES, ChairMiniBatches, ShardWriter
from render.chair_views import ChairViews, decode_chair
from render.errors import BadInput
from render.job import Task, open_manifest, unfinished
from render.manifest import NAME, Manifest, read_manifest
from render.rendered_chairs import ChairSource

FEWEST_VIEWS = 2  # of a chair: fewer cannot turn


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
        """The settings of the manifest; `models`, chair -> sha256, is empty until the source was read to its end."""
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
    """What an import found: chairs of each split, chairs with too few views, images used, images that could not be."""

    chairs: dict[str, int] = field(default_factory=lambda: {"train": 0, "test": 0})
    skipped: int = 0
    images: int = 0
    faults: int = 0


def open_import(folder: Path, job: ChairImport) -> tuple[Manifest, bool]:
    """The manifest of `folder`, new for an empty one, and whether the import is finished, every shard as it should be.

    Raises ShardError if the folder holds another data set or other files.
    """
    held = read_manifest(folder).settings["assets"] if (folder / NAME).exists() else {}
    models = held.get("models") if isinstance(held, dict) else None
    manifest = open_manifest(folder, job.settings(models or {}))
    entries = manifest.shards.values()
    tasks = [Task(entry.factor, entry.split, entry.index, entry.first, entry.count) for entry in entries]
    return manifest, bool(models and tasks and not unfinished(folder, manifest, tasks))


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
    """Every chair decoded, and its `done`, in the order of the source; a few chairs are decoded ahead, in threads."""
    threads = len(os.sched_getaffinity(0))
    waiting: deque[tuple[Future[ChairViews], int]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for chair in job.source.chairs():
            waiting.append((pool.submit(decode_chair, chair, job.size, job.crop), chair.done))
            if len(waiting) > threads:
                future, done = waiting.popleft()
                yield future.result(), done
        for future, done in waiting:
            yield future.result(), done
