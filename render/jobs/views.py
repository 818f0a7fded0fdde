"""Views of the objects of a data set, drawn as its mini-batches were, in a pool of processes with OpenGL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog
from assets.mesh import Float
from render.factors import FACTORS
from render.jobs.job import Job, open_renderer
from render.jobs.pool import Workers
from render.minibatch import MiniBatchValues, scenes
from render.scene import Camera, Scene, Shading, with_value


@dataclass(frozen=True, eq=False)
class Views:
    """The content of n images.

    identity      (n,) int64
    coefficients  (n, K) float32, or None if the catalog has none (see `assets.catalog.Objects`)
    values        extrinsic factor -> (n,) float32, degrees; a factor that is left out stays as the scene has it
    """

    identity: NDArray[np.int64]
    coefficients: Float | None
    values: Mapping[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.identity)

    def rows(self, chosen: slice | NDArray[np.integer]) -> Views:
        """Return the chosen views only, in that order."""
        coefficients = None if self.coefficients is None else self.coefficients[chosen]
        return Views(
            self.identity[chosen], coefficients, {name: column[chosen] for name, column in self.values.items()}
        )

    @property
    def first_of_object(self) -> NDArray[np.bool_]:
        """Tell where a view shows another object than the one before it: (n,)."""
        new = np.ones(len(self), bool)
        new[1:] = self.identity[1:] != self.identity[:-1]
        if self.coefficients is not None:
            new[1:] |= (self.coefficients[1:] != self.coefficients[:-1]).any(axis=1)
        return new


def view_scenes(views: Views, catalog: Catalog, camera: Camera, shading: Shading) -> list[Scene]:
    """Make one scene for each view; consecutive views of one object share one mesh."""
    new = views.first_of_object
    objects = views.rows(np.flatnonzero(new))
    unposed = scenes(MiniBatchValues({}, objects.identity, objects.coefficients), catalog, camera, shading)
    made = []
    for i, place in enumerate(np.cumsum(new) - 1):
        scene = unposed[place]
        for name, values in views.values.items():
            scene = with_value(scene, FACTORS[name].sets, float(values[i]))
        made.append(scene)
    return made


@dataclass(frozen=True, eq=False)
class ViewTask:
    """The task of a worker: some of all views, of which the first has the place `first`."""

    first: int
    views: Views = field(repr=False)


@dataclass(frozen=True)
class ViewJob:
    """The work of a pool (see `render.jobs.pool.Pool`): draws views with all that decides the pixels of `job`."""

    job: Job

    def start(self) -> str:
        """Open the renderer of this process; returns the GL renderer string as manifests have it."""
        global _renderer
        _renderer = open_renderer(self.job.renderer, self.job.size, self.job.catalog.object)
        return f"{_renderer.gl['renderer']}, OpenGL {_renderer.gl['version']}"

    def run(self, task: ViewTask, tick: Callable[[int], None]) -> NDArray[np.uint8]:
        """Draw the views of `task`: (n, size, size)."""
        job = self.job
        images: NDArray[np.uint8] = _renderer.draw_batch(view_scenes(task.views, job.catalog, job.camera, job.shading))
        return images


_renderer: Any = None  # one GL renderer a process


def draw_views(pool: Workers, job: Job, views: Views, advance: Callable[[int], object]) -> NDArray[np.uint8]:
    """Draw `views` with a pool of `ViewJob`: (n, size, size) uint8; calls `advance(n)` as n more are done.

    They are drawn `job.batch_size` at a time, so that those of a mini-batch, or of several one after another, come out
    to the byte as in its shard. The same bytes result whatever the number of workers. Quickest if views of one object
    follow one another.
    """
    images = np.empty((len(views), job.size, job.size), np.uint8)
    tasks = [
        ViewTask(first, views.rows(slice(first, first + job.batch_size)))
        for first in range(0, len(views), job.batch_size)
    ]

    def finished(task: ViewTask, done: NDArray[np.uint8]) -> None:
        images[task.first : task.first + len(done)] = done
        advance(len(done))

    pool.run(tasks, finished, lambda n: None)
    return images
