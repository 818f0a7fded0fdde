"""From what a file holds to what is drawn: parts in, surfaces out.

Duplicate and degenerate triangles go (ShapeNet models have up to half of them, which flicker), normals are the file's
where they are good and else computed with creases, and the whole model is centred and scaled to radius 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.creases import crease_normals
from assets.errors import AssetError
from assets.mesh import Mesh, Surface
from assets.polygons import cut

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_VERTICES = 5_000_000
MOST_TRIANGLES = 3_000_000
MOST_PARTS = 20_000
CHECKED_EVERY = 100_000  # vertices and triangles gathered, between two looks at these limits
MID_GREY = (0.6, 0.6, 0.6)
BLACK = 0.02  # as a diffuse colour: exporters write it where a texture gives the colour
INVISIBLE = 0.004  # opacity below one step of 8 bits


@dataclass(frozen=True)
class Material:
    """What a file says of a material. `texture` is the reference as written; `image` its pixels once loaded."""

    name: str = ""
    colour: tuple[float, ...] | None = None  # RGB in [0, 1] as displayed
    opacity: float = 1.0
    texture: str | None = None
    image: NDArray[np.uint8] | None = None  # (h, w, 3)
    tints: bool = False  # whether the colour multiplies the image (glTF) or stands in for it (MTL)


@dataclass(frozen=True, eq=False)
class Part:
    """The triangles of one material, as read.

    positions  (V, 3)
    triangles  (F, 3) indices into them
    normals    (V, 3) or None
    uv         (V, 2) or None; v = 0 is the bottom row of the image
    colours    (V, 3) in [0, 1] or None
    """

    positions: Floats
    triangles: Integers
    material: Material
    normals: Floats | None = None
    uv: Floats | None = None
    colours: Floats | None = None


def part_of_corners(
    indices: Mapping[str, NDArray[np.integer]], arrays: Mapping[str, Floats], counts: Integers, material: Material
) -> Part:
    """A part of polygons whose corners number each attribute apart, as OBJ and COLLADA write them.

    indices   attribute of Part -> (C,) rows of its array, for the corners of one polygon after another
    arrays    attribute of Part -> (N, k)
    counts    (F,) corners of each polygon, at least 3
    """
    triangles = cut(arrays["positions"][indices["positions"]], counts)
    first, corner = distinct_rows(np.stack([*indices.values()], axis=1))
    chosen = {name: arrays[name][rows[first]] for name, rows in indices.items()}
    return Part(**chosen, triangles=corner[triangles], material=material)  # type: ignore[arg-type]


class Gathered:
    """Parts gathered one by one from a scene that may repeat them without end: the limits are looked at on the way."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._unchecked = 0

    def add(self, part: Part) -> None:
        self.parts.append(part)
        self._unchecked += 1 + len(part.positions) + len(part.triangles)
        if self._unchecked > CHECKED_EVERY:
            check_size(self.parts)
            self._unchecked = 0


def check_size(parts: Sequence[Part]) -> None:
    """Raise AssetError for more than is drawn."""
    vertices, triangles = sum(len(p.positions) for p in parts), sum(len(p.triangles) for p in parts)
    for found, most, what in (
        (len(parts), MOST_PARTS, "parts"),
        (vertices, MOST_VERTICES, "vertices"),
        (triangles, MOST_TRIANGLES, "triangles"),
    ):
        if found > most:
            raise AssetError(f"expected at most {most} {what}, found {found}")


def mesh_of_parts(name: str, parts: Sequence[Part], turn: Floats | None = None) -> Mesh:
    """The drawable mesh: `turn` (3, 3) applied, centred on the bounding box, farthest vertex at distance 1.

    Raises AssetError (without the file's name) for no triangles, too many of anything, NaN, or no extent.
    """
    parts = visible_parts(parts)
    read, triangles = joined(parts)
    offsets = np.cumsum([0] + [len(p.positions) for p in parts])
    owner = np.repeat(np.arange(len(parts)), [len(p.triangles) for p in parts])

    positions = _normalised(read, triangles, turn)
    welded = row_ids(positions.view(np.int32))  # vertices at one position share a number
    kept = _distinct(positions, triangles, welded)
    if not kept.any():
        raise AssetError("expected at least one triangle with an area, found none")
    triangles, owner = triangles[kept], owner[kept]
    computed = crease_normals(positions, triangles, welded)  # (F, 3, 3)
    ends = np.cumsum(np.bincount(owner, minlength=len(parts)))
    surfaces = [
        _surface(part, positions, triangles[begin:end], computed[begin:end], int(offset), turn)
        for part, begin, end, offset in zip(parts, [0, *ends[:-1]], ends, offsets[:-1], strict=True)
        if end > begin
    ]
    return Mesh(name, tuple(surfaces))


def visible_parts(parts: Sequence[Part]) -> list[Part]:
    """The parts that are drawn; all of them where all are clear. AssetError for no triangles, too many of anything."""
    check_size(parts)
    solid = [p for p in parts if len(p.triangles)]
    if not solid:
        raise AssetError("expected at least one triangle, found none")
    return [p for p in solid if p.material.opacity > INVISIBLE] or solid


def joined(parts: Sequence[Part]) -> tuple[Floats, Integers]:
    """The positions (V, 3) and triangles (F, 3) of all parts together."""
    offsets = np.cumsum([0] + [len(p.positions) for p in parts])
    triangles = [p.triangles + o for p, o in zip(parts, offsets[:-1], strict=True)]
    positions = np.concatenate([p.positions for p in parts]).astype(np.float64)
    return positions, np.concatenate(triangles).astype(np.int64)


