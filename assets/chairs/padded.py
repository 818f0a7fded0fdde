"""Office chairs, upholstered armchairs and lounge chairs, drawn from a random generator."""

from __future__ import annotations

import numpy as np

from assets.chairs import parts
from assets.chairs.frame import TURNED_PROFILES, Chair, Rng, corners, frame_finish, pick, soft_finish
from assets.chairs.parts import SIDES, Back, point
from assets.chairs.solids import bar, box, circle, cushion, loft, rectangle, rounded, superellipse, tube, turned
from assets.chairs.textures import CLOTHS, METALS, PAINTS, WOODS, cloth, plain, wood


def office(rng: Rng) -> Chair:
    """A swivel chair on castors: padded, netted or in one shell; with and without arms and headrest."""
    dark = rng.random() < 0.6
    chair = Chair({"base": plain((0.10, 0.10, 0.11) if dark else pick(rng, METALS)), "seat": soft_finish(rng, 0.4)})
    chair.finishes["castor"] = plain((0.07, 0.07, 0.08))
    seat, width, depth = rng.uniform(44, 52), rng.uniform(44, 52), rng.uniform(43, 49)
    arms, wheels = parts.star_base(5, rng.uniform(27, 33), seat - 6, rng.uniform(3.5, 5.5), castors=True)
    chair.add("base", *arms, box(20, 4, 24, (0, seat - 6.5, -2), 0.8))
    chair.add("castor", *wheels)
    tall = rng.uniform(44, 74)
    back = Back(
        seat + 2,
        tall,
        -depth / 2 + 1,
        width / 2 - 2,
        width / 2 - rng.uniform(2, 6),
        rng.uniform(4, 10),
        1.4,
        rng.uniform(2, 5),
    )
    style = rng.choice(["pads", "pads", "net", "shell"])
    if style == "shell":
        line = [
            (depth / 2, seat - 2),
            (depth / 2 - 8, seat),
            (-depth / 2 + 4, seat - 1),
            (back.z0 - 4, seat + tall * 0.4),
            (back.z0 - back.rake, seat + tall),
        ]
        half = np.array([0.9, 1, 1, 1, 0.85]) * width / 2
        chair.add("seat", parts.shell(line, half, [1, 2, 3, 5, 2], rng.uniform(3, 5)))
        chair.add("base", box(18, 6, 18, (0, seat - 4, -2), 0.8))
    else:
        thick = rng.uniform(7, 11)
        chair.add("seat", cushion(width, thick, depth, (0, seat - 5 + thick / 2, 0), rng.uniform(4, 7)))
        low = rng.uniform(0.1, 0.3)
        spine = rounded([(0, seat - 5.5, -8), (0, seat - 5.5, back.z0 - 5), back.at(0, 0.5) + point(0, 0, -1.5)], 8)
        chair.add("base", loft(spine, rectangle(7, 2.2), side=(1, 0, 0)))
        if style == "net":
            chair.finishes["net"] = cloth(rng, pick(rng, CLOTHS))
            chair.add("net", back.patch(np.linspace(-1, 1, 11), np.linspace(low, 1, 9), 1.2))
            chair.add(
                "base",
                *back.posts(2.0, bottom=low),
                back.rail(low, 2.4, 2.0),
                back.rail(1.0, 2.4, 2.0),
                back.rail(0.5, 6, 1.6),
            )
        else:
            chair.add(
                "seat",
                parts.back_cushion(
                    back, width * rng.uniform(0.85, 1.0), low, 1.0, rng.uniform(7, 10), -1.0, rng.uniform(3, 6)
                ),
            )
        if rng.random() < 0.25:
            top = back.at(0, 1.0)
            chair.add("base", bar(top + point(0, -8, -1), top + point(0, 9, -2.5), 6, 1.6))
            chair.add("seat", cushion(width * 0.6, 14, 6, top + point(0, 11, -1.5), 4))
    if rng.random() < 0.7:
        office_arms(chair, rng, width, depth, seat)
    return chair


def office_arms(chair: Chair, rng: Rng, width: float, depth: float, seat: float) -> None:
    high, x = seat + rng.uniform(18, 24), width / 2 + 3
    loop = rng.random() < 0.4
    for side in SIDES:
        root = point(0, seat - 6, 2)
        if loop:
            path = [
                root,
                point(side * x, seat - 6, 2),
                point(side * x, high, 12),
                point(side * x, high, -14),
                point(side * x * 0.98, seat - 2, -6),
                point(side * (x - 8), seat - 3, -6),
            ]
            chair.add("base", tube(path, 1.7, fillet=8))
        else:
            chair.add("base", tube([root, point(side * x, seat - 6, 0), point(side * x, high, 0)], 1.8, fillet=5))
            chair.add("base", cushion(8, 3.6, depth * 0.55, (side * x, high + 0.6, 1), 4))


