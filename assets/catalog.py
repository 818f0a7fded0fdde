"""Catalogs of objects to draw, faces of a morphable model or chairs, and the sources that chair models come from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assets.mesh import Float, Mesh

Stream = Callable[[str], np.random.Generator]


@dataclass(frozen=True, eq=False)
class Individuals:
    """n objects, or one that stands for all images of a mini-batch.

    identity      (n,) int64: who or which it is. A face of one identity may have several expressions
    coefficients  (n, K) float32 of the morphable model, in standard deviations; None where there is none. Where they
                  are given, they alone say what is drawn
    """

    identity: NDArray[np.int64]
    coefficients: Float | None = None


class Catalog(Protocol):
    """Objects to draw. An identity is a number that stands for one object, for good.

    object    "face" or "chair"
    name      of the face model or the folder
    models    id -> sha256 of what was read
    parts     part of the intrinsic properties -> its number of coefficients, in their order; empty without coefficients
    sampling  what else decides which objects are drawn, for the manifest
    target    (3,) the point to look at and to turn about, in the meshes' unit
    radius    of the sphere around `target` to hold in view
    """

    object: str
    name: str
    models: dict[str, str]
    parts: dict[str, int]
    sampling: dict[str, Any]
    target: tuple[float, float, float]
    radius: float

    def varies(self, parts: Collection[str]) -> bool:
        """Whether objects can differ in these parts alone."""

    def choose(self, split: str, index: int, parts: Collection[str], count: int, stream: Stream) -> Individuals:
        """The objects of mini-batch `index`: `count` that differ in `parts` and in nothing else; one for no parts.

        Identities of "train" and "test" never overlap. Random numbers come from `stream(name)` only.
        """

    def rounds(self, split: str, index: int) -> int:
        """How often every model has had its turn before mini-batch `index`."""

    def mesh(self, identity: int, coefficients: Float | None) -> Mesh:
        """The object itself. `coefficients` (K,) float32, where the catalog has any."""

    def meshes(self, identities: NDArray[np.int64], coefficients: Float | None) -> list[Mesh]:
        """The n objects of `identities` (n,), at once. `coefficients` (n, K) float32, where the catalog has any."""


class ModelSource(Protocol):
    """A model that is not read yet: cheap to list, to pickle and to hand to a worker process."""

    @property
    def id(self) -> str:
        """A stable name, e.g. `scopia/armchair/armchair.obj`, `library.sh3f!models/chair.obj` or `dining-0001`."""

    def sha256(self) -> str:
        """Hexadecimal SHA-256 of everything that decides the outcome of `read`."""

    def read(self) -> Mesh:
        """The mesh: centred on its bounding box, farthest vertex at distance 1, +Y up, facing +Z; or AssetError."""
