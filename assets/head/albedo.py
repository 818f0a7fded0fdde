"""Colours of the built-in head: the mean albedo, painted along the modelled features, and its modes of variation."""

from __future__ import annotations

import numpy as np

from assets.head.gaussian_process import Array, Scale, even_and_odd_fields, principal_modes, spread_samples
from assets.head.shape import EYE_CENTRE, brow_line, ear_distance, hair, lid_edges, lip_heights, mouth_line
from assets.head.surface import bump, step
from assets.morphable import Modes

SKIN, HAIR = np.array([0.72, 0.60, 0.53]), np.array([0.27, 0.225, 0.20])
LIPS, LASHES = np.array([0.60, 0.37, 0.34]), np.array([0.20, 0.15, 0.13])
SCLERA, IRIS = np.array([0.84, 0.83, 0.81]), np.array([0.33, 0.25, 0.18])
LIMBUS, PUPIL = np.array([0.16, 0.12, 0.10]), np.array([0.03, 0.03, 0.03])
PUPIL_ANGLE, LIMBUS_ANGLE = 0.20, 0.50

# Directions in RGB in which skin varies: melanin darkens blue a little more than red, blood reddens.
MELANIN, BLOOD = np.array([0.97, 1.01, 1.03]), np.array([0.4, -0.6, -0.5])


def skin_paint(skin: Array) -> dict[str, Array]:
    """Return for each named paint how much of it covers the vertices `skin` (n, 3): (n,) in [0, 1]."""
    x, y, z = np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]
    front = step(z, 4.5, 6.0)
    above = y - mouth_line(x)
    upper, lower = lip_heights(x)
    lips = front * step(above - upper, 0.12, -0.12) * step(-above - lower, 0.12, -0.12) * step(x, 2.75, 2.45)
    thickness = 0.30 - 0.14 * step(x, 2.6, 5.2)
    brows = front * step(np.abs(y - brow_line(x)), thickness + 0.25, thickness - 0.25)
    brows = brows * step(x, 0.9, 1.6) * step(x, 5.4, 4.4)
    lid_upper, lid_lower = lid_edges(skin[:, 0])
    width = step(np.abs(x - EYE_CENTRE[0]), 1.75, 1.5)
    lashes = (
        front
        * width
        * np.maximum(
            step(np.abs(y - lid_upper - 0.02), 0.20, 0.06), 0.45 * step(np.abs(y - lid_lower + 0.02), 0.14, 0.04)
        )
    )
    sockets = front * bump(np.hypot((x - EYE_CENTRE[0]) / 1.3, (y + 0.05) / 0.8), 1.0)
    nostrils = bump(np.hypot((x - 0.62) / 0.35, (y + 4.35) / 0.22), 1.0) * step(z, 8.8, 9.2) * step(y, -4.0, -4.3)
    parting = front * bump(above, 0.12) * step(x, 2.75, 2.3)
    around_mouth = np.exp(-0.5 * ((x / 3.2) ** 2 + ((y + 7.4) / 2.4) ** 2))
    jaw = step(y, -4.6, -7.0) * step(y, -12.5, -11.0) * step(z, 0.8, 2.6)
    beard = np.maximum(front * around_mouth, jaw) * (1.0 - lips) * step(y, -4.0, -5.2)
    cheeks = front * np.exp(-0.5 * (((x - 4.2) / 1.6) ** 2 + ((y + 2.9) / 1.5) ** 2))
    nose = np.exp(-0.5 * ((x / 1.2) ** 2 + ((y + 3.4) / 1.2) ** 2)) * step(z, 8.5, 9.8)
    return {
        "hair": hair(skin.T, 0.75) * step(ear_distance(skin.T), 0.0, 0.5),
        "brows": brows,
        "lips": lips,
        "lashes": lashes,
        "sockets": sockets,
        "nostrils": nostrils,
        "parting": parting,
        "beard": beard,
        "cheeks": cheeks,
        "nose": nose,
    }


