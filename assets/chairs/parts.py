"""Parts of chairs in centimetres: floor at y = 0, front at +Z. Every part reaches into the part that carries it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.chairs.solids import Solid, bar, box, circle, cushion, loft, rectangle, rounded, sheet, tube, turned

Floats = NDArray[np.float64]
SIDES = (-1.0, 1.0)


def point(x: float, y: float, z: float) -> Floats:
    """Return (3,) a place, or an offset, in centimetres."""
    return np.array([x, y, z], dtype=np.float64)


@dataclass(frozen=True)
class Back:
    """The bent surface that all pieces of a backrest follow.

    y0, height  bottom and height above the floor, cm; z0 where it starts
    bottom, top half the width there
    rake        how far the top leans back, cm; bend makes the lean grow towards the top (1 is straight)
    bow         how far the middle lies behind the edges, cm
    """

    y0: float
    height: float
    z0: float
    bottom: float
    top: float
    rake: float
    bend: float = 1.3
    bow: float = 0.0

    def at(self, s: ArrayLike, t: ArrayLike) -> Floats:
        """Return (..., 3) the point at s from -1 (viewer's left) to 1 across and t from 0 to 1 up."""
        s, t = np.broadcast_arrays(np.asarray(s, dtype=np.float64), np.asarray(t, dtype=np.float64))
        x = s * (self.bottom + (self.top - self.bottom) * t)
        lean = self.rake * np.sign(t) * np.abs(t) ** self.bend
        return np.stack([x, self.y0 + self.height * t, self.z0 - lean - self.bow * (1 - s**2)], axis=-1)

    @property
    def angle(self) -> float:
        """Mean lean in degrees."""
        return float(np.degrees(np.arctan2(self.rake, self.height)))

    def patch(self, s: ArrayLike, t: ArrayLike, thickness: float) -> Solid:
        """A panel over the grids s and t (both (n, m), or ranges (n,) and (m,))."""
        s, t = np.asarray(s, dtype=np.float64), np.asarray(t, dtype=np.float64)
        if s.ndim == 1:
            s, t = np.meshgrid(s, t, indexing="ij")
        return sheet(self.at(s, t), thickness)

    def rail(self, t: float, height: float, depth: float = 2.2, reach: float = 1.0, arch: float = 0.0) -> Solid:
        """A bar across at t; `arch` raises its middle, cm."""
        s = np.linspace(-reach, reach, 9)
        path = self.at(s, t) + np.outer(1 - (s / reach) ** 2, [0, arch, 0])
        return loft(path, rectangle(height, depth), side=(0, 1, 0), bevel=0.3)

    def posts(self, width: float, top: float = 1.0, round_posts: bool = False, bottom: float = 0.0) -> list[Solid]:
        """The two uprights at s = -1 and 1, from t = bottom to top."""
        t = np.linspace(bottom, top, 7)
        section = circle(width / 2) if round_posts else rectangle(width, width)
        return [loft(self.at(side, t), section, bevel=0.4) for side in SIDES]


def vertical_slats(back: Back, count: int, share: float, t0: float, t1: float, thickness: float = 1.2) -> list[Solid]:
    """`count` boards from t0 to t1 that fill `share` of the width."""
    pitch = 2.0 / (count + 0.35)
    centres = (np.arange(count) - (count - 1) / 2) * pitch
    half = pitch * share / 2
    t = np.linspace(t0, t1, 5)
    return [back.patch(np.array([c - half, c, c + half]), t, thickness) for c in centres]


def spindles(back: Back, count: int, radius: float, t0: float, t1: float, spread: float = 0.85) -> list[Solid]:
    """Thin round bars from t0 to t1."""
    t = np.linspace(t0, t1, 5)
    return [loft(back.at(s, t), circle(radius, 8)) for s in np.linspace(-spread, spread, count)]


def rungs(
    back: Back, count: int, t0: float, t1: float, share: float, arch: float, thickness: float = 1.4
) -> list[Solid]:
    """A ladder of `count` bowed boards; `arch` (in t) raises the middle of their upper edges."""
    pitch = (t1 - t0) / count
    s = np.linspace(-1.0, 1.0, 9)
    boards = []
    for k in range(count):
        low = t0 + k * pitch + (1 - share) * pitch
        high = np.full_like(s, low + share * pitch) + arch * (1 - s**2)
        edge = np.linspace(0, 1, 4)
        t = low + edge[None, :] * (high - low)[:, None]
        boards.append(back.patch(np.repeat(s[:, None], 4, axis=1), t, thickness))
    return boards


def splat(back: Back, widest: float, waist: float, t0: float, t1: float, thickness: float = 1.2) -> Solid:
    """A vase-shaped middle board."""
    t = np.linspace(t0, t1, 13)
    phase = (t - t0) / (t1 - t0)
    half = waist + (widest - waist) * np.sin(np.pi * (0.15 + 1.6 * phase)) ** 2
    return back.patch(np.linspace(-1, 1, 5)[:, None] * half[None, :], np.repeat(t[None], 5, axis=0), thickness)


def crossed(back: Back, width: float, t0: float, t1: float, reach: float = 0.95) -> list[Solid]:
    """Two diagonal bars."""
    k = np.linspace(0, 1, 7)
    return [
        loft(back.at(side * reach * (2 * k - 1), t0 + (t1 - t0) * k), rectangle(width, 1.4), side=(1, 0, 0))
        for side in SIDES
    ]


def oval_frame(back: Back, t0: float, t1: float, radius: float, reach: float = 0.95) -> Solid:
    """A bent ring, closed at the bottom, around the middle of the back."""
    angle = np.linspace(-0.5 * np.pi, 1.5 * np.pi, 33)
    return loft(
        back.at(reach * np.cos(angle), (t0 + t1) / 2 + (t1 - t0) / 2 * np.sin(angle)), circle(radius), side=(0, 0, 1)
    )


def disc(back: Back, t0: float, t1: float, thickness: float, reach: float = 0.95) -> Solid:
    """The panel that fills `oval_frame`."""
    u, v = _round_grid(9, 1.0)
    return back.patch(reach * u, (t0 + t1) / 2 + (t1 - t0) / 2 * v, thickness)


def back_cushion(
    back: Back, width: float, t0: float, t1: float, thickness: float, forward: float, fullness: float
) -> Solid:
    """A soft pad that leans as the back does, its middle `forward` cm in front of it."""
    low, high = back.at(0.0, t0), back.at(0.0, t1)
    length = float(np.linalg.norm(high - low))
    lean = float(np.degrees(np.arctan2(low[2] - high[2], high[1] - low[1])))
    pad = cushion(width, length, thickness, fullness=fullness)
    return upright_uv(pad).tilted(lean).moved((low + high) / 2 + [0, 0, forward])


def upright_uv(solid: Solid) -> Solid:
    """Texture coordinates for a pad that is seen from the front: across and up."""
    x, y, z = solid.vertices.T
    n = solid.normals
    return Solid(solid.vertices, solid.triangles, n, np.stack([x + z * n[:, 0], y + z * n[:, 1]], axis=1))


def flat_seat(
    width: float, depth: float, top: float, thickness: float, roundness: float, dish: float = 0.0, narrow: float = 0.0
) -> Solid:
    """A board: `roundness` 0 is a rectangle, 1 an ellipse; `dish` cm hollow; `narrow` cm less wide at the back."""
    u, v = _round_grid(9, roundness)
    half = width / 2 - narrow / 4 * (1 - v)
    height = top - thickness / 2 - dish * (1 - u**2) * (1 - v**2)
    return sheet(np.stack([u * half, height, v * depth / 2], axis=-1)[:, ::-1], thickness)


def seat_frame(width: float, depth: float, top: float, height: float, thickness: float = 2.2) -> list[Solid]:
    """Four rails below a seat."""
    y, x, z = top - height / 2, width / 2 - thickness / 2, depth / 2 - thickness / 2
    long = [box(width, height, thickness, (0, y, side * z)) for side in SIDES]
    return long + [box(thickness, height, depth, (side * x, y, 0)) for side in SIDES]


def straight_legs(
    feet: list[tuple[float, float]], tops: list[tuple[float, float]], height: float, width: float, taper: float
) -> list[Solid]:
    """Square legs from `tops` (x, z) under the seat down to `feet` (x, z) on the floor."""
    pairs = zip(tops, feet, strict=True)
    return [bar((tx, height, tz), (fx, 0, fz), width, width, taper) for (tx, tz), (fx, fz) in pairs]


def round_legs(
    feet: list[tuple[float, float]],
    tops: list[tuple[float, float]],
    height: float,
    width: float,
    profile: list[tuple[float, float]],
) -> list[Solid]:
    """Turned legs; `profile` gives the radius along the leg in units of half `width`."""
    scaled = [(t, r * width / 2) for t, r in profile]
    return [turned((tx, height, tz), (fx, 0, fz), scaled) for (tx, tz), (fx, fz) in zip(tops, feet, strict=True)]


def between(a: tuple[float, float], b: tuple[float, float], t: float) -> tuple[float, float]:
    """The point (x, z) on a leg from foot `a` to top `b` at the share t of its height."""
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])


