"""Expressions of the built-in head: blend shapes of single muscles, under the ARKit names as ICT-FaceKit spells them.

"_L" is the person's own left, at x > 0. Each right shape is the exact mirror image of its left one, and the two add up
to the symmetric movement. Eyeballs stay as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assets.gaussian_process import Array
from assets.head_lids import lid_motion
from assets.head_muscles import Muscles
from assets.morphable import BLEND_SHAPE_DEVIATION, Modes
from assets.signed_distance import step

MIDDLE = 0.7  # the two halves of a symmetric movement blend over |x| below this


def expression_modes(skin: Array, mirror: NDArray[np.int64], vertex_count: int) -> Modes:
    """Named one-sided modes of a head of `vertex_count` vertices, of which the first are `skin` (n, 3).

    mirror  (V,) index of each vertex's mirror image
    """
    shapes = expression_shapes(skin, mirror[: len(skin)])
    displacements = np.zeros((len(shapes), vertex_count, 3), np.float32)
    displacements[:, : len(skin)] = BLEND_SHAPE_DEVIATION * np.stack(list(shapes.values()))
    return Modes.from_displacements(displacements.reshape(len(shapes), -1), tuple(shapes), one_sided=True)


def expression_shapes(skin: Array, mirror: NDArray[np.int64]) -> dict[str, Array]:
    """Name -> (n, 3) displacement in centimetres of the vertices `skin` (n, 3) when fully pressed."""
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
    """The mirror image under x -> -x of a displacement (n, 3)."""
    return field[mirror] * np.array([-1.0, 1.0, 1.0])


def symmetric_movements(skin: Array) -> dict[str, Array]:
    """Name -> (n, 3): what both sides of the face can only do together."""
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
    """Name -> (n, 3): what each side of the face can do for itself, here done on both sides."""
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
    """Name -> (n, 3): what the middle of the face does towards the person's left."""
    face = Muscles(skin)
    lips = face.near((0.0, -6.8, 9.4), (2.4, 1.3, 2.5))
    return {"jaw": face.shift(0.95 * face.jaw() * step(face.z, -1.0, 8.0), 0.0), "mouth": face.shift(0.85 * lips, 1.0)}
