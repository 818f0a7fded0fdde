"""Small render jobs for tests: one that draws, one without OpenGL that is over at once, and running them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mesh_fixtures import small_face_catalog

from render.factors import DEFAULT_RANGES
from render.jobs.job import Job, Task, left_to_do, render
from render.jobs.pool import Pool
from render.minibatch import Sampling, sample_minibatch
from render.shards.store import Store, locked

TASKS = [Task("azimuth", "train", 0, 0, 3), Task("azimuth", "train", 1, 3, 2), Task("intrinsic", "train", 0, 0, 2)]


@dataclass(frozen=True)
class FlatJob(Job):
    """Draws the right values and, instead of images of them, grey ones that differ: no OpenGL is needed."""

    def start(self):
        return "no OpenGL"

    def draw(self, task, index):
        values = sample_minibatch(
            self.catalog, self.sampling, self.batch_size, self.seed, task.split, task.factor, index
        )
        grey = np.sum([np.cos(v) for v in values.values.values()], axis=0) * 40 + values.identity % 50 + 100
        return values, np.broadcast_to(grey.astype(np.uint8)[:, None, None], (self.batch_size, self.size, self.size))


class Here:
    """Workers that are this process."""

    count = 1

    def __init__(self, job):
        self.job = job

    def first_info(self):
        return self.job.start()

    def run(self, tasks, finished, tick, method="run"):
        for task in tasks:
            finished(task, getattr(self.job, method)(task, tick))


def small_job(seed=0, kind=Job, size=32):
    sampling = Sampling(DEFAULT_RANGES["face"])
    return kind(small_face_catalog(), sampling, seed, size=size, batch_size=4, renderer="reference")


def many_tasks(count, each=2):
    """`count` shards of `each` mini-batches, of two factors in turn."""
    return [Task(("azimuth", "intrinsic")[i % 2], "train", i // 2, i // 2 * each, each) for i in range(count)]


def run(where, tasks=TASKS, job=None, workers=0, part=None, pool=None):
    """Render what is left of `tasks` into a folder or store, with so many processes or in this one; returns it."""
    job = job or small_job(kind=FlatJob)
    store = where if isinstance(where, Store) else Store(Path(where))
    with locked(store.folder, part):
        chosen = part.of(tasks) if part else tasks
        todo = left_to_do(store, store.manifest(job.settings("")), chosen)
        if todo:
            pool = pool or (Pool(job, min(workers, len(todo))) if workers else Here(job))
            with pool if isinstance(pool, Pool) else nullcontext():
                render(store, job, pool, todo, part, lambda n: None)
    return todo


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}