def skin_albedo(paint: dict[str, Array]) -> Array:
    """Return the (n, 3) mean albedo of the skin under `paint`."""
    colour = np.broadcast_to(SKIN, (len(paint["hair"]), 3))
    colour = colour + paint["cheeks"][:, None] * [0.015, -0.02, -0.02] + paint["nose"][:, None] * [0.02, -0.02, -0.02]
    colour = colour * (1.0 - 0.07 * paint["sockets"][:, None]) * (1.0 - 0.05 * paint["beard"][:, None])
    for name, over, opacity in (
        ("lips", LIPS, 0.95),
        ("parting", LASHES, 0.65),
        ("hair", HAIR, 1.0),
        ("brows", HAIR, 0.85),
        ("lashes", LASHES, 0.85),
        ("nostrils", LASHES, 0.8),
    ):
        cover = opacity * paint[name][:, None]
        colour = colour * (1.0 - cover) + cover * over
    return colour


def eyeball_albedo(angles: Array) -> Array:
    """Return the (m, 3) albedo of eyeball vertices `angles` (m,) radians away from the direction of gaze."""
    colour = np.where(angles[:, None] < LIMBUS_ANGLE, IRIS, SCLERA)
    ring = bump(angles - 0.93 * LIMBUS_ANGLE, 0.06) * (angles < LIMBUS_ANGLE)
    colour = colour * (1.0 - ring[:, None]) + LIMBUS * ring[:, None]
    return np.where(angles[:, None] < PUPIL_ANGLE, PUPIL, colour)


def albedo_modes(skin: Array, paint: dict[str, Array], angles: Array, count: int) -> Modes:
    """Make modes of albedo of the skin (n, 3), then of the eyeballs, whose vertices lie `angles` (m,) off the gaze."""
    half = skin[skin[:, 0] >= 0]
    samples = half[spread_samples(half, 360, np.where(half[:, 2] > 3.0, 1.0, 0.5))]
    bare = 1.0 - 0.85 * paint["hair"] - 0.4 * paint["brows"] - 0.8 * paint["lashes"] - 0.5 * paint["parting"]
    bare = np.clip(bare, 0.0, 1.0)
    even, odd = even_and_odd_fields(BLOTCHES, skin, samples, (60, 45))
    iris = (angles >= PUPIL_ANGLE) & (angles < LIMBUS_ANGLE)
    named = [np.concatenate([field, np.zeros((len(angles), 3))]) for field in _named_fields(paint, bare)]
    named.append(np.concatenate([np.zeros_like(skin), iris[:, None] * np.array([0.07, 0.08, 0.09])]))
    symmetric = np.concatenate([np.stack(named), _coloured(bare * even, len(angles))])
    return principal_modes(
        [group.reshape(len(group), -1) for group in (symmetric, 0.6 * _coloured(bare * odd, len(angles)))], count
    )


def _everywhere(points: Array) -> Array:
    return np.ones(len(points))


BLOTCHES = (Scale(7.0, 0.030, _everywhere), Scale(3.0, 0.025, _everywhere), Scale(1.6, 0.022, _everywhere))


def _coloured(fields: Array, eyeball_vertices: int) -> Array:
    """Colour each scalar field (k, n) as melanin and as blood: (2k, n + eyeball_vertices, 3), none on the eyeballs."""
    padded = np.pad(fields, ((0, 0), (0, eyeball_vertices)))[..., None]
    return np.concatenate([padded * MELANIN, 0.25 * padded * BLOOD])


def _named_fields(paint: dict[str, Array], bare: Array) -> list[Array]:
    """List changes of albedo (n, 3) at one standard deviation, one for each way in which people differ."""
    tone = 0.105 * np.maximum(bare, 0.4 * paint["hair"]) * (1.0 - 0.25 * paint["lips"]) * (1.0 - 0.3 * paint["parting"])
    hair, brows, lips = (paint[name][:, None] for name in ("hair", "brows", "lips"))
    grey = np.ones(3)
    return [
        tone[:, None] * MELANIN,
        0.018 * bare[:, None] * BLOOD,
        0.080 * (hair + 0.5 * brows) * grey,  # colour of the hair
        0.022 * hair * [1.0, 0.4, -0.2],
        0.075 * brows * grey,
        0.045 * lips * MELANIN,
        0.030 * lips * BLOOD,
        0.045 * paint["beard"][:, None] * grey,
        0.020 * paint["cheeks"][:, None] * BLOOD,
        0.040 * paint["sockets"][:, None] * bare[:, None] * MELANIN,
        0.015 * paint["nose"][:, None] * BLOOD,
        0.030 * paint["cheeks"][:, None] * MELANIN,
    ]
