"""One render job: which shards are wanted, which are done already, and the work of drawing one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assets.catalog import Catalog
from render.errors import Failure, ShardError
from render.factors import EXTRINSIC
from render.manifest import NAME, Entry, Manifest, read_manifest
from render.minibatch import Sampling, draw_minibatch, scenes
from render.scene import Camera, Shading, frame_camera
from render.shard_file import hash_file, shard_name, write_shard
from render.workers import Pool

MINIBATCHES_PER_SHARD = 50  # 20 images of 150 x 150 each: 22.5 MB


@dataclass(frozen=True)
class Task:
    """One shard to render: mini-batches `first` .. `first + count - 1`."""

    factor: str
    split: str
    index: int
    first: int
    count: int

    @property
    def name(self) -> str:
        return shard_name(self.factor, self.split, self.index)


@dataclass(frozen=True)
class Job:
    """Everything that decides the pixels of a data set. Sent to workers as it is.

    size  of the images in pixels
    """

    catalog: Catalog
    sampling: Sampling
    seed: int
    size: int = 150
    batch_size: int = 20

    @property
    def camera(self) -> Camera:
        return frame_camera(self.catalog.target, self.catalog.radius, self.size)

    @property
    def shading(self) -> Shading:
        return shading_for(self.catalog)

    def settings(self, gl: str) -> dict[str, Any]:
        """The settings of the manifest; see `render.manifest.SETTINGS`."""
        return {
            "object": self.catalog.object,
            "assets": {
                "name": self.catalog.name,
                "models": self.catalog.models,
                "parts": self.catalog.parts,
                "sampling": self.catalog.sampling,
            },
            "size": self.size,
            "batch_size": self.batch_size,
            "ranges": {name: list(self.sampling.limits(name)) for name in EXTRINSIC},
            "views": {name: list(values) for name, values in self.sampling.views.items()},
            "seed": self.seed,
            "camera": {**asdict(self.camera), "target": list(self.camera.target)},
            "shading": asdict(self.shading),
            "renderer": "reference",
            "gl": gl,
        }

    # What a worker does (see render.workers.Pool).

    def start(self) -> str:
        """Open the renderer of this process; returns the GL renderer string."""
        from render.reference import ReferenceRenderer

        global _renderer
        _renderer = ReferenceRenderer(self.size)
        return f"{_renderer.gl['renderer']}, OpenGL {_renderer.gl['version']}"

    def run(self, order: tuple[Path, Task], tick: Callable[[int], None]) -> tuple[str, int]:
        """Render the shard of `order` into its folder; returns its sha256 and size in bytes."""
        folder, task = order
        shape = (task.count, self.batch_size)
        arrays: dict[str, Any] = {name: np.empty(shape, np.float32) for name in EXTRINSIC}
        arrays["identity"] = np.empty(shape, np.int64)
        arrays["images"] = np.empty((*shape, self.size, self.size), np.uint8)
        recorded = []
        for row in range(task.count):
            index = task.first + row
            draw = draw_minibatch(
                self.catalog, self.sampling, self.batch_size, self.seed, task.split, task.factor, index
            )
            for column, scene in enumerate(scenes(draw, self.catalog, self.camera, self.shading)):
                arrays["images"][row, column] = _renderer.draw(scene)
            for name, values in {**draw.values, "identity": draw.identity}.items():
                arrays[name][row] = values
            if draw.coefficients is not None:
                recorded.append(draw.coefficients)
            tick(1)
        if recorded:
            arrays["coefficients"] = np.stack(recorded)
        return write_shard(folder / task.name, arrays)


_renderer: Any = None  # one GL renderer a process


def shading_for(catalog: Catalog) -> Shading:
    """The shading of a kind of object: the paper's chairs stand on white."""
    return Shading(background=1.0 if catalog.object == "chair" else 0.0)


