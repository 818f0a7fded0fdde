"""Basel Face Model 2017 and 2019: an HDF5 file with groups `shape`, `color` and `expression` in statismo's layout.

Millimetres, colours in 0..1, triangles from 0. Version 0.9 keeps an orthonormal basis and variances, version 0.8 a
basis already multiplied by the standard deviations (Gerig et al. 2018). Landmarks, JSON or lines of text, are points on
the reference mesh of the shapes.

Any morphable model can be written in the layout of version 0.9. Means and variances are then float64 and decimals of
landmarks are shifted as decimals, so that no bit of the float32 arrays is lost on the way; a dataset of our own,
BLEND_SHAPES, is one that other readers pass over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.spatial import cKDTree

from assets.errors import AssetError, Failure
from assets.faces.arrays import (
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
from assets.faces.hdf5 import HDF5_ERRORS, find_node
from assets.files import replaced
from assets.mesh import Float, Index
from assets.morphable import Modes, MorphableModel

MILLIMETRES = Unit("mm", 0.1)
LANDMARKS_JSON, LANDMARKS_TEXT = "metadata/landmarks/json", "metadata/landmarks/text"
BLEND_SHAPES = "expression/metadata/blend_shapes"  # JSON: {"names": [K names, or none], "one_sided": true or false}

LARGEST_TEXT = 2**20  # bytes; the published models have 20 kB
FARTHEST = 1000.0  # centimetres from the origin

Landmarks = dict[str, tuple[float, float, float]]

MILLIMETRES_PER_CENTIMETRE = 1 / MILLIMETRES.centimetres


def is_basel_h5(path: Path) -> bool:
    """Tell by its name whether `path` is an HDF5 file."""
    return path.is_file() and path.suffix.lower() in (".h5", ".hdf5")


def read_basel_h5(path: Path) -> MorphableModel:
    """Read a Basel 2017 or 2019 model, with as many vertices and modes as the file has.

    Raises AssetError naming the file, what was expected and what was found.
    """
    try:
        with h5py.File(path, "r") as file:
            return _model(path, file)
    except HDF5_ERRORS as error:
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
    """Tell whether `group` has version 0.8 rather than 0.9 or 1.x.

    It or the whole file says so; old files say nothing.
    """
    for folder in (f"{group}/version", "version"):
        if find_node(path, file, folder) is not None:
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
    """Give the modes of expression the names and the one-sidedness that our own files state."""
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
    """Move landmarks from the reference mesh to the mean face, each with the vertex that it lies next to."""
    text, read = _text(path, file, LANDMARKS_JSON), landmarks_from_json
    if text is None:
        text, read = _text(path, file, LANDMARKS_TEXT), landmarks_from_lines
    landmarks = read(text or "")
    points = "shape/representer/points"
    if not landmarks or find_node(path, file, points) is None:
        return landmarks
    reference = numbers(path, points, _array(path, file, points))
    if reference.shape != (3, len(mean)):
        return landmarks
    reference = mean_vertices(path, points, reference.T.ravel(), MILLIMETRES.centimetres)
    places = np.array(list(landmarks.values()))
    nearest = cKDTree(reference).query(places)[1]
    moved = places + (mean[nearest] - reference[nearest])
    return {name: (x, y, z) for name, (x, y, z) in zip(landmarks, moved.tolist(), strict=True)}


def _triangles(path: Path, file: Any, vertex_count: int) -> Index:
    """Read (F, 3): the transpose of `cells`, or the legacy `reference-mesh/triangle-list` as it is."""
    cells, legacy = "shape/representer/cells", "shape/representer/reference-mesh/triangle-list"
    if find_node(path, file, cells) is not None:
        return triangle_indices(path, cells, _array(path, file, cells).T, 0, vertex_count)
    if find_node(path, file, legacy) is not None:
        return triangle_indices(path, legacy, _array(path, file, legacy), 0, vertex_count)
    raise AssetError(f"{path}: expected {cells} or {legacy}, found neither")


def _array(path: Path, file: Any, name: str) -> Array:
    """Read a dataset of numbers, stored in this very file, of a size that may be read."""
    dataset = find_node(path, file, name)
    if not isinstance(dataset, h5py.Dataset):
        raise AssetError(f"{path}: expected {name}, found {'nothing' if dataset is None else 'no dataset'}")
    if dataset.shape is None or dataset.dtype.kind not in "fiu":
        raise AssetError(f"{path}: expected numbers in {name}, found {dataset.dtype}")
    check_sizes(path, name, dataset.shape, dataset.dtype.itemsize)
    return np.asarray(dataset[()])


def _text(path: Path, file: Any, name: str) -> str | None:
    """Read the one string in a dataset, however it is stored; None if there is none. The longest are refused."""
    dataset = find_node(path, file, name)
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


def landmarks_from_json(text: str) -> Landmarks:
    """Parse [{"id": name, "coordinates": [x, y, z]}, ...] into name -> point in centimetres; leaves out other items."""
    try:
        listed = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return {}
    landmarks: Landmarks = {}
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            _add(landmarks, item["id"], item.get("coordinates"))
    return landmarks


def landmarks_from_lines(text: str) -> Landmarks:
    """Parse lines of a name, perhaps a 0 or 1 for visibility, and x, y, z: name -> point in centimetres."""
    landmarks: Landmarks = {}
    for line in text.splitlines():
        name, *columns = line.replace(",", " ").split() or [""]
        if len(columns) > 3 and columns[0] in ("0", "1"):
            columns = columns[1:]
        try:
            _add(landmarks, name, [Decimal(column) for column in columns[:3]])
        except ArithmeticError:
            continue
    return landmarks


def landmarks_as_json(landmarks: Mapping[str, tuple[float, float, float]]) -> str:
    """Write landmarks in centimetres as JSON."""
    items = []
    for name, point in landmarks.items():
        x, y, z = (f"{Decimal(repr(float(value))).scaleb(1):f}" for value in point)
        items.append(f'{{"id": {json.dumps(name)}, "coordinates": [{x}, {y}, {z}]}}')
    return f"[{', '.join(items)}]"


def _add(landmarks: Landmarks, name: str, coordinates: Any) -> None:
    """Add a landmark of three decimals in millimetres; anything else is passed over."""
    if not isinstance(coordinates, list) or len(coordinates) != 3:
        return
    if not all(isinstance(value, Decimal) and value.is_finite() for value in coordinates):
        return
    try:
        x, y, z = (float(value.scaleb(-1)) for value in coordinates)
    except ArithmeticError:
        return
    if max(abs(x), abs(y), abs(z)) <= FARTHEST:
        landmarks[name] = (x, y, z)


def write_basel_h5(model: MorphableModel, path: Path) -> None:
    """Write `model` to `path`, in place of any file there: the same bytes for the same model.

    The file is written under a temporary name and moved into place when it is whole. Raises AssetError if the folder is
    missing, Failure if it cannot be written to.
    """
    if not path.parent.is_dir():
        raise AssetError(f"{path}: expected a folder {path.parent} to write to, found none")
    try:
        with replaced(path) as temporary, h5py.File(temporary, "w") as file:
            for name, value in _datasets(model).items():
                file.create_dataset(name, data=value, track_times=False)
    except (OSError, RuntimeError) as error:  # HDF5 raises either
        raise Failure(f"{path}: cannot be written: {error}") from error


def _datasets(model: MorphableModel) -> dict[str, Any]:
    """Make the datasets by their paths, in the order of writing."""
    datasets: dict[str, Any] = {"version/majorVersion": np.int32(0), "version/minorVersion": np.int32(9)}
    datasets |= _group("shape", model, model.shape_mean, model.shape, MILLIMETRES_PER_CENTIMETRE)
    datasets |= _group("color", model, model.albedo_mean, model.albedo, 1.0)
    if len(model.expression):
        mean = np.zeros_like(model.shape_mean) if model.expression_mean is None else model.expression_mean
        datasets |= _group("expression", model, mean, model.expression, MILLIMETRES_PER_CENTIMETRE)
        said = {"names": list(model.expression.names), "one_sided": model.expression.one_sided}
        datasets[BLEND_SHAPES] = np.bytes_(json.dumps(said))
    datasets[LANDMARKS_JSON] = np.bytes_(landmarks_as_json(model.landmarks))
    return datasets


def _group(group: str, model: MorphableModel, mean: Float, modes: Modes, scale: float) -> dict[str, Any]:
    """Make the datasets of one of the three linear models, `scale` times as large on disk."""
    return {
        f"{group}/model/mean": mean.astype(np.float64).ravel() * scale,
        f"{group}/model/pcaBasis": modes.components.T.astype(np.float32, copy=False),
        f"{group}/model/pcaVariance": (modes.deviations.astype(np.float64) * scale) ** 2,
        f"{group}/model/noiseVariance": np.float64(0),
        f"{group}/representer/points": model.shape_mean.T.astype(np.float64) * MILLIMETRES_PER_CENTIMETRE,
        f"{group}/representer/cells": model.triangles.T.astype(np.int32),
        f"{group}/version/majorVersion": np.int32(0),
        f"{group}/version/minorVersion": np.int32(9),
    }
