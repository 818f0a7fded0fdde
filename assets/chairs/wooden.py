"""Chairs of wood, and folding chairs and stools: each family draws proportions and parts from a random generator."""

from __future__ import annotations

import numpy as np

from assets.chairs import parts
from assets.chairs.frame import TURNED_PROFILES, Chair, Rng, frame_finish, pick, soft_finish, wooden_chair
from assets.chairs.parts import SIDES, Back, point
from assets.chairs.solids import box, circle, cushion, loft, rectangle, tube, turned
from assets.chairs.textures import CLOTHS, METALS, cane, cloth, plain


def dining(rng: Rng) -> Chair:
    """Panels, splats, upholstered, caned, oval or crossed backs."""
    chair, back = wooden_chair(rng)
    style = rng.choice(["panel", "splat", "pad", "cane", "oval", "cross", "curved"])
    top = rng.uniform(6, 11)
    if style == "panel":
        chair.add("frame", back.patch(np.linspace(-1, 1, 9), np.linspace(rng.uniform(0.3, 0.6), 0.98, 6), 1.8))
    elif style == "splat":
        chair.add("frame", back.rail(0.94, top, arch=rng.uniform(0, 4)), back.rail(0.14, 4))
        chair.add("frame", parts.splat(back, rng.uniform(0.3, 0.5), rng.uniform(0.12, 0.25), 0.14, 0.94))
    elif style in ("pad", "cane"):
        low = rng.uniform(0.28, 0.42)
        chair.add("frame", back.rail(0.95, 4.5, arch=rng.uniform(0, 3)), back.rail(low, 4.0))
        if style == "cane":
            chair.finishes["cane"] = cane(rng, (0.82, 0.68, 0.44))
            chair.add("cane", back.patch(np.linspace(-1, 1, 9), np.linspace(low, 0.95, 5), 1.0))
        else:
            chair.add("seat", back.patch(np.linspace(-0.97, 0.97, 9), np.linspace(low, 0.95, 6), 4.5))
    elif style == "oval":
        chair.add("frame", parts.oval_frame(back, 0.26, 1.08, 1.8, 0.97))
        if rng.random() < 0.5:
            chair.finishes["seat"] = cloth(rng, pick(rng, CLOTHS))
        chair.add("seat", parts.disc(back, 0.28, 1.06, 2.4, 0.95))
    elif style == "cross":
        chair.add("frame", back.rail(0.95, top * 0.7), back.rail(0.2, 4), *parts.crossed(back, 3.0, 0.2, 0.95))
    else:
        chair.add("frame", back.rail(0.88, rng.uniform(10, 18), depth=1.8), back.rail(0.45, 3.5, depth=1.8))
    return chair


def slatted(rng: Rng) -> Chair:
    """Vertical slats or spindles between two rails."""
    chair, back = wooden_chair(rng)
    low = rng.uniform(0.14, 0.32)
    chair.add("frame", back.rail(0.94, rng.uniform(5, 9), arch=rng.uniform(0, 4)), back.rail(low, rng.uniform(3, 5)))
    if rng.random() < 0.55:
        chair.add("frame", *parts.vertical_slats(back, int(rng.integers(3, 9)), rng.uniform(0.35, 0.7), low, 0.94))
    else:
        chair.add("frame", *parts.spindles(back, int(rng.integers(4, 10)), rng.uniform(0.6, 1.0), low, 0.94))
    return chair


def ladder_back(rng: Rng) -> Chair:
    """A tall back of horizontal boards."""
    chair, back = wooden_chair(rng, tall=(50, 68))
    arch = rng.choice([0.0, rng.uniform(0.01, 0.06)])
    chair.add(
        "frame", *parts.rungs(back, int(rng.integers(3, 7)), rng.uniform(0.1, 0.25), 0.97, rng.uniform(0.35, 0.7), arch)
    )
    return chair


