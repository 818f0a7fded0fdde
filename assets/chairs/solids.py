"""Closed solids that furniture is made of: lofts along a path, bent sheets, cushions. Centimetres, outward winding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.mesh import vertex_normals

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Points = Sequence[ArrayLike] | NDArray[np.float64]  # (n, 3)


@dataclass(frozen=True, eq=False)
class Solid:
    """A closed solid: vertices (V, 3) cm, triangles (F, 3), unit normals (V, 3), uv (V, 2) in cm along the surface."""

    vertices: Floats
    triangles: Integers
    normals: Floats
    uv: Floats

    def moved(self, offset: ArrayLike) -> Solid:
        return Solid(self.vertices + np.asarray(offset), self.triangles, self.normals, self.uv)

    def tilted(self, degrees: float) -> Solid:
        """Turned about the X axis; positive leans the top backwards, towards -Z."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
        return Solid(self.vertices @ turn.T, self.triangles, self.normals @ turn.T, self.uv)


@dataclass(frozen=True, eq=False)
class Section:
    """A convex cross-section: points (k, 2) counter-clockwise and their normals (k, 2)."""

    points: Floats
    normals: Floats


def circle(radius: float, sides: int = 10) -> Section:
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Section(radius * ring, ring)


def rectangle(width: float, height: float, bevel: float = 0.4) -> Section:
    """A rectangle with cut corners; normals stay those of the four sides, so that the cuts look like rounded edges."""
    b = min(bevel, 0.3 * width, 0.3 * height)
    x, y = width / 2, height / 2
    points = [(x, b - y), (x, y - b), (x - b, y), (b - x, y), (-x, y - b), (-x, b - y), (b - x, -y), (x - b, -y)]
    normals = np.repeat([[1.0, 0], [0, 1], [-1, 0], [0, -1]], 2, axis=0)
    return Section(np.array(points), normals)


def superellipse(a: float, b: float, power: float = 3.0) -> Section:
    """A rounded rectangle of half sizes a and b."""
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    points = np.stack([a * np.sign(c) * np.abs(c) ** (2 / power), b * np.sign(s) * np.abs(s) ** (2 / power)], axis=1)
    normals = np.stack(
        [
            np.sign(c) * np.abs(points[:, 0] / a) ** (power - 1) / a,
            np.sign(s) * np.abs(points[:, 1] / b) ** (power - 1) / b,
        ],
        axis=1,
    )
    return Section(points, normals / np.linalg.norm(normals, axis=1, keepdims=True))


def loft(
    path: Points, section: Section, side: ArrayLike = (1, 0, 0), scale: ArrayLike = 1.0, bevel: float = 0.0
) -> Solid:
    """`section` swept along `path` (n, 3), its x axis starting along `side`; `scale` (n,) or (n, 2); flat caps.

    `bevel` cm at both ends shrink the section, for solids whose ends are seen.
    """
    points = _array(path)
    scales = np.broadcast_to(
        np.asarray(scale, dtype=np.float64).reshape(-1, 1 if np.ndim(scale) < 2 else 2), (len(points), 2)
    )
    tangent = _unit(np.gradient(points, axis=0))
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    u = _transported(tangent, np.asarray(side, dtype=np.float64))
    v = np.cross(tangent, u)

    rim = np.r_[np.arange(len(section.points)), 0]  # the first column again, where the texture wraps
    local = section.points[rim][None] * scales[:, None]
    rings = points[:, None] + local[..., :1] * u[:, None] + local[..., 1:] * v[:, None]
    flat = section.normals[rim]
    normals = flat[None, :, :1] * u[:, None] + flat[None, :, 1:] * v[:, None]
    reach = (section.points[rim] * flat).sum(axis=1)  # how far a side lies from the axis
    slope = np.gradient(scales.mean(axis=1), length) if len(points) > 1 else np.zeros(1)
    normals = _unit(normals - (slope[:, None] * reach)[..., None] * tangent[:, None])
    if bevel > 0:
        rings, normals, length = _bevelled(rings, normals, points, tangent, length, bevel)
    around = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(section.points[rim], axis=0), axis=1))])

    n, k = len(rings), len(rim)
    grid = np.arange(n * k).reshape(n, k)
    uv = np.stack(np.broadcast_arrays(around[None, :], length[:, None]), axis=-1)
    pieces = [Solid(rings.reshape(-1, 3), _quads(grid), normals.reshape(-1, 3), uv.reshape(-1, 2))]
    for ring, outward, turn in ((rings[0], -tangent[0], -1), (rings[-1], tangent[-1], 1)):
        corner = np.arange(k - 1)
        fan = np.stack([np.full(k - 1, k - 1), corner, (corner + 1) % (k - 1)], axis=1)[:, ::turn]
        cap = np.concatenate([ring[:-1], ring[:-1].mean(axis=0, keepdims=True)])
        flat_uv = np.concatenate([section.points, np.zeros((1, 2))])
        pieces.append(Solid(cap, fan, np.tile(outward, (k, 1)), flat_uv))
    return joined(pieces)


