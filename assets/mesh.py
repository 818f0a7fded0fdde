"""A mesh of surfaces, each with one material: the one in-memory form of everything that is rendered; its normals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from assets.errors import AssetError

if TYPE_CHECKING:
    from PIL import Image

Float = NDArray[np.float32]
Index = NDArray[np.int32]
Grey = NDArray[np.uint8]

GREY_WEIGHTS = (0.21, 0.72, 0.07)  # of red, green and blue as displayed; all that is rendered becomes grey by them

_BITS_PER_SAMPLE = 258  # the number of this TIFF tag

BLOCK = 20480  # corners of as many triangles at a time stay in the processor's cache, those of all shapes counted


@dataclass(frozen=True, eq=False)
class Surface:
    """A piece of a mesh drawn with one material.

    vertices   (V, 3) float32, any unit; right-handed, +Y up, the object faces +Z
    triangles  (F, 3) int32, counter-clockwise seen from outside
    normals    (V, 3) float32, unit length
    albedo     (V, 3) float32 in [0, 1], RGB as displayed (no gamma)
    uv         (V, 2) float32 or None; v = 0 is the bottom row of the texture
    texture    (h, w, 3) uint8 or None, row 0 at the top; multiplies the albedo
    """

    vertices: Float
    triangles: Index
    normals: Float
    albedo: Float
    uv: Float | None = None
    texture: Grey | None = None


@dataclass(frozen=True, eq=False)
class Mesh:
    """A named object, ready to be drawn. Surfaces are shaded on both sides.

    remarks  what was left out of the file that it was read from, or replaced, in a line each
    """

    name: str
    surfaces: tuple[Surface, ...]
    remarks: tuple[str, ...] = ()

    @property
    def bounds(self) -> NDArray[np.float64]:
        """(2, 3): the least and the greatest corner of the box around all vertices."""
        low = np.min([s.vertices.min(axis=0) for s in self.surfaces], axis=0)
        high = np.max([s.vertices.max(axis=0) for s in self.surfaces], axis=0)
        return np.array([low, high], dtype=np.float64)

    @property
    def triangle_count(self) -> int:
        return sum(len(s.triangles) for s in self.surfaces)


def at_full_depth(image: Image.Image, bits: int | None = None) -> Image.Image:
    """Return a loaded image in which 65535 is white, if it was a TIFF of 12-bit grey; any other as it is.

    Pillow gives both 12 and 16 bits of grey the mode I;16, and leaves the values as they are in the file.

    bits  of its samples, of an image that was loaded elsewhere and so cannot tell
    """
    told = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE) if bits is None else (bits,)
    if image.mode != "I;16" or told != (12,):
        return image
    from PIL import Image

    values = np.array(image)
    return Image.fromarray((values << 4) | (values >> 8))


def incidence(triangles: Index, vertex_count: int) -> scipy.sparse.csr_matrix:
    """Return the (V, F) sparse matrix of ones where a triangle touches a vertex: it sums face normals at vertices."""
    faces = np.repeat(np.arange(len(triangles)), 3)
    ones = np.ones(faces.size, dtype=np.float32)
    return scipy.sparse.csr_matrix((ones, (triangles.ravel(), faces)), shape=(vertex_count, len(triangles)))


def vertex_normals(vertices: Float, triangles: Index, touching: scipy.sparse.csr_matrix | None = None) -> Float:
    """Compute (V, 3) unit normals, face normals weighted by area. `touching` is `incidence(...)`, if it is at hand."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    summed = (incidence(triangles, len(vertices)) if touching is None else touching) @ np.cross(b - a, c - a)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    up = np.array([0, 1, 0], dtype=np.float32)  # a vertex of no triangle, or of slivers only
    return np.where(length > 1e-20, summed / np.maximum(length, 1e-20), up).astype(np.float32)


def check_surface(surface: Surface, name: str) -> None:
    """Raise AssetError naming `name` unless the arrays of `surface` fit together and are finite."""
    count = len(surface.vertices)
    if count == 0 or len(surface.triangles) == 0:
        raise AssetError(f"{name}: expected at least one triangle, found none")
    if not np.isfinite(surface.vertices).all():
        raise AssetError(f"{name}: expected finite vertices, found NaN or infinity")
    low, high = int(surface.triangles.min()), int(surface.triangles.max())
    if low < 0 or high >= count:
        raise AssetError(f"{name}: expected vertex indices 0..{count - 1}, found {low}..{high}")


def normals_of_all(vertices: Float, triangles: Index, touching: scipy.sparse.csr_matrix) -> Float:
    """Compute (N, W, 3) unit normals of the first W of `vertices` (N, V, 3): N shapes of one mesh at once.

    Face normals are weighted by area; those of one shape do not depend on the others.

    triangles  (F, 3)
    touching   (W, F) as from `incidence`
    """
    count = len(vertices)
    planes = np.ascontiguousarray(vertices.transpose(2, 1, 0))  # (3, V, N): a row holds one vertex of every shape
    areas = np.empty((len(triangles), 3, count), np.float32)
    size = max(1, BLOCK // count)
    scratch = np.empty((8, min(size, len(triangles)), count), np.float32)
    for start in range(0, len(triangles), size):
        a, b, c = np.ascontiguousarray(triangles[start : start + size].T)
        corner, spare, *sides = scratch[:, : len(a)]
        first, second = sides[:3], sides[3:]
        for plane, ab, ac in zip(planes, first, second, strict=True):
            np.take(plane, a, axis=0, out=corner, mode="clip")  # any mode but "raise" writes to `out` directly
            for other, side in ((b, ab), (c, ac)):
                np.take(plane, other, axis=0, out=side, mode="clip")
                np.subtract(side, corner, out=side)
        for k, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
            area = areas[start : start + len(a), k]
            np.multiply(first[i], second[j], out=area)
            np.multiply(first[j], second[i], out=spare)
            np.subtract(area, spare, out=area)
    summed = (touching @ areas.reshape(len(triangles), -1)).reshape(-1, 3, count)
    length = np.sqrt(np.einsum("vkn,vkn->vn", summed, summed))
    nowhere = length <= 1e-20  # a vertex of no triangle, or of slivers only
    normals = np.empty((count, len(summed), 3), np.float32)
    np.divide(summed, np.maximum(length, 1e-20)[:, None], out=normals.transpose(1, 2, 0))
    normals[nowhere.T] = (0, 1, 0)
    return normals
