"""The built-in chairs: 1,357 procedural models, as many as the paper had, in eleven families. No download, no files.

There are as many more as anybody wants to train on: the families go on beyond their numbers.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.catalog import ModelSource
from assets.chairs import padded, wooden, woven
from assets.chairs.frame import Chair
from assets.chairs.solids import Solid, joined
from assets.mesh import Mesh, Surface

# Stands for the shapes and looks of all built-in chairs in their checksums. Whoever changes a chair on purpose replaces
# it (by any other 64 digits): weights and data sets of other chairs then no longer pass for those of these.
GENERATOR = "3ba1cb105a7ad194576cbe8851acd8ed17ac51e68968efc8d67928770510778c"

# family -> builder and number of chairs: proportions and parts are drawn from a generator seeded by family and number
FAMILIES: dict[str, tuple[Callable[[np.random.Generator], Chair], int]] = {
    "dining": (wooden.dining, 200),
    "slatted": (wooden.slatted, 150),
    "ladder-back": (wooden.ladder_back, 150),
    "office": (padded.office, 150),
    "armchair": (padded.armchair, 150),
    "lounge": (padded.lounge, 120),
    "stool": (wooden.stool, 110),
    "rocking": (wooden.rocking, 90),
    "folding": (wooden.folding, 87),
    "wicker": (woven.wicker, 75),
    "cantilever": (woven.cantilever, 75),
}
PAPER_COUNT = sum(count for _, count in FAMILIES.values())  # of chairs in the paper, and here


@dataclass(frozen=True)
class BuiltInChair:
    """Chair `number` (from 1) of a family; a `ModelSource`."""

    family: str
    number: int

    @property
    def id(self) -> str:
        return f"{self.family}-{self.number:04d}"

    @property
    def for_training(self) -> bool:
        """True beyond the paper's number: never one of those to test on, which are thus the same for everybody."""
        return self.number > FAMILIES[self.family][1]

    def sha256(self) -> str:
        """Return the SHA-256 of the id and of GENERATOR, which stands for the code that builds the chairs."""
        return hashlib.sha256(f"{self.id} {GENERATOR}".encode()).hexdigest()

    def build(self) -> Chair:
        """Build the chair as separate closed solids in centimetres, standing on y = 0."""
        seed = (list(FAMILIES).index(self.family), self.number)
        return FAMILIES[self.family][0](np.random.default_rng(seed))

    def read(self) -> Mesh:
        chair = self.build()
        low = np.min([solid.vertices.min(axis=0) for _, solid in chair.solids], axis=0)
        high = np.max([solid.vertices.max(axis=0) for _, solid in chair.solids], axis=0)
        centre = (low + high) / 2
        radius = max(np.linalg.norm(solid.vertices - centre, axis=1).max() for _, solid in chair.solids)
        names = dict.fromkeys(name for name, _ in chair.solids)
        return Mesh(self.id, tuple(_surface(chair, name, centre, float(radius)) for name in names))


def built_in_chairs(count: int = PAPER_COUNT) -> list[ModelSource]:
    """List `count` built-in chairs, sorted by id; each is made when it is read.

    The paper's come first, then the families go on, each in its share; so the chairs of a smaller count are among those
    of a larger one.
    """
    chairs = [BuiltInChair(family, k + 1) for family, (_, papers) in FAMILIES.items() for k in range(papers)]
    chairs.sort(key=lambda chair: chair.number / FAMILIES[chair.family][1])
    listed = [
        BuiltInChair(chair.family, chair.number + i // PAPER_COUNT * FAMILIES[chair.family][1])
        for i, chair in zip(range(count), itertools.cycle(chairs))
    ]
    return sorted(listed, key=lambda chair: chair.id)


def _surface(chair: Chair, name: str, centre: NDArray[np.float64], radius: float) -> Surface:
    """Join all solids of one finish, scaled to the unit sphere."""
    finish = chair.finishes[name]
    solid: Solid = joined([s for n, s in chair.solids if n == name])
    return Surface(
        vertices=((solid.vertices - centre) / radius).astype(np.float32),
        triangles=solid.triangles.astype(np.int32),
        normals=solid.normals.astype(np.float32),
        albedo=np.tile(np.array(finish.colour, np.float32), (len(solid.vertices), 1)),
        uv=(solid.uv / finish.tile).astype(np.float32) if finish.texture is not None else None,
        texture=finish.texture,
    )
