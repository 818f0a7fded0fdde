"""Chairs of wickerwork and of bent tube, drawn from a random generator."""

from __future__ import annotations

import numpy as np

from assets.chairs import parts
from assets.chairs.frame import Chair, Rng, pick
from assets.chairs.parts import SIDES, Back, point
from assets.chairs.solids import box, cushion, loft, superellipse, tube
from assets.chairs.textures import CLOTHS, HIDES, METALS, WOODS, cane, cloth, leather, plain, wickerwork, wood


def wicker(rng: Rng) -> Chair:
    """Woven chairs: round tubs, and high round backs on a waisted foot."""
    colour = pick(
        rng,
        (
            (0.72, 0.52, 0.30),
            (0.55, 0.36, 0.20),
            (0.82, 0.70, 0.50),
            (0.30, 0.22, 0.17),
            (0.86, 0.84, 0.80),
            (0.42, 0.42, 0.42),
        ),
    )
    chair = Chair(
        {
            "wicker": wickerwork(rng, colour),
            "pad": cloth(rng, pick(rng, CLOTHS)),
            "rim": plain((colour[0] * 0.85, colour[1] * 0.85, colour[2] * 0.85)),
        }
    )
    width, depth, seat = rng.uniform(58, 74), rng.uniform(56, 70), rng.uniform(36, 43)
    style = rng.choice(["tub", "peacock", "box"])
    a, b = width / 2 - 4, depth / 2 - 4
    if style == "box":
        chair.add("wicker", box(width, seat - 8, depth, (0, (seat - 8) / 2 + 2, 0), 1.0))
        arm = rng.uniform(8, 12)
        for side in SIDES:
            chair.add(
                "wicker",
                box(
                    arm, seat + rng.uniform(14, 20) - 2, depth, (side * (width - arm) / 2, (seat + 17) / 2 + 1, 0), 1.0
                ),
            )
        tall = rng.uniform(70, 80)
        chair.add("wicker", box(width - arm, tall - 2, arm, (0, tall / 2 + 1, -(depth - arm) / 2), 1.0))
        chair.add("pad", cushion(width - 2 * arm - 1, 12, depth - arm, (0, seat - 2, arm / 2), 7))
        back = Back(seat, tall - seat + 4, -depth / 2 + arm + 4, 10, 10, 6)
        chair.add("pad", parts.back_cushion(back, width - 2 * arm - 2, 0, 1, 12, 2, 4))
        chair.add(
            "rim",
            *[box(4, 3, 4, (sx * (width / 2 - 4), 1.5, sz * (depth / 2 - 4)), 0.4) for sx in SIDES for sz in SIDES],
        )
        return chair
    waist = rng.uniform(0.6, 1.0)
    t = np.linspace(0, 1, 7)
    scale = 1 - (1 - waist) * np.sin(np.pi * t) ** 1.5
    skirt = np.stack([np.zeros(7), t * (seat - 5), np.zeros(7)], axis=1)
    chair.add("wicker", loft(skirt, superellipse(a, b), scale=scale))
    if style == "tub":
        wall = parts.tub(a, b, seat - 9, rng.uniform(24, 30), rng.uniform(42, 54), 3.5, rng.uniform(0.03, 0.14))
        chair.add("wicker", wall)
    else:
        back = Back(
            seat - 8, rng.uniform(68, 86), -b + 1, a * 0.9, a * rng.uniform(1.0, 1.3), rng.uniform(6, 14), 1.2, -6.0
        )
        u, v = np.meshgrid(np.linspace(-1, 1, 13), np.linspace(0, 1, 11), indexing="ij")
        dome = np.sqrt(np.clip(1 - 0.92 * np.clip(v - 0.3, 0, 1) ** 2 * 2.0, 0.02, 1))
        chair.add("wicker", back.patch(u * dome, v, 3.0))
        edge = np.concatenate([back.at(-dome[0], v[0]), back.at(dome[0, ::-1], v[0, ::-1])])
        chair.add("rim", tube(edge, 1.8, sides=8))
        chair.add("wicker", parts.tub(a, b, seat - 9, 22, 26, 3.0, 0.06))
    chair.add("pad", cushion(2 * a - 4, 11, 2 * b - 4, (0, seat - 1.5, 1), 3))
    return chair