def rocking(rng: Rng) -> Chair:
    """A slatted or laddered armchair on two bent runners."""
    chair = Chair({"frame": frame_finish(rng), "seat": soft_finish(rng)})
    width, depth, seat = rng.uniform(46, 54), rng.uniform(44, 50), rng.uniform(38, 43)
    back = Back(
        seat - 3,
        rng.uniform(56, 72),
        -depth / 2 + 1.2,
        width / 2 - 3,
        width / 2 - 3,
        rng.uniform(12, 20),
        1.2,
        rng.uniform(1, 4),
    )
    reach, rise = rng.uniform(38, 46), rng.uniform(6, 9)
    lift = 3.0
    for side in SIDES:
        x = side * (width / 2 - 3)
        z = np.linspace(-reach - 6, reach - 4, 15)
        runner = np.stack([np.full(15, x), 1.5 + rise * (z / reach) ** 2, z], axis=1)
        chair.add("frame", loft(runner, rectangle(3.0, 3.2), bevel=0.4))
        foot = np.array([x, lift - 0.5, -0.4 * depth])
        chair.add("frame", loft(np.array([foot, *back.at(side, np.linspace(0, 1, 8))]), rectangle(2.8, 3.2), bevel=0.4))
        chair.add(
            "frame",
            turned(
                (x, seat + 22, 0.42 * depth), (x, lift - 1, 0.42 * depth), [(0, 1.5), (0.3, 1.9), (0.5, 1.5), (1, 1.7)]
            ),
        )
        start = back.at(side, 0.4)
        arm = np.array([start, [x, seat + 22, 0.0], [x, seat + 22, 0.5 * depth]])
        chair.add("frame", loft(arm, rectangle(6.0, 2.2), bevel=0.5))
    chair.add("frame", *parts.seat_frame(width - 6, depth - 4, seat, 5))
    chair.add(
        "frame", tube([(-width / 2 + 3, seat * 0.45, 0.42 * depth), (width / 2 - 3, seat * 0.45, 0.42 * depth)], 1.1)
    )
    if rng.random() < 0.5:
        chair.add("frame", parts.flat_seat(width - 3, depth + 1, seat + 1.4, 2.4, 0.1, 0.8))
    else:
        chair.add("seat", cushion(width - 7, 6, depth - 2, (0, seat + 1.5, 1), 6))
    chair.add("frame", back.rail(0.95, rng.uniform(6, 10), arch=rng.uniform(0, 4)), back.rail(0.1, 4))
    style = rng.choice(["slats", "spindles", "rungs"])
    if style == "slats":
        chair.add("frame", *parts.vertical_slats(back, int(rng.integers(4, 8)), 0.55, 0.1, 0.95))
    elif style == "spindles":
        chair.add("frame", *parts.spindles(back, int(rng.integers(6, 11)), 0.8, 0.1, 0.95))
    else:
        chair.add("frame", *parts.rungs(back, int(rng.integers(4, 7)), 0.15, 0.92, 0.5, 0.03))
    return chair


def folding(rng: Rng) -> Chair:
    """Crossed legs, slatted seat and back."""
    metal = rng.random() < 0.5
    chair = Chair({"frame": plain(pick(rng, METALS)) if metal else frame_finish(rng, 0.1)})
    chair.finishes["slat"] = chair.finishes["frame"] if not metal and rng.random() < 0.6 else frame_finish(rng, 0.6)
    width, depth, seat, top = rng.uniform(39, 46), rng.uniform(36, 42), rng.uniform(42, 46), rng.uniform(76, 88)
    section = circle(1.2) if metal else rectangle(2.0, 3.4)
    x = width / 2
    foot_front, head = np.array([0.0, 0.0, depth / 2 + 4]), np.array([0.0, top, -depth / 2 - rng.uniform(4, 9)])
    foot_back, tip = np.array([0.0, 0.0, -depth / 2 - 3]), np.array([0.0, seat - 1, depth / 2 - 1])
    for side in SIDES:
        outer, inner = np.array([side * x, 0, 0]), np.array([side * (x - 2.0), 0, 0])
        chair.add("frame", loft([foot_front + outer, head + outer], section, bevel=0.3))
        chair.add("frame", loft([foot_back + inner, tip + inner], section, bevel=0.3))
    for start, share, reach in ((foot_front, 0.12, x), (foot_back, 0.15, x - 2)):
        end = head if start is foot_front else tip
        at = start + share * (end - start)
        chair.add("frame", tube([at - point(reach, 0, 0), at + point(reach, 0, 0)], 1.0, sides=8))
    carrier = np.array([[0.0, seat - 0.8, -depth / 2], [0.0, seat - 0.8, depth / 2]])
    for side in SIDES:
        chair.add("frame", loft(carrier + point(side * (x - 1.2), 0, 0), rectangle(2.4, 1.8)))
    lean = (head - foot_front) / (top)
    back = Back(0.0, top, foot_front[2], x, x, -lean[2] * top, 1.0, rng.uniform(0, 2))
    count = int(rng.integers(1, 9))
    if count == 1:
        chair.add("slat", parts.flat_seat(width, depth, seat + 1, 1.6, rng.uniform(0.1, 0.5), 0.5))
    else:
        pitch = depth / count
        for k in range(count):
            chair.add("slat", box(width, 1.6, pitch * 0.78, (0, seat + 0.6, -depth / 2 + (k + 0.5) * pitch), 0.4))
    low = rng.uniform(0.68, 0.76)
    if rng.random() < 0.3:
        chair.add("slat", back.patch(np.linspace(-1, 1, 9), np.linspace(low, 0.99, 4), 1.4))
    else:
        chair.add("slat", *parts.rungs(back, int(rng.integers(2, 5)), low, 0.99, 0.75, 0.0))
    return chair


