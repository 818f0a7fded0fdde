"""Basel Face Model 2017 and 2019: an HDF5 file with groups `shape`, `color` and `expression` in statismo's layout.

Millimetres, colours in 0..1, triangles from 0. Expressions are not read. Version 0.9 keeps an orthonormal basis and
variances, version 0.8 a basis already multiplied by the standard deviations (Gerig et al. 2018).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from assets.errors import AssetError
from assets.face_arrays import (
    Array,
    check_sizes,
    face_model,
    mean_vertices,
    numbers,
    triangle_indices,
    unit_modes,
)
from assets.mesh import Float, Index
from assets.morphable import Modes, MorphableModel

CENTIMETRES = 0.1  # in a millimetre


def is_basel_h5(path: Path) -> bool:
    """Whether `path` is a file with the name of an HDF5 file."""
    return path.is_file() and path.suffix.lower() in (".h5", ".hdf5")


def read_basel_h5(path: Path) -> MorphableModel:
    """The neutral face of a Basel 2017 or 2019 model, with as many vertices and modes as the file has.

    Raises AssetError naming the file, what was expected and what was found.
    """
    try:
        with h5py.File(path, "r") as file:
            return _model(path, file)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:  # from HDF5
        raise AssetError(f"{path}: expected a whole HDF5 file, found: {error}") from error


def _model(path: Path, file: Any) -> MorphableModel:
    mean, shape = _mean_and_modes(path, file, "shape")
    triangles = _triangles(path, file, len(mean))
    if file.get("color", getlink=True) is None:
        return face_model("basel-h5", path, "mm", CENTIMETRES, triangles, mean, shape)
    albedo_mean, albedo = _mean_and_modes(path, file, "color")
    if len(albedo_mean) != len(mean):
        raise AssetError(f"{path}: expected {len(mean)} vertices in color as in shape, found {len(albedo_mean)}")
    return face_model("basel-h5", path, "mm", CENTIMETRES, triangles, mean, shape, albedo_mean, albedo)


def _basis_is_scaled(path: Path, file: Any, group: str) -> bool:
    """Whether `group` has version 0.8 rather than 0.9 or 1.x: by its own word, or the file's; old ones say nothing."""
    for folder in (f"{group}/version", "version"):
        if _found(path, file, folder) is not None:
            names = (f"{folder}/majorVersion", f"{folder}/minorVersion")
            major, minor = (numbers(path, name, _array(path, file, name)).ravel().tolist() for name in names)
            if major != [1] and (major, minor) not in (([0], [8]), ([0], [9])):
                raise AssetError(f"{path}: expected version 0.8, 0.9 or 1, found {major}, {minor} in {folder}")
            return (major, minor) == ([0], [8])
    return True


def _mean_and_modes(path: Path, file: Any, group: str) -> tuple[Float, Modes]:
    mean = mean_vertices(path, f"{group}/model/mean", _array(path, file, f"{group}/model/mean"))
    variances = numbers(path, f"{group}/model/pcaVariance", _array(path, file, f"{group}/model/pcaVariance"))
    if variances.size and variances.min() < 0:
        raise AssetError(f"{path}: expected {group}/model/pcaVariance from 0, found {variances.min():.4g}")
    what = f"{group}/model/pcaBasis"
    scaled = _basis_is_scaled(path, file, group)
    return mean, unit_modes(path, what, _array(path, file, what), np.sqrt(variances), scaled, len(mean))


def _triangles(path: Path, file: Any, vertex_count: int) -> Index:
    """(F, 3): the transpose of `cells`, or the legacy `reference-mesh/triangle-list` as it is."""
    cells, legacy = "shape/representer/cells", "shape/representer/reference-mesh/triangle-list"
    if _found(path, file, cells) is not None:
        return triangle_indices(path, cells, _array(path, file, cells).T, 0, vertex_count)
    if _found(path, file, legacy) is not None:
        return triangle_indices(path, legacy, _array(path, file, legacy), 0, vertex_count)
    raise AssetError(f"{path}: expected {cells} or {legacy}, found neither")


def _found(path: Path, file: Any, name: str) -> Any | None:
    """What the file has under `name`, None if nothing. Links are refused: they may lead to other files."""
    node = file
    for part in name.split("/"):
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise AssetError(f"{path}: expected {name} itself, found a link at {part}")
        node = node[part]
    return node


def _array(path: Path, file: Any, name: str) -> Array:
    """A dataset of numbers, stored in this very file, of a size that may be read."""
    dataset = _found(path, file, name)
    if not isinstance(dataset, h5py.Dataset):
        raise AssetError(f"{path}: expected {name}, found {'nothing' if dataset is None else 'no dataset'}")
    if dataset.shape is None or dataset.dtype.kind not in "fiu":
        raise AssetError(f"{path}: expected numbers in {name}, found {dataset.dtype}")
    if dataset.external or dataset.is_virtual:
        raise AssetError(f"{path}: expected {name} in this file, found a reference to others")
    check_sizes(path, name, dataset.shape, dataset.dtype.itemsize)
    return np.asarray(dataset[()])
