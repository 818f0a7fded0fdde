"""Arrays read from a file of a morphable face model: checked, and normalised into a MorphableModel.

Files are untrusted: the readers ask `check_sizes` before they spend memory, and nothing here believes an index, a unit
or a winding without looking.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.errors import AssetError
from assets.ict_facekit import SKIN
from assets.mesh import Float, Index
from assets.morphable import Modes, MorphableModel

MOST_VERTICES = 5_000_000
MOST_MODES = 10_000
LARGEST_ARRAY = 2**31  # bytes; the largest published basis has 139 MB
EXTENTS = (10.0, 60.0)  # centimetres: the longest side of the box around a face, or a head with neck and shoulders
LARGEST_SPREAD = 0.25  # RMS displacement of a vertex over all modes, as a share of that side; built-in head: 0.02
LENGTHS = (0.2, 1.05)  # of components over what is expected: vertices cut off after the analysis shorten them
BLOCK = 8192  # columns of components looked at together

Array = NDArray[Any]


def check_sizes(file: Path, what: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Raise AssetError unless an array of `shape` is one that may be read: numbers in at most LARGEST_ARRAY bytes."""
    size = itemsize * int(np.prod([int(n) for n in shape], dtype=object))
    if size > LARGEST_ARRAY:
        raise AssetError(f"{file}: expected {what} of at most {LARGEST_ARRAY} bytes, found {shape}, {size} bytes")


