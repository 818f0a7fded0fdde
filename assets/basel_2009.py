"""Basel Face Model 2009: `01_MorphableModel.mat` (Paysan, Knothe, Amberg, Romdhani, Vetter 2009).

Micrometres, colours in 0..255, triangles from 1 and wound inward; `shapeEV` and `texEV` are standard deviations in
spite of their names. Repacked copies nest the variables in a struct `model`, where the triangles may be called `tri`
and lie along the second axis.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assets.errors import AssetError
from assets.face_arrays import (
    Array,
    face_model,
    mean_vertices,
    triangle_indices,
    unit_modes,
)
from assets.matlab import read_matlab
from assets.mesh import Index
from assets.morphable import Modes, MorphableModel

CENTIMETRES = 1e-4  # in a micrometre
SHAPE, TEXTURE = ("shapeMU", "shapePC", "shapeEV"), ("texMU", "texPC", "texEV")
TRIANGLES = ("tl", "tri")


def is_basel_2009(path: Path) -> bool:
    """Whether `path` is a file with the name of a MATLAB file."""
    return path.is_file() and path.suffix.lower() == ".mat"


def read_basel_2009(path: Path) -> MorphableModel:
    """The face of a Basel 2009 file, with as many vertices and modes as it has.

    Raises AssetError naming the file, what was expected and what was found.
    """
    variables = _variables(path)
    missing = [name for name in SHAPE if name not in variables]
    if missing:
        raise AssetError(f"{path}: expected {', '.join(missing)}, found {_listed(variables)}")
    mean_name, basis, deviations = SHAPE
    mean = mean_vertices(path, mean_name, variables[mean_name])
    shape = unit_modes(path, basis, variables[basis], variables[deviations], False, len(mean))
    triangles = _triangles(path, variables, len(mean))
    if not any(name in variables for name in TEXTURE):
        return face_model("basel-2009", path, "micrometres", CENTIMETRES, triangles, mean, shape)

    missing = [name for name in TEXTURE if name not in variables]
    if missing:
        raise AssetError(f"{path}: expected {', '.join(missing)}, found {_listed(variables)}")
    mean_name, basis, deviations = TEXTURE
    albedo_mean = mean_vertices(path, mean_name, variables[mean_name]) / np.float32(255)
    if len(albedo_mean) != len(mean):
        raise AssetError(f"{path}: expected {len(mean)} vertices in {mean_name}, found {len(albedo_mean)}")
    albedo = unit_modes(path, basis, variables[basis], variables[deviations], False, len(mean))
    albedo = Modes(albedo.components, albedo.deviations / np.float32(255))
    return face_model("basel-2009", path, "micrometres", CENTIMETRES, triangles, mean, shape, albedo_mean, albedo)


def _triangles(path: Path, variables: dict[str, Array], vertex_count: int) -> Index:
    name = next((name for name in TRIANGLES if name in variables), None)
    if name is None:
        raise AssetError(f"{path}: expected triangles (tl), found {_listed(variables)}")
    indices = variables[name]
    lying = indices.ndim == 2 and len(indices) == 3 and indices.shape[1] != 3
    return triangle_indices(path, name, indices.T if lying else indices, 1, vertex_count)


def _variables(path: Path) -> dict[str, Array]:
    """The variables by name, out of `model` if they are nested there."""
    wanted = (*SHAPE, *TEXTURE, *TRIANGLES)
    read = read_matlab(path, (*wanted, "model"))
    model = read.get("model")
    inside = model if isinstance(model, dict) else read
    return {name: array for name, array in inside.items() if name in wanted and isinstance(array, np.ndarray)}


def _listed(variables: dict[str, Array]) -> str:
    return ", ".join(variables) or "none"
