"""Single objects: of any models, drawn in this process; or unseen ones of a run's data, drawn by its own renderer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog
from assets.chairs.catalog import ChairCatalog
from assets.mesh import Mesh
from pipelines.catalogs import model_path
from pipelines.drawing.probes import gallery_views, probe_views
from pipelines.drawing.renderer import CannotDraw, DatasetRenderer, open_dataset_renderer
from pipelines.drawing.sheet import Gallery
from render.errors import BadInput
from render.factors import generator
from render.jobs.views import Views

if TYPE_CHECKING:
    from dcign.runs.run import Run

FRONT = {"face": (0.0, 0.0, 0.0), "chair": (30.0, 20.0, 0.0)}  # azimuth, elevation, light
OBJECTS = 100


class ObjectRenderer:
    """Draws the objects of a catalog with all the triangles it has, lit and framed as in shards, `size` pixels wide."""

    def __init__(self, catalog: Catalog, size: int) -> None:
        self.catalog = catalog
        self._gallery = Gallery(catalog, size)

    @property
    def front(self) -> tuple[float, float, float]:
        """The azimuth, elevation and light that show an object best, degrees."""
        return FRONT[self.catalog.object]

    def object(self, number: int, split: str) -> Mesh:
        """Make one face or chair of a split, another for each number."""
        stream = partial(generator, number, split, "drawing", 0)
        chosen = self.catalog.choose(split, number, (), 1, stream)
        return self.catalog.mesh(
            int(chosen.identity[0]), None if chosen.coefficients is None else chosen.coefficients[0]
        )

    def unseen(self, number: int, path: Path | None) -> tuple[str, Mesh]:
        """Name and make an object that weights trained on the built-in models have not seen.

        Of the built-in models at `path` it is one of the test split; of other chairs, each in turn.
        """
        if isinstance(self.catalog, ChairCatalog) and model_path(path) is not None:
            place = number % len(self.catalog.sources)
            return Path(self.catalog.sources[place].id).stem, self.catalog.mesh(place, None)
        return f"{self.catalog.object}-{number}", self.object(number, "test")

    def image(self, mesh: Mesh, azimuth: float, elevation: float, light: float) -> NDArray[np.uint8]:
        """Draw (size, size) in one pose and light, degrees."""
        return self._gallery.image(mesh, azimuth, elevation, light)


class UnseenObjects:
    """Objects of the test split of a run's data, each seen from in front; a context manager, as the renderer is.

    Draws with a pool of processes, so from one thread at a time.
    """

    def __init__(self, renderer: DatasetRenderer) -> None:
        self._renderer = renderer
        seed = renderer.settings["seed"]
        probes = probe_views(renderer.catalog, renderer.sampling, seed, "test", OBJECTS, views=1)
        self._frontal = gallery_views(renderer.catalog, renderer.sampling, probes)

    def __len__(self) -> int:
        return len(self._frontal)

    def __enter__(self) -> UnseenObjects:
        return self

    def __exit__(self, *_: object) -> None:
        self._renderer.__exit__()

    def frontal(self, number: int) -> Views:
        """Return the one view of object `number`, 0 <= number < len."""
        return self._frontal.rows(slice(number, number + 1))

    def draw(self, views: Views, degrees: Mapping[str, float]) -> NDArray[np.uint8]:
        """Draw (H, W): one view with some of its angles changed."""
        values = {**views.values, **{name: np.full(1, angle, np.float32) for name, angle in degrees.items()}}
        image: NDArray[np.uint8] = self._renderer.draw(Views(views.identity, views.coefficients, values))[0]
        return image


def open_unseen_objects(run: Run, assets: Path | None) -> UnseenObjects:
    """Open the renderer of a run's data, with the models at `assets` (the built-in ones for None).

    CannotDraw, saying why, where it cannot be opened and nobody named models; other BadInput where they are wrong.
    """
    from dcign.runs.training_data import rendering_of  # torch, only where it is needed

    try:
        data = rendering_of(run)
        if data is None:
            raise BadInput(f"{run.folder}: not known how its training data were drawn, and its shards are not there")
        renderer = open_dataset_renderer(data, assets, workers=1)
    except BadInput as error:
        if assets is not None:
            raise
        raise CannotDraw(str(error)) from error
    try:
        return UnseenObjects(renderer)
    except BadInput as error:
        renderer.__exit__()
        raise CannotDraw(str(error)) from error
