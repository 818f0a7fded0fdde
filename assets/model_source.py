"""What every provider of chairs offers: a model that has a stable name, a checksum, and can be read when needed."""

from __future__ import annotations

from typing import Protocol

from assets.mesh import Mesh


class ModelSource(Protocol):
    """A model that is not read yet: cheap to list, to pickle and to hand to a worker process."""

    @property
    def id(self) -> str:
        """A stable name, e.g. `scopia/armchair/armchair.obj`, `library.sh3f!models/chair.obj` or `dining-0001`."""

    def sha256(self) -> str:
        """Hexadecimal SHA-256 of everything that decides the outcome of `read`."""

    def read(self) -> Mesh:
        """The mesh: centred on its bounding box, farthest vertex at distance 1, +Y up, facing +Z; or AssetError."""
