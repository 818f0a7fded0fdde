"""The mean head of the built-in face model, as a signed-distance field in centimetres.

+Y up, facing +Z, left-right symmetric: everything is modelled for x >= 0 and mirrored through |x|. The eyes look out at
y = 0, the ear canals lie near z = 0, the crown near y = 12, the chin near y = -11. Sizes follow adult head measurements
(breadth 15.5, length 20, pupil distance 6.3, mouth breadth 5).
"""

from __future__ import annotations

import numpy as np

from assets.signed_distance import (
    Field,
    Points,
    bump,
    capsule,
    column,
    ellipsoid,
    intersection,
    sphere,
    step,
    subtraction,
    union,
)

EYE_CENTRE = (3.15, 0.0, 7.25)
EYE_RADIUS = 1.25
NECK_CUT = -14.0
MOUTH_HALF_BREADTH = 2.55


def head_distance(points: Points) -> Field:
    """Signed distance of `points` (3, N) to the skin, without the eyeballs: (N,), negative inside."""
    half = np.array(points, dtype=np.float64)
    half[0] = np.abs(half[0])
    field = _masses(half)
    field = _nose(half, _sockets(half, field))
    field = field - _relief(half)
    field = _lids(half, field)
    return _ear(half, field)


def mouth_line(x: Field) -> Field:
    """Height of the line where the lips meet, over |x|."""
    t = np.abs(x) / MOUTH_HALF_BREADTH
    return -6.75 + 0.10 * bump(t - 0.45, 0.2) - 0.06 * bump(t, 0.2) - 0.02 * t**2


def lip_heights(x: Field) -> tuple[Field, Field]:
    """Heights of the upper and the lower red of the lips above and below `mouth_line`, zero at the corners."""
    t = np.clip(np.abs(x) / MOUTH_HALF_BREADTH, 0.0, 1.0)
    upper = 0.72 * (1.0 - t**1.7) + 0.14 * bump(t - 0.24, 0.10)
    lower = 0.92 * (1.0 - t**2.2)
    return upper, lower


def brow_line(x: Field) -> Field:
    """Height of the middle of the eyebrow over |x|."""
    return 1.75 + 0.42 * step(np.abs(x), 1.2, 3.9) - 0.55 * step(np.abs(x), 3.7, 5.6)


def lid_edges(x: Field) -> tuple[Field, Field]:
    """Heights of the upper and the lower lid margin over |x|; they meet at the corners of the eye."""
    s = np.clip((np.abs(x) - EYE_CENTRE[0]) / 1.45, -1.0, 1.0)
    arch = np.maximum(1.0 - s**2, 0.0)
    tilt = 0.10 * s
    return 0.46 * arch**0.8 * (1.0 - 0.12 * s) + tilt, -0.42 * arch * (1.0 + 0.12 * s) + tilt


def hair(points: Points, width: float = 0.45) -> Field:
    """How much each of `points` (3, N) lies under the cap of short hair: 0 bare skin, 1 hair.

    The hairline is blurred over 2 `width` centimetres.
    """
    x, y, z = np.abs(points[0]), points[1], points[2]
    heights = [-9.0, -6.6, -5.6, -4.0, -2.6, -1.6, -0.6, 1.0, 2.8, 4.4, 5.6, 6.6, 7.4, 8.4]
    front = [-16.0, -9.5, -5.5, -3.4, -2.6, 0.9, 1.5, 2.2, 3.6, 4.9, 5.6, 6.9, 8.8, 13.0]
    edge = np.interp(y + 0.018 * x**2, heights, front)
    return step(edge - z, -width, width)


def _masses(p: Points) -> Field:
    cranium = ellipsoid(p, (0, 4.1, -0.9), (7.55, 7.7, 9.5))
    forehead = ellipsoid(p, (0, 3.8, 2.6), (6.3, 5.6, 6.4))
    face = ellipsoid(p, (0, -3.6, 2.4), (5.9, 7.4, 6.3))
    muzzle = ellipsoid(p, (0, -6.6, 5.2), (3.7, 3.4, 4.0))
    jaw = capsule(p, (4.55, -6.4, 0.8), (1.5, -9.8, 6.4), 1.5, 1.25)
    chin = ellipsoid(p, (0, -9.9, 7.3), (1.9, 1.2, 1.5))
    cheekbone = capsule(p, (4.5, -2.2, 6.1), (6.1, -1.1, 1.6), 1.25, 0.8)
    neck = capsule(p, (0, -5.0, -3.0), (0, -17.0, -4.2), 4.8, 4.9)
    throat = capsule(p, (0, -8.0, 0.8), (0, -16.0, -0.4), 2.6, 2.8)
    field = union(cranium, forehead, 3.0)
    field = union(field, face, 3.0)
    field = union(field, muzzle, 2.2)
    field = union(field, jaw, 2.6)
    field = union(field, chin, 1.6)
    field = union(field, cheekbone, 2.2)
    field = union(field, union(neck, throat, 2.0), 2.4)
    return intersection(field, NECK_CUT - p[1], 0.8)


def _sockets(p: Points, field: Field) -> Field:
    brow = union(
        capsule(p, (0.9, 1.55, 8.1), (3.2, 2.0, 7.7), 0.75, 0.75),
        capsule(p, (3.2, 2.0, 7.7), (5.2, 1.2, 5.9), 0.75, 0.6),
        0.4,
    )
    hollow = ellipsoid(p, (2.9, 0.1, 9.0), (1.7, 1.15, 1.5))
    return subtraction(union(field, brow, 1.3), hollow, 1.3)


