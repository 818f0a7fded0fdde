"""One render job: its shards, those that are left to do, what they will cost, and the work of drawing them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog
from render.errors import Failure
from render.factors import EXTRINSIC, FACTORS
from render.jobs.pool import Workers
from render.minibatch import MiniBatchValues, Sampling, sample_minibatch, scenes
from render.scene import Camera, Shading, frame_camera
from render.shards.manifest import NAME, Entry, JobPart, Manifest, read_manifest_file
from render.shards.shard_file import shard_name, write_shard
from render.shards.store import Store

MINIBATCHES_PER_SHARD = 50  # 20 images of 150 x 150 each: 22.5 MB
RENDERERS = ("batched", "reference")

SHORT = 20  # mini-batches a worker: a job that is no longer is over before its time is known


def open_renderer(name: str, size: int, kind: str) -> Any:
    """Open the renderer `name` for images of `size` pixels of a `kind` of object: something with `gl` and `draw_batch`.

    It opens the one OpenGL context of the process. Chairs have thin bars on white, and are drawn with OpenGL's own
    samples as the reference is (docs/decisions/0013).
    """
    if name == "reference":
        from render.opengl.reference import ReferenceRenderer

        return ReferenceRenderer(size)
    from render.opengl.batched import BatchedRenderer

    return BatchedRenderer(size, multisampled=kind == "chair")


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

    size      of the images in pixels
    renderer  one of RENDERERS
    """

    catalog: Catalog
    sampling: Sampling
    seed: int
    size: int = 150
    batch_size: int = 20
    renderer: str = "batched"

    @property
    def camera(self) -> Camera:
        return frame_camera(self.catalog.target, self.catalog.radius, self.size)

    @property
    def shading(self) -> Shading:
        return shading_for(self.catalog)

    def settings(self, gl: str) -> dict[str, Any]:
        """Return the settings of the manifest; see `render.shards.manifest.SETTINGS`."""
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
            "detail": getattr(self.catalog, "detail", {}),
            "renderer": self.renderer,
            "gl": gl,
        }

    def bytes(self, task: Task) -> int:
        """Return the size of a shard, but for the headers of its members."""
        coefficients = sum(self.catalog.parts.values())
        image = self.size**2 + 4 * len(EXTRINSIC) + 8 + 4 * coefficients * bool(FACTORS[task.factor].parts)
        return task.count * self.batch_size * image

    # What a worker does (see render.jobs.pool.Pool).

    def start(self) -> str:
        """Open the renderer of this process; returns the GL renderer string."""
        global _renderer
        _renderer = open_renderer(self.renderer, self.size, self.catalog.object)
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
            values, arrays["images"][row] = self.draw(task, task.first + row)
            for name, column in {**values.values, "identity": values.identity}.items():
                arrays[name][row] = column
            if values.coefficients is not None:
                recorded.append(values.coefficients)
            tick(1)
        if recorded:
            arrays["coefficients"] = np.stack(recorded)
        return write_shard(folder / task.name, arrays)

    def probe(self, tasks: tuple[Task, ...], tick: Callable[[int], None]) -> list[float]:
        """Measure the seconds to draw the first mini-batch of each of `tasks`; nothing is kept."""
        self.draw(tasks[0], tasks[0].first)  # the very first one also compiles shaders and touches files
        seconds = []
        for task in tasks:
            started = time.perf_counter()
            self.draw(task, task.first)
            seconds.append(time.perf_counter() - started)
        return seconds

    def draw(self, task: Task, index: int) -> tuple[MiniBatchValues, NDArray[np.uint8]]:
        """Draw one mini-batch: its values, and its (N, size, size) images."""
        values = sample_minibatch(
            self.catalog, self.sampling, self.batch_size, self.seed, task.split, task.factor, index
        )
        images: NDArray[np.uint8] = _renderer.draw_batch(scenes(values, self.catalog, self.camera, self.shading))
        return values, images


_renderer: Any = None  # one GL renderer a process


def shading_for(catalog: Catalog) -> Shading:
    """Return the shading of a kind of object: the paper's chairs stand on white."""
    return Shading(background=1.0 if catalog.object == "chair" else 0.0)


