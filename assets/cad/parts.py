"""From what a file holds to what is drawn: parts in, surfaces out.

Duplicate and degenerate triangles go (ShapeNet models have up to half of them, which flicker). Normals are the file's
where they are good; others are computed, smooth over curved surfaces and split where two faces meet at a crease. The
whole model is centred and scaled to radius 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assets.cad.polygons import cut
from assets.cad.textures import wrapped
from assets.errors import AssetError
from assets.mesh import Mesh, Surface

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_VERTICES = 5_000_000
MOST_TRIANGLES = 3_000_000
MOST_PARTS = 20_000
CHECKED_EVERY = 100_000  # vertices and triangles gathered, between two looks at these limits
MID_GREY = (0.6, 0.6, 0.6)
BLACK = 0.02  # as a diffuse colour: exporters write it where a texture gives the colour
INVISIBLE = 0.004  # opacity below one step of 8 bits

CREASE = 40.0  # degrees between face normals, from where an edge is seen as an edge
LARGEST_FAN = 512  # triangles around one point; more keep their face's normal
PAIRS_AT_ONCE = 100_000  # bounds the memory, and stays in the processor's cache


@dataclass(frozen=True)
class Material:
    """A material as its file describes it.

    colour   RGB in [0, 1] as displayed, or None
    texture  the reference as written, or None
    image    its pixels (h, w, 3) once loaded
    tints    whether the colour multiplies the image (glTF) or stands in for it (MTL)
    fault    why there is a texture and no image, or ''
    wrap     how u and v go on beyond the image, of assets.cad.textures.WRAPS
    """

    name: str = ""
    colour: tuple[float, ...] | None = None
    opacity: float = 1.0
    texture: str | None = None
    image: NDArray[np.uint8] | None = None
    tints: bool = False
    fault: str = ""
    wrap: tuple[str, str] = ("repeat", "repeat")


@dataclass(frozen=True, eq=False)
class Part:
    """The triangles of one material, as read.

    positions  (V, 3)
    triangles  (F, 3) indices into them
    normals    (V, 3) or None
    uv         (V, 2) or None; v = 0 is the bottom row of the image
    colours    (V, 3) in [0, 1] or None

    Vertices without one of the last three, where others have it, hold NaN.
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
    """Make a part of polygons whose corners number each attribute apart, as OBJ and COLLADA write them.

    indices   attribute of Part -> (C,) rows of its array, for the corners of one polygon after another
    arrays    attribute of Part -> (N, k)
    counts    (F,) corners of each polygon, at least 3
    """
    triangles = cut(arrays["positions"][indices["positions"]], counts)
    return part_of_triangles(indices, arrays, triangles, material)


def part_of_triangles(
    indices: Mapping[str, NDArray[np.integer]], arrays: Mapping[str, Floats], triangles: Integers, material: Material
) -> Part:
    """Make a part of triangles (F, 3), given as places in the `indices` (C,) of `part_of_corners`."""
    first, corner = distinct_rows(np.stack([*indices.values()], axis=1))
    chosen = {name: arrays[name][rows[first]] for name, rows in indices.items()}
    return Part(**chosen, triangles=corner[triangles], material=material)  # type: ignore[arg-type]


class PartCollector:
    """Collects parts one by one from a scene that may repeat them without end, and checks the limits on the way."""

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
    """Raise AssetError if there is more than is drawn."""
    vertices, triangles = sum(len(p.positions) for p in parts), sum(len(p.triangles) for p in parts)
    for found, most, what in (
        (len(parts), MOST_PARTS, "parts"),
        (vertices, MOST_VERTICES, "vertices"),
        (triangles, MOST_TRIANGLES, "triangles"),
    ):
        if found > most:
            raise AssetError(f"expected at most {most} {what}, found {found}")


