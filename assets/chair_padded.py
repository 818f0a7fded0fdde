"""Office chairs and upholstered armchairs, drawn from a random generator."""

from __future__ import annotations

import numpy as np

from assets import chair_parts as parts
from assets.chair_frame import TURNED_PROFILES, Chair, Rng, corners, pick, soft_finish
from assets.chair_parts import SIDES, Back, point
from assets.chair_solids import bar, box, circle, cushion, loft, rectangle, rounded, superellipse, tube
from assets.chair_textures import CLOTHS, METALS, WOODS, cloth, plain, wood


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