def stretchers(
    feet: list[tuple[float, float]],
    tops: list[tuple[float, float]],
    height: float,
    share: float,
    radius: float,
    kind: str,
) -> list[Solid]:
    """Bars between the legs (order: left back, right back, right front, left front); kind is box, h or sides."""
    low = [between(f, t, share) for f, t in zip(feet, tops, strict=True)]
    up = share * height
    joint = [point(x, up, z) for x, z in low]
    sides = [tube([joint[0], joint[3]], radius, sides=8), tube([joint[1], joint[2]], radius, sides=8)]
    if kind == "h":
        return [*sides, tube([(joint[0] + joint[3]) / 2, (joint[1] + joint[2]) / 2], radius, sides=8)]
    if kind == "box":
        lift = np.array([0, 3.0, 0])
        return [
            *sides,
            tube([joint[0], joint[1]], radius, sides=8),
            tube([joint[3] + lift, joint[2] + lift], radius, sides=8),
        ]
    return sides


def star_base(arms: int, reach: float, hub: float, width: float, castors: bool) -> tuple[list[Solid], list[Solid]]:
    """Return (arms and hub, castors) of a swivel foot whose hub ends at the height `hub`."""
    lift = 6.0 if castors else 1.2
    solids, wheels = [turned((0, lift - 0.5, 0), (0, hub, 0), [(0, 3.5), (0.35, 3.2), (0.36, 2.2), (1, 2.0)])], []
    for angle in np.arange(arms) / arms * 2 * np.pi + np.pi / 2:
        out = np.array([np.cos(angle), 0, np.sin(angle)])
        end = reach * out + point(0, lift, 0)
        across = np.array([-out[2], 0, out[0]])
        solids.append(bar([0, lift + 3.0, 0], end, width, 2.6, 0.7, side=across))
        if castors:
            wheels.append(turned(end + point(0, 0.5, 0), end - point(0, 3.5, 0), [(0, 0.9), (1, 0.9)], sides=8))
            for side in SIDES:
                hubpoint = reach * out + point(0, 2.8, 0)
                wheels.append(
                    turned(hubpoint + side * 0.3 * across, hubpoint + side * 2.2 * across, [(0, 2.8), (1, 2.8)])
                )
        else:
            solids.append(turned(end + point(0, 0.4, 0), end - point(0, lift, 0), [(0, 1.2), (1, 1.2)], sides=8))
    return solids, wheels