def numbers(file: Path, what: str, array: Array) -> Float:
    """`array` as float32, in any memory order; AssetError unless it holds finite real numbers."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = getattr(array, "dtype", type(array).__name__)
        raise AssetError(f"{file}: expected numbers in {what}, found {found}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise AssetError(f"{file}: expected finite numbers in {what}, found NaN or infinity")
    return array


def mean_vertices(file: Path, what: str, mean: Array) -> Float:
    """(V, 3) float32 from (3V,) or (3V, 1), xyzxyz..."""
    mean = numbers(file, what, mean)
    if mean.size == 0 or mean.size % 3 or mean.size != max(mean.shape, default=0):
        raise AssetError(f"{file}: expected {what} (3V,), found {mean.shape}")
    if mean.size > 3 * MOST_VERTICES:
        raise AssetError(f"{file}: expected at most {MOST_VERTICES} vertices in {what}, found {mean.size // 3}")
    return mean.reshape(-1, 3)


def unit_modes(file: Path, what: str, basis: Array, deviations: Array, scaled: bool, vertex_count: int) -> Modes:
    """Modes with components of length 1 (a transposed view of `basis` where it has them already).

    basis       (3V, K), in any memory order
    deviations  (K,) or (K, 1) standard deviations
    scaled      whether the basis has been multiplied by the deviations
    """
    basis, deviations = numbers(file, what, basis), numbers(file, f"the deviations of {what}", deviations)
    if basis.ndim != 2 or basis.shape[0] != 3 * vertex_count or not 0 < basis.shape[1] <= MOST_MODES:
        raise AssetError(f"{file}: expected {what} (3V, K), V = {vertex_count}, found {basis.shape}")
    count = basis.shape[1]
    if deviations.size != count or count != max(deviations.shape, default=0):
        raise AssetError(f"{file}: expected {count} deviations of {what}, found {deviations.shape}")
    deviations = deviations.reshape(-1)
    if deviations.min() < 0:
        raise AssetError(f"{file}: expected deviations of {what} from 0, found {deviations.min():.4g}")
    components = basis.T
    lengths = row_lengths(components)
    expected = deviations if scaled else np.ones(count)
    ratios = lengths[deviations > 0] / expected[deviations > 0]
    if len(ratios) and not LENGTHS[0] <= np.median(ratios) <= ratios.max() <= LENGTHS[1]:
        wanted = "the standard deviations" if scaled else "1"
        found = f"{ratios.min():.4g} to {ratios.max():.4g} of that"
        raise AssetError(f"{file}: expected columns of {what} as long as {wanted}, found {found}")
    if not scaled and np.abs(lengths - 1).max() < 1e-3:
        return Modes(components, deviations)
    scale = lengths if scaled else deviations * lengths
    return Modes(components / np.maximum(lengths, 1e-12).astype(np.float32)[:, None], scale.astype(np.float32))


def row_lengths(components: Float) -> NDArray[np.float64]:
    """(K,) Euclidean lengths of the rows of (K, n), summed in float64 without a copy of the whole."""
    squares = np.zeros(len(components))
    for start in range(0, components.shape[1], BLOCK):
        squares += (components[:, start : start + BLOCK].astype(np.float64) ** 2).sum(axis=1)
    return np.sqrt(squares)


def triangle_indices(file: Path, what: str, indices: Array, first: int, vertex_count: int) -> Index:
    """(F, 3) int32 from 0, out of (F, 3) whole numbers from `first`."""
    if not isinstance(indices, np.ndarray) or indices.dtype.kind not in "fiu":
        raise AssetError(f"{file}: expected whole numbers in {what}, found {getattr(indices, 'dtype', type(indices))}")
    if indices.ndim != 2 or indices.shape[1] != 3 or len(indices) == 0:
        raise AssetError(f"{file}: expected {what} of 3 vertices a triangle, found {indices.shape}")
    low, high = indices.min(), indices.max()
    if not (low >= first and high < first + vertex_count):  # this way round for NaN
        found = f"{low:.10g}..{high:.10g}"
        raise AssetError(f"{file}: expected vertices {first}..{first + vertex_count - 1} in {what}, found {found}")
    whole = indices.astype(np.int64)
    if (whole != indices).any():
        raise AssetError(f"{file}: expected whole numbers in {what}, found fractions")
    return np.ascontiguousarray(whole - first, dtype=np.int32)


def wound_outward(vertices: Float, triangles: Index) -> Index:
    """The triangles, all turned over if more of their area faces the centroid than faces away from it.

    A face is an open surface, so what is summed is (normal weighted by area) . (centre of triangle - centroid).
    """
    a, b, c = (vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    normals = np.cross(b - a, c - a)
    away = (a + b + c) / 3 - vertices.mean(axis=0, dtype=np.float64)
    return triangles if (normals * away).sum() >= 0 else np.ascontiguousarray(triangles[:, [0, 2, 1]])


def face_model(
    name: str, file: Path, unit: str, centimetres: float, triangles: Index, mean: Float, shape: Modes,
    albedo_mean: Float | None = None, albedo: Modes | None = None,
) -> MorphableModel:  # fmt: skip
    """The normalised model. `mean` and `shape` come in `unit` of `centimetres` each; skin is plain without albedo.

    Raises AssetError if the head is no head in that unit, its modes are too large for it, or colours are not in [0, 1].
    """
    mean = mean * np.float32(centimetres)
    shape = Modes(shape.components, shape.deviations * np.float32(centimetres))
    extent = float(np.ptp(mean, axis=0).max())
    if not EXTENTS[0] <= extent <= EXTENTS[1]:
        limits, found = " to ".join(f"{x / centimetres:.4g}" for x in EXTENTS), f"{extent / centimetres:.4g}"
        raise AssetError(f"{file}: expected a head of {limits} {unit} along its longest side, found {found}")
    spread = float(np.sqrt((shape.deviations.astype(np.float64) ** 2).sum() / len(mean)))
    if spread > LARGEST_SPREAD * extent:
        limit, found = f"{LARGEST_SPREAD * extent / centimetres:.4g}", f"{spread / centimetres:.4g}"
        raise AssetError(f"{file}: expected shapes to vary by at most {limit} {unit} (RMS), found {found}")
    if albedo_mean is None or albedo is None:
        albedo_mean = np.tile(np.array(SKIN, np.float32), (len(mean), 1))
        albedo = Modes.none(len(mean))
    low, high = float(albedo_mean.min()), float(albedo_mean.max())
    if low < -0.1 or not 0.02 < high < 1.1:
        raise AssetError(f"{file}: expected a mean colour in 0..1 (0..255 for Basel 2009), found {low:.4g}..{high:.4g}")
    return MorphableModel(
        name=name,
        triangles=wound_outward(mean, triangles),
        shape_mean=mean,
        shape=shape,
        albedo_mean=np.clip(albedo_mean, 0.0, 1.0),
        albedo=albedo,
    )


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the bytes of a file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
