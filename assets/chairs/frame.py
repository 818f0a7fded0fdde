"""A chair being built, and what wooden chairs share: finishes, legs, posts, seat rails, seats, arms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from assets.chairs import parts
from assets.chairs.parts import SIDES, Back, point
from assets.chairs.solids import Solid, circle, cushion, loft, rectangle
from assets.chairs.textures import CLOTHS, HIDES, PAINTS, WOODS, Finish, cane, cloth, leather, plain, wood

Rng = np.random.Generator
Corners = list[tuple[float, float]]

TURNED_PROFILES: tuple[list[tuple[float, float]], ...] = (
    [(0, 1.0), (1, 0.6)],
    [(0, 1.0), (0.12, 1.0), (0.16, 0.7), (0.2, 1.0), (0.55, 1.15), (0.8, 0.75), (0.84, 0.95), (0.88, 0.7), (1, 0.6)],
    [(0, 1.0), (0.25, 1.0), (0.3, 0.6), (0.34, 1.05), (0.38, 0.6), (0.7, 1.0), (0.9, 0.6), (0.95, 0.85), (1, 0.6)],
    [(0, 0.7), (0.4, 1.1), (1, 0.55)],
)


@dataclass
class Chair:
    """A chair being built: solids under the name of their finish."""

    finishes: dict[str, Finish]
    solids: list[tuple[str, Solid]] = field(default_factory=list)

    def add(self, finish: str, *solids: Solid) -> None:
        self.solids += [(finish, solid) for solid in solids]


def pick(rng: Rng, options: tuple[tuple[float, float, float], ...]) -> tuple[float, float, float]:
    """Pick one of the colours, slightly changed."""
    colour = np.array(options[rng.integers(len(options))]) * rng.uniform(0.9, 1.1) + rng.normal(0, 0.015, 3)
    r, g, b = np.clip(colour, 0.03, 0.97)
    return float(r), float(g), float(b)


def frame_finish(rng: Rng, painted: float = 0.2) -> Finish:
    return plain(pick(rng, PAINTS)) if rng.random() < painted else wood(rng, pick(rng, WOODS))


def soft_finish(rng: Rng, hide: float = 0.35) -> Finish:
    return leather(rng, pick(rng, HIDES)) if rng.random() < hide else cloth(rng, pick(rng, CLOTHS))


def corners(width: float, depth: float, inset: float, splay: float = 0.0) -> Corners:
    """Return (x, z) of the legs: left back, right back, right front, left front."""
    x, z = width / 2 - inset + splay, depth / 2 - inset + splay
    return [(-x, -z), (x, -z), (x, z), (-x, z)]


def legs(
    chair: Chair, rng: Rng, width: float, depth: float, top: float, finish: str, only_front: bool = False
) -> tuple[Corners, Corners]:
    """Put four legs (or the two at the front) under a seat; returns their feet and tops."""
    thick, splay = rng.uniform(2.8, 4.6), rng.choice([0.0, 0.0, rng.uniform(1, 5)])
    tops = corners(width, depth, thick / 2 + 1.0)
    feet = corners(width, depth, thick / 2 + 1.0, splay)
    if only_front:
        feet[:2] = [(tops[0][0], feet[0][1]), (tops[1][0], feet[1][1])]
    chosen = slice(2, 4) if only_front else slice(0, 4)
    if rng.random() < 0.5:
        chair.add(finish, *parts.straight_legs(feet[chosen], tops[chosen], top, thick, rng.uniform(0.55, 1.0)))
    else:
        profile = TURNED_PROFILES[rng.integers(len(TURNED_PROFILES))]
        chair.add(finish, *parts.round_legs(feet[chosen], tops[chosen], top, thick, profile))
    return feet, tops


def wooden_frame(
    chair: Chair, rng: Rng, seat: float, width: float, depth: float, back: Back, round_posts: bool
) -> None:
    """Add front legs, back legs that go on as the back's posts, seat rails and stretchers."""
    feet, tops = legs(chair, rng, width, depth, seat - 1.0, "frame", only_front=True)
    thick, kick = rng.uniform(2.8, 4.0), rng.uniform(1.0, 6.0)
    for side, k in ((-1.0, 0), (1.0, 1)):
        foot = np.array([side * back.bottom, 0.0, back.z0 - kick])
        path = np.array([foot, *back.at(side, np.linspace(0, 1, 8))])
        path = np.insert(path, 1, foot + 0.55 * (path[1] - foot) + [0, 0, 0.15 * kick], axis=0)
        section = circle(thick / 2) if round_posts else rectangle(thick * 0.8, thick)
        chair.add("frame", loft(path, section, bevel=0.4, scale=np.linspace(1.0, 0.8, len(path))))
        feet[k], tops[k] = (foot[0], foot[2]), (side * back.bottom, back.z0)
    rail = rng.uniform(4, 8)
    chair.add("frame", *parts.seat_frame(width - 2, depth, seat - 0.5, rail))
    kind = rng.choice(["none", "box", "h", "sides"])
    if kind != "none":
        share, radius = rng.uniform(0.2, 0.5), rng.uniform(0.8, 1.4)
        chair.add("frame", *parts.stretchers(feet, tops, seat - 1.0, share, radius, kind))