def tasks_of(factor: str, split: str, count: int) -> list[Task]:
    """The shards that hold mini-batches 0 .. count - 1 of `factor`."""
    starts = range(0, count, MINIBATCHES_PER_SHARD)
    return [Task(factor, split, i, s, min(MINIBATCHES_PER_SHARD, count - s)) for i, s in enumerate(starts)]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make `folder` and hold it for this process; raises ShardError when another render writes to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ShardError(f"{folder}: expected a folder to write to: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ShardError(f"{folder}: another `dcign render` is writing to it; wait for it, or use another -o") from None
    finally:
        os.close(handle)


def open_manifest(folder: Path, settings: dict[str, Any]) -> Manifest:
    """The manifest of `folder`, new for an empty one. Raises ShardError if it holds another data set or other files.

    The GL renderer is compared only where `settings["gl"]` is given: it is known once a worker has started.
    """
    leftover = [path for path in folder.iterdir() if path.name.startswith(".") and path.name.endswith(".tmp")]
    if not (folder / NAME).exists():
        others = [path.name for path in folder.iterdir() if path not in leftover]
        if others:
            raise ShardError(f"{folder}: expected an empty folder or one with {NAME}, found {sorted(others)[0]!r}")
        manifest = Manifest(settings)
    else:
        manifest = read_manifest(folder)
        difference = first_difference(manifest.settings, settings)
        if difference:
            raise ShardError(f"{folder}: holds another data set: {difference}; use another -o")
    for path in leftover:  # of a render that was killed
        path.unlink(missing_ok=True)
    return manifest


def first_difference(held: Any, asked: Any, where: str = "") -> str:
    """The first place where two settings differ, in words; '' if nowhere. An unknown GL renderer ("") equals any."""
    if isinstance(held, dict) and isinstance(asked, dict):
        for key in [*held, *(key for key in asked if key not in held)]:
            path = f"{where}.{key}" if where else str(key)
            found = first_difference(held.get(key), asked.get(key), path)
            if found:
                return found
        return ""
    if held == asked or (where == "gl" and not asked):
        return ""
    return f"its {where} is {held!r}, asked for is {asked!r}"


def unfinished(folder: Path, manifest: Manifest, tasks: list[Task]) -> list[Task]:
    """The tasks whose shard is missing, too short or damaged (size or sha256 differ from the manifest)."""
    return [task for task in tasks if not _is_done(folder / task.name, manifest.shards.get(task.name), task)]


def _is_done(path: Path, entry: Entry | None, task: Task) -> bool:
    if entry is None or entry.count < task.count or not path.is_file():
        return False
    return path.stat().st_size == entry.bytes and hash_file(path) == entry.sha256


def check_disk(folder: Path, job: Job, tasks: list[Task]) -> None:
    """Raise Failure if the disk cannot hold the shards of `tasks`."""
    needed = sum(task.count for task in tasks) * job.batch_size * (job.size**2 + 64)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Failure(f"{folder}: {needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free; nothing was rendered")


def render(
    folder: Path, job: Job, tasks: list[Task], workers: int, started: Callable[[str], None], tick: Callable[[int], None]
) -> Manifest:
    """Render `tasks` into the locked `folder` with `workers` processes; the manifest grows with each finished shard.

    Calls `started(gl)` once a context is open and `tick(n)` as mini-batches are drawn. The same bytes result whatever
    the number of workers, the order or earlier interruptions.
    """
    with Pool(job, min(workers, len(tasks))) as pool:
        settings = job.settings(pool.first_info())
        manifest = open_manifest(folder, settings)
        manifest.write(folder)
        started(settings["gl"])

        def finished(order: tuple[Path, Task], result: tuple[str, int]) -> None:
            task = order[1]
            manifest.shards[task.name] = Entry(*result, task.factor, task.split, task.index, task.first, task.count)
            manifest.write(folder)

        pool.run([(folder, task) for task in tasks], finished, tick)
    return manifest
