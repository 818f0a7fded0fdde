"""Basel Face Model 2009: `01_MorphableModel.mat` (Paysan, Knothe, Amberg, Romdhani, Vetter 2009).

Micrometres, colours in 0..255, triangles from 1 and wound inward; `shapeEV` and `texEV` are standard deviations in
spite of their names. Repacked copies nest the variables in a struct `model`, where the triangles may be called `tri`
and lie along the second axis; some add `expPC` and `expEV`, modes of expression with columns of any length: a face is
shapeMU + shapePC (shapeEV * a) + expMU + expPC (expEV * b).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assets.errors import AssetError
from assets.faces.arrays import Array, Columns, Unit, face_model, mean_vertices, triangle_indices, unit_modes
from assets.faces.landmarks import marked
from assets.faces.matlab import read_matlab
from assets.mesh import Float, Index
from assets.morphable import Modes, MorphableModel

MICROMETRES = Unit("micrometres", 1e-4)
SHAPE, TEXTURE = ("shapeMU", "shapePC", "shapeEV"), ("texMU", "texPC", "texEV")
EXPRESSION, EXPRESSION_MEAN = ("expPC", "expEV"), "expMU"
TRIANGLES = ("tl", "tri")
VERTICES = 53_490  # of the published topology
# Its vertices at the points of `assets.faces.landmarks.MARKUP`, as Bas published them (Landmarks68_BFM.anl), less 1.
# Where the list of the library eos has the same point, it is the same vertex or the next.
LANDMARKS = (
    48187,
    38885, 39635, 40029, 40237, 40432, 41171, 41367, 41577, 42010, 42645,
    8290, 8304, 8313, 8319, 6782, 7686, 8330, 8976, 9878,
    1831, 3759, 5049, 6086, 4545, 3515, 10730, 11757, 12918, 14858, 13190, 12156,
    5522, 6154, 7441, 8344, 9505, 10798, 11198, 10178, 9276, 8373, 7470, 6565,
)  # fmt: skip


def is_basel_2009(path: Path) -> bool:
    """Tell by its name whether `path` is a MATLAB file."""
    return path.is_file() and path.suffix.lower() == ".mat"


def read_basel_2009(path: Path) -> MorphableModel:
    """Read the face of a Basel 2009 file, with as many vertices and modes as it has.

    Raises AssetError naming the file, what was expected and what was found.
    """
    variables = _variables(path)
    _require(path, variables, SHAPE)
    mean = mean_vertices(path, SHAPE[0], variables[SHAPE[0]], MICROMETRES.centimetres)
    shape = _modes(path, variables, *SHAPE[1:], "unit", len(mean), MICROMETRES.centimetres)
    triangles = _triangles(path, variables, len(mean))
    albedo_mean, albedo = None, None
    if any(name in variables for name in TEXTURE):
        _require(path, variables, TEXTURE)
        albedo_mean = _mean(path, variables, TEXTURE[0], len(mean), 1 / 255)
        albedo = _modes(path, variables, *TEXTURE[1:], "unit", len(mean), 1 / 255)
    expression_mean, expression = None, None
    if any(name in variables for name in EXPRESSION):
        _require(path, variables, EXPRESSION)
        expression = _modes(path, variables, *EXPRESSION, "any", len(mean), MICROMETRES.centimetres)
        if EXPRESSION_MEAN in variables and variables[EXPRESSION_MEAN].any():
            expression_mean = _mean(path, variables, EXPRESSION_MEAN, len(mean), MICROMETRES.centimetres)
    return face_model(
        "basel-2009", path, MICROMETRES, triangles, mean, shape, albedo_mean, albedo, expression, expression_mean,
        marked(LANDMARKS, mean) if len(mean) == VERTICES else {},
    )  # fmt: skip


def _require(path: Path, variables: dict[str, Array], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in variables]
    if missing:
        raise AssetError(f"{path}: expected {', '.join(missing)}, found {', '.join(variables) or 'none'}")


def _mean(path: Path, variables: dict[str, Array], name: str, vertex_count: int, scale: float) -> Float:
    mean = mean_vertices(path, name, variables[name], scale)
    if len(mean) != vertex_count:
        raise AssetError(f"{path}: expected {vertex_count} vertices in {name}, found {len(mean)}")
    return mean


def _modes(
    path: Path, variables: dict[str, Array], basis: str, deviations: str,
    columns: Columns, vertex_count: int, scale: float,
) -> Modes:  # fmt: skip
    return unit_modes(path, basis, variables[basis], variables[deviations], columns, vertex_count, scale)


def _triangles(path: Path, variables: dict[str, Array], vertex_count: int) -> Index:
    name = next((name for name in TRIANGLES if name in variables), None)
    if name is None:
        raise AssetError(f"{path}: expected triangles (tl), found {', '.join(variables) or 'none'}")
    indices = variables[name]
    lying = indices.ndim == 2 and len(indices) == 3 and indices.shape[1] != 3
    return triangle_indices(path, name, indices.T if lying else indices, 1, vertex_count)


def _variables(path: Path) -> dict[str, Array]:
    """Read the variables by name, out of `model` if they are nested there."""
    wanted = (*SHAPE, *TEXTURE, *EXPRESSION, EXPRESSION_MEAN, *TRIANGLES)
    read = read_matlab(path, (*wanted, "model"))
    model = read.get("model")
    inside = model if isinstance(model, dict) else read
    return {name: array for name, array in inside.items() if name in wanted and isinstance(array, np.ndarray)}