def mesh_of_parts(name: str, parts: Sequence[Part], turn: Floats | None = None) -> Mesh:
    """Make the drawable mesh: `turn` (3, 3) applied, centred on the bounding box, farthest vertex at distance 1.

    Raises AssetError (without the file's name) for no triangles, too many of anything, NaN, or no extent.
    """
    parts = [piece for part in visible_parts(parts) for piece in without_gaps(part)]
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
    """Return the parts that are drawn; all, if all are clear. AssetError for no triangles, too many of anything."""
    check_size(parts)
    solid = [p for p in parts if len(p.triangles)]
    if not solid:
        raise AssetError("expected at least one triangle, found none")
    return [p for p in solid if p.material.opacity > INVISIBLE] or solid


def without_gaps(part: Part) -> list[Part]:
    """Return the part with its gaps in uv closed, and apart from it the triangles that have no uv at all.

    A vertex without uv gets the mean of those that share a triangle with it. Parts without an image stay as they are.
    """
    if part.uv is None or part.material.image is None:
        return [part]
    known: NDArray[np.bool_] = np.asarray(np.isfinite(part.uv).all(axis=1))
    some = known[part.triangles].sum(axis=1)
    if (some == 3).all():
        return [part]
    owner, place = np.nonzero(~known[part.triangles] & (some > 0)[:, None])
    corners = part.triangles[owner]
    means = np.nanmean(np.where(known[corners][:, :, None], part.uv[corners], np.nan), axis=1)
    summed, count = np.zeros_like(part.uv), np.zeros(len(part.uv))
    np.add.at(summed, corners[np.arange(len(corners)), place], means)
    np.add.at(count, corners[np.arange(len(corners)), place], 1)
    uv = np.where(known[:, None], part.uv, summed / np.maximum(count, 1)[:, None])
    pieces = (
        replace(part, uv=uv, triangles=part.triangles[some > 0]),
        replace(part, uv=None, triangles=part.triangles[some == 0]),
    )
    return [piece for piece in pieces if len(piece.triangles)]


def joined(parts: Sequence[Part]) -> tuple[Floats, Integers]:
    """Return the positions (V, 3) and triangles (F, 3) of all parts together."""
    offsets = np.cumsum([0] + [len(p.positions) for p in parts])
    triangles = [p.triangles + o for p, o in zip(parts, offsets[:-1], strict=True)]
    positions = np.concatenate([p.positions for p in parts]).astype(np.float64)
    return positions, np.concatenate(triangles).astype(np.int64)


def row_ids(rows: NDArray[np.integer]) -> Integers:
    """Number the rows of an (N, k) integer array: (N,) from 0, equal for equal rows only, in the rows' order."""
    return np.unique(_keys(rows), return_inverse=True)[1]


def distinct_rows(rows: NDArray[np.integer]) -> tuple[Integers, Integers]:
    """Return (M,) the first place of each distinct row, and the `row_ids`."""
    return np.unique(_keys(rows), return_index=True, return_inverse=True)[1:]


def _keys(rows: NDArray[np.integer]) -> Integers:
    """Return (N,) one number for each row; the numbers compare as the rows do."""
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
    """Tell which triangles (F,) have an area and are the first with their three positions, in any order."""
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
    given = None if written is None else _without_bad_normals(written[local], computed)
    if given is not None and _agree(given, computed):
        corner_normals = given
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


def _without_bad_normals(written: Floats, computed: Floats) -> Floats | None:
    """Replace corner normals (F, 3, 3) without a direction by computed ones, on the side of the face's others.

    None if all are.
    """
    length = np.linalg.norm(written, axis=2)
    usable = np.isfinite(length) & (length > 1e-6)
    if usable.all():
        return written
    side = np.where(usable[:, :, None], written * computed, 0.0).sum(axis=(1, 2))
    own_side = np.where(side < 0, -1.0, 1.0)[:, None, None] * computed
    return np.where(usable[:, :, None], written, own_side) if usable.any() else None


