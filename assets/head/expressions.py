"""Expressions of the built-in head: blend shapes of single muscles, under the ARKit names as ICT-FaceKit spells them.

"_L" is the person's own left, at x > 0. Each right shape is the exact mirror image of its left one, and the two add up
to the symmetric movement. Eyeballs stay as they are: lids turn about them and never sink into them.

The mesh has no mouth inside. Where the lips part, the vertices on the line between them, which are painted dark, sink
into the head, so that a dark hollow opens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assets.head.gaussian_process import Array
from assets.head.shape import EYE_CENTRE, EYE_RADIUS, MOUTH_HALF_BREADTH, lid_edges, mouth_line
from assets.head.surface import step
from assets.head.variation import blob
from assets.morphable import BLEND_SHAPE_DEVIATION, Modes

MIDDLE = 0.7  # the two halves of a symmetric movement blend over |x| below this

HINGE = (-3.6, -0.6)  # y and z of the axis about which the jaw turns
JAW_ANGLE = 12.5  # degrees that the jaw turns when it is fully open
SEAM = 0.20  # centimetres above and below the mouth line within which vertices line the hollow of the mouth
RIM = 0.42  # and within which the vertices next to those lie
REACH = 2.6  # radii from a place over which a muscle moves the skin
# The teeth recede by this times x squared: what moves sideways over them goes back as well.
TEETH = 0.125

LID_CLEARANCE = 0.18  # centimetres that a moved lid keeps off the eyeball
LID_MEETING = (
    0.13,
    0.20,
)  # where upper and lower lid end when closed, as a share of the opening: they overlap a little
LID_REACH = (1.15, 0.9)  # centimetres above the upper and below the lower margin that the skin is drawn along
LID_FLOOR = (1.12, 1.20)  # distances from the centre of the eye between the floor behind the eyeball and the margins


def expression_modes(skin: Array, mirror: NDArray[np.int64], vertex_count: int) -> Modes:
    """Make named one-sided modes of a head of `vertex_count` vertices, of which the first are `skin` (n, 3).

    mirror  (V,) index of each vertex's mirror image
    """
    shapes = expression_shapes(skin, mirror[: len(skin)])
    displacements = np.zeros((len(shapes), vertex_count, 3), np.float32)
    displacements[:, : len(skin)] = BLEND_SHAPE_DEVIATION * np.stack(list(shapes.values()))
    return Modes.from_displacements(displacements.reshape(len(shapes), -1), tuple(shapes), one_sided=True)


def expression_shapes(skin: Array, mirror: NDArray[np.int64]) -> dict[str, Array]:
    """Return name -> (n, 3) displacement in centimetres of the vertices `skin` (n, 3) when fully pressed."""
    left = step(skin[:, 0], -MIDDLE, MIDDLE)[:, None]
    shapes = symmetric_movements(skin)
    for name, field in paired_movements(skin).items():
        shapes[f"{name}_L"] = left * field
        shapes[f"{name}_R"] = mirrored(left * field, mirror)
    for name, field in leftward_movements(skin).items():
        shapes[f"{name}Left"] = field
        shapes[f"{name}Right"] = mirrored(field, mirror)
    return dict(sorted(shapes.items()))


def mirrored(field: Array, mirror: NDArray[np.int64]) -> Array:
    """Return the mirror image under x -> -x of a displacement (n, 3)."""
    return field[mirror] * np.array([-1.0, 1.0, 1.0])


def symmetric_movements(skin: Array) -> dict[str, Array]:
    """Return name -> (n, 3) for movements that both sides of the face can only do together."""
    face = Muscles(skin)
    x, lips = face.x, face.near((0.0, -6.8, 9.4), (2.3, 1.1, 2.5))
    red = face.near((0.0, -6.8, 9.4), (1.9, 0.55, 2.0))
    middle = np.maximum(1.0 - face.along**2, 0.0)
    boss = face.near((0.0, -9.0, 8.8), (1.8, 1.0, 2.0))
    upper, lower = face.above > 0, face.above <= 0
    return {
        "jawOpen": face.jaw_open(),
        "jawForward": face.move(forward=0.75 * face.jaw()),
        "mouthPucker": face.move(-0.40 * x * lips, forward=0.75 * face.near((0.0, -6.8, 9.4), (1.6, 1.1, 2.5))),
        "mouthFunnel": face.parted(
            face.move(-0.26 * x * lips, 0.40 * middle * face.falling(1.2), 0.60 * lips),
            face.move(-0.26 * x * lips, -0.60 * middle * face.rising(1.3), 0.60 * lips) + 0.6 * face.lower_lip_out(),
        ),
        "mouthRollUpper": face.move(up=-0.35 * red * upper * face.above, forward=-0.45 * red * upper),
        "mouthRollLower": face.move(up=-0.35 * red * lower * face.above, forward=-0.45 * red * lower),
        "mouthShrugUpper": face.move(up=0.30 * lips, forward=0.15 * lips),
        "mouthShrugLower": face.move(up=0.30 * boss + 0.25 * lips, forward=0.20 * boss + 0.20 * lips * lower),
    }


def paired_movements(skin: Array) -> dict[str, Array]:
    """Return name -> (n, 3) for movements that each side can do for itself, here done on both sides."""
    face = Muscles(skin)
    near, move = face.near, face.move
    corner = near((2.6, -6.7, 8.4), (1.35, 1.0, 2.5))
    wide = near((2.9, -6.6, 8.4), (1.8, 1.5, 3.0))
    apple = near((4.0, -3.6, 7.3), (1.5, 1.3, 2.5)) * face.off_lids
    lips = near((1.0, -6.8, 9.4), (1.9, 0.8, 2.5))
    inner = near((1.5, 2.2, 8.6), (1.2, 1.0, 2.0)) * face.off_lids
    outer = near((4.1, 2.2, 7.2), (1.4, 1.0, 2.5)) * face.off_lids
    brow = near((2.8, 2.1, 8.0), (2.2, 0.9, 2.5)) * face.off_lids
    frown = near((1.3, 1.9, 8.6), (1.1, 0.9, 2.0)) * face.off_lids
    forehead = near((2.6, 4.0, 8.2), (2.4, 1.6, 3.0))
    wing = near((1.2, -3.5, 9.6), (0.8, 0.9, 1.5))
    beside_nose = near((1.7, -3.4, 8.6), (0.9, 1.3, 1.5))
    puff = near((4.2, -6.1, 6.4), (1.5, 1.6, 2.5))
    fold = near((2.4, -4.8, 8.4), (0.9, 1.2, 2.0))
    middle = np.maximum(1.0 - face.along**2, 0.0) ** 0.8
    return {
        "mouthSmile": face.slide(0.75 * wide, 0.85 * corner + 0.40 * apple, 0.28 * apple),
        "mouthFrown": face.slide(0.12 * corner, -0.75 * corner - 0.15 * fold),
        "mouthDimple": face.slide(0.45 * corner, 0.10 * corner, -0.30 * near((2.8, -6.7, 8.3), (0.7, 0.7, 2.0))),
        "mouthStretch": face.slide(0.85 * wide, -0.35 * corner),
        "mouthPress": face.slide(0.12 * corner, -0.42 * face.above * lips, -0.12 * lips),
        "mouthUpperUp": face.parted(
            move(up=0.55 * middle * face.falling(2.0) + 0.15 * fold, forward=0.06 * lips), move()
        ),
        "mouthLowerDown": face.parted(move(), move(up=-0.65 * middle * face.rising(1.8)) + 0.6 * face.lower_lip_out()),
        "browInnerUp": move(up=0.65 * inner + 0.20 * forehead),
        "browOuterUp": move(up=0.65 * outer + 0.20 * forehead),
        "browDown": move(-0.22 * frown, -0.38 * brow - 0.18 * frown, 0.10 * frown),
        "eyeBlink": lid_motion(skin, 1.0, 1.0) + move(up=-0.06 * brow),
        "eyeSquint": lid_motion(skin, 0.25, 1.6) + move(up=0.22 * apple - 0.12 * outer, forward=0.08 * apple),
        "eyeWide": lid_motion(skin, -0.50, -0.9) + move(up=0.12 * brow),
        "cheekPuff": move(0.75 * puff, forward=0.55 * puff),
        "cheekSquint": lid_motion(skin, 0.0, 1.5) + move(up=0.60 * apple, forward=0.35 * apple),
        "noseSneer": move(
            0.12 * wing, 0.45 * wing + 0.50 * beside_nose - 0.25 * frown, 0.18 * beside_nose - 0.05 * wing
        ),
    }


def leftward_movements(skin: Array) -> dict[str, Array]:
    """Return name -> (n, 3) for movements of the middle of the face towards the person's left."""
    face = Muscles(skin)
    lips = face.near((0.0, -6.8, 9.4), (2.4, 1.3, 2.5))
    return {"jaw": face.shift(0.95 * face.jaw() * step(face.z, -1.0, 8.0), 0.0), "mouth": face.shift(0.85 * lips, 1.0)}


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
        """Return (n,) a weight about `centre` and its mirror image, 0 from `REACH` radii on: movements are local."""
        least = np.exp(-0.5 * REACH**2)
        return np.maximum(blob(self.skin, centre, radius) - least, 0.0) / (1.0 - least)

    def move(self, out: Array | float = 0.0, up: Array | float = 0.0, forward: Array | float = 0.0) -> Array:
        """Return (n, 3), both sides alike: `out` away from the middle, on which nothing moves sideways."""
        zero = np.zeros_like(self.x)
        sideways = self.side * step(self.x, 0.0, 1.0) * out
        return np.stack([zero + sideways, zero + up, zero + forward], axis=1)

    def slide(self, out: Array, up: Array, forward: Array | float = 0.0) -> Array:
        """Return (n, 3) as `move` does, but movement outwards follows the round of the teeth."""
        round_off = TEETH * (self.x**2 - (self.x + out) ** 2)
        return self.move(out, up, forward + round_off)

    def shift(self, left: Array, roundness: float) -> Array:
        """Return (n, 3) towards +X on both sides; `roundness` 1 follows the round of the teeth, 0 goes straight."""
        x = self.skin[:, 0]
        round_off = TEETH * (x**2 - (x + left) ** 2)
        return np.stack([left, np.zeros_like(left), roundness * round_off], axis=1)

    def falling(self, reach: float) -> Array:
        """Return (n,), on the front of the face: 1 at and below the mouth line, 0 from `reach` above it."""
        return step(self.above, reach, 0.0) * step(self.z, 5.0, 7.0)

    def rising(self, reach: float) -> Array:
        """Return (n,), on the front of the face: 1 at and above the mouth line, 0 from `reach` below it."""
        return step(self.above, -reach, 0.0) * step(self.z, 5.0, 7.0)

    def jaw(self) -> Array:
        """Return (n,) how much skin goes with the jaw, as if the lips were one: 0 above the mouth, 1 at the chin."""
        return step(self.above, 1.6 + self._rise(), -1.6) * self._on_jaw()

    def _on_jaw(self) -> Array:
        """Return (n,): 1 on the face below and before the hinge, 0 on neck, ears and the back of the head."""
        return step(self.z, -0.5, 3.5) * step(self.y + 0.55 * (self.z - 6.0), -14.5, -10.5)

    def _rise(self) -> Array:
        """Return (n,) centimetres by which the line between moving and resting cheek rises from mouth to ear."""
        return 3.5 * step(self.z, 8.5, 1.0)

    def jaw_open(self) -> Array:
        """Turn the jaw about its hinge: (n, 3); the corners of the mouth go half the way."""
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
        """Roll the lower lip outwards, so that it still faces the front when it has gone down: (n, 3)."""
        rim, below = self.near((0.0, -6.95, 9.4), (1.7, 0.4, 2.0)), self.near((0.0, -8.0, 9.0), (1.7, 0.5, 2.0))
        return self.move(up=0.15 * rim, forward=-0.35 * rim + 0.25 * below)

    def parted(self, upper: Array, lower: Array) -> Array:
        """Combine `upper` above the mouth line and `lower` below it, (n, 3); where they draw apart, the seam sinks in.

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


def lid_motion(skin: Array, upper: float, lower: float) -> Array:
    """Move the lids the shares `upper` and `lower` of the way to closed: displacement of `skin`, (n, 3) both."""
    offset = np.stack([np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]], axis=1) - EYE_CENTRE
    radius = np.linalg.norm(offset, axis=1)
    high, low = lid_edges(skin[:, 0])
    y, opening = skin[:, 1], high - low
    on_lid = step(radius, *LID_FLOOR) * (offset[:, 2] > 0)
    # Vertices of the ragged margins, inside the opening, go to the line where the lids meet.
    of_upper = y > (high + low) / 2
    down = upper * (low + LID_MEETING[0] * opening - np.minimum(y, high)) * step(y, high + LID_REACH[0], high)
    up = lower * (low + LID_MEETING[1] * opening - np.maximum(y, low)) * step(y, low - LID_REACH[1], low)
    rise = on_lid * np.where(of_upper, down, up) * (opening > 0)
    # A turn about the horizontal axis of the eye keeps the distance from it.
    clear = np.maximum(radius, EYE_RADIUS + LID_CLEARANCE)
    kept = np.where(rise == 0, radius, clear) ** 2 - offset[:, 0] ** 2
    ahead = np.sqrt(np.maximum(kept - (offset[:, 1] + rise) ** 2, 0.0))
    forward = np.where(rise == 0, 0.0, ahead - offset[:, 2])
    return np.stack([np.zeros_like(rise), rise, forward], axis=1)
