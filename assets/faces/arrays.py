"""Arrays read from a file of a morphable face model: checked, and normalised into a MorphableModel.

Files are untrusted: the readers ask `check_sizes` before they spend memory, and nothing here believes an index, a unit
or a winding without looking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assets.errors import AssetError
from assets.mesh import Float, Index
from assets.morphable import Modes, MorphableModel

SKIN = (0.78, 0.62, 0.53)  # of models that have no colour
MOST_VERTICES = 5_000_000
MOST_MODES = 10_000
LARGEST_ARRAY = 2**31  # bytes; the largest published basis has 139 MB
EXTENTS = (10.0, 60.0)  # centimetres: the longest side of the box around a face, or a head with neck and shoulders
LARGEST_SPREAD = 0.25  # RMS displacement of a vertex over all modes, as a share of that side; built-in head: 0.02
LENGTHS = (0.2, 1.05)  # of components over what is expected: vertices cut off after the analysis shorten them
LARGEST_FLOAT = float(np.finfo(np.float32).max)
BLOCK = 8192  # columns of components looked at together

Array = NDArray[Any]
# What the columns of a basis are: of length 1, multiplied by their standard deviations, or of any length.
Columns = Literal["unit", "scaled", "any"]


class Unit(NamedTuple):
    """A unit of length: its name, and its length in centimetres."""

    name: str
    centimetres: float


def check_sizes(file: Path, what: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Raise AssetError unless an array of `shape` may be read: numbers in at most LARGEST_ARRAY bytes."""
    size = itemsize * int(np.prod([int(n) for n in shape], dtype=object))
    if size > LARGEST_ARRAY:
        raise AssetError(f"{file}: expected {what} of at most {LARGEST_ARRAY} bytes, found {shape}, {size} bytes")


