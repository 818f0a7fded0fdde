"""`dcign rerender --assets`: objects of models in place of images, and their true pictures below the decoded ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.mesh import Mesh
from dcign.errors import BadInput
from dcign.run import Run
from dcign.variations import Variation, grid, sweep
from pipelines.opening import given, open_catalog, recognised
from pipelines.rerender_pictures import Strip
from pipelines.rerender_plan import Plan
from pipelines.single_views import SingleViews

POSE = ("azimuth", "elevation", "light")


@dataclass(frozen=True, eq=False)
class TrueObject:
    """One object: its name, its picture from in front (H, W) in [0, 1], and how to draw it in any pose."""

    name: str
    pixels: NDArray[np.float32]
    mesh: Mesh
    views: SingleViews

    def strips(self, plan: Plan, strips: Sequence[Strip]) -> tuple[Strip, ...]:
        """`strips`, decoded by `plan`, with the true pictures below each in which angles alone are set."""
        poses = _poses(plan, np.array(self.views.front, np.float32))
        found: list[Strip] = []
        for number, strip in enumerate(strips):
            found.append(strip)
            if number < len(poses):
                true = poses[number]
                images = np.stack([self.views.image(self.mesh, *map(float, pose)) for pose in true.codes])
                found.append(Strip(true, images.astype(np.float32) / np.float32(255)))
        return tuple(found)


def true_objects(run: Run, path: Path, first: int, count: int) -> list[TrueObject]:
    """`count` unseen objects of the models at `path`, from number `first`. BadInput for another kind of object."""
    found = run.object if given(path) is None else recognised(path)
    if found != run.object:
        raise BadInput(f"--assets {path}: expected {run.object}s as {run.folder} was trained on, found {found}s")
    views = SingleViews(open_catalog(found, path), run.size)
    objects = []
    for number in range(first, first + count):
        name, mesh = views.unseen(number, path)
        front = views.image(mesh, *views.front).astype(np.float32) / np.float32(255)
        objects.append(TrueObject(name, front, mesh, views))
    return objects


def _poses(plan: Plan, front: NDArray[np.float32]) -> list[Variation]:
    """The poses (S, 3) of the first variations of a plan, as far as these set angles alone."""
    asked = plan.request
    if not set(asked.angles) <= set(POSE) or asked.like or (asked.grid and (asked.latents or asked.directions)):
        return []
    settings = [
        replace(known, latents=np.array([POSE.index(name)]), values=degrees[:, None].astype(np.float32))
        for (name, degrees), known in zip(asked.angles.items(), plan.settings, strict=False)  # which come first
    ]
    if not settings:
        return []
    found = [grid(front, settings)] if asked.grid else [sweep(front, setting) for setting in settings]
    return [replace(each, label="true", heading="", keys=tuple(f"true-{key}" for key in each.keys)) for each in found]
