"""Whether an image is like those a run was trained on: its reconstruction error beside that of test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNLIKE = 99  # % of test images that are reconstructed better than an image that is warned of


def reconstruction_error(picture: NDArray[np.floating], decoded: NDArray[np.floating]) -> float:
    """Mean squared error between an image (H, W) in [0, 1] and what the decoder makes of its code."""
    return float(np.mean((np.asarray(picture, np.float64) - decoded) ** 2))


def unlike_warning(error: float, percentiles: Sequence[float]) -> str | None:
    """What to say of an image of this reconstruction error, None where nothing is.

    `percentiles` are the 0th to the 100th of the errors of test images, 101 in all; empty where they were not measured.
    """
    if not percentiles or error <= percentiles[UNLIKE]:
        return None
    share = "all" if error > percentiles[-1] else f"{UNLIKE} % of"
    return (
        f"its reconstruction error {error:.2g} is above that of {share} test images (median {percentiles[50]:.2g}): "
        "the picture will not mean much"
    )