def numbers(file: Path, what: str, array: Array) -> Array:
    """Return `array` as it is; AssetError unless it holds real numbers that are finite as float32."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = getattr(array, "dtype", type(array).__name__)
        raise AssetError(f"{file}: expected numbers in {what}, found {found}")
    if array.size and not (array.min() >= -LARGEST_FLOAT and array.max() <= LARGEST_FLOAT):  # this way round for NaN
        raise AssetError(f"{file}: expected finite numbers in {what}, found NaN or infinity")
    return array


def mean_vertices(file: Path, what: str, mean: Array, scale: float) -> Float:
    """Return (V, 3) float32, `scale` times (3V,) or (3V, 1) of xyzxyz... Scaled before it is rounded to float32."""
    mean = numbers(file, what, mean)
    if mean.size == 0 or mean.size % 3 or mean.size != max(mean.shape, default=0):
        raise AssetError(f"{file}: expected {what} (3V,), found {mean.shape}")
    if mean.size > 3 * MOST_VERTICES:
        raise AssetError(f"{file}: expected at most {MOST_VERTICES} vertices in {what}, found {mean.size // 3}")
    return (mean.astype(np.float64) * scale).astype(np.float32).reshape(-1, 3)


def unit_modes(
    file: Path, what: str, basis: Array, deviations: Array, columns: Columns, vertex_count: int, scale: float
) -> Modes:
    """Make modes with components of length 1: (K, 3V) float32 in C order, so that layouts do not differ in rounding.

    basis       (3V, K), in any memory order; not copied if it is the transpose of what is wanted
    deviations  (K,) or (K, 1) standard deviations, to be multiplied by `scale` before they are rounded to float32
    """
    basis, deviations = numbers(file, what, basis), numbers(file, f"the deviations of {what}", deviations)
    if basis.ndim != 2 or basis.shape[0] != 3 * vertex_count or basis.shape[1] > MOST_MODES:
        raise AssetError(f"{file}: expected {what} (3V, K), V = {vertex_count}, found {basis.shape}")
    count = basis.shape[1]
    if deviations.size != count or count != max(deviations.shape, default=0):
        raise AssetError(f"{file}: expected {count} deviations of {what}, found {deviations.shape}")
    deviations = deviations.reshape(-1).astype(np.float64)
    if (deviations < 0).any():
        raise AssetError(f"{file}: expected deviations of {what} from 0, found {deviations.min():.4g}")
    components = np.ascontiguousarray(basis.T, dtype=np.float32)
    lengths = row_lengths(components)
    present = deviations > 0
    ratios = lengths[present] / (deviations[present] if columns == "scaled" else 1.0)
    if columns != "any" and len(ratios) and not LENGTHS[0] <= np.median(ratios) <= ratios.max() <= LENGTHS[1]:
        wanted = "the standard deviations" if columns == "scaled" else "1"
        found = f"{ratios.min():.4g} to {ratios.max():.4g} of that"
        raise AssetError(f"{file}: expected columns of {what} as long as {wanted}, found {found}")
    if columns == "scaled" or (np.abs(lengths[present] - 1) > 1e-3).any():
        deviations = lengths if columns == "scaled" else deviations * lengths
        components = components / np.maximum(lengths, 1e-12).astype(np.float32)[:, None]
    return Modes(components, (deviations * scale).astype(np.float32))


def row_lengths(components: Float) -> NDArray[np.float64]:
    """Return (K,) Euclidean lengths of the rows of (K, n), summed in float64 without a copy of the whole."""
    squares = np.zeros(len(components))
    for start in range(0, components.shape[1], BLOCK):
        squares += (components[:, start : start + BLOCK].astype(np.float64) ** 2).sum(axis=1)
    return np.sqrt(squares)


def triangle_indices(file: Path, what: str, indices: Array, first: int, vertex_count: int) -> Index:
    """Return (F, 3) int32 from 0, out of (F, 3) whole numbers from `first`."""
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
    """Return the triangles, all turned over if more of their area faces the centroid than faces away from it.

    A face is an open surface, so what is summed is (normal weighted by area) . (centre of triangle - centroid).
    """
    a, b, c = (vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    normals = np.cross(b - a, c - a)
    away = (a + b + c) / 3 - vertices.mean(axis=0, dtype=np.float64)
    return triangles if (normals * away).sum() >= 0 else np.ascontiguousarray(triangles[:, [0, 2, 1]])


def face_model(
    name: str, file: Path, unit: Unit, triangles: Index, mean: Float, shape: Modes,
    albedo_mean: Float | None = None, albedo: Modes | None = None,
    expression: Modes | None = None, expression_mean: Float | None = None,
    landmarks: Mapping[str, tuple[float, float, float]] | None = None,
) -> MorphableModel:  # fmt: skip
    """Make the model of what was read, in centimetres; without albedo, skin is plain. `unit` is the file's.

    Raises AssetError if the head is no head in that unit, it has no modes of shape, its modes are too large for it, or
    colours are not in [0, 1].
    """
    extent = float(np.ptp(mean, axis=0).max())
    if not EXTENTS[0] <= extent <= EXTENTS[1]:
        limits = " to ".join(f"{x / unit.centimetres:.4g}" for x in EXTENTS)
        found = f"{extent / unit.centimetres:.4g}"
        raise AssetError(f"{file}: expected a head of {limits} {unit.name} along its longest side, found {found}")
    if len(shape) == 0:
        raise AssetError(f"{file}: expected at least one mode of shape, found none")
    if expression is None or len(expression) == 0:
        expression, expression_mean = Modes.none(len(mean)), None
    moved = 0.0 if expression_mean is None else float(np.linalg.norm(expression_mean.astype(np.float64)))
    for what, size in (
        ("shapes", np.linalg.norm(shape.deviations.astype(np.float64))),
        ("expressions", np.hypot(np.linalg.norm(expression.deviations.astype(np.float64)), moved)),
    ):
        spread = float(size) / np.sqrt(len(mean))
        if spread > LARGEST_SPREAD * extent:
            limit, found = (f"{x / unit.centimetres:.4g}" for x in (LARGEST_SPREAD * extent, spread))
            raise AssetError(f"{file}: expected {what} to vary by at most {limit} {unit.name} (RMS), found {found}")
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
        expression=expression,
        expression_mean=expression_mean,
        landmarks=landmarks or {},
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256, hexadecimal, of the bytes of a file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
