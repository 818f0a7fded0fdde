"""How the lids of the built-in head open and close: they turn about the eyeball and never sink into it."""

from __future__ import annotations

import numpy as np

from assets.gaussian_process import Array
from assets.head_shape import EYE_CENTRE, EYE_RADIUS, lid_edges
from assets.signed_distance import step

CLEARANCE = 0.18  # centimetres that a moved lid keeps off the eyeball
MEETING = (0.13, 0.20)  # where upper and lower lid end when closed, as a share of the opening: they overlap a little
REACH = (1.15, 0.9)  # centimetres above the upper and below the lower margin that the skin is drawn along
FLOOR = (1.12, 1.20)  # distances from the centre of the eye between the floor behind the eyeball and the margins


def lid_motion(skin: Array, upper: float, lower: float) -> Array:
    """(n, 3) displacement of `skin` (n, 3) that takes the lids the shares `upper` and `lower` of the way to closed."""
    offset = np.stack([np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]], axis=1) - EYE_CENTRE
    radius = np.linalg.norm(offset, axis=1)
    high, low = lid_edges(skin[:, 0])
    y, opening = skin[:, 1], high - low
    on_lid = step(radius, *FLOOR) * (offset[:, 2] > 0)
    # Vertices of the ragged margins, inside the opening, go to the line where the lids meet.
    of_upper = y > (high + low) / 2
    down = upper * (low + MEETING[0] * opening - np.minimum(y, high)) * step(y, high + REACH[0], high)
    up = lower * (low + MEETING[1] * opening - np.maximum(y, low)) * step(y, low - REACH[1], low)
    rise = on_lid * np.where(of_upper, down, up) * (opening > 0)
    # A turn about the horizontal axis of the eye keeps the distance from it.
    clear = np.maximum(radius, EYE_RADIUS + CLEARANCE)
    kept = np.where(rise == 0, radius, clear) ** 2 - offset[:, 0] ** 2
    ahead = np.sqrt(np.maximum(kept - (offset[:, 1] + rise) ** 2, 0.0))
    forward = np.where(rise == 0, 0.0, ahead - offset[:, 2])
    return np.stack([np.zeros_like(rise), rise, forward], axis=1)
