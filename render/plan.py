"""What a render job will do, before it does it: how much, how large, how long."""

from __future__ import annotations

from dataclasses import dataclass

from render.errors import Failure
from render.job import Job, Task
from render.store import Store
from render.workers import Workers

SHORT = 20  # mini-batches a worker: a job that is no longer is over before its time is known


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
        """Time the job will take, from mini-batches of each factor drawn by all workers at once and thrown away."""
        firsts = tuple({task.factor: task for task in reversed(self.tasks)}.values())
        measured: list[list[float]] = []
        pool.run([firsts] * pool.count, lambda _, seconds: measured.append(seconds), lambda n: None, "probe")
        total = 0.0
        for first, seconds in zip(firsts, zip(*measured, strict=True), strict=True):
            count = sum(task.count for task in self.tasks if task.factor == first.factor)
            total += count * sum(seconds) / len(seconds)
        return total / pool.count

    def lines(self, wanted: int, where: str, gl: str, workers: int, seconds: float | None) -> list[str]:
        """The plan in words; `wanted` mini-batches are asked for altogether."""
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
    """A time to two figures at most: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
