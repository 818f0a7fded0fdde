"""The factors of variation: what may vary inside a mini-batch, over which range, and how values are drawn.

To add a factor of one's own, add its name to `FACTORS` (and, if it is an angle, its ranges to `DEFAULT_RANGES`);
`render.minibatch` turns drawn values into scenes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput

FACTORS = ("azimuth", "elevation", "light", "intrinsic")
EXTRINSIC = ("azimuth", "elevation", "light")  # angles in degrees; intrinsic is everything of the object itself
SPLITS = ("train", "test")

# Degrees. Chairs are seen from all around and never from below the floor they stand on.
DEFAULT_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "face": {"azimuth": (-90.0, 90.0), "elevation": (-30.0, 30.0), "light": (-80.0, 80.0)},
    "chair": {"azimuth": (0.0, 360.0), "elevation": (0.0, 30.0), "light": (-80.0, 80.0)},
}


def generator(seed: int, split: str, factor: str, index: int, stream: str) -> np.random.Generator:
    """The random generator of one `stream` of one mini-batch: a pure function of its arguments, whatever ran before."""
    words = [seed, index, *f"{split}/{factor}/{stream}".encode()]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def draw_angles(low: float, high: float, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """`count` angles in degrees, (count,) float32, uniform in [low, high)."""
    return rng.uniform(low, high, size=count).astype(np.float32)


def parse_range(text: str, option: str) -> tuple[float, float]:
    """'A:B' in degrees as (A, B); BadInput names `option`."""
    parts = text.split(":")
    try:
        low, high = (float(part) for part in parts)
    except ValueError:
        raise BadInput(
            f"{option}: expected two angles in degrees as A:B (for example -90:90), found {text!r}"
        ) from None
    if not (np.isfinite([low, high]).all() and -360 <= low <= high <= 360):
        raise BadInput(f"{option}: expected -360 <= A <= B <= 360 degrees, found {text!r}")
    return low, high
