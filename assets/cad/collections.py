"""Collections of models that say how each model stands, and what it is called.

ShapeNetCore v2   03001627/<id>/models/model_normalized.obj, which refers to ../images; +Y up, front -Z
ModelNet          chair/train/chair_0001.off; Z up, front -Y
Sweet Home 3D     a library (.sh3f) whose catalog lists for each model its name, tags and the turn that puts it upright
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.text import plain_text
from assets.errors import AssetError

_Z_UP_FRONT_MINUS_Y = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)
_FRONT_MINUS_Z = np.diag([-1.0, 1.0, -1.0])

_SHAPENET_FILE = "model_normalized.obj"
_SHAPENET = re.compile(rf"/(?:(\d{{8}})/)?([^/]+)/models/{re.escape(_SHAPENET_FILE)}$")
_MODELNET = re.compile(r"/(([a-z_]+)/(?:train|test)/\2_\d{4}\.off)$")

CATALOG = "PluginFurnitureCatalog.properties"
LARGEST_CATALOG = 16 * 2**20  # bytes

_ENTRY = re.compile(r"^(model|modelRotation|name|tags|category)#(\d+)\s*[=:]\s*(.*?)\s*$", re.MULTILINE)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Place:
    """A model in its collection.

    id      its name there
    root    the folder that holds all its files
    member  its name below `root`
    """

    id: str
    root: Path
    member: str


def place_in_collection(root: Path, member: str) -> Place | None:
    """Find the place of the model `member` below `root` in its collection, the same whichever folder above is given.

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
    """Tell whether the model file `name` is of a collection all of whose models face the same way."""
    return posixpath.basename(name) == _SHAPENET_FILE


def turn_of_collection(name: str) -> NDArray[np.float64] | None:
    """Return the rotation that makes the model file `name` stand upright and face +Z; None if its name does not tell.

    Any .off counts as ModelNet: others mostly have Z up too, and the format says nothing about it.
    """
    if posixpath.splitext(name)[1].lower() == ".off":
        return _Z_UP_FRONT_MINUS_Y
    return _FRONT_MINUS_Z if is_aligned(name) else None


@dataclass(frozen=True, eq=False)
class Furniture:
    """A catalog entry: `words` are its name, tags and category; `turn` (3, 3) makes the model upright and face +Z."""

    words: str
    turn: NDArray[np.float64] | None


def read_catalog(tree: FileTree) -> dict[str, Furniture]:
    """Read the catalog at the root of `tree`: member name -> entry for each model listed; empty without a catalog."""
    catalog = tree.find(CATALOG, beside=CATALOG)
    if catalog is None:
        return {}
    content = tree.read(catalog)
    if len(content) > LARGEST_CATALOG:
        raise AssetError(f"{catalog}: expected at most {LARGEST_CATALOG} bytes, found {len(content)}")
    return _parsed(content)


@lru_cache(maxsize=8)
def _parsed(content: bytes) -> dict[str, Furniture]:
    """Parse the entries of a catalog, once for all the models that it lists."""
    text = plain_text(content).decode("latin-1").replace("\\\n", "")
    entries: dict[str, dict[str, str]] = {}
    for key, number, value in _ENTRY.findall(text):
        entries.setdefault(number, {})[key] = _ESCAPE.sub(lambda m: chr(int(m.group(1), 16)), value)
    return {
        entry["model"].replace("\\", "").lstrip("/"): Furniture(
            " ".join(entry.get(key, "") for key in ("name", "tags", "category")), _rotation(entry.get("modelRotation"))
        )
        for entry in entries.values()
        if "model" in entry
    }


def _rotation(text: str | None) -> NDArray[np.float64] | None:
    """Parse nine numbers, row by row; None unless they are a rotation."""
    try:
        matrix = np.array((text or "").split(), dtype=np.float64).reshape(3, 3)
    except ValueError:
        return None
    return matrix if np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) and np.linalg.det(matrix) > 0 else None
