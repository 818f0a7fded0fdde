"""From what a file holds to what is drawn: parts in, surfaces out.

Polygons are cut into triangles: a fan where that is right, ear clipping where a polygon is not convex. Duplicate and
degenerate triangles go (ShapeNet models have up to half of them, which flicker). Normals are the file's where they are
good; others are computed, smooth over curved surfaces and split where two faces meet at a crease. The whole model is
centred and scaled to radius 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

LARGEST_EARS = 512  # corners; a larger concave polygon is drawn as a fan

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
    """

    name: str = ""
    colour: tuple[float, ...] | None = None
    opacity: float = 1.0
    texture: str | None = None
    image: NDArray[np.uint8] | None = None
    tints: bool = False


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
    """Make a part of polygons whose corners number each attribute apart, as OBJ and COLLADA write them.

    indices   attribute of Part -> (C,) rows of its array, for the corners of one polygon after another
    arrays    attribute of Part -> (N, k)
    counts    (F,) corners of each polygon, at least 3
    """
    triangles = cut(arrays["positions"][indices["positions"]], counts)
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
    """Return the parts that are drawn; all, if all are clear. AssetError for no triangles, too many of anything."""
    check_size(parts)
    solid = [p for p in parts if len(p.triangles)]
    if not solid:
        raise AssetError("expected at least one triangle, found none")
    return [p for p in solid if p.material.opacity > INVISIBLE] or solid


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
    """Tell whether the file's corner normals (F, 3, 3) are usable: finite, not zero, and not across their own faces."""
    length = np.linalg.norm(written, axis=2)
    if not (np.isfinite(length) & (length > 1e-6)).all():
        return False
    side = (written * computed).sum(axis=2) / length
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
    if part.colours is not None and (image is None or material.tints) and np.isfinite(part.colours[old]).all():
        own = np.clip(part.colours[old], 0.0, 1.0).astype(np.float32)
        albedo = albedo * own if material.tints else own
    uv = part.uv[old].astype(np.float32) if image is not None and part.uv is not None else None
    return np.ascontiguousarray(albedo, dtype=np.float32), uv, image


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


def fan(counts: Integers) -> Integers:
    """Cut each polygon of `counts[i]` consecutive corners into a fan around its first: (F, 3) corner numbers."""
    first = np.cumsum(counts) - counts
    cuts = counts - 2
    step = np.arange(int(cuts.sum())) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    base = np.repeat(first, cuts)
    return np.stack([base, base + step + 1, base + step + 2], axis=1)


def cut(points: Floats, counts: Integers) -> Integers:
    """Cut polygons of `counts[i]` >= 3 consecutive corners of `points` (C, 3) into triangles: (F, 3) corner numbers."""
    triangles = fan(counts)
    if len(triangles) == len(counts):
        return triangles
    first, end = np.cumsum(counts) - counts, np.cumsum(counts - 2)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    crosses = np.cross(b - a, c - a)
    owner = np.repeat(np.arange(len(counts)), counts - 2)
    summed = np.add.reduceat(crosses, end - counts + 2, axis=0)
    folded = (crosses * summed[owner]).sum(axis=1) < 0
    for polygon in np.unique(owner[folded]):
        if counts[polygon] <= LARGEST_EARS:
            rows = slice(end[polygon] - counts[polygon] + 2, end[polygon])
            corners = slice(first[polygon], first[polygon] + counts[polygon])
            triangles[rows] = _ears(points[corners]) + first[polygon]
    return triangles


def _ears(points: Floats) -> Integers:
    """Cut a simple polygon in space by ear clipping in its mean plane (Meisters 1975): (n - 2, 3)."""
    flat = _in_plane(points)
    plain = flat.tolist()  # one corner at a time, plain numbers are quicker
    left = list(range(len(points)))
    triangles = []
    while len(left) > 3:
        triangles.append(left_ear := _find_ear(flat, plain, left))
        left.remove(left_ear[1])
    triangles.append((left[0], left[1], left[2]))
    return np.array(triangles, dtype=np.int64)


def _find_ear(flat: Floats, plain: list[list[float]], left: list[int]) -> tuple[int, int, int]:
    """Return three consecutive corners that turn left and hold no other corner; the first three if there is no ear."""
    for i, b in enumerate(left):
        a, c = left[i - 1], left[(i + 1) % len(left)]
        (ax, ay), (bx, by), (cx, cy) = plain[a], plain[b], plain[c]
        if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) <= 0:
            continue
        others = flat[[k for k in left if k not in (a, b, c)]]
        within = (
            (_turn(flat[a], flat[b], others) > 0)
            & (_turn(flat[b], flat[c], others) > 0)
            & (_turn(flat[c], flat[a], others) > 0)
        )
        if not within.any():
            return a, b, c
    return left[0], left[1], left[2]


def _turn(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return twice the signed area of a, b and each point of c (n, 2)."""
    return (b[0] - a[0]) * (c[:, 1] - a[1]) - (b[1] - a[1]) * (c[:, 0] - a[0])


def _in_plane(points: Floats) -> Floats:
    """Return (n, 2) coordinates in the polygon's mean plane (Newell's normal), counter-clockwise."""
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    drop = int(np.argmax(np.abs(normal)))
    u, v = (drop + 1) % 3, (drop + 2) % 3
    flat = points[:, [u, v]]
    return flat if normal[drop] >= 0 else flat * np.array([1.0, -1.0])


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
