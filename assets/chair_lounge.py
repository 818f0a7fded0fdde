"""Lounge chairs: low and leaning, drawn from a random generator."""

from __future__ import annotations

import numpy as np

from assets import chair_parts as parts
from assets.chair_frame import TURNED_PROFILES, Chair, Rng, frame_finish, pick, soft_finish
from assets.chair_parts import SIDES, Back
from assets.chair_solids import bar, box, cushion, loft, rectangle, rounded, tube, turned
from assets.chair_textures import METALS, PAINTS, plain


def lounge(rng: Rng) -> Chair:
    """Low and leaning: bent shells, bentwood with a long pad, wooden frames with two cushions."""
    chair = Chair({"seat": soft_finish(rng, 0.5), "frame": frame_finish(rng, 0.1), "metal": plain(pick(rng, METALS))})
    width, seat = rng.uniform(56, 70), rng.uniform(32, 40)
    high, lean = rng.uniform(34, 56), rng.uniform(16, 30)
    style = rng.choice(["shell", "shell", "bentwood", "frame"])
    line = np.array(
        [
            (30, seat + 2),
            (22, seat + 3),
            (-18, seat - 5),
            (-24 - lean * 0.4, seat + high * 0.4),
            (-24 - lean, seat + high),
        ]
    )
    if style == "shell":
        half = np.array([0.8, 0.95, 1.0, rng.uniform(0.85, 1.1), rng.uniform(0.55, 0.9)]) * width / 2
        curl = np.array([1, 3, rng.uniform(6, 14), rng.uniform(4, 14), rng.uniform(1, 6)])
        hard = rng.random() < 0.5
        chair.finishes["shell"] = plain(pick(rng, PAINTS)) if rng.random() < 0.5 else chair.finishes["frame"]
        if hard:
            chair.add("shell", parts.shell(line, half, curl, 2.2))
            inside = (
                line
                + np.array([0, 2.0]) * np.array([[1], [1], [1], [0.5], [0]])
                + np.array([[-1, 0], [0, 0], [1, 0], [2.5, 0], [2.0, -4]])
            )
            chair.add("seat", parts.shell(inside, half * 0.86, curl * 0.74, 4.0))
        else:
            chair.add("seat", parts.shell(line, half, curl, rng.uniform(5, 8)))
        lounge_base(chair, rng, seat - 3)
        return chair
    x = width / 2 - 2
    if style == "bentwood":
        for side in SIDES:
            rail = rounded(
                [(side * x, 1.5, -26), (side * x, 1.5, 30), (side * x, seat + 16, 32), (side * x, seat + 18, -30)], 12
            )
            chair.add("frame", loft(rail, rectangle(4.5, 2.4), side=(1, 0, 0), bevel=0.4))
            runner = rounded(np.c_[np.full(5, side * (x - 3.0)), line[:, 1] - 3, line[:, 0]], 14)
            chair.add("frame", loft(runner, rectangle(4.5, 2.4), side=(1, 0, 0), bevel=0.4))
        for y, z in ((1.5, -22.0), (seat + 0.0, 20.0), (seat + high * 0.4 - 3, -24 - lean * 0.4)):
            chair.add("frame", loft([(-x, y, z), (x, y, z)], rectangle(3, 5), side=(0, 1, 0)))
        chair.add(
            "frame",
            *[
                tube([(s * x, seat + 17.0, -26), (s * (x - 3), seat + high * 0.35, -24 - lean * 0.35)], 1.3)
                for s in SIDES
            ],
        )
        chair.add("seat", parts.shell(line, np.full(5, width / 2 - 6), np.zeros(5), 6.5))
        return chair
    depth = 64.0
    for side in SIDES:
        front, rear = (side * x, 0.0, depth / 2 - 4), (side * x, 0.0, -depth / 2 + 6)
        chair.add(
            "frame",
            bar((side * x, seat + 16, front[2] - 3), front, 4, 4, 0.7),
            bar((side * x, seat + 14, rear[2] + 2), (side * x, 0, rear[2] - 6), 4, 4, 0.7),
        )
        chair.add(
            "frame",
            loft(
                [(side * x, seat + 15, -depth / 2 + 2), (side * x, seat + 17, depth / 2)],
                rectangle(6.5, 2.6),
                bevel=0.5,
            ),
        )
        chair.add("frame", bar((side * x, seat - 7, depth / 2 - 5), (side * x, seat - 10, -depth / 2 + 4), 2.4, 6))
    for z, y in ((depth / 2 - 6, seat - 7), (-depth / 2 + 8, seat - 10)):
        chair.add("frame", loft([(-x, y, z), (x, y, z)], rectangle(6, 2.4), side=(0, 1, 0)))
    back = Back(seat - 10, high + 10, -depth / 2 + 8, x - 3, x - 3, lean * 0.8, 1.1)
    chair.add(
        "frame",
        *back.posts(2.6),
        back.rail(0.97, 5),
        back.rail(0.1, 5),
        *parts.vertical_slats(back, int(rng.integers(4, 8)), 0.4, 0.1, 0.97),
    )
    thick = rng.uniform(10, 14)
    chair.add("seat", cushion(2 * x - 3, thick, depth - 10, (0, seat - 6 + thick / 2, 3), rng.uniform(5, 9)))
    chair.add("seat", parts.back_cushion(back, 2 * x - 5, 0.3, 1.02, thick * 0.9, thick * 0.45, rng.uniform(5, 9)))
    return chair


def lounge_base(chair: Chair, rng: Rng, top: float) -> None:
    """A star, a trumpet foot or four leaning legs under a shell whose underside is near the height `top`."""
    style = rng.choice(["star", "disc", "wood", "rods"])
    if style == "star":
        arms, _ = parts.star_base(int(rng.choice([4, 5])), rng.uniform(28, 34), top, rng.uniform(4, 6), castors=False)
        chair.add("metal", *arms, box(24, 3, 24, (0, top - 0.5, -4), 0.8))
    elif style == "disc":
        r = rng.uniform(22, 28)
        chair.add(
            "metal",
            turned(
                (0, 0, -4),
                (0, top + 1, -4),
                [(0, r), (0.03, r), (0.07, r * 0.7), (0.25, 4), (0.8, 3), (0.95, 10), (1, 12)],
                20,
            ),
        )
    else:
        tops = [(-12.0, -16.0), (12.0, -16.0), (12.0, 10.0), (-12.0, 10.0)]
        feet = [(-24.0, -28.0), (24.0, -28.0), (24.0, 22.0), (-24.0, 22.0)]
        wooden = style == "wood"
        chair.add(
            "frame" if wooden else "metal",
            *parts.round_legs(feet, tops, top + 1, 4.6 if wooden else 1.9, TURNED_PROFILES[0]),
        )
        chair.add("frame" if wooden else "metal", box(30, 3.5, 34, (0, top - 0.5, -3), 1.0))
