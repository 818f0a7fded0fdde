"""Modes of shape of the built-in head: anatomical directions and Gaussian processes; eyeballs stay in their lids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assets.head.gaussian_process import Array, Scale, even_and_odd_fields, principal_modes, spread_samples
from assets.head.shape import EYE_CENTRE, mouth_line
from assets.head.surface import step
from assets.morphable import Modes

SAMPLES = 360
# Distances from the centre of the eye within which the lids follow the eyeball, and beyond which the skin is free.
LID_REACH = (1.6, 3.4)


def shape_modes(skin: Array, eyeballs: Array, count: int) -> Modes:
    """Make modes of displacement in centimetres of the vertices `skin` (n, 3) and `eyeballs` (m, 3), in that order."""
    eyes = np.array([EYE_CENTRE, EYE_CENTRE]) * [[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]
    points = np.concatenate([skin, eyeballs])
    half = skin[skin[:, 0] >= 0]
    samples = half[spread_samples(half, SAMPLES, 0.45 + _detail(half))]
    even, odd = even_and_odd_fields(SCALES, points, samples, (50, 40))
    symmetric = np.concatenate([_along(odd, 0), _along(even, 1), _along(even, 2), anatomical_fields(points)])
    antisymmetric = ASYMMETRY * np.concatenate([_along(even[:20], 0), _along(odd[:20], 1), _along(odd[:20], 2)])
    weight, offset = _following(points, eyes, len(skin))
    symmetric = np.concatenate([_with_eyes(symmetric, weight, len(skin)), _eye_fields(weight, offset)])
    antisymmetric = _with_eyes(antisymmetric, weight, len(skin))
    return principal_modes([_without_rigid_motion(group, points) for group in (symmetric, antisymmetric)], count)


def blob(points: Array, centre: Sequence[float], radius: float | Sequence[float]) -> Array:
    """Return the (n,) Gaussian weight of `points` (n, 3) around `centre` and around its mirror image."""
    half = np.concatenate([np.abs(points[:, :1]), points[:, 1:]], axis=1)
    return np.exp(-0.5 * (((half - centre) / radius) ** 2).sum(axis=1))


def _everywhere(points: Array) -> Array:
    return np.ones(len(points))


def _detail(points: Array) -> Array:
    """Return where people differ in the small: nose, mouth, chin, brow, eyes, cheeks, jaw, ears; 0 at the back."""
    places = (
        ((0.0, -2.8, 9.6), 2.4, 1.0),
        ((0.8, -6.8, 8.8), 2.2, 0.9),
        ((0.0, -10.0, 8.0), 2.2, 0.9),
        ((2.8, 1.8, 7.8), 2.2, 0.9),
        ((5.0, -3.5, 5.0), 2.8, 0.7),
        ((5.0, -7.5, 2.0), 2.6, 0.5),
        ((8.0, -1.0, -1.0), 2.4, 0.7),
    )
    return np.max([height * blob(points, centre, radius) for centre, radius, height in places], axis=0)


def _partly(points: Array) -> Array:
    return 0.4 + 0.6 * _detail(points)


SCALES = (
    Scale(14.0, 0.36, _everywhere),
    Scale(6.0, 0.28, _partly),
    Scale(3.0, 0.26, _detail),
    Scale(1.6, 0.12, _detail),
)
ASYMMETRY = 0.35


def _along(fields: Array, axis: int) -> Array:
    """Make (k, n, 3) displacements along one axis of scalar fields (k, n)."""
    vectors = np.zeros((*fields.shape, 3))
    vectors[..., axis] = fields
    return vectors


def anatomical_fields(points: Array) -> Array:
    """Displace `points` (n, 3) by one standard deviation of each measure that people differ in: (k, n, 3)."""
    side = np.sign(points[:, 0])
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    zero = np.zeros_like(x)

    def move(right: Array | float = 0.0, up: Array | float = 0.0, forward: Array | float = 0.0) -> Array:
        return np.stack([side * (zero + right), zero + up, zero + forward], axis=1)

    def near(centre: Sequence[float], radius: float | Sequence[float]) -> Array:
        return blob(points, centre, radius)

    beside = step(x, 0.0, 1.5)  # keeps sideways moves continuous across the middle of the face
    below_eyes, above_eyes = np.minimum(y + 1.0, 0.0), np.maximum(y - 2.0, 0.0)
    front = step(z, -2.0, 4.0)
    lower_face = step(y, -2.5, -7.0) * step(z, -3.0, 1.0)
    neck = step(y, -8.0, -12.0) * step(z, 6.5, 3.5)
    mouth, lips = near((0.0, -6.8, 9.0), 2.2), near((0.0, -6.8, 9.0), (2.4, 1.1, 2.0))
    above_mouth = y - mouth_line(x)
    tip, wings = near((0.0, -3.4, 10.6), 1.6), near((0.6, -3.7, 9.6), 1.4)
    brow, eye = near((2.8, 1.9, 8.0), (2.2, 1.0, 2.0)), near((3.2, 0.0, 8.0), 2.0)
    ear = near((8.2, -0.9, -1.5), (1.8, 3.2, 2.2)) * step(x, 6.4, 7.2)
    chin = near((0.0, -10.0, 8.0), 2.0)
    return np.stack(
        [
            move(0.030 * x),  # breadth of the head
            move(0, 0, 0.030 * z),  # its length
            move(0, 0.035 * below_eyes),  # height of the face
            move(0, 0.050 * above_eyes),  # height of the skull
            move(0.058 * x * lower_face),  # breadth of the jaw
            move(0.22 * near((5.2, -7.0, 1.5), 2.4)),  # corners of the jaw
            move(0, 0, 0.34 * chin),
            move(0, -0.32 * chin),
            move(0.16 * x * near((0.0, -9.8, 7.0), (3.0, 1.6, 3.0))),  # breadth of the chin
            move(0, 0.05 * tip, 0.34 * tip),  # length of the nose
            move(0, -0.26 * tip),
            move(0.16 * x * wings),
            move(0, 0, 0.26 * near((0.0, -0.4, 9.2), (1.0, 1.8, 1.5))),  # height of its bridge
            move(0.15 * x * near((0.0, -0.8, 9.0), (1.2, 1.6, 1.5))),
            move(0, 0.22 * above_mouth * lips, 0.14 * lips),  # fullness of the lips
            move(0.09 * x * mouth),
            move(0, 0.24 * mouth),
            move(0, 0, 0.24 * mouth),
            move(0.17 * eye * beside),  # distance between the eyes
            move(0, 0, 0.20 * eye),
            move(0, -0.05 * brow, 0.28 * brow),
            move(0, 0.22 * brow),
            move(0, 0.22 * brow * (x - 2.8) / 1.5),  # slant of the brows
            move(0.28 * near((5.2, -4.6, 5.0), 2.4), 0, 0.20 * near((4.4, -4.6, 5.5), 2.4)),  # full cheeks
            move(0.26 * near((5.4, -1.6, 5.2), 2.0), 0, 0.26 * near((4.8, -1.6, 6.0), 1.8)),  # cheekbones
            move(0, 0, -0.055 * above_eyes * front),  # slant of the forehead
            move(0.06 * x * neck, 0, 0.06 * (z + 2.5) * neck),
            move(0, 0.10 * (y + 0.9) * ear, 0.10 * (z + 0.5) * ear),  # size of the ears
            move(0.13 * np.maximum(1.0 - z, 0.0) * ear),  # how far they stand off
            move(0.24 * near((6.0, 2.5, 4.0), 2.4)),  # temples
            0.018 * points,  # size
        ]
    )


def _without_rigid_motion(fields: Array, points: Array) -> Array:
    """Take the best shift and turn out of `fields` (k, n, 3), so that no shape mode looks like a pose: (k, 3n)."""
    centred = points - points.mean(axis=0)
    shifts = [np.broadcast_to(axis, points.shape) for axis in np.eye(3)]
    turns = [np.cross(axis, centred) for axis in np.eye(3)]
    rigid, _ = np.linalg.qr(np.stack([*shifts, *turns]).reshape(6, -1).T)
    flat = fields.reshape(len(fields), -1)
    return flat - (flat @ rigid) @ rigid.T


def _following(points: Array, eyes: Array, skin_count: int) -> tuple[Array, Array]:
    """Return (2, n) how much `points` follow the left and right eye, and (2, n, 3) their offset from its centre."""
    offset = points[None] - eyes[:, None]
    weight = 1.0 - step(np.sqrt((offset**2).sum(axis=2)), *LID_REACH)
    ball = np.arange(len(points)) >= skin_count
    weight[:, ball] = (points[ball, 0][None] * eyes[:, :1]) > 0
    return weight, offset


def _with_eyes(fields: Array, weight: Array, skin_count: int) -> Array:
    """Make `fields` (k, n, 3) rigid around each eye, which moves by their mean over the skin that follows it."""
    share = weight[:, :skin_count] / weight[:, :skin_count].sum(axis=1, keepdims=True)
    moves = share @ fields[:, :skin_count]  # (k, 2, 3)
    free = 1.0 - weight.sum(axis=0)
    return free[None, :, None] * fields + weight.T @ moves


def _eye_fields(weight: Array, offset: Array) -> Array:
    """Return size, slant and openness of the eyes, (3, n, 3). Lids and eyeball share an affine map: neither pierces."""
    size = (weight[..., None] * 0.06 * offset).sum(axis=0)
    side = np.array([1.0, -1.0])[:, None]
    turn = np.stack([-side * offset[..., 1], side * offset[..., 0], np.zeros_like(weight)], axis=2)
    slant = (weight[..., None] * 0.07 * turn).sum(axis=0)
    tall = np.array([-0.03, 0.09, 0.0]) * offset
    return np.stack([size, slant, (weight[..., None] * tall).sum(axis=0)])
