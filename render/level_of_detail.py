"""Level of detail: the fewest triangles with which the images of a face model still look the same."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from assets.cache import cache_folder, code_sha256, keep
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
CODE = (__file__, similarity.__file__, reduction.__file__)  # that chooses


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
    `draw` makes (size, size) images. The choice stands in `detail` of the catalog, and is kept on disk.
    """
    path = _cache_path(catalog, size)
    choice = _read(path, catalog.model)
    if choice is None:
        with threadpool_limits(1):  # with more, sums would depend on their number
            choice = choose_detail(catalog, size, draw)
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in vars(choice).items()}
        keep(path, lambda file: np.savez(file, **arrays))
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
    counts = [count for count in LADDER if count < len(catalog.model.triangles)]
    scenes = list(_scenes(catalog, size)) if counts else []
    whole = [draw(scene) for scene in scenes]
    chosen = FULL
    for kept, triangles in reductions(catalog.model, counts):
        reduced = catalog.with_model(on_vertices(catalog.model, kept, triangles), {})
        difference, least_ssim = 0.0, 1.0
        for scene, image in zip(_scenes(reduced, size), whole, strict=True):
            drawn = draw(scene)
            difference = max(difference, mean_difference(drawn, image))
            least_ssim = min(least_ssim, ssim(drawn, image))
            if difference > MOST_DIFFERENCE or least_ssim < LEAST_SSIM:
                return chosen
        chosen = Choice(kept, triangles, difference, least_ssim)
    return chosen


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
    for mesh, two in zip(catalog.meshes(faces.identity, faces.coefficients), poses.tolist(), strict=False):
        for azimuth, elevation, light in two:
            yield Scene(mesh, azimuth, elevation, light, camera, Shading())


def _cache_path(catalog: FaceCatalog, size: int) -> Path:
    """Return the path of the choice; it changes with the models, with what is drawn and with the code that chooses."""
    decisive: dict[str, Any] = {"models": catalog.models, "parts": catalog.parts, "sampling": catalog.sampling}
    key = json.dumps({**decisive, "size": size, "code": code_sha256(*CODE)}, sort_keys=True)
    return cache_folder() / f"lod-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def _read(path: Path, model: MorphableModel) -> Choice | None:
    """Read the stored choice; None if there is none, it is damaged or fits another model."""
    try:
        with np.load(path) as file:
            choice = Choice(file["kept"], file["triangles"], float(file["mean_difference"]), float(file["ssim"]))
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None
    kept, triangles = choice.kept, choice.triangles
    if not kept.dtype == triangles.dtype == np.int32 or kept.ndim != 1 or triangles.ndim != 2:
        return None
    if not kept.size and not triangles.size:
        return choice
    fits = triangles.size and triangles.shape[1] == 3 and 0 <= triangles.min() <= triangles.max() < len(kept)
    return choice if fits and kept.min() >= 0 and kept.max() < len(model.shape_mean) else None
