"""Nodes of HDF5 files that are not trusted: found in the file itself, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from assets.errors import AssetError

# What h5py raises for files that are damaged or of another kind.
HDF5_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError)


def find_node(path: Path, file: Any, name: str) -> Any | None:
    """Return the node of the file called `name`, None if there is none. Links are refused: they may lead elsewhere."""
    node = file
    for part in name.split("/"):
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise AssetError(f"{path}: expected {name} itself, found a link at {part}")
        node = node[part]
    if isinstance(node, h5py.Dataset) and (node.external or node.is_virtual):
        raise AssetError(f"{path}: expected {name} in this file, found a reference to others")
    return node