def cantilever(rng: Rng) -> Chair:
    """One bent tube carries seat and back; some have arms, some stand on sledges."""
    chair = Chair({"tube": plain(pick(rng, METALS))})
    kind = rng.choice(["cane", "leather", "cloth", "wood"])
    finishes = {"cane": lambda: cane(rng, (0.80, 0.64, 0.40)), "leather": lambda: leather(rng, pick(rng, HIDES))}
    finishes |= {"cloth": lambda: cloth(rng, pick(rng, CLOTHS)), "wood": lambda: wood(rng, pick(rng, WOODS))}
    chair.finishes["panel"] = finishes[str(kind)]()
    width, depth, seat, high = rng.uniform(42, 52), rng.uniform(42, 50), rng.uniform(43, 47), rng.uniform(34, 46)
    x, z, radius, lean = width / 2, depth / 2, rng.uniform(1.0, 1.6), rng.uniform(5, 13)
    bend, tilt = rng.uniform(5, 10), rng.uniform(0, 2.5)
    side_path = [
        (x, seat + high, -z - lean),
        (x, seat - tilt, -z + 2),
        (x, seat, z),
        (x, radius, z + rng.uniform(-4, 2)),
        (x, radius, -z + rng.uniform(-2, 4)),
    ]
    right = np.array(side_path)
    left = right * [-1, 1, 1]
    if rng.random() < 0.7:
        chair.add("tube", tube(np.concatenate([right, left[::-1]]), radius, fillet=bend))
    else:
        for path in (right, left):
            closed = [*path, path[-1] + point(0, seat * 0.5, 2.0), point(path[1][0], seat - tilt, -z + 4)]
            chair.add("tube", tube(closed, radius, fillet=bend))
        chair.add("tube", tube([right[4] + point(0, 0, 4), left[4] + point(0, 0, 4)], radius))
    chair.add("tube", tube([(-x, seat - tilt * 0.5, 0), (x, seat - tilt * 0.5, 0)], radius * 0.8, sides=8))
    back = Back(seat, high, -z + 2, x, x, lean + 2, 1.0, rng.uniform(0, 2))
    thick = {"cane": 1.6, "leather": 2.2, "cloth": rng.uniform(3, 6), "wood": 1.4}[str(kind)]
    u = np.linspace(-1, 1, 9)
    line, half = [(z + 1, seat + 0.4), (0, seat + 0.2 - tilt * 0.5), (-z + 4, seat + 0.4 - tilt)], [x, x, x]
    if rng.random() < 0.25:
        whole = [*line, tuple(back.at(0, 0.15)[[2, 1]]), tuple(back.at(0, 0.98)[[2, 1]])]
        chair.add("panel", parts.shell(whole, [*half, x, x], [0, 0, 0, 0, 0], thick))
    else:
        chair.add("panel", parts.shell(line, half, [0, 0, 0], thick))
        chair.add("panel", back.patch(u, np.linspace(rng.uniform(0.3, 0.5), rng.uniform(0.93, 1.0), 6), thick))
        if kind in ("cloth", "leather") and rng.random() < 0.4:
            chair.add("panel", cushion(width - 1, 7, depth - 4, (0, seat + 2, 1), 6))
    if rng.random() < 0.4:
        rest = seat + rng.uniform(18, 24)
        chair.finishes["rest"] = wood(rng, pick(rng, WOODS)) if rng.random() < 0.5 else plain((0.1, 0.1, 0.1))
        for s in SIDES:
            loop = [back.at(s, 0.55), point(s * x, rest, -z + 2), point(s * x, rest, z - 4), point(s * x, seat, z - 6)]
            chair.add("tube", tube(loop, radius, fillet=6))
            chair.add("rest", box(4.2, 2.4, depth * 0.55, (s * x, rest + 1, 0), 0.7))
    return chair