def tube(points: Points, radius: float, fillet: float = 0.0, sides: int = 10) -> Solid:
    """A round bar through `points` (n, 3), corners rounded with the radius `fillet`."""
    path = rounded(points, fillet) if fillet > 0 else _array(points)
    first = path[1] - path[0]
    side = np.cross(first, [0.31, 0.62, 0.72])
    return loft(path, circle(radius, sides), side=side)


def bar(
    start: ArrayLike, end: ArrayLike, width: float, height: float, taper: float = 1.0, side: ArrayLike = (1, 0, 0)
) -> Solid:
    """A straight rectangular bar, `width` along `side`; `taper` scales its section at the end."""
    return loft([start, end], rectangle(width, height), side=side, scale=[1.0, taper], bevel=0.3)


def turned(start: ArrayLike, end: ArrayLike, profile: Sequence[tuple[float, float]], sides: int = 12) -> Solid:
    """A lathe-turned piece from `start` to `end`: (position from 0 to 1, radius in cm) along its axis."""
    t, radius = np.array(profile, dtype=np.float64).T
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    path = a + t[:, None] * (b - a)
    side = (1, 0, 0) if abs((b - a)[0]) < 0.9 * np.linalg.norm(b - a) else (0, 1, 0)
    return loft(path, circle(1.0, sides), side=side, scale=radius)


def box(width: float, height: float, depth: float, centre: ArrayLike = (0, 0, 0), bevel: float = 0.5) -> Solid:
    """A box with its edges cut; width along X, height along Y, depth along Z."""
    c = np.asarray(centre, dtype=np.float64)
    half = np.array([0, height / 2, 0])
    return loft([c - half, c + half], rectangle(width, depth, bevel), side=(1, 0, 0), bevel=min(bevel, 0.3 * height))


def sheet(grid: ArrayLike, thickness: float) -> Solid:
    """The smooth surface `grid` (n, m, 3), given a thickness; its front is where rows x columns point."""
    middle = np.asarray(grid, dtype=np.float64)
    n, m = middle.shape[:2]
    du, dv = np.gradient(middle, axis=0), np.gradient(middle, axis=1)
    normal = _unit(np.cross(du, dv))
    front, back = middle + normal * thickness / 2, middle - normal * thickness / 2
    along = np.linalg.norm(np.diff(middle, axis=0), axis=2).mean(axis=1).cumsum()
    across = np.linalg.norm(np.diff(middle, axis=1), axis=2).mean(axis=0).cumsum()
    uv = np.stack(np.meshgrid(np.r_[0, along], np.r_[0, across], indexing="ij")[::-1], axis=-1).reshape(-1, 2)
    faces = _quads(np.arange(n * m).reshape(n, m).T)
    pieces = [
        Solid(front.reshape(-1, 3), faces, normal.reshape(-1, 3), uv),
        Solid(back.reshape(-1, 3), faces[:, ::-1], -normal.reshape(-1, 3), uv),
    ]
    ring = np.arange(n * m).reshape(n, m)
    edges = (
        (ring[:, 0], -dv[:, 0]),
        (ring[-1, :], du[-1, :]),
        (ring[::-1, -1], dv[::-1, -1]),
        (ring[0, ::-1], -du[0, ::-1]),
    )
    for edge, outward in edges:
        upper, lower = front.reshape(-1, 3)[edge], back.reshape(-1, 3)[edge]
        strip = np.arange(2 * len(edge)).reshape(2, -1)
        both = np.concatenate([lower, upper])
        facing = np.cross(np.gradient(upper, axis=0), upper - lower)
        facing *= np.where((facing * outward).sum(axis=1, keepdims=True) < 0, -1, 1)
        pieces.append(Solid(both, _quads(strip), np.tile(_unit(facing), (2, 1)), np.tile(uv[edge], (2, 1))))
    return joined(pieces)


def cushion(width: float, height: float, depth: float, centre: ArrayLike = (0, 0, 0), fullness: float = 5.0) -> Solid:
    """A superellipsoid: a soft box, rounder for a smaller `fullness` (2 is an ellipsoid)."""
    template, triangles = _cube_grid(8)
    norm = (np.abs(template) ** fullness).sum(axis=1, keepdims=True) ** (1 / fullness)
    points = template / norm * np.array([width, height, depth]) / 2
    normals = vertex_normals(points.astype(np.float32), triangles.astype(np.int32)).astype(np.float64)
    x, y, z = points.T
    uv = np.stack([x + y * normals[:, 0], z + y * normals[:, 2]], axis=1)
    return Solid(points + np.asarray(centre, dtype=np.float64), triangles, normals, uv)