def shell(profile: ArrayLike, half_widths: ArrayLike, curls: ArrayLike, thickness: float) -> Solid:
    """A seat and back in one bent piece, as of plastic, plywood or leather.

    profile      (k, 2) the middle line as (z, y), from the front edge of the seat to the top of the back
    half_widths  (k,) cm; curls (k,) how far the edges bend towards the sitter, cm
    """
    line = np.asarray(profile, dtype=np.float64)
    path = rounded(
        np.c_[np.zeros(len(line)), line[:, ::-1]], 0.45 * np.linalg.norm(np.diff(line, axis=0), axis=1).max()
    )
    t = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 21))  # dense near the ends, which are rounded
    middle = _along(path, t)
    knots = np.concatenate([[0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()])
    half, curl = (
        np.interp(t, knots / knots[-1], np.asarray(value, dtype=np.float64)) for value in (half_widths, curls)
    )
    tangent = np.gradient(middle, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    towards = np.cross(tangent, [1.0, 0.0, 0.0])  # the sitter's side
    s = np.linspace(-1, 1, 13)[:, None]
    to_end = np.minimum(t, 1 - t) * knots[-1]
    radius = 0.45 * min(half[0], half[-1])
    inset = radius - np.sqrt(np.clip(radius**2 - np.clip(radius - to_end, 0, radius) ** 2, 0, None))
    narrowed = (half - inset) / half
    grid = middle[None] + (curl * (narrowed * s) ** 2)[..., None] * towards[None]
    grid[..., 0] += s * (half - inset)
    return sheet(grid, thickness)


def _along(path: Floats, t: Floats) -> Floats:
    """Return (len(t), 3) points at the shares t of the length of a polyline."""
    length = np.concatenate([[0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    return np.stack([np.interp(t, length / length[-1], axis) for axis in path.T], axis=1)


def tub(
    half_width: float, half_depth: float, y0: float, arm: float, back: float, thickness: float, flare: float = 0.0
) -> Solid:
    """A wall around the seat, open at the front: `arm` cm high at its ends, `back` cm high behind the sitter."""
    angle = np.radians(np.linspace(-142, 142, 25))
    rise = np.clip((np.cos(angle) + 0.55) / 1.3, 0, 1) ** 1.3
    h = np.linspace(0, 1, 6)
    height = (arm + (back - arm) * rise)[:, None] * h
    out = 1 + flare * h
    x = half_width * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.7
    z = -half_depth * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7
    return sheet(np.stack([x[:, None] * out, y0 + height, z[:, None] * out], axis=-1), thickness)


def _round_grid(n: int, roundness: float) -> tuple[Floats, Floats]:
    """Return (n, n) coordinates over a square (roundness 0) that turns into a disc (1)."""
    u, v = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    return u * np.sqrt(1 - roundness * v**2 / 2), v * np.sqrt(1 - roundness * u**2 / 2)
