"""Basel Face Model 2017 and 2019: an HDF5 file with groups `shape`, `color` and `expression` in statismo's layout.

Millimetres, colours in 0..1, triangles from 0. Version 0.9 keeps an orthonormal basis and variances, version 0.8 a
basis already multiplied by the standard deviations (Gerig et al. 2018). Landmarks are points on the reference mesh of
the shapes. `assets.basel_export` adds the dataset BLEND_SHAPES, which other readers pass over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.spatial import cKDTree

from assets.basel_landmarks import LARGEST_TEXT, Landmarks, landmarks_from_json, landmarks_from_lines
from assets.errors import AssetError
from assets.face_arrays import (
    Array,
    Columns,
    Unit,
    check_sizes,
    face_model,
    mean_vertices,
    numbers,
    triangle_indices,
    unit_modes,
)
from assets.mesh import Float, Index
from assets.morphable import Modes, MorphableModel

MILLIMETRES = Unit("mm", 0.1)
LANDMARKS_JSON, LANDMARKS_TEXT = "metadata/landmarks/json", "metadata/landmarks/text"
BLEND_SHAPES = "expression/metadata/blend_shapes"  # JSON: {"names": [K names, or none], "one_sided": true or false}


def is_basel_h5(path: Path) -> bool:
    """Whether `path` is a file with the name of an HDF5 file."""
    return path.is_file() and path.suffix.lower() in (".h5", ".hdf5")


def read_basel_h5(path: Path) -> MorphableModel:
    """A Basel 2017 or 2019 model, with as many vertices and modes as the file has.

    Raises AssetError naming the file, what was expected and what was found.
    """
    try:
        with h5py.File(path, "r") as file:
            return _model(path, file)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:  # from HDF5
        raise AssetError(f"{path}: expected a whole HDF5 file, found: {error}") from error


def _model(path: Path, file: Any) -> MorphableModel:
    mean = _mean(path, file, "shape", None, MILLIMETRES.centimetres)
    shape = _modes(path, file, "shape", len(mean), MILLIMETRES.centimetres)
    triangles = _triangles(path, file, len(mean))
    albedo_mean, albedo = None, None
    if file.get("color", getlink=True) is not None:
        albedo_mean, albedo = _mean(path, file, "color", len(mean), 1.0), _modes(path, file, "color", len(mean), 1.0)
    expression_mean, expression = None, None
    if file.get("expression", getlink=True) is not None:
        expression = _modes(path, file, "expression", len(mean), MILLIMETRES.centimetres)
        expression = _blend_shapes(path, file, expression)
        offsets = _mean(path, file, "expression", len(mean), MILLIMETRES.centimetres)
        expression_mean = offsets if offsets.any() else None
    return face_model(
        "basel-h5", path, MILLIMETRES, triangles, mean, shape, albedo_mean, albedo, expression, expression_mean,
        _landmarks(path, file, mean),
    )  # fmt: skip


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


def _mean(path: Path, file: Any, group: str, vertex_count: int | None, scale: float) -> Float:
    name = f"{group}/model/mean"
    mean = mean_vertices(path, name, _array(path, file, name), scale)
    if vertex_count not in (None, len(mean)):
        raise AssetError(f"{path}: expected {vertex_count} vertices in {group} as in shape, found {len(mean)}")
    return mean


def _modes(path: Path, file: Any, group: str, vertex_count: int, scale: float) -> Modes:
    variances = numbers(path, f"{group}/model/pcaVariance", _array(path, file, f"{group}/model/pcaVariance"))
    if variances.size and variances.min() < 0:
        raise AssetError(f"{path}: expected {group}/model/pcaVariance from 0, found {variances.min():.4g}")
    deviations = np.sqrt(variances.astype(np.float64))
    columns: Columns = "scaled" if _basis_is_scaled(path, file, group) else "unit"
    what = f"{group}/model/pcaBasis"
    return unit_modes(path, what, _array(path, file, what), deviations, columns, vertex_count, scale)


def _blend_shapes(path: Path, file: Any, expression: Modes) -> Modes:
    """The modes of expression with the names and the one-sidedness that our own files give them."""
    text = _text(path, file, BLEND_SHAPES)
    if text is None:
        return expression
    try:
        said = json.loads(text)
        names, one_sided = tuple(said["names"]), said["one_sided"]
    except (ValueError, RecursionError, KeyError, TypeError):
        names, one_sided = (None,), None
    if len(names) not in (0, len(expression)) or not all(isinstance(n, str) for n in names) or one_sided not in (0, 1):
        raise AssetError(f"{path}: expected {len(expression)} names in {BLEND_SHAPES}, found something else")
    return Modes(expression.components, expression.deviations, names, bool(one_sided))


def _landmarks(path: Path, file: Any, mean: Float) -> Landmarks:
    """Landmarks moved from the reference mesh to the mean face, with the vertex that they lie next to."""
    text, read = _text(path, file, LANDMARKS_JSON), landmarks_from_json
    if text is None:
        text, read = _text(path, file, LANDMARKS_TEXT), landmarks_from_lines
    landmarks = read(text or "")
    points = "shape/representer/points"
    if not landmarks or _found(path, file, points) is None:
        return landmarks
    reference = numbers(path, points, _array(path, file, points))
    if reference.shape != (3, len(mean)):
        return landmarks
    reference = mean_vertices(path, points, reference.T.ravel(), MILLIMETRES.centimetres)
    given = np.array(list(landmarks.values()))
    nearest = cKDTree(reference).query(given)[1]
    moved = given + (mean[nearest] - reference[nearest])
    return {name: (x, y, z) for name, (x, y, z) in zip(landmarks, moved.tolist(), strict=True)}


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
    if isinstance(node, h5py.Dataset) and (node.external or node.is_virtual):
        raise AssetError(f"{path}: expected {name} in this file, found a reference to others")
    return node


def _array(path: Path, file: Any, name: str) -> Array:
    """A dataset of numbers, stored in this very file, of a size that may be read."""
    dataset = _found(path, file, name)
    if not isinstance(dataset, h5py.Dataset):
        raise AssetError(f"{path}: expected {name}, found {'nothing' if dataset is None else 'no dataset'}")
    if dataset.shape is None or dataset.dtype.kind not in "fiu":
        raise AssetError(f"{path}: expected numbers in {name}, found {dataset.dtype}")
    check_sizes(path, name, dataset.shape, dataset.dtype.itemsize)
    return np.asarray(dataset[()])


def _text(path: Path, file: Any, name: str) -> str | None:
    """The one string in a dataset, however it is stored; None where there is none. The longest are refused."""
    dataset = _found(path, file, name)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        return None
    string = h5py.check_string_dtype(dataset.dtype)
    if string is None and (dataset.dtype.kind not in "iu" or dataset.dtype.itemsize != 1):
        return None  # neither a string nor bytes
    if string is not None and dataset.size != 1:
        return None
    size = dataset.size if string is None else string.length or 0  # 0: as long as it is
    content = b"" if size > LARGEST_TEXT else np.asarray(dataset[()]).ravel()
    if string is not None and len(content):
        content = content[0] if isinstance(content[0], bytes) else str(content[0]).encode()
    size = max(size, len(content))
    if size > LARGEST_TEXT:
        raise AssetError(f"{path}: expected {name} of at most {LARGEST_TEXT} bytes, found {size}")
    return bytes(content).rstrip(b"\0").decode("utf-8", errors="replace")