def _agree(written: Floats, computed: Floats) -> bool:
    """Tell whether corner normals (F, 3, 3) of some length are usable: not across their own faces."""
    side = (written * computed).sum(axis=2) / np.linalg.norm(written, axis=2)
    return bool((np.abs(side) < 0.1).mean() < 0.05 and ((side > 0).all(axis=1) | (side < 0).all(axis=1)).mean() > 0.9)


def _appearance(
    part: Part, old: Integers
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.uint8] | None]:
    """Return the albedo of the vertices `old`, and uv and image if the part has both."""
    material = part.material
    usable_uv = part.uv is not None and bool(np.isfinite(part.uv[old]).all())
    image = material.image if usable_uv else None
    if image is not None:
        colour = material.colour if material.tints and material.colour else (1.0, 1.0, 1.0)
    else:
        colour = _plain_colour(material)
    albedo = np.tile(np.clip(np.array(colour, dtype=np.float32), 0.0, 1.0), (len(old), 1))
    if part.colours is not None and (image is None or material.tints):
        own = np.clip(part.colours[old], 0.0, 1.0).astype(np.float32)
        known = np.isfinite(own).all(axis=1)
        albedo[known] = albedo[known] * own[known] if material.tints else own[known]
    if image is None or part.uv is None:
        return np.ascontiguousarray(albedo, dtype=np.float32), None, None
    image, uv = wrapped(image, part.uv[old], material.wrap)
    return np.ascontiguousarray(albedo, dtype=np.float32), uv.astype(np.float32), image


def _plain_colour(material: Material) -> tuple[float, ...]:
    """Return the colour of a material that is drawn without its texture, which may have carried the colour."""
    textured = material.image is not None or material.texture is not None
    if not textured:
        return material.colour or MID_GREY
    if material.colour and max(material.colour) > BLACK and not material.tints:
        return material.colour
    mean = MID_GREY if material.image is None else tuple(material.image.mean(axis=(0, 1)) / 255.0)
    return (
        tuple(m * c for m, c in zip(mean, material.colour or (1.0, 1.0, 1.0), strict=True)) if material.tints else mean
    )


def crease_normals(positions: NDArray[np.float32], triangles: Integers, welded: Integers) -> Floats:
    """Compute (F, 3, 3) unit normals of the corners of triangles that have an area.

    A corner's normal is the area-weighted mean over the faces around its point that turn less than CREASE away from
    its own face. `welded` (V,) numbers the points: vertices at one position share a number.
    """
    a, b, c = (positions[triangles[:, k]].astype(np.float64) for k in range(3))
    weighted = np.cross(b - a, c - a)
    unit = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)

    points = welded[triangles].reshape(-1)
    order = np.argsort(points, kind="stable")
    face = order // 3
    _, start, size = np.unique(points[order], return_index=True, return_counts=True)
    around = np.repeat(np.where(size <= LARGEST_FAN, size, 0), size)  # faces to visit for each corner
    begin = np.repeat(start, size)

    summed = weighted[face]  # its own face; the others are added
    x, y, z = np.ascontiguousarray(unit.T)
    columns = np.ascontiguousarray(weighted.T)
    threshold = np.cos(np.radians(CREASE))
    visited = np.cumsum(around)
    low = 0
    while low < len(order):
        done = visited[low - 1] if low else 0
        high = max(int(np.searchsorted(visited, done + PAIRS_AT_ONCE, side="right")), low + 1)
        n = around[low:high]
        corner = np.repeat(np.arange(low, high), n)
        step = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
        mine, other = face[corner], face[begin[corner] + step]
        smooth = (x[mine] * x[other] + y[mine] * y[other] + z[mine] * z[other] > threshold) & (mine != other)
        corner, other = corner[smooth], other[smooth]
        for axis in range(3):
            summed[low:high, axis] += np.bincount(corner - low, columns[axis][other], minlength=high - low)
        low = high
    normals = np.empty_like(summed)
    normals[order] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    return normals.reshape(-1, 3, 3)