def armchair(rng: Rng) -> Chair:
    """Upholstered easy chairs: square, rolled or winged arms, or a round tub."""
    chair = Chair(
        {
            "cloth": soft_finish(rng),
            "leg": wood(rng, pick(rng, WOODS)) if rng.random() < 0.7 else plain(pick(rng, METALS)),
        }
    )
    second = rng.random() < 0.25
    chair.finishes["pad"] = soft_finish(rng) if second else chair.finishes["cloth"]
    width, depth, seat = rng.uniform(66, 84), rng.uniform(66, 80), rng.uniform(38, 44)
    foot = rng.uniform(4, 16)
    tops = corners(width * 0.92, depth * 0.9, 4)
    feet = corners(width * 0.92, depth * 0.9, 4, rng.choice([0.0, 2.0]))
    profile = TURNED_PROFILES[rng.choice([0, 3])]
    style = rng.choice(["square", "rolled", "soft", "wing", "tub"])
    if style == "tub":
        tops, feet = (corners(width * 0.72, depth * 0.72, 4, out) for out in (0.0, 1.0))
    chair.add("leg", *parts.round_legs(feet, tops, foot + 3, rng.uniform(3.5, 5.5), profile))
    if style == "tub":
        wall = rng.uniform(7, 11)
        chair.add(
            "cloth",
            parts.tub(
                width / 2 - wall / 2,
                depth / 2 - wall / 2,
                foot + 1,
                seat - foot + rng.uniform(14, 22),
                rng.uniform(62, 74) - foot,
                wall,
                rng.uniform(0, 0.08),
            ),
        )
        chair.add(
            "cloth", loft([(0, foot, 0), (0, seat - 6, 0)], superellipse(width / 2 - wall / 2, depth / 2 - wall / 2))
        )
        chair.add("pad", cushion(width - 1.6 * wall, 15, depth - wall, (0, seat - 3, wall / 2), 4))
        return chair
    arm = rng.uniform(9, 15)
    inner, top = width - 2 * arm, seat + rng.uniform(14, 22)
    chair.add("cloth", box(width - 2, seat - 10 - foot, depth - 2, (0, (seat - 10 + foot) / 2, 0), 1.5))
    chair.add("pad", cushion(inner + 1, rng.uniform(14, 18), depth - 8, (0, seat - 5, 4), rng.uniform(4, 8)))
    tall = rng.uniform(62, 74) if style != "wing" else rng.uniform(78, 92)
    back = Back(foot + 4, tall - foot, -depth / 2 + 9, inner / 2, inner / 2, rng.uniform(6, 14), 1.2)
    chair.add(
        "cloth",
        parts.back_cushion(
            back, inner + arm * rng.choice([0.6, 1.7]), 0.02, 1.0, rng.uniform(12, 17), 0, rng.uniform(5, 10)
        ),
    )
    chair.add(
        "pad", parts.back_cushion(back, inner - 1, (seat - foot) / (tall - foot), 0.97, 13, 8, rng.uniform(3.5, 6))
    )
    for side in SIDES:
        x = side * (width - arm) / 2
        length = depth - rng.choice([0.0, 4.0])
        if style == "soft":
            chair.add("cloth", cushion(arm * 1.15, top - foot, length, (x, (top + foot) / 2, 0), 5))
        elif style == "rolled":
            chair.add("cloth", box(arm * 0.75, top - foot - 3, length, (x, (top + foot - 3) / 2, 0), 1.5))
            chair.add(
                "cloth", loft([(x, top - 4, -length / 2), (x, top - 4, length / 2)], circle(arm * 0.62, 16), bevel=1.0)
            )
        else:
            chair.add("cloth", box(arm, top - foot, length, (x, (top + foot) / 2, 0), 2.0))
        if style == "wing":
            t = np.linspace(0.35, 0.97, 7)
            bulge = 16 * np.sin(np.pi * (t - 0.25) / 0.85) ** 0.7
            edge = back.at(side * 1.15, t)
            k = np.linspace(-0.3, 1, 5)
            grid = edge[:, None] + k[None, :, None] * bulge[:, None, None] * point(side * 0.15, 0, 1)
            chair.add("cloth", parts.sheet(grid, 6.5))
    return chair


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
