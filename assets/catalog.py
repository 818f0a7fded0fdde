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
class Objects:
    """n objects, or one that stands for all images of a mini-batch.

    identity      (n,) int64: the number of the person or chair. A face of one identity may have several expressions
    coefficients  (n, K) float32 of the morphable model, in standard deviations, which alone decide what is drawn; None
                  for objects that are no morphable models
    """

    identity: NDArray[np.int64]
    coefficients: Float | None = None


class Catalog(Protocol):
    """Objects to draw. An identity is a number that stands for one object, for good.

    object    "face" or "chair"
    name      of the face model or the folder
    models    id -> sha256 of what was read
    parts     part of the intrinsic properties -> its number of coefficients, in their order; empty without coefficients
    sampling  whatever else decides which objects are drawn, for the manifest
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
        """Tell whether objects can differ in these parts alone."""

    def choose(self, split: str, index: int, parts: Collection[str], count: int, stream: Stream) -> Objects:
        """Choose the objects of mini-batch `index`: `count` that differ in `parts` and nothing else; one for no parts.

        Identities of "train" and "test" never overlap. Random numbers come from `stream(name)` only.
        """

    def rounds(self, split: str, index: int) -> int:
        """Count how often every model has had its turn before mini-batch `index`."""

    def mesh(self, identity: int, coefficients: Float | None) -> Mesh:
        """Make the mesh of one object. `coefficients` (K,) float32, if the catalog has any."""

    def meshes(self, identities: NDArray[np.int64], coefficients: Float | None) -> list[Mesh]:
        """Make the meshes of the n objects `identities` (n,). `coefficients` (n, K) float32, if the catalog has any."""


class ModelSource(Protocol):
    """A model that is not read yet: cheap to list, to pickle and to hand to a worker process."""

    @property
    def id(self) -> str:
        """A stable name, e.g. `scopia/armchair/armchair.obj`, `library.sh3f!models/chair.obj` or `dining-0001`."""

    @property
    def for_training(self) -> bool:
        """True of a model that is never held out for testing."""

    def sha256(self) -> str:
        """Return the SHA-256, hexadecimal, of everything that decides the outcome of `read`."""

    def read(self) -> Mesh:
        """Read the mesh: centred on its bounding box, radius 1, +Y up, facing +Z. Raises AssetError."""
