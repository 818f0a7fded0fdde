"""Public collections recognised by their layout: how their models are turned, and what each is called.

ShapeNetCore v2   03001627/<id>/models/model_normalized.obj, which refers to ../images; +Y up, front -Z
ModelNet          chair/train/chair_0001.off; Z up, front -Y
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_Z_UP_FRONT_MINUS_Y = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)
_FRONT_MINUS_Z = np.diag([-1.0, 1.0, -1.0])

_SHAPENET_FILE = "model_normalized.obj"
_SHAPENET = re.compile(rf"/(?:(\d{{8}})/)?([^/]+)/models/{re.escape(_SHAPENET_FILE)}$")
_MODELNET = re.compile(r"/(([a-z_]+)/(?:train|test)/\2_\d{4}\.off)$")


@dataclass(frozen=True)
class Place:
    """Where a model belongs: its id, the folder that holds all its files, and its name below that."""

    id: str
    root: Path
    member: str


def place_in_collection(root: Path, member: str) -> Place | None:
    """The place of the model `member` below `root` in its collection, the same whichever folder above is given.

    None for models of no known collection. A ShapeNet model may read the folder of its own, even where `root` lies
    inside that, and nothing outside it.
    """
    whole = Path(os.path.abspath(root / member))
    found = _SHAPENET.search(whole.as_posix())
    if found:
        folder = whole.parent.parent
        synset, model = found.groups()
        above = os.path.relpath(folder.parent, os.path.abspath(root))
        within = synset or ("" if above.startswith(".") else Path(above).as_posix())
        return Place(posixpath.join(within, model), folder, f"models/{_SHAPENET_FILE}")
    found = _MODELNET.search(whole.as_posix())
    return Place(found.group(1), root, member) if found else None


def is_aligned(name: str) -> bool:
    """Whether the model file `name` is of a collection all of whose models face the same way."""
    return posixpath.basename(name) == _SHAPENET_FILE


def turn_of_collection(name: str) -> NDArray[np.float64] | None:
    """The rotation that makes the model file `name` stand upright and face +Z; None where its name does not tell.

    Any .off counts as ModelNet: others mostly have Z up too, and the format says nothing about it.
    """
    if posixpath.splitext(name)[1].lower() == ".off":
        return _Z_UP_FRONT_MINUS_Y
    return _FRONT_MINUS_Z if is_aligned(name) else None
