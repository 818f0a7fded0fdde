"""FLAME (Li, Bolkart, Black, Li, Romero 2017), converted to `.npz`: v_template, shapedirs, f.

It is distributed as a Python pickle, and unpickling runs whatever code the file holds, so that is left to the user.
Metres, +Y up, facing +Z; the directions are scaled to coefficients ~ N(0, 1): 300 of identity, then 100 of expression.
The model has no colour, so skin gets one.
"""

from __future__ import annotations

import shlex
import zipfile
from pathlib import Path

import numpy as np

from assets.errors import AssetError
from assets.faces.arrays import (
    MOST_MODES,
    MOST_VERTICES,
    Array,
    Unit,
    check_sizes,
    face_model,
    numbers,
    row_lengths,
    triangle_indices,
)
from assets.faces.landmarks import marked
from assets.morphable import Modes, MorphableModel

METRES = Unit("m", 100.0)
IDENTITIES, EXPRESSIONS = slice(0, 300), slice(300, 400)  # of the directions
MEMBERS = ("v_template", "shapedirs", "f")
VERTICES = 5023  # of the published topology
# Its vertices at the points of `assets.faces.landmarks.MARKUP`, as Park and Cho published them with SAiD (2024).
LANDMARKS = (
    3414,
    2567, 337, 338, 3154, 3712, 3868, 2135, 27, 18, 1430,
    3560, 3561, 3501, 3564, 2751, 2793, 3556, 1676, 1623,
    2428, 2453, 2494, 3631, 2278, 2359, 3832, 1343, 1218, 1154, 995, 829,
    2820, 2864, 2774, 3543, 1657, 1749, 1703, 1774, 1802, 3503, 2905, 2881,
)  # fmt: skip

CONVERSION = (
    "import pickle, sys, numpy as np; m = pickle.load(open(sys.argv[1], 'rb'), encoding='latin1'); "
    "np.savez('flame.npz', **{k: np.array(m[k]) for k in ('v_template', 'shapedirs', 'f')})"
)


def is_flame(path: Path) -> bool:
    """Tell by its name whether `path` is FLAME's pickle or its conversion."""
    return path.is_file() and path.suffix.lower() in (".npz", ".pkl", ".pickle")


def read_flame(path: Path) -> MorphableModel:
    """Read the head with its modes of identity, and of expression if the file has more than 300 directions.

    Raises AssetError naming the file, what was expected and what was found; for a pickle, how to convert it.
    """
    if path.suffix.lower() != ".npz":
        raise AssetError(
            f"{path}: expected FLAME as .npz, found a pickle, which runs code when read; if you trust its source,"
            f' convert it: python -c "{CONVERSION}" {shlex.quote(str(path))}'
        )
    vertices, directions, faces = _members(path)
    mean = numbers(path, "v_template", vertices)
    if mean.ndim != 2 or mean.shape[1] != 3 or not 0 < len(mean) <= MOST_VERTICES:
        raise AssetError(f"{path}: expected v_template (V, 3), found {mean.shape}")
    if directions.ndim != 3 or directions.shape[:2] != mean.shape or not 0 < directions.shape[2] <= MOST_MODES:
        raise AssetError(f"{path}: expected shapedirs ({len(mean)}, 3, 400), found {directions.shape}")
    numbers(path, "shapedirs", directions)
    triangles = triangle_indices(path, "f", faces, 0, len(mean))
    mean = (mean.astype(np.float64) * METRES.centimetres).astype(np.float32)
    shape, expression = (_modes(directions[:, :, part]) for part in (IDENTITIES, EXPRESSIONS))
    landmarks = marked(LANDMARKS, mean) if len(mean) == VERTICES else {}
    return face_model("flame", path, METRES, triangles, mean, shape, expression=expression, landmarks=landmarks)


def _modes(directions: Array) -> Modes:
    """Make modes of directions (V, 3, K) in metres, each as long as its standard deviation."""
    components = np.ascontiguousarray(directions.reshape(3 * len(directions), directions.shape[2]).T, dtype=np.float32)
    lengths = row_lengths(components)
    components /= np.maximum(lengths, 1e-12).astype(np.float32)[:, None]
    return Modes(components, (lengths * METRES.centimetres).astype(np.float32))


def _members(path: Path) -> list[Array]:
    """Read the arrays named MEMBERS; never a pickled one, and none larger than its header may ask for."""
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [name for name in MEMBERS if f"{name}.npy" not in archive.namelist()]
            if missing:
                raise AssetError(
                    f"{path}: expected {', '.join(missing)}, found {', '.join(archive.namelist()) or 'none'}"
                )
            for name in MEMBERS:
                _check_header(path, archive, name)
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[name] for name in MEMBERS]
    except AssetError:
        raise
    except Exception as error:  # damaged files make zipfile and numpy raise errors of every kind
        raise AssetError(f"{path}: expected a whole .npz file, found: {error}") from error


def _check_header(path: Path, archive: zipfile.ZipFile, name: str) -> None:
    """Check the header of a member first: numpy allocates what it says."""
    with archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
    if dtype.kind not in "fiu":
        raise AssetError(f"{path}: expected numbers in {name}, found {dtype}")
    check_sizes(path, name, shape, dtype.itemsize)
