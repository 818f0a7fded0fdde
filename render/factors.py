"""The factors of variation: what may vary inside a mini-batch, over which range, and the drawing of values.

A factor of one's own is one entry in `TABLE`, for example

    Factor("zoom", sets="camera.fov", ranges={"face": (20.0, 30.0), "chair": (20.0, 30.0)}),

Rendering, `--zoom-range`, storing, checking, showing and training follow from it; `dcign train --code` says which
latents are to mean it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Factor:
    """Either a number of the scene that is drawn from a range, or parts of the object itself.

    sets    the field of `render.scene.Scene` that the number goes to; a dot leads into its camera or shading
    ranges  object -> (low, high) by default: degrees, or the unit of the field
    parts   of the object's intrinsic properties that vary (`assets.catalog`)
    share   of mini-batches in training, beside those of the other factors present (`dcign train --ratio`)
    """

    name: str
    sets: str = ""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    share: int = 1


# Chairs are seen from all around and never from below the floor they stand on. Shares are the paper's 1:1:1:10; the
# three parts share those of `intrinsic`.
TABLE = (
    Factor("azimuth", sets="azimuth", ranges={"face": (-90.0, 90.0), "chair": (0.0, 360.0)}),
    Factor("elevation", sets="elevation", ranges={"face": (-30.0, 30.0), "chair": (0.0, 30.0)}),
    Factor("light", sets="light", ranges={"face": (-80.0, 80.0), "chair": (-80.0, 80.0)}),
    Factor("intrinsic", parts=("shape", "albedo", "expression"), share=10),
    Factor("shape", parts=("shape",), share=6),
    Factor("albedo", parts=("albedo",), share=3),
    Factor("expression", parts=("expression",), share=1),
)
FACTORS = {factor.name: factor for factor in TABLE}
MAIN = ("azimuth", "elevation", "light", "intrinsic")  # the paper's, which `--factor all` renders
EXTRINSIC = tuple(factor.name for factor in TABLE if factor.sets)  # the numbers of the scene
DEFAULT_RANGES = {name: {n: FACTORS[n].ranges[name] for n in EXTRINSIC} for name in ("face", "chair")}

# Named grids of views: factor -> the values to draw from, in degrees.
VIEWS: dict[str, dict[str, tuple[float, ...]]] = {
    "paper": {"azimuth": tuple(12.0 * k for k in range(30)), "elevation": (20.0, 30.0)},  # section 4.2
}


def generator(seed: int, split: str, factor: str, index: int, stream: str) -> np.random.Generator:
    """Make the random generator of one `stream` of one mini-batch: its arguments alone decide it."""
    words = [seed, index, *f"{split}/{factor}/{stream}".encode()]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def draw_values(low: float, high: float, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw `count` values, (count,) float32, uniform in [low, high)."""
    return rng.uniform(low, high, size=count).astype(np.float32)


def pick_values(grid: Sequence[float], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Pick `count` values of a grid, (count,) float32; each at most once while there are enough."""
    return rng.choice(np.array(grid, np.float32), size=count, replace=count > len(grid))


def parse_range(text: str, option: str) -> tuple[float, float]:
    """Parse 'A:B' in degrees as (A, B); BadInput names `option`."""
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
