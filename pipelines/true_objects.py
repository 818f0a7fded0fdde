"""The true renderer beside the network: unseen objects to start from, and their pictures at any pose and light."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcign.rendering import rendering_of
from dcign.run import Run
from pipelines.probes import gallery_views, probe_views
from pipelines.studio import NoStudio, Studio, open_studio
from render.errors import BadInput
from render.views import Views

OBJECTS = 100


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