def joined(solids: Sequence[Solid]) -> Solid:
    """Several solids as one."""
    offsets = np.cumsum([0] + [len(s.vertices) for s in solids])
    return Solid(
        np.concatenate([s.vertices for s in solids]),
        np.concatenate([s.triangles + o for s, o in zip(solids, offsets, strict=False)]),
        np.concatenate([s.normals for s in solids]),
        np.concatenate([s.uv for s in solids]),
    )


def rounded(points: Points, radius: float, steps: int = 5) -> Floats:
    """Replace each inner corner of the polyline `points` by a quadratic curve within `radius` of it: (n, 3)."""
    p = _array(points)
    path = [p[0]]
    for before, corner, after in zip(p[:-2], p[1:-1], p[2:], strict=True):
        reach = min(radius, *(0.45 * float(np.linalg.norm(end - corner)) for end in (before, after)))
        a, b = corner + reach * _unit(before - corner), corner + reach * _unit(after - corner)
        t = np.linspace(0, 1, steps)[:, None]
        path += list((1 - t) ** 2 * a + 2 * t * (1 - t) * corner + t**2 * b)
    return np.array([*path, p[-1]])


def _bevelled(
    rings: Floats, normals: Floats, points: Floats, tangent: Floats, length: Floats, bevel: float
) -> tuple[Floats, Floats, Floats]:
    """Add a shrunken ring at each end that shades as the cap does, and move the first and last inwards."""
    out_rings, out_normals = [rings.copy()], [normals]
    for end, sign in ((0, -1), (-1, 1)):
        spokes = rings[end] - points[end]
        reach = np.linalg.norm(spokes, axis=1, keepdims=True)
        cap = points[end] + spokes * np.maximum(1 - bevel / np.maximum(reach, 1e-9), 0.5)
        cap_normals = np.tile(sign * tangent[end], (len(cap), 1))
        out_rings[-1 if end else 0][end] = rings[end] - sign * bevel * tangent[end]
        out_rings.insert(len(out_rings) if end else 0, cap[None])
        out_normals.insert(len(out_normals) if end else 0, cap_normals[None])
    return np.concatenate(out_rings), np.concatenate(out_normals), np.r_[length[0], length, length[-1]]


def _transported(tangent: Floats, side: Floats) -> Floats:
    """Return (n, 3) unit vectors across the path that start near `side` and turn no more than they must."""
    across = np.empty_like(tangent)
    u = side
    for i, t in enumerate(tangent):
        u = u - t * (u @ t)
        if np.linalg.norm(u) < 1e-9:
            u = np.cross(t, [0.0, 0.0, 1.0] if abs(t[2]) < 0.9 else [0.0, 1.0, 0.0])
        u = u / np.linalg.norm(u)
        across[i] = u
    return across


def _quads(grid: Integers) -> Integers:
    """Two triangles for each cell of an index grid: (row, column), (row, column + 1), (row + 1, column + 1), ..."""
    a, b, c, d = (g.reshape(-1) for g in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]))
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


@lru_cache(maxsize=4)
def _cube_grid(n: int) -> tuple[Floats, Integers]:
    """The surface of the cube [-1, 1]^3 as n x n cells a face, vertices shared across the edges."""
    ticks = np.sin(np.linspace(-1, 1, n + 1) * np.pi / 2.4) / np.sin(np.pi / 2.4)  # denser near the edges
    a, b = np.meshgrid(ticks, ticks, indexing="ij")
    points: list[Floats] = []
    triangles: list[Integers] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            face = np.empty((n + 1, n + 1, 3))
            face[..., axis], face[..., (axis + 1) % 3], face[..., (axis + 2) % 3] = sign, a, b
            quads = _quads(np.arange((n + 1) ** 2).reshape(n + 1, n + 1).T) + len(points) * (n + 1) ** 2
            triangles.append(quads if sign > 0 else quads[:, ::-1])
            points.append(face.reshape(-1, 3))
    unique, inverse = np.unique(np.round(np.concatenate(points), 9), axis=0, return_inverse=True)
    return unique.astype(np.float64), inverse.reshape(-1)[np.concatenate(triangles)].astype(np.int64)


def _array(points: Points) -> Floats:
    return np.array([np.asarray(point, dtype=np.float64) for point in points])


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