def row_ids(rows: NDArray[np.integer]) -> Integers:
    """(N,) numbers from 0, equal exactly where the rows of the (N, k) integer array are equal, in the rows' order."""
    return np.unique(_keys(rows), return_inverse=True)[1]


def distinct_rows(rows: NDArray[np.integer]) -> tuple[Integers, Integers]:
    """(M,) where each distinct row comes first, and the `row_ids`."""
    return np.unique(_keys(rows), return_index=True, return_inverse=True)[1:]


def _keys(rows: NDArray[np.integer]) -> Integers:
    """(N,) one number a row, which compare as the rows do."""
    keys, count = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        low = int(column.min(initial=0))
        span = int(column.max(initial=0)) - low + 1
        if count * span >= 2**62:
            values, keys = np.unique(keys, return_inverse=True)
            count = len(values)
        keys, count = keys * span + (column.astype(np.int64) - low), count * span
    return keys


def _normalised(positions: Floats, triangles: Integers, turn: Floats | None) -> NDArray[np.float32]:
    used = np.zeros(len(positions), dtype=np.bool_)
    used[triangles] = True
    if not np.isfinite(positions[used]).all():
        raise AssetError("expected finite vertices, found NaN or infinity")
    if turn is not None:
        positions = positions @ turn.T
    low, high = positions[used].min(axis=0), positions[used].max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        positions = positions - (low / 2 + high / 2)
        radius = np.sqrt((positions[used] ** 2).sum(axis=1).max())
        scaled = positions / radius if 0 < radius < np.inf else positions
    if not 1e-30 < radius < 1e30:
        raise AssetError(f"expected a model with an extent, found a radius of {radius:g}")
    scaled[~np.isfinite(scaled)] = 0.0  # vertices that no triangle uses
    return scaled.astype(np.float32) + np.float32(0)  # + 0 turns -0 into 0, so that equal positions have equal bits


def _distinct(positions: NDArray[np.float32], triangles: Integers, welded: Integers) -> NDArray[np.bool_]:
    """(F,): true for triangles that have an area and are the first with their three positions, in any order."""
    a, b, c = (positions[triangles[:, k]].astype(np.float64) for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    first = np.zeros(len(triangles), dtype=bool)
    first[distinct_rows(np.sort(welded[triangles], axis=1))[0]] = True
    return first & (area > 1e-14)


def _surface(
    part: Part, positions: NDArray[np.float32], triangles: Integers, computed: Floats, offset: int, turn: Floats | None
) -> Surface:
    local = triangles - offset
    corner_normals = computed
    written = None if part.normals is None else part.normals if turn is None else part.normals @ turn.T
    if written is not None and _agree(written[local], computed):
        corner_normals = written[local]
        inward = (corner_normals * computed).sum(axis=(1, 2)) < 0  # wound against its own normals: turn it round
        local, corner_normals = local.copy(), corner_normals.copy()
        local[inward], corner_normals[inward] = local[inward][:, ::-1], corner_normals[inward][:, ::-1]
    corners, flat = local.reshape(-1), corner_normals.reshape(-1, 3)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    keys = np.c_[corners, np.round(flat * 1024).astype(np.int64)]
    first, new = distinct_rows(keys)
    old = corners[first]
    albedo, uv, image = _appearance(part, old)
    return Surface(
        vertices=np.ascontiguousarray(positions[old + offset]),
        triangles=new.reshape(-1, 3).astype(np.int32),
        normals=flat[first].astype(np.float32),
        albedo=albedo,
        uv=uv,
        texture=image,
    )


def _agree(written: Floats, computed: Floats) -> bool:
    """Whether the file's corner normals (F, 3, 3) are usable: finite, not zero, and not across their own faces."""
    length = np.linalg.norm(written, axis=2)
    if not (np.isfinite(length) & (length > 1e-6)).all():
        return False
    side = (written * computed).sum(axis=2) / length
    return bool((np.abs(side) < 0.1).mean() < 0.05 and ((side > 0).all(axis=1) | (side < 0).all(axis=1)).mean() > 0.9)


def _appearance(
    part: Part, old: Integers
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.uint8] | None]:
    """Albedo of the vertices `old`, and uv and image where the part has both."""
    material = part.material
    usable_uv = part.uv is not None and bool(np.isfinite(part.uv[old]).all())
    image = material.image if usable_uv else None
    if image is not None:
        colour = material.colour if material.tints and material.colour else (1.0, 1.0, 1.0)
    else:
        colour = _plain_colour(material)
    albedo = np.tile(np.clip(np.array(colour, dtype=np.float32), 0.0, 1.0), (len(old), 1))
    if part.colours is not None and (image is None or material.tints) and np.isfinite(part.colours[old]).all():
        own = np.clip(part.colours[old], 0.0, 1.0).astype(np.float32)
        albedo = albedo * own if material.tints else own
    uv = part.uv[old].astype(np.float32) if image is not None and part.uv is not None else None
    return np.ascontiguousarray(albedo, dtype=np.float32), uv, image


def _plain_colour(material: Material) -> tuple[float, ...]:
    """The colour of a material that is drawn without its texture, which may have carried the colour."""
    textured = material.image is not None or material.texture is not None
    if not textured:
        return material.colour or MID_GREY
    if material.colour and max(material.colour) > BLACK and not material.tints:
        return material.colour
    mean = MID_GREY if material.image is None else tuple(material.image.mean(axis=(0, 1)) / 255.0)
    return (
        tuple(m * c for m, c in zip(mean, material.colour or (1.0, 1.0, 1.0), strict=True)) if material.tints else mean
    )
