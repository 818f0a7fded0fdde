"""The renderer of a data set, opened again: it draws any view of its objects with the pixels its shards have.

Also the level of detail of its meshes, which is chosen in a process of its own where it is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from assets.cad.models import find_models
from assets.catalog import Catalog
from assets.chairs.built_in import PAPER_COUNT, built_in_chairs
from assets.chairs.catalog import ChairCatalog
from assets.faces.catalog import FaceCatalog, FaceSampling
from pipelines.catalogs import faces, kind_at, model_path
from pipelines.console import progress_bar
from render.errors import BadInput, Failure
from render.factors import DEFAULT_RANGES
from render.jobs.devices import device_environments
from render.jobs.job import RENDERERS, Job
from render.jobs.pool import Pool
from render.jobs.views import ViewJob, Views, draw_views
from render.level_of_detail import FACES, LADDER, with_level_of_detail
from render.minibatch import Sampling
from render.scene import Camera, Scene
from render.shards.data_set import DataSet
from render.shards.manifest import first_difference

BUILT_IN = "built-in"  # the name of the models that ship


class CannotDraw(BadInput):
    """Nothing can be drawn of these shards, and nobody asked for it: the message says why."""


class DatasetRenderer:
    """Draws views. A context manager: leaving it ends the processes that draw.

    catalog   the objects of the data set
    sampling  the ranges and the grid that its values were drawn from
    settings  of its manifest
    warnings  what may make images differ from those in the shards
    """

    def __init__(self, job: Job, settings: dict[str, Any], pool: Pool, open_things: ExitStack) -> None:
        self._job, self._pool, self._open_things = job, pool, open_things
        self.settings = settings
        gl, recorded = pool.first_info(), settings["gl"]
        warning = (
            f"images are drawn by {gl}, those of the shards were by {recorded}: their grey levels may differ a little"
        )
        self.warnings = [warning] if gl != recorded else []

    @property
    def catalog(self) -> Catalog:
        return self._job.catalog

    @property
    def camera(self) -> Camera:
        return self._job.camera

    @property
    def sampling(self) -> Sampling:
        whole = self._job.sampling
        return Sampling({name: whole.ranges[name] for name in self.settings["ranges"]}, whole.views)

    def draw(self, views: Views, advance: Callable[[int], object] = lambda n: None) -> NDArray[np.uint8]:
        """Draw (n, H, W) uint8 images; calls `advance(n)` as n more are done. See `render.jobs.views.draw_views`."""
        return draw_views(self._pool, self._job, views, advance)

    def __enter__(self) -> DatasetRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._open_things.close()


@contextmanager
def drawing_pool(work: Any, workers: int | None = None, most: int | None = None) -> Iterator[Pool]:
    """Start the processes that draw, each on its device; for None as many as `dcign render` takes, at most `most`."""
    chosen = device_environments(workers)[:most]
    with Pool(work, len(chosen), chosen) as pool:
        yield pool


def open_dataset_renderer(data: DataSet, assets: Path | None = None, workers: int | None = None) -> DatasetRenderer:
    """Open the renderer of `data`, with the models at `assets` (the built-in ones for None), in `workers` processes.

    CannotDraw without `assets` where it takes models of the user, was imported or cannot be opened here; other BadInput
    where `assets` are not the models that the shards were rendered from. Failure where OpenGL fails.
    """
    try:
        job = _job(data, model_path(assets))
        with ExitStack() as stack:
            pool = stack.enter_context(drawing_pool(ViewJob(job), workers))
            pool.first_info()
            return DatasetRenderer(job, data.manifest.settings, pool, stack.pop_all())
    except (BadInput, Failure) as error:
        if assets is not None:
            raise
        raise CannotDraw(str(error)) from error


def _job(data: DataSet, assets: Path | None) -> Job:
    """Rebuild the job that rendered `data`. BadInput where there is none, or `assets` are other models."""
    settings = data.manifest.settings
    if settings["renderer"] not in RENDERERS:
        raise BadInput(f"{data.folder}: holds pictures that were imported, not rendered, and cannot be drawn again")
    try:
        sampling, recorded = _sampling(data), _recorded(settings["assets"])
    except (KeyError, ValueError) as error:
        raise BadInput(f"{data.folder}: expected a manifest that says what was drawn, found {error!r}") from None
    catalog = _catalog(data, recorded, assets)
    if settings.get("detail"):
        catalog = with_detail(catalog, data.size)
    job = Job(catalog, sampling, settings["seed"], data.size, data.batch_size, settings["renderer"])
    rebuilt = job.settings("")
    rebuilt["ranges"] = {name: rebuilt["ranges"][name] for name in data.ranges}  # a factor may be younger than shards
    if difference := first_difference(settings, rebuilt):
        raise BadInput(f"{data.folder}: this version of dcign would draw it otherwise: {difference}")
    return job


@dataclass(frozen=True)
class _Recorded:
    """The models that a manifest names: their name, id -> sha256, and how faces are drawn from them."""

    name: str
    models: dict[str, str]
    sampling: FaceSampling


def _recorded(assets: dict[str, Any]) -> _Recorded:
    """Read that from a manifest. KeyError where it does not say which models they were."""
    sampling = dict(assets.get("sampling", {}))
    sigma, expressions, walk = (sampling.get(key) for key in ("sigma", "expressions", "walk"))
    faces_as = FaceSampling(None if sigma is None else float(sigma), bool(expressions), bool(walk))
    return _Recorded(str(assets["name"]), dict(assets["models"]), faces_as)


def _catalog(data: DataSet, recorded: _Recorded, assets: Path | None) -> Catalog:
    """Open the models that `data` was rendered from, with all triangles. BadInput where `assets` are others."""
    name, models = recorded.name, recorded.models
    if assets is None and name != BUILT_IN:
        raise BadInput(f"{data.folder}: was rendered from {name}; --assets PATH names these models")
    if assets is not None and not assets.exists():
        raise BadInput(f"--assets {assets}: expected the models of {data.folder}, found nothing of that name")
    if assets is not None and (found := kind_at(assets)) != data.object:
        raise BadInput(f"{assets}: expected the {data.object}s of {data.folder}, found {found}s")
    catalog: Catalog
    if data.object == "face":
        catalog = faces(assets, recorded.sampling)
    else:
        # Just those of the shards: an identity is a place among them
        sources = built_in_chairs(max(PAPER_COUNT, len(models))) if assets is None else find_models(assets)[0]
        catalog = ChairCatalog(name, [source for source in sources if source.id in models])
    _check_models(data, assets, models, catalog.models)
    return catalog


def _check_models(data: DataSet, assets: Path | None, wanted: dict[str, str], found: dict[str, str]) -> None:
    """Raise BadInput, naming the first, unless all `wanted` models (id -> sha256) were found and no others."""
    difference = first_difference(wanted, found, "assets.models")
    if not difference:
        return
    if assets is None:
        raise BadInput(f"{data.folder}: this version of dcign has other built-in models: {difference}")
    if missing := sorted(wanted.keys() - found.keys()):
        others = f"{len(wanted) - len(missing)} of its {len(wanted)} models and no {missing[0]}"
        difference = others if len(wanted) > 1 else f"{', '.join(found) or 'nothing'} instead of {missing[0]}"
    raise BadInput(f"--assets {assets}: expected what {data.folder} was rendered from, found {difference}")


def _sampling(data: DataSet) -> Sampling:
    """Return the ranges and grid its values were drawn from. ValueError where nothing can be drawn from them."""
    grid = {name: tuple(map(float, values)) for name, values in data.manifest.settings.get("views", {}).items()}
    turned = any(low > high for low, high in data.ranges.values())
    if turned or not all(grid.values()) or not set(grid) <= set(data.ranges):
        raise ValueError(f"ranges {data.ranges}, views {grid}")
    return Sampling({**DEFAULT_RANGES[data.object], **data.ranges}, grid)


class _Unknown(Exception):
    """The level of detail has to be chosen: nothing is cached."""


@dataclass(frozen=True)
class _Choosing:
    """The work of one process, in which OpenGL is opened; see `render.jobs.pool.Pool`."""

    catalog: FaceCatalog
    size: int

    def start(self) -> str:
        return ""

    def run(self, task: int, tick: Callable[[int], None]) -> FaceCatalog:
        from render.opengl.batched import BatchedRenderer

        renderer = BatchedRenderer(self.size)

        def draw(scene: Scene) -> NDArray[np.uint8]:
            tick(1)
            return renderer.draw(scene)

        return with_level_of_detail(self.catalog, self.size, draw)


def with_detail(catalog: Catalog, size: int) -> Catalog:
    """Return the catalog with meshes as fine as can be seen in images of `size` pixels; chairs as they are."""
    if not isinstance(catalog, FaceCatalog):
        return catalog
    try:
        chosen = with_level_of_detail(catalog, size, _refuse)
    except _Unknown:
        chosen = _choose(catalog, size)
    detail = chosen.detail
    click.echo(f"Level of detail: {detail['triangles']:,} of {detail['of']:,} triangles.")
    return chosen


def _choose(catalog: FaceCatalog, size: int) -> FaceCatalog:
    """Choose it in a process of its own, with a bar of the images that may have to be compared."""
    click.echo("Choosing the level of detail, once for these faces at this size.")
    meshes = 1 + sum(count < len(catalog.model.triangles) for count in LADDER)
    found: list[FaceCatalog] = []
    with Pool(_Choosing(catalog, size), 1) as pool, progress_bar("compare", 2 * FACES * meshes, "image") as bar:
        pool.run([0], lambda _, result: found.append(result), bar.update)
        bar.total = bar.n  # it ends at the first mesh that is too coarse
    (chosen,) = found
    return chosen


def _refuse(scene: Scene) -> Any:
    raise _Unknown
