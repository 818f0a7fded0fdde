"""`dcign rerender --assets`: objects of models in place of images, and their true pictures below the decoded ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.mesh import Mesh
from dcign.engine.variations import grid, sweep
from dcign.errors import BadInput
from dcign.runs.run import Run
from dcign.runs.training_data import rendering_of
from pipelines.catalogs import kind_at, model_path, open_catalog
from pipelines.drawing.objects import ObjectRenderer
from pipelines.drawing.renderer import with_detail
from pipelines.rerender.pictures import Strip
from pipelines.rerender.plan import Plan

POSE = ("azimuth", "elevation", "light")


@dataclass(frozen=True, eq=False)
class TrueObject:
    """One object: its name, its picture from in front (H, W) in [0, 1], and how to draw it in any pose."""

    name: str
    pixels: NDArray[np.float32]
    mesh: Mesh
    renderer: ObjectRenderer

    def beside(self, plan: Plan, strips: Sequence[Strip]) -> tuple[Strip, ...]:
        """Return `strips`, decoded by `plan`, with true pictures for each in which angles alone are set."""
        poses = _poses(plan, np.array(self.renderer.front, np.float32))
        return (*(self._with_truth(*pair) for pair in zip(strips, poses, strict=False)), *strips[len(poses) :])

    def _with_truth(self, strip: Strip, poses: NDArray[np.float32]) -> Strip:
        images = np.stack([self.renderer.image(self.mesh, *map(float, pose)) for pose in poses])
        return replace(strip, truth=images.astype(np.float32) / np.float32(255))


def true_objects(run: Run, path: Path, first: int, count: int) -> list[TrueObject]:
    """Draw `count` unseen objects of the models at `path`, from number `first`, as finely as what `run` was trained on.

    BadInput for another kind of object, and for a run on images that were not drawn so.
    """
    if run.imported:
        raise BadInput(
            f"--assets {path}: expected a run on rendered images, found {run.folder}, on images taken elsewhere"
        )
    found = run.object if model_path(path) is None else kind_at(path)
    if found != run.object:
        raise BadInput(f"--assets {path}: expected {run.object}s as {run.folder} was trained on, found {found}s")
    catalog = open_catalog(found, path)
    if _reduced(run):
        catalog = with_detail(catalog, run.size)
    renderer = ObjectRenderer(catalog, run.size)
    objects = []
    for number in range(first, first + count):
        name, mesh = renderer.unseen(number, path)
        front = renderer.image(mesh, *renderer.front).astype(np.float32) / np.float32(255)
        objects.append(TrueObject(name, front, mesh, renderer))
    return objects


def _reduced(run: Run) -> bool:
    """Tell whether the images that `run` was trained on left out triangles too small to be seen, as is usual."""
    data = rendering_of(run)
    return data is None or bool(data.manifest.settings.get("detail"))


def _poses(plan: Plan, front: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the poses (S, 3) of the first variations of a plan, as far as these set angles alone.

    A pose is varied as a code is, so that all come in the same order.
    """
    request = plan.request
    if not set(plan.values) <= set(POSE) or request.like or (request.grid and (request.latents or request.directions)):
        return []
    settings = [
        replace(known, latents=np.array([POSE.index(name)]), values=degrees[:, None].astype(np.float32))
        for (name, degrees), known in zip(plan.values.items(), plan.settings, strict=False)  # which come first
    ]
    if not settings:
        return []
    found = [grid(front, settings)] if request.grid else [sweep(front, setting) for setting in settings]
    return [each.codes for each in found]
