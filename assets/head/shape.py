"""The mean head of the built-in face model, as a signed-distance field in centimetres, and its landmarks.

+Y up, facing +Z, left-right symmetric: everything is modelled for x >= 0 and mirrored through |x|. The eyes look out at
y = 0, the ear canals lie near z = 0, the crown near y = 12, the chin near y = -11. Sizes follow adult head measurements
(breadth 15.5, length 20, pupil distance 6.3, mouth breadth 5). Landmarks are named vertices of the mean surface, after
the points that anthropometry measures.
"""

from __future__ import annotations

import numpy as np

from assets.head.surface import (
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
from assets.mesh import Float

EYE_CENTRE = (3.15, 0.0, 7.25)
EYE_RADIUS = 1.25
NECK_CUT = -14.0
MOUTH_HALF_BREADTH = 2.55

# About where each lies on the person's left, in centimetres; "{}" stands for the side, names without it for the middle.
PLACES = {
    "forehead": (0.0, 5.0, 9.5),
    "nose.bridge": (0.0, 0.5, 9.4),
    "nose.tip": (0.0, -3.5, 11.2),
    "nose.base": (0.0, -4.8, 9.5),
    "mouth.upper": (0.0, -6.05, 9.8),
    "mouth.middle": (0.0, -6.8, 9.4),
    "mouth.lower": (0.0, -7.65, 9.5),
    "chin": (0.0, -9.9, 9.0),
    "chin.bottom": (0.0, -11.3, 7.6),
    "brow.{}.inner": (1.45, 1.95, 9.2),
    "brow.{}.middle": (3.3, 2.2, 8.75),
    "brow.{}.outer": (5.15, 1.95, 7.2),
    "eye.{}.inner": (1.75, -0.1, 7.9),
    "eye.{}.outer": (4.6, 0.1, 7.65),
    "eye.{}.upper": (3.15, 0.5, 8.6),
    "eye.{}.lower": (3.15, -0.45, 8.6),
    "nose.{}.wing": (1.75, -3.75, 9.3),
    "nose.{}.nostril": (0.6, -4.3, 9.8),
    "mouth.{}": (2.55, -6.8, 8.6),
    "cheek.{}": (5.4, -1.8, 7.1),
    "jaw.{}": (5.9, -7.2, 1.3),
    "ear.{}": (7.2, -0.9, 0.2),
}


def head_distance(points: Points) -> Field:
    """Return (N,) the signed distance of `points` (3, N) to the skin, without the eyeballs; negative inside."""
    half = np.array(points, dtype=np.float64)
    half[0] = np.abs(half[0])
    field = _masses(half)
    field = _nose(half, _sockets(half, field))
    field = field - _relief(half)
    field = _lids(half, field)
    return _ear(half, field)


def mouth_line(x: Field) -> Field:
    """Return the height of the line where the lips meet, over |x|."""
    t = np.abs(x) / MOUTH_HALF_BREADTH
    return -6.75 + 0.10 * bump(t - 0.45, 0.2) - 0.06 * bump(t, 0.2) - 0.02 * t**2


def lip_heights(x: Field) -> tuple[Field, Field]:
    """Return the heights of the upper and the lower red of the lips above and below `mouth_line`, 0 at the corners."""
    t = np.clip(np.abs(x) / MOUTH_HALF_BREADTH, 0.0, 1.0)
    upper = 0.72 * (1.0 - t**1.7) + 0.14 * bump(t - 0.24, 0.10)
    lower = 0.92 * (1.0 - t**2.2)
    return upper, lower


def brow_line(x: Field) -> Field:
    """Return the height of the middle of the eyebrow over |x|."""
    return 1.92 + 0.34 * step(np.abs(x), 1.2, 3.9) - 0.55 * step(np.abs(x), 3.7, 5.6)


def lid_edges(x: Field) -> tuple[Field, Field]:
    """Return the heights of the upper and the lower lid margin over |x|; they meet at the corners of the eye."""
    s = np.clip((np.abs(x) - EYE_CENTRE[0]) / 1.45, -1.0, 1.0)
    arch = np.maximum(1.0 - s**2, 0.0)
    tilt = 0.10 * s
    return 0.46 * arch**0.8 * (1.0 - 0.12 * s) + tilt, -0.42 * arch * (1.0 + 0.12 * s) + tilt


def hair(points: Points, width: float = 0.45) -> Field:
    """Return how much each of `points` (3, N) lies under the cap of short hair: 0 bare skin, 1 hair.

    The hairline is blurred over 2 `width` centimetres.
    """
    x, y, z = np.abs(points[0]), points[1], points[2]
    heights = [-9.0, -6.6, -5.6, -4.0, -2.6, -1.6, -0.6, 1.0, 2.2, 3.2, 4.4, 5.4, 6.4, 7.2, 8.2]
    front = [-16.0, -9.5, -5.5, -3.4, -2.6, 0.9, 1.3, 1.7, 2.9, 4.4, 4.8, 5.2, 6.6, 8.6, 13.0]
    edge = np.interp(y + 0.018 * x**2 - 0.40 * bump(x - 4.2, 1.3), heights, front)
    return step(edge - z, -width, width)


def _masses(p: Points) -> Field:
    cranium = ellipsoid(p, (0, 3.7, -0.9), (7.35, 7.7, 9.2))
    forehead = ellipsoid(p, (0, 4.2, 2.7), (6.2, 5.6, 6.5))
    nape = ellipsoid(p, (0, -2.5, -3.6), (5.5, 5.0, 4.0))
    face = ellipsoid(p, (0, -3.6, 2.4), (5.6, 7.4, 6.3))
    muzzle = ellipsoid(p, (0, -6.5, 5.0), (3.7, 3.5, 4.1))
    jaw = capsule(p, (4.3, -6.6, 1.0), (1.5, -9.8, 6.3), 1.4, 1.2)
    cheek = ellipsoid(p, (3.5, -4.6, 4.5), (2.1, 2.8, 2.6))
    chin = ellipsoid(p, (0, -9.9, 7.3), (1.9, 1.2, 1.5))
    cheekbone = capsule(p, (4.4, -1.9, 6.15), (6.0, -0.9, 1.6), 1.15, 0.8)
    neck = capsule(p, (0, -5.0, -3.3), (0, -17.0, -4.4), 4.8, 4.9)
    throat = capsule(p, (0, -8.0, 0.8), (0, -16.0, -0.4), 2.6, 2.8)
    field = union(cranium, forehead, 3.0)
    field = union(field, nape, 3.0)
    field = union(field, face, 3.0)
    field = union(field, muzzle, 3.0)
    field = union(field, jaw, 2.8)
    field = union(field, cheek, 2.8)
    field = union(field, chin, 1.6)
    field = union(field, cheekbone, 2.4)
    field = union(field, union(neck, throat, 2.0), 2.4)
    return intersection(field, NECK_CUT - p[1], 0.8)


def _sockets(p: Points, field: Field) -> Field:
    brow = union(
        capsule(p, (0.9, 1.55, 8.1), (3.2, 2.0, 7.7), 0.75, 0.75),
        capsule(p, (3.2, 2.0, 7.7), (5.0, 1.1, 5.7), 0.75, 0.5),
        0.4,
    )
    hollow = ellipsoid(p, (2.9, 0.3, 9.0), (1.7, 1.1, 1.5))
    return subtraction(union(field, brow, 1.7), hollow, 1.5)


def _nose(p: Points, field: Field) -> Field:
    bridge = capsule(p, (0, 1.2, 8.2), (0, -3.0, 10.1), 0.52, 0.66)
    flank = capsule(p, (0.3, 0.2, 8.0), (0.8, -3.2, 9.1), 0.5, 0.78)
    tip = sphere(p, (0, -3.35, 10.4), 0.78)
    lobule = sphere(p, (0.35, -3.55, 10.2), 0.62)
    wing = ellipsoid(p, (1.15, -3.75, 9.35), (0.62, 0.62, 0.9))
    columella = capsule(p, (0, -4.0, 10.2), (0, -4.45, 9.0), 0.38)
    nostril = capsule(p, (0.5, -4.35, 10.15), (0.75, -4.25, 9.35), 0.2, 0.26)
    field = union(field, union(bridge, flank, 1.25), 1.2)
    field = union(field, union(tip, lobule, 0.5), 0.8)
    field = union(field, wing, 0.4)
    field = union(field, columella, 0.5)
    return subtraction(field, nostril, 0.25)


def _relief(p: Points) -> Field:
    """Return how far lips, philtrum, folds and hair stand out from the front of the face, a matter of millimetres."""
    x, y, z = p
    front = step(z, 4.5, 6.5)
    t = np.clip(x / MOUTH_HALF_BREADTH, 0.0, 1.4)
    above = y - mouth_line(x)
    upper, lower = lip_heights(x)
    fade = np.maximum(1.0 - t**2, 0.0) ** 0.8
    swell = fade * (0.32 * bump(above - 0.5 * upper, 0.27) + 0.44 * bump(above + 0.5 * lower, 0.34))
    parting = (1.0 - step(t, 0.6, 1.1)) * (-0.25 * bump(above, 0.12) - 0.10 * bump(above, 0.3))
    corner = -0.10 * bump(x - 2.7, 0.4) * bump(above + 0.05, 0.45)
    under = -0.20 * bump(x, 1.4) * bump(y + 8.35, 0.45)
    philtrum = step(y, -6.3, -5.7) * step(y, -4.3, -4.9) * (0.05 * bump(x - 0.5, 0.25) - 0.09 * bump(x, 0.28))
    fold_x = 1.9 + 0.42 * (-3.9 - y)
    fold = -0.10 * bump(x - fold_x, 0.36) * step(y, -7.2, -6.0) * step(y, -3.2, -4.2)
    tuft = 0.06 * bump(y - brow_line(x), 0.28) * step(x, 0.9, 1.5) * step(x, 5.2, 4.6)
    return front * (swell + parting + corner + under + philtrum + fold + tuft) + 0.20 * hair(p, 1.3)


def _lids(p: Points, field: Field) -> Field:
    ball = sphere(p, EYE_CENTRE, EYE_RADIUS)
    field = union(field, ball - 0.27, 0.6)
    upper, lower = lid_edges(p[0])
    crease = bump(p[1] - upper - 0.38, 0.12) * bump(p[0] - EYE_CENTRE[0], 1.1) * step(p[2], 6.0, 7.0)
    field = field + 0.10 * crease
    opening = np.maximum(np.maximum(p[1] - upper, lower - p[1]) * 0.9, np.abs(p[0] - EYE_CENTRE[0]) - 1.45)
    # The floor of the opening is a ball a little smaller than the eyeball, which therefore hides it, and at the corners
    # of the eye a plane.
    plane = p[2] - 7.5 + 0.3 * (p[0] - EYE_CENTRE[0])
    hole = np.maximum(opening, -np.minimum(ball + 0.16, plane))
    return subtraction(field, hole, 0.2)


def _ear(p: Points, field: Field) -> Field:
    shape, concha, tragus = _pinna(p)
    field = union(field, shape, 0.45)
    field = subtraction(field, concha, 0.25)
    return union(field, tragus, 0.3)


def ear_distance(points: Points) -> Field:
    """Return the signed distance of `points` (3, N) to the nearer ear."""
    shape, _, tragus = _pinna(np.concatenate([np.abs(points[:1]), points[1:]]))
    return np.minimum(shape, tragus)


def _pinna(p: Points) -> tuple[Field, Field, Field]:
    """Return the solid of the ear at x > 0, the bowl to be cut from it, and the tragus that half covers the bowl.

    Modelled in the ear's own frame: u backwards, v upwards, w outwards.
    """
    flare, lean = np.radians(26.0), np.radians(12.0)
    offset = p - column((7.1, -0.9, -1.0))
    u0 = np.sin(flare) * offset[0] - np.cos(flare) * offset[2]
    w = np.cos(flare) * offset[0] + np.sin(flare) * offset[2]
    u = np.cos(lean) * u0 - np.sin(lean) * offset[1]
    v = np.sin(lean) * u0 + np.cos(lean) * offset[1]
    ear = np.stack([u, v, w])
    taper = 1.0 + 0.18 * np.clip(v / 3.0, -1.0, 1.0)  # an egg, narrower below
    outline = ellipsoid(np.stack([u / taper, v, np.zeros_like(w)]), (0.2, 0.1, 0.0), (1.6, 2.8, 1.0))
    plate = intersection(outline, np.abs(w + 0.12) - 0.32, 0.3)
    helix = np.sqrt(outline**2 + (w - 0.18) ** 2) - 0.30
    helix = intersection(helix, -1.3 - v - 0.9 * u, 0.5)  # the rim begins at the crus and ends above the lobe
    lobe = ellipsoid(ear, (-0.35, -2.45, 0.02), (0.8, 0.85, 0.4))
    fold = union(
        capsule(ear, (0.45, 1.2, 0.12), (0.7, -0.6, 0.14), 0.32),
        capsule(ear, (0.7, -0.6, 0.14), (0.0, -1.7, 0.12), 0.32, 0.36),
        0.3,
    )
    root = ellipsoid(ear, (-0.5, -0.2, -0.6), (1.2, 2.3, 0.75))
    shape = union(plate, helix, 0.25)
    shape = union(shape, lobe, 0.5)
    shape = union(shape, fold, 0.3)
    shape = union(shape, root, 0.5)
    concha = ellipsoid(ear, (-0.3, -0.45, 0.3), (0.75, 1.05, 0.6))
    tragus = ellipsoid(ear, (-1.15, -0.75, 0.2), (0.4, 0.5, 0.4))
    return shape, concha, tragus


def landmarks(mean: Float) -> dict[str, tuple[float, float, float]]:
    """Find for each of PLACES the next vertex of the mean head `mean` (V, 3): name -> point in centimetres.

    The right ones are the mirror images of the left ones, which the head has as vertices too.
    """
    centres = np.array([EYE_CENTRE, EYE_CENTRE]) * [[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]
    off_eyes = np.linalg.norm(mean[:, None] - centres, axis=2).min(axis=1) > EYE_RADIUS + 0.05
    skin, middle = mean[off_eyes], mean[off_eyes & (mean[:, 0] == 0)]
    found = {}
    for name, place in PLACES.items():
        among = middle if place[0] == 0 else skin
        x, y, z = among[np.argmin(((among - place) ** 2).sum(axis=1))].tolist()
        found[name.format("left")] = (x, y, z)
        if place[0] != 0:
            found[name.format("right")] = (-x, y, z)
    return found
