"""How skin moves on the built-in head: places, directions, the jaw and the parting of the lips.

The mesh has no mouth inside. Where the lips part, the vertices on the line between them, which are painted dark, sink
into the head, so that a dark hollow opens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assets.gaussian_process import Array
from assets.head_shape import EYE_CENTRE, MOUTH_HALF_BREADTH, mouth_line
from assets.head_variation import blob
from assets.signed_distance import step

HINGE = (-3.6, -0.6)  # y and z of the axis about which the jaw turns
JAW_ANGLE = 12.5  # degrees that the jaw turns when it is fully open
SEAM = 0.20  # centimetres above and below the mouth line within which vertices line the hollow of the mouth
RIM = 0.42  # and within which the vertices next to those lie
REACH = 2.6
# The teeth recede by this times x squared: what moves sideways over them goes back as well.
TEETH = 0.125


class Muscles:
    """Places and directions on the mean face, from which movements are put together.

    x, y, z   (n,) of the vertices, x off the middle
    above     (n,) height above the line between the lips
    along     (n,) 0 at the middle of the mouth, 1 at its corners and beyond
    off_lids  (n,) 0 on the lids, which only the muscles of the eye move, 1 away from them
    """

    def __init__(self, skin: Array) -> None:
        self.skin = skin
        self.side = np.sign(skin[:, 0])
        self.x, self.y, self.z = np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]
        self.above = self.y - mouth_line(self.x)
        self.along = np.minimum(self.x / MOUTH_HALF_BREADTH, 1.0)
        eye = np.linalg.norm(np.stack([self.x, self.y, self.z], axis=1) - EYE_CENTRE, axis=1)
        self.off_lids = step(eye, 1.4, 2.3)

    def near(self, centre: Sequence[float], radius: float | Sequence[float]) -> Array:
        """(n,) weight about `centre` and its mirror image; 0 from `REACH` radii on: movements are local."""
        least = np.exp(-0.5 * REACH**2)
        return np.maximum(blob(self.skin, centre, radius) - least, 0.0) / (1.0 - least)

    def move(self, out: Array | float = 0.0, up: Array | float = 0.0, forward: Array | float = 0.0) -> Array:
        """(n, 3): both sides alike, `out` away from the middle, on which nothing moves sideways."""
        zero = np.zeros_like(self.x)
        sideways = self.side * step(self.x, 0.0, 1.0) * out
        return np.stack([zero + sideways, zero + up, zero + forward], axis=1)

    def slide(self, out: Array, up: Array, forward: Array | float = 0.0) -> Array:
        """(n, 3) as `move`, and what moves outwards follows the round of the teeth."""
        round_off = TEETH * (self.x**2 - (self.x + out) ** 2)
        return self.move(out, up, forward + round_off)

    def shift(self, left: Array, roundness: float) -> Array:
        """(n, 3): towards +X on both sides; with `roundness` 1 along the round of the teeth, with 0 straight."""
        x = self.skin[:, 0]
        round_off = TEETH * (x**2 - (x + left) ** 2)
        return np.stack([left, np.zeros_like(left), roundness * round_off], axis=1)

    def falling(self, reach: float) -> Array:
        """(n,): on the front of the face, 1 at and below the mouth line, 0 from `reach` above it."""
        return step(self.above, reach, 0.0) * step(self.z, 5.0, 7.0)

    def rising(self, reach: float) -> Array:
        """(n,): on the front of the face, 1 at and above the mouth line, 0 from `reach` below it."""
        return step(self.above, -reach, 0.0) * step(self.z, 5.0, 7.0)

    def jaw(self) -> Array:
        """(n,): how much skin goes with the jaw, as if the lips were one: 0 above the mouth, 1 at the chin."""
        return step(self.above, 1.6 + self._rise(), -1.6) * self._on_jaw()

    def _on_jaw(self) -> Array:
        """(n,): 1 on the face below and before the hinge, 0 on neck, ears and the back of the head."""
        return step(self.z, -0.5, 3.5) * step(self.y + 0.55 * (self.z - 6.0), -14.5, -10.5)

    def _rise(self) -> Array:
        """(n,) centimetres by which the line between moving and resting cheek rises from the mouth to the ear."""
        return 3.5 * step(self.z, 8.5, 1.0)

    def jaw_open(self) -> Array:
        """(n, 3): the jaw turns about its hinge; the corners of the mouth go half the way."""
        angle = np.radians(JAW_ANGLE)
        y, z = self.y - HINGE[0], self.z - HINGE[1]
        turn = self.move(0.0, y * (np.cos(angle) - 1) - z * np.sin(angle), z * (np.cos(angle) - 1) + y * np.sin(angle))
        half = 0.5 * self.along**2.2
        above = self.above - self._rise()
        upper = half * step(above, 3.5, 0.0)
        lower = 1.0 - half * step(above, -2.4, 0.0)
        on_jaw = self._on_jaw()[:, None]
        cheek = self.near((3.6, -6.6, 7.6), (1.5, 1.8, 3.0))
        narrow = self.move(-0.28 * cheek)
        return self.parted(
            upper[:, None] * on_jaw * turn + narrow, lower[:, None] * on_jaw * turn + narrow + self.lower_lip_out()
        )

    def lower_lip_out(self) -> Array:
        """(n, 3): the lower lip rolls outwards, so that it still faces the front when it has gone down."""
        rim, below = self.near((0.0, -6.95, 9.4), (1.7, 0.4, 2.0)), self.near((0.0, -8.0, 9.0), (1.7, 0.5, 2.0))
        return self.move(up=0.15 * rim, forward=-0.35 * rim + 0.25 * below)

    def parted(self, upper: Array, lower: Array) -> Array:
        """(n, 3): `upper` above the mouth line, `lower` below it; where they draw apart, the seam sinks in.

        The seam sinks deep enough for the roof of the hollow to face downwards, away from any light from above.
        """
        beyond = step(self.x, MOUTH_HALF_BREADTH - 0.1, MOUTH_HALF_BREADTH + 1.5)
        share = step(self.above, (1 - beyond) * SEAM - beyond, (1 - beyond) * (SEAM + 0.02) + beyond)
        gap = np.maximum(upper[:, 1] - lower[:, 1], 0.0) * step(self.along, 1.0, 0.9)
        height = np.abs(self.above)
        front = self.z > 6.0
        seam = front * (height < SEAM)
        rim = front * (height >= SEAM) * (height < RIM)  # the first vertices beside the seam are ragged: level them
        level = 0.65 * rim * np.sign(self.above) * ((SEAM + RIM) / 2 - height)
        together = share[:, None] * upper + (1.0 - share[:, None]) * lower
        sunk = gap * seam
        return together + self.move(
            0.5 * sunk * self.along, level * np.minimum(gap / 0.5, 1.0) - 0.05 * sunk, forward=-1.2 * sunk
        )