def tasks_of(factor: str, split: str, count: int) -> list[Task]:
    """Cut mini-batches 0 .. count - 1 of `factor` into shards."""
    starts = range(0, count, MINIBATCHES_PER_SHARD)
    return [Task(factor, split, i, s, min(MINIBATCHES_PER_SHARD, count - s)) for i, s in enumerate(starts)]


def left_to_do(store: Store, manifest: Manifest, tasks: list[Task]) -> list[Task]:
    """List the tasks whose shard the store does not hold whole, or holds with fewer mini-batches."""

    def is_done(task: Task) -> bool:
        entry = manifest.shards.get(task.name)
        return entry is not None and entry.count >= task.count and store.holds(task.name, entry)

    return [task for task in tasks if not is_done(task)]


def render(
    store: Store, job: Job, pool: Workers, tasks: list[Task], part: JobPart | None, tick: Callable[[int], None]
) -> Manifest:
    """Render `tasks` into the locked `store`; the manifest, or that of the part, grows with each finished shard.

    Calls `tick(n)` as mini-batches are drawn. The same bytes result whatever the workers, the order, the parts or
    earlier interruptions.
    """
    manifest = store.manifest(job.settings(pool.first_info()))
    if part is None:
        name = NAME
        store.clear()
        store.merge_parts(manifest)
    else:
        name = part.manifest
        store.clear([task.name for task in tasks])
        manifest = read_manifest_file(store.folder / name) if name in store.names() else Manifest(manifest.settings)
        manifest.write(store.folder, name)
        store.publish(name)

    def finished(order: tuple[Path, Task], result: tuple[str, int]) -> None:
        task = order[1]
        store.publish(task.name)
        manifest.shards[task.name] = Entry(*result, task.factor, task.split, task.index, task.first, task.count)
        manifest.write(store.folder, name)
        store.publish(name)

    pool.run([(store.folder, task) for task in tasks], finished, tick)
    return manifest


@dataclass(frozen=True)
class Plan:
    """A job and those of its shards that are still to be rendered."""

    job: Job
    tasks: list[Task]

    @property
    def minibatches(self) -> int:
        return sum(task.count for task in self.tasks)

    @property
    def images(self) -> int:
        return self.minibatches * self.job.batch_size

    @property
    def bytes(self) -> int:
        return sum(map(self.job.bytes, self.tasks))

    def check_disk(self, store: Store, workers: int) -> None:
        """Raise Failure if the disk cannot hold the shards."""
        needed, free = store.room([self.job.bytes(task) for task in self.tasks], workers)
        if needed > free:
            raise Failure(f"{store.name}: {needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free; nothing was rendered")

    def is_short(self, workers: int) -> bool:
        return self.minibatches <= SHORT * workers

    def seconds(self, pool: Workers) -> float:
        """Estimate the time of the job from mini-batches of each factor that all workers draw and throw away."""
        firsts = tuple({task.factor: task for task in reversed(self.tasks)}.values())
        measured: list[list[float]] = []
        pool.run([firsts] * pool.count, lambda _, seconds: measured.append(seconds), lambda n: None, "probe")
        total = 0.0
        for first, seconds in zip(firsts, zip(*measured, strict=True), strict=True):
            count = sum(task.count for task in self.tasks if task.factor == first.factor)
            total += count * sum(seconds) / len(seconds)
        return total / pool.count

    def lines(self, wanted: int, where: str, gl: str, workers: int, seconds: float | None) -> list[str]:
        """Put the plan in words; `wanted` is the number of mini-batches asked for altogether."""
        what = f"{self.minibatches} of {wanted}" if self.minibatches < wanted else f"{wanted}"
        lines = [
            f"{where}: {what} mini-batches to render, {self.images} images of {self.job.size} x {self.job.size}, "
            f"{len(self.tasks)} shard{'s' * (len(self.tasks) > 1)}, {self.bytes / 1e6:,.0f} MB.",
            f"{self.job.renderer} renderer, {workers} worker{'s' * (workers > 1)} on {gl}.",
        ]
        if seconds is not None:
            lines.append(f"About {in_words(seconds)}, {self.images / seconds:.0f} images/s.")
        return lines


def in_words(seconds: float) -> str:
    """Put a time in words, to two figures at most: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
