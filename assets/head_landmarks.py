"""Landmarks of the built-in head: named vertices of its mean surface, after the points that anthropometry measures."""

from __future__ import annotations

import numpy as np

from assets.head_shape import EYE_CENTRE, EYE_RADIUS
from assets.mesh import Float

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


def landmarks(mean: Float) -> dict[str, tuple[float, float, float]]:
    """Name -> point in centimetres: the vertex of the mean head `mean` (V, 3) next to each place.

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
