"""Draws what a mini-batch shows: one factor afresh for each image, every other factor once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog
from render.factors import EXTRINSIC, draw_angles, generator
from render.scene import Camera, Scene, Shading


@dataclass(frozen=True, eq=False)
class Draw:
    """The values of one mini-batch of N images: angles (N,) float32 degrees, identity (N,) int64."""

    azimuth: NDArray[np.float32]
    elevation: NDArray[np.float32]
    light: NDArray[np.float32]
    identity: NDArray[np.int64]


def draw_minibatch(
    catalog: Catalog,
    ranges: Mapping[str, tuple[float, float]],
    batch_size: int,
    seed: int,
    split: str,
    factor: str,
    index: int,
) -> Draw:
    """The values of mini-batch `index` of `factor`: a pure function of the arguments (paper, section 4).

    The active factor gets `batch_size` values, each of the others one, repeated.
    """

    def count(name: str) -> int:
        return batch_size if name == factor else 1

    def stream(name: str) -> np.random.Generator:
        return generator(seed, split, factor, index, name)

    values: dict[str, NDArray[Any]] = {
        name: draw_angles(*ranges[name], count(name), stream(name)) for name in EXTRINSIC
    }
    values["identity"] = catalog.choose(split, index, count("intrinsic"), stream("identity"))
    return Draw(**{name: np.broadcast_to(drawn, (batch_size,)) for name, drawn in values.items()})


def scenes(draw: Draw, catalog: Catalog, camera: Camera, shading: Shading) -> Iterator[Scene]:
    """One scene for each image of the mini-batch; images of one identity share one mesh."""
    identity, mesh = None, None
    for i in range(len(draw.identity)):
        if draw.identity[i] != identity or mesh is None:
            identity, mesh = draw.identity[i], catalog.mesh(int(draw.identity[i]))
        yield Scene(mesh, float(draw.azimuth[i]), float(draw.elevation[i]), float(draw.light[i]), camera, shading)
