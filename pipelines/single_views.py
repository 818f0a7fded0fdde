"""Single objects of any models, drawn in this process as the images of shards are."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog
from assets.chair_catalog import ChairCatalog
from assets.mesh import Mesh
from pipelines.opening import given
from render.factors import generator
from render.gallery import Gallery
from render.job import shading_for
from render.reference import kept_renderer

FRONT = {"face": (0.0, 0.0, 0.0), "chair": (30.0, 20.0, 0.0)}  # azimuth, elevation, light


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
