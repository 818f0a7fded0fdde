"""The values that a mini-batch shows: one factor drawn afresh for each image, all others once for all images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog
from assets.mesh import Float
from render.factors import EXTRINSIC, FACTORS, draw_values, generator, pick_values
from render.scene import Camera, Scene, Shading, with_value


@dataclass(frozen=True)
class Sampling:
    """The distribution of the numbers of the scene.

    ranges  extrinsic factor -> (low, high), uniform
    views   extrinsic factor -> the values to draw from instead, for factors on a grid
    """

    ranges: Mapping[str, tuple[float, float]]
    views: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def limits(self, name: str) -> tuple[float, float]:
        """Return the (low, high) of all that can be drawn."""
        return (min(self.views[name]), max(self.views[name])) if name in self.views else self.ranges[name]

    def draw(self, name: str, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw (count,) values."""
        if name in self.views:
            return pick_values(self.views[name], count, rng)
        return draw_values(*self.ranges[name], count, rng)


@dataclass(frozen=True, eq=False)
class MiniBatchValues:
    """The values of one mini-batch of N images.

    values        extrinsic factor -> (N,) float32, degrees
    identity      (N,) int64
    coefficients  (N, K) float32, (1, K) if all images share them, or None (see `assets.catalog.Objects`)
    """

    values: dict[str, NDArray[np.float32]]
    identity: NDArray[np.int64]
    coefficients: Float | None


def sample_minibatch(
    catalog: Catalog, sampling: Sampling, batch_size: int, seed: int, split: str, factor: str, index: int
) -> MiniBatchValues:
    """Draw the values of mini-batch `index` of `factor`: a pure function of the arguments (paper, section 4).

    The active factor gets `batch_size` values, each of the others one, repeated. Factors on a grid that are not active
    go through all their combinations, one after each round over the models.
    """

    def stream(name: str) -> np.random.Generator:
        return generator(seed, split, factor, index, name)

    values: dict[str, Any] = {
        name: sampling.draw(name, batch_size if name == factor else 1, stream(name)) for name in EXTRINSIC
    }
    fixed = [name for name in sampling.views if name != factor]
    combinations = list(product(*(sampling.views[name] for name in fixed)))
    values |= zip(fixed, combinations[catalog.rounds(split, index) % len(combinations)], strict=True)
    chosen = catalog.choose(split, index, FACTORS[factor].parts, batch_size, stream)
    return MiniBatchValues(
        {name: np.broadcast_to(np.float32(value), (batch_size,)) for name, value in values.items()},
        np.broadcast_to(chosen.identity, (batch_size,)),
        chosen.coefficients,
    )


def scenes(values: MiniBatchValues, catalog: Catalog, camera: Camera, shading: Shading) -> list[Scene]:
    """Make one scene for each image of the mini-batch; consecutive images of one object share one mesh."""
    count = len(values.identity)
    if values.coefficients is not None and len(values.coefficients) == 1:
        new = np.arange(count) == 0
    elif values.coefficients is not None:
        new = np.ones(count, bool)
    else:
        new = np.diff(values.identity, prepend=-1) != 0
    chosen = None if values.coefficients is None else values.coefficients[new[: len(values.coefficients)]]
    meshes = catalog.meshes(values.identity[new], chosen)
    made = []
    for i, mesh in enumerate(np.cumsum(new) - 1):
        scene = Scene(meshes[mesh], 0.0, 0.0, 0.0, camera, shading)
        for name, column in values.values.items():
            scene = with_value(scene, FACTORS[name].sets, float(column[i]))
        made.append(scene)
    return made
