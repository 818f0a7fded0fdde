"""Single objects of any models, drawn in this process as the images of shards are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog
from assets.chair_catalog import ChairCatalog
from assets.mesh import Mesh
from pipelines.catalogs import given
from pipelines.drawing.probes import gallery_views, probe_views
from pipelines.drawing.renderer import NoStudio, Studio, open_studio
from pipelines.drawing.sheet import Gallery
from render.errors import BadInput
from render.factors import generator
from render.job import shading_for
from render.reference import kept_renderer
from render.views import Views

if TYPE_CHECKING:
    from dcign.run import Run

FRONT = {"face": (0.0, 0.0, 0.0), "chair": (30.0, 20.0, 0.0)}  # azimuth, elevation, light
OBJECTS = 100


class SingleViews:
    """Draws the objects of an opened catalog, `size` pixels wide and high."""

    def __init__(self, catalog: Catalog, size: int) -> None:
        self.catalog = catalog
        self._gallery = Gallery(catalog, kept_renderer(size).draw, shading_for(catalog), size)

    @property
    def front(self) -> tuple[float, float, float]:
        """The azimuth, elevation and light that show an object best, degrees."""
        return FRONT[self.catalog.object]

    def object(self, number: int, split: str) -> Mesh:
        """Another face or chair of a split for each number."""
        stream = partial(generator, number, split, "drawing", 0)
        chosen = self.catalog.choose(split, number, (), 1, stream)
        return self.catalog.mesh(
            int(chosen.identity[0]), None if chosen.coefficients is None else chosen.coefficients[0]
        )

    def unseen(self, number: int, path: Path | None) -> tuple[str, Mesh]:
        """A name and an object that weights trained on the built-in models have not seen: of those, one of the test
        split; of other chairs, each in turn."""
        if isinstance(self.catalog, ChairCatalog) and given(path) is not None:
            place = number % len(self.catalog.sources)
            return Path(self.catalog.sources[place].id).stem, self.catalog.mesh(place, None)
        return f"{self.catalog.object}-{number}", self.object(number, "test")

    def image(self, mesh: Mesh, azimuth: float, elevation: float, light: float) -> NDArray[np.uint8]:
        """(size, size) in one pose and light, degrees."""
        return self._gallery.image(mesh, azimuth, elevation, light)


class TrueObjects:
    """Objects of the test split of a run's data, each seen from in front; a context manager, as the studio it draws in.

    Draws with a pool of processes, so from one thread at a time.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        probes = probe_views(studio.catalog, studio.sampling, studio.settings["seed"], "test", OBJECTS, views=1)
        self._frontal = gallery_views(studio.catalog, studio.sampling, probes)

    def __len__(self) -> int:
        return len(self._frontal)

    def __enter__(self) -> TrueObjects:
        return self

    def __exit__(self, *_: object) -> None:
        self._studio.__exit__()

    def frontal(self, number: int) -> Views:
        """One view of object `number`, 0 <= number < len."""
        return self._frontal.rows(slice(number, number + 1))

    def draw(self, views: Views, degrees: Mapping[str, float]) -> NDArray[np.uint8]:
        """(H, W): one view with some of its angles changed."""
        values = {**views.values, **{name: np.full(1, angle, np.float32) for name, angle in degrees.items()}}
        image: NDArray[np.uint8] = self._studio.draw(Views(views.identity, views.coefficients, values))[0]
        return image


def open_true_objects(run: Run, assets: Path | None) -> TrueObjects:
    """The renderer of a run's data, with the models at `assets` (the built-in ones for None).

    NoStudio, saying why, where it cannot be opened and nobody named models; other BadInput where they are wrong.
    """
    from dcign.rendering import rendering_of  # torch, only where it is needed

    try:
        data = rendering_of(run)
        if data is None:
            raise BadInput(f"{run.folder}: not known how its training data were drawn, and its shards are not there")
        studio = open_studio(data, assets, workers=1)
    except BadInput as error:
        if assets is not None:
            raise
        raise NoStudio(str(error)) from error
    try:
        return TrueObjects(studio)
    except BadInput as error:
        studio.__exit__()
        raise NoStudio(str(error)) from error
