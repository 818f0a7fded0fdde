"""What a Sweet Home 3D furniture library (.sh3f) says of its models: names, tags, and how to turn each upright."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.errors import AssetError

CATALOG = "PluginFurnitureCatalog.properties"
LARGEST_CATALOG = 16 * 2**20  # bytes

_ENTRY = re.compile(r"^(model|modelRotation|name|tags|category)#(\d+)\s*[=:]\s*(.*?)\s*$", re.MULTILINE)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, eq=False)
class Furniture:
    """A catalog entry: `words` are its name, tags and category; `turn` (3, 3) makes the model upright and face +Z."""

    words: str
    turn: NDArray[np.float64] | None


def read_catalog(tree: FileTree) -> dict[str, Furniture]:
    """Member name -> entry, for the models that the catalog at the root of `tree` lists; empty where there is none."""
    catalog = tree.find(CATALOG, beside=CATALOG)
    if catalog is None:
        return {}
    content = tree.read(catalog)
    if len(content) > LARGEST_CATALOG:
        raise AssetError(f"{catalog}: expected at most {LARGEST_CATALOG} bytes, found {len(content)}")
    return _parsed(content)


@lru_cache(maxsize=8)
def _parsed(content: bytes) -> dict[str, Furniture]:
    """The entries of a catalog, parsed once for all the models that it lists."""
    text = content.decode("latin-1").replace("\\\n", "")
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
    """Nine numbers, row by row; None unless they are a rotation."""
    try:
        matrix = np.array((text or "").split(), dtype=np.float64).reshape(3, 3)
    except ValueError:
        return None
    return matrix if np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) and np.linalg.det(matrix) > 0 else None
