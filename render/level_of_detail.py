"""Level of detail: the fewest triangles with which the images of a face model still look the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from assets import mesh
from assets.cache import arrays_sha256, cache_folder, code_sha256, keep_arrays, read_arrays
from assets.faces import reduction
from assets.faces.catalog import FaceCatalog
from assets.faces.reduction import on_vertices, reductions
from assets.mesh import Index
from assets.morphable import MorphableModel
from render import similarity
from render.factors import DEFAULT_RANGES, FACTORS, generator
from render.scene import Scene, Shading, frame_camera
from render.similarity import mean_difference, ssim

Image = NDArray[np.uint8]
Draw = Callable[[Scene], Image]

LADDER = (20_000, 17_000, 15_000, 13_000, 11_000, 9_500, 8_200, 7_200, 6_200, 5_400, 4_700, 4_000, 3_500, 3_000, 2_500)
MOST_DIFFERENCE, LEAST_SSIM = 0.75, 0.99  # of every image; grey levels of 255
FACES = 20  # compared, each in two poses
# Azimuth, elevation and light of some of them, degrees: both profiles, from behind, from above and below, lit aside
POINTED = (
    (90, 0, 60),
    (-90, 0, -60),
    (90, -30, 0),
    (180, 0, 30),
    (45, 30, -80),
    (-45, -30, 80),
    (0, 30, 80),
    (0, -30, 0),
)
REDUCTION = (reduction.__file__, mesh.__file__)  # code that reduces
CODE = (__file__, similarity.__file__, *REDUCTION)  # that chooses


@dataclass(frozen=True, eq=False)
class Choice:
    """A reduced mesh, and how far its images are from those of the whole one.

    kept             (W,) vertices; none if the mesh stays whole
    triangles        (G, 3) of places in them
    mean_difference  of the worst image
    ssim             of the worst image
    """

    kept: Index
    triangles: Index
    mean_difference: float = 0.0
    ssim: float = 1.0


FULL = Choice(np.zeros(0, np.int32), np.zeros((0, 3), np.int32))


def with_level_of_detail(catalog: FaceCatalog, size: int, draw: Draw) -> FaceCatalog:
    """Return `catalog` with the fewest triangles of LADDER whose images of `size` pixels equal those of the whole mesh.

    That is, each of a fixed set of images stays within MOST_DIFFERENCE and LEAST_SSIM; the whole mesh stays if none do.
    `draw` makes (size, size) images. The choice stands in `detail` of the catalog, and is kept on disk: one for each
    size and distribution of faces, since those with expressions need more triangles than neutral ones.
    """
    path = _cache_path(catalog, size)
    stored = read_arrays(path)
    if stored is None:
        with threadpool_limits(1):  # with more, sums would depend on their number
            choice = choose_detail(catalog, size, draw)
        keep_arrays(path, {name: np.asarray(value) for name, value in vars(choice).items()})
    else:
        difference, least_ssim = float(stored["mean_difference"]), float(stored["ssim"])
        choice = Choice(stored["kept"], stored["triangles"], difference, least_ssim)
    whole = len(catalog.model.triangles)
    detail = {
        "triangles": len(choice.triangles) or whole,
        "of": whole,
        "mean_difference": round(choice.mean_difference, 4),
        "ssim": round(choice.ssim, 4),
    }
    if not len(choice.kept):
        return catalog.with_model(catalog.model, detail)
    return catalog.with_model(on_vertices(catalog.model, choice.kept, choice.triangles), detail)


def choose_detail(catalog: FaceCatalog, size: int, draw: Draw) -> Choice:
    """Choose the last reduction from fine to coarse before an image differs by too much."""
    ladder = reduced_meshes(catalog.model)
    scenes = list(_scenes(catalog, size)) if ladder else []
    whole = [draw(scene) for scene in scenes]
    chosen = FULL
    for kept, triangles in ladder:
        reduced = catalog.with_model(on_vertices(catalog.model, kept, triangles), {})
        difference, least_ssim = 0.0, 1.0
        for scene, image in zip(_scenes(reduced, size), whole, strict=True):
            reduced_image = draw(scene)
            difference = max(difference, mean_difference(reduced_image, image))
            least_ssim = min(least_ssim, ssim(reduced_image, image))
            if difference > MOST_DIFFERENCE or least_ssim < LEAST_SSIM:
                return chosen
        chosen = Choice(kept, triangles, difference, least_ssim)
    return chosen


def reduced_meshes(model: MorphableModel) -> list[tuple[Index, Index]]:
    """Reduce a model to each count of LADDER below its own, as `reductions` does, the finest first.

    They depend on the mean face alone, and so are made once and kept on disk for every size and distribution of faces.
    """
    counts = [count for count in LADDER if count < len(model.triangles)]
    if not counts:
        return []
    path = _path("lod-meshes", {"mean": _mean_sha256(model), "counts": counts, "code": code_sha256(*REDUCTION)})
    stored = read_arrays(path)
    if stored is None:
        stored = {}
        for k, (kept, triangles) in enumerate(reductions(model, counts)):
            stored |= {f"kept-{k}": kept, f"triangles-{k}": triangles}
        keep_arrays(path, stored)
    return [(stored[f"kept-{k}"], stored[f"triangles-{k}"]) for k in range(len(counts))]


def _scenes(catalog: FaceCatalog, size: int) -> Iterator[Scene]:
    """Yield the images to compare: of faces as different as the catalog has them, from in front and from elsewhere."""
    faces = catalog.choose(
        "test", 0, FACTORS["intrinsic"].parts, FACES, lambda name: generator(0, "test", "detail", 0, name)
    )
    camera, ranges = frame_camera(catalog.target, catalog.radius, size), DEFAULT_RANGES["face"]
    low, high = zip(*(ranges[name] for name in ("azimuth", "elevation", "light")), strict=True)
    poses = generator(0, "test", "detail", 0, "poses").uniform(low, high, (FACES, 2, 3))
    poses[:, 0] *= 0.1  # large and bright, and so most different
    poses[: len(POINTED), 1] = POINTED
    for face, two in zip(catalog.meshes(faces.identity, faces.coefficients), poses.tolist(), strict=False):
        for azimuth, elevation, light in two:
            yield Scene(face, azimuth, elevation, light, camera, Shading())


def _cache_path(catalog: FaceCatalog, size: int) -> Path:
    """Return the path of the choice; it changes with the models, with what is drawn and with the code that chooses."""
    models = {"models": catalog.models, "mean": _mean_sha256(catalog.model)}
    images = {"parts": catalog.parts, "sampling": catalog.sampling, "size": size}
    return _path("lod", {**models, **images, "code": code_sha256(*CODE)})


def _mean_sha256(model: MorphableModel) -> str:
    """SHA-256 of the mean face, on whose vertices every reduced mesh lies."""
    return arrays_sha256(model.triangles, model.shape_mean, model.albedo_mean)


def _path(kind: str, key: dict[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache_folder() / f"{kind}-{digest[:16]}.npz"