def wooden_seat(chair: Chair, rng: Rng, width: float, depth: float, seat: float) -> None:
    """Add a board, a caned panel or an upholstered pad."""
    kind = rng.choice(["board", "pad", "pad", "cane"])
    if kind == "board":
        chair.add(
            "frame", parts.flat_seat(width + 1, depth + 2, seat + 1.2, 2.4, rng.uniform(0, 0.3), rng.uniform(0, 0.8))
        )
    elif kind == "cane":
        chair.finishes["seat"] = cane(rng, (0.82, 0.68, 0.44))
        chair.add("seat", parts.flat_seat(width, depth + 1, seat + 0.6, 1.6, 0.0))
    else:
        thick = rng.uniform(4, 8)
        chair.add(
            "seat", cushion(width - 1, thick, depth - 1, (0, seat + thick * 0.2, 0.8), fullness=rng.uniform(4, 9))
        )


def dining_back(rng: Rng, width: float, depth: float, seat: float, tall: float) -> Back:
    flare = rng.uniform(-2, 2)
    return Back(
        y0=seat - 3, height=tall, z0=-depth / 2 + 1.2, bottom=width / 2 - 2.2, top=width / 2 - 2.2 + flare,
        rake=rng.uniform(3, 11), bend=rng.uniform(1.2, 1.8), bow=rng.uniform(0, 3.5),
    )  # fmt: skip


def wooden_chair(rng: Rng, tall: tuple[float, float] = (42, 58)) -> tuple[Chair, Back]:
    """Build a chair with frame and seat whose back is still open."""
    chair = Chair({"frame": frame_finish(rng), "seat": soft_finish(rng)})
    width, depth, seat = rng.uniform(39, 50), rng.uniform(38, 46), rng.uniform(42, 47)
    back = dining_back(rng, width, depth, seat, rng.uniform(*tall))
    wooden_frame(chair, rng, seat, width, depth, back, round_posts=bool(rng.random() < 0.4))
    wooden_seat(chair, rng, width, depth, seat)
    if rng.random() < 0.25:
        wooden_arms(chair, rng, back, width, depth, seat)
    return chair, back


def wooden_arms(chair: Chair, rng: Rng, back: Back, width: float, depth: float, seat: float) -> None:
    t = rng.uniform(0.42, 0.52)
    for side in SIDES:
        start = back.at(side, t)
        end = np.array(
            [side * (width / 2 + rng.uniform(-1, 2)), start[1] - rng.uniform(0, 2), rng.uniform(0.15, 0.4) * depth]
        )
        path = [start, start + 0.5 * (end - start) + [side * 1.5, 0.5, 0], end]
        chair.add("frame", loft(np.array(path), rectangle(4.2, 2.4), side=(1, 0, 0), bevel=0.5))
        foot = np.array([side * (width / 2 - 2.0), seat - 3.0, end[2] - 2])
        chair.add("frame", loft([foot, end + point(0, -0.4, -2)], circle(1.3), scale=1.0))
