"""Similarity of two grey images: mean absolute difference, and structural similarity (Wang et al. 2004)."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

SIGMA, REACH = 1.5, 5  # of the Gaussian window, in pixels: 11 x 11
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Image = NDArray[np.uint8]


def mean_difference(a: Image, b: Image) -> float:
    """Return the mean absolute difference of two images (h, w), in grey levels of 255."""
    return float(np.abs(a.astype(np.float64) - b).mean())


def ssim(a: Image, b: Image) -> float:
    """Return the mean structural similarity of two images (h, w) in 0..255: 1 for equal ones."""
    x, y = a.astype(np.float64), b.astype(np.float64)

    def smooth(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return scipy.ndimage.gaussian_filter(image, SIGMA, mode="reflect", radius=REACH)

    mx, my = smooth(x), smooth(y)
    vx, vy, cov = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
    alike = (2 * mx * my + C1) * (2 * cov + C2) / ((mx**2 + my**2 + C1) * (vx + vy + C2))
    return float(alike.mean())