def _nose(p: Points, field: Field) -> Field:
    bridge = capsule(p, (0, 1.2, 8.2), (0, -3.0, 10.1), 0.55, 0.7)
    flank = capsule(p, (0.5, 0.0, 8.0), (1.05, -3.3, 8.9), 0.55, 0.75)
    tip = sphere(p, (0, -3.35, 10.35), 0.85)
    lobule = sphere(p, (0.35, -3.55, 10.25), 0.62)
    wing = ellipsoid(p, (1.2, -3.75, 9.35), (0.62, 0.62, 0.9))
    columella = capsule(p, (0, -4.0, 10.2), (0, -4.45, 9.0), 0.38)
    nostril = capsule(p, (0.5, -4.35, 10.15), (0.75, -4.25, 9.35), 0.2, 0.26)
    field = union(field, union(bridge, flank, 1.0), 1.0)
    field = union(field, union(tip, lobule, 0.5), 0.8)
    field = union(field, wing, 0.45)
    field = union(field, columella, 0.5)
    return subtraction(field, nostril, 0.25)


def _relief(p: Points) -> Field:
    """Outward displacement of the front of the face: what is a matter of millimetres. Lips, philtrum, folds, hair."""
    x, y, z = p
    front = step(z, 4.5, 6.5)
    t = np.clip(x / MOUTH_HALF_BREADTH, 0.0, 1.4)
    above = y - mouth_line(x)
    upper, lower = lip_heights(x)
    fade = 1.0 - step(t, 0.82, 1.06)
    swell = 0.36 * bump(above - 0.5 * upper, 0.27) + 0.46 * bump(above + 0.5 * lower, 0.34)
    parting = -0.36 * bump(above, 0.12) - 0.10 * bump(above, 0.3)
    lips = fade * swell + (1.0 - step(t, 0.9, 1.15)) * parting
    corner = -0.16 * bump(x - 2.65, 0.35) * bump(above + 0.05, 0.4)
    under = -0.20 * bump(x, 1.4) * bump(y + 8.35, 0.45)
    philtrum = step(y, -6.3, -5.8) * step(y, -4.4, -4.9) * (0.06 * bump(x - 0.5, 0.22) - 0.08 * bump(x, 0.25))
    fold_x = 1.9 + 0.42 * (-3.9 - y)
    fold = -0.13 * bump(x - fold_x, 0.32) * step(y, -7.2, -6.0) * step(y, -3.2, -4.2)
    tuft = 0.06 * bump(y - brow_line(x), 0.28) * step(x, 0.9, 1.5) * step(x, 5.2, 4.6)
    return front * (lips + corner + under + philtrum + fold + tuft) + 0.20 * hair(p, 1.3)


def _lids(p: Points, field: Field) -> Field:
    ball = sphere(p, EYE_CENTRE, EYE_RADIUS)
    field = union(field, ball - 0.30, 0.5)
    upper, lower = lid_edges(p[0])
    crease = bump(p[1] - upper - 0.36, 0.11) * bump(p[0] - EYE_CENTRE[0], 1.1) * step(p[2], 6.0, 7.0)
    field = field + 0.10 * crease
    opening = np.maximum(np.maximum(p[1] - upper, lower - p[1]) * 0.85, np.abs(p[0] - EYE_CENTRE[0]) - 1.45)
    # The floor of the opening is a ball a little smaller than the eyeball, which therefore hides it everywhere.
    hole = np.maximum(np.maximum(opening, 6.0 - p[2]), -(ball + 0.16))
    return subtraction(field, hole, 0.2)


def _ear(p: Points, field: Field) -> Field:
    """The pinna in its own frame: u backwards, v upwards, w outwards."""
    flare, lean = np.radians(28.0), np.radians(10.0)
    offset = p - column((7.25, -0.9, -1.0))
    back = np.array([np.sin(flare), 0.0, -np.cos(flare)])
    out = np.array([np.cos(flare), 0.0, np.sin(flare)])
    u0, v0, w = back @ offset, offset[1], out @ offset
    u = np.cos(lean) * u0 - np.sin(lean) * v0
    v = np.sin(lean) * u0 + np.cos(lean) * v0
    ear = np.stack([u, v, w])
    # Egg outline: narrower below.
    wide = 1.0 + 0.16 * np.clip(v / 3.0, -1.0, 1.0)
    egg = np.stack([u / wide, v, np.zeros_like(w)])
    rim = ellipsoid(egg, (0.2, 0.1, 0.0), (1.55, 2.75, 1.0))
    plate = intersection(rim, np.abs(w + 0.15) - 0.28, 0.25)
    helix = np.sqrt(rim**2 + (w - 0.16) ** 2) - 0.27
    helix = intersection(helix, -1.5 - v - 0.6 * u, 0.4)
    helix = np.where(np.isfinite(helix), helix, 1.0)
    lobe = ellipsoid(ear, (-0.45, -2.55, 0.0), (0.75, 0.8, 0.36))
    fold = capsule(ear, (0.45, 1.3, 0.1), (0.75, -0.6, 0.12), 0.3)
    fold = union(fold, capsule(ear, (0.75, -0.6, 0.12), (0.0, -1.75, 0.1), 0.3, 0.32), 0.25)
    concha = ellipsoid(ear, (-0.3, -0.45, 0.25), (0.75, 1.05, 0.55))
    tragus = ellipsoid(ear, (-1.2, -0.75, 0.15), (0.38, 0.5, 0.36))
    root = ellipsoid(ear, (-0.6, -0.3, -0.55), (1.1, 2.2, 0.7))
    shape = union(plate, helix, 0.2)
    shape = union(shape, lobe, 0.35)
    shape = union(shape, fold, 0.25)
    shape = union(shape, root, 0.5)
    field = union(field, shape, 0.45)
    field = subtraction(field, concha, 0.2)
    return union(field, tragus, 0.25)
