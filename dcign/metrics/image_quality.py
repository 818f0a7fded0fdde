"""How near grey images come to true ones: mean squared error, PSNR, structural similarity (Wang et al. 2004)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from render.similarity import C1, C2, REACH, SIGMA

ROUNDING = 1.0 / 12.0 / 255.0**2  # mean squared error of rounding to 256 grey levels: what no 8-bit image beats
AT_ONCE = 16  # images: what the windows need stays in the cache of the processor

Stack = NDArray[np.float64]


def mse(images: NDArray[np.floating], truths: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean squared error (n,) of `images` (n, H, W) in [0, 1] against `truths` (n, H, W) in 0..255, in [0, 1]."""
    return _by_blocks(lambda a, b: np.square(a - b).mean(axis=(1, 2)) / 255.0**2, images, truths)


def psnr(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio (n,) in decibels of mean squared `errors` (n,); at most 58.9, that of rounding."""
    return -10.0 * np.log10(np.maximum(errors, ROUNDING))


def ssim(images: NDArray[np.floating], truths: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean structural similarity (n,), 1 for equal ones, of `images` (n, H, W) in [0, 1] to `truths` in 0..255.

    `render.similarity.ssim` of many pairs at once.
    """
    return _by_blocks(_ssim, images, truths)


def _by_blocks(
    measure: Callable[[Stack, Stack], Stack], images: NDArray[np.floating], truths: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """`measure` of blocks of pairs (n, H, W) as float64 in 0..255, joined."""
    if images.shape != truths.shape or truths.dtype != np.uint8:
        raise ValueError(f"expected images and uint8 truths of one shape, not {images.shape}, {truths.shape}")
    found = [
        measure(images[k : k + AT_ONCE].astype(np.float64) * 255.0, truths[k : k + AT_ONCE].astype(np.float64))
        for k in range(0, len(images), AT_ONCE)
    ]
    return np.concatenate([np.empty(0), *found])


def _ssim(x: Stack, y: Stack) -> Stack:
    mx, my = _smooth(x), _smooth(y)
    vx, vy, cov = _smooth(x * x) - mx**2, _smooth(y * y) - my**2, _smooth(x * y) - mx * my
    alike = (2 * mx * my + C1) * (2 * cov + C2) / ((mx**2 + my**2 + C1) * (vx + vy + C2))
    return alike.mean(axis=(1, 2))


def _smooth(images: Stack) -> Stack:
    return scipy.ndimage.gaussian_filter(images, SIGMA, mode="reflect", radius=REACH, axes=(1, 2))