def stool(rng: Rng) -> Chair:
    """Bar and kitchen stools on legs or on a pedestal, some with a low back."""
    chair = Chair({"frame": frame_finish(rng, 0.3), "metal": plain(pick(rng, METALS)), "seat": soft_finish(rng, 0.6)})
    seat, wide = rng.uniform(46, 78), rng.uniform(30, 40)
    roundness = float(rng.choice([0.2, 0.9, 1.0]))
    pedestal = rng.random() < 0.35
    if pedestal:
        r = rng.uniform(18, 24)
        chair.add(
            "metal",
            turned(
                (0, 0, 0),
                (0, seat, 0),
                [
                    (0, r),
                    (0.015, r),
                    (0.04, r * 0.8),
                    (0.06, 3.2),
                    (0.5, 3.0),
                    (0.51, 2.2),
                    (0.97, 2.2),
                    (0.98, 9),
                    (1, 9),
                ],
                20,
            ),
        )
        if rng.random() < 0.7:
            ring = np.linspace(0, 2 * np.pi, 25)
            level = rng.uniform(0.3, 0.4) * seat
            chair.add("metal", tube(np.stack([15 * np.cos(ring), np.full(25, level), 15 * np.sin(ring)], axis=1), 0.9))
            chair.add(
                "metal", *[tube([(0, level, 0), (15 * np.cos(a), level, 15 * np.sin(a))], 0.8) for a in (0.5, 2.6, 4.7)]
            )
    else:
        name = "metal" if rng.random() < 0.4 else "frame"
        count, splay, width = (
            (3 if roundness > 0.5 and rng.random() < 0.4 else 4),
            rng.uniform(3, 9),
            rng.uniform(2.2, 4.0),
        )
        angle = (
            np.arange(count) / count * 2 * np.pi + np.pi / 4 if count == 4 else np.arange(3) / 3 * 2 * np.pi + np.pi / 2
        )
        inner, outer = wide * 0.36, wide * 0.36 + splay
        tops = [(float(inner * np.cos(a)), float(inner * np.sin(a))) for a in angle]
        feet = [(float(outer * np.cos(a)), float(outer * np.sin(a))) for a in angle]
        profile = TURNED_PROFILES[0 if name == "metal" else rng.integers(len(TURNED_PROFILES))]
        chair.add(name, *parts.round_legs(feet, tops, seat - 0.5, width if name == "frame" else 2.4, profile))
        share = rng.uniform(0.25, 0.45)
        low = [parts.between(f, t, share) for f, t in zip(feet, tops, strict=True)]
        for (ax, az), (bx, bz) in zip(low, low[1:] + low[:1], strict=True):
            chair.add(name, tube([(ax, share * seat, az), (bx, share * seat, bz)], 0.9, sides=8))
    if rng.random() < 0.5:
        chair.add("frame", parts.flat_seat(wide, wide, seat + 2.2, 3.4, roundness, rng.uniform(0, 1.0)))
    else:
        chair.add("frame", parts.flat_seat(wide - 1, wide - 1, seat + 0.8, 2.0, roundness))
        chair.add("seat", cushion(wide * 0.98, 6, wide * 0.98, (0, seat + 2.6, 0), 2.6 if roundness > 0.5 else 6))
    if rng.random() < 0.75:  # a round stool without a back has no front
        back = Back(
            seat - 1, rng.uniform(22, 36), -wide / 2 + 3.5, wide / 2 - 6, wide / 2 - 3, rng.uniform(3, 8), 1.2, 3.0
        )
        chair.add("frame", *back.posts(2.2, round_posts=True))
        chair.add("frame", back.patch(np.linspace(-1.05, 1.05, 9), np.linspace(rng.uniform(0.45, 0.7), 1.02, 5), 1.6))
    return chair
