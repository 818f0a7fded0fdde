"""Mean squared error of reconstructions, beside that of the best constant picture. Streams: no image is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class ReconstructionSums:
    """Running sums over images; exact in integers for the mean-image predictor (safe up to ten million images)."""

    images: int = 0
    pixels: int = 0
    squared_error: float = 0.0
    sum: NDArray[np.int64] = field(default_factory=lambda: np.zeros((), np.int64))  # (H, W)
    sum_of_squares: NDArray[np.int64] = field(default_factory=lambda: np.zeros((), np.int64))  # (H, W)

    def add(self, images: NDArray[np.uint8], reconstructions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Adds `images` (N, H, W) uint8 and their `reconstructions` (N, H, W) in [0, 1].

        Returns the mean squared error of each, (N,).
        """
        if images.dtype != np.uint8 or images.shape != reconstructions.shape:
            raise ValueError(
                f"uint8 images and reconstructions of one shape, not {images.shape}, {reconstructions.shape}"
            )
        whole = images.astype(np.int64)
        self.images += len(images)
        self.pixels += images.size
        squared = (images / 255.0 - reconstructions.astype(np.float64)) ** 2
        self.squared_error += float(squared.sum())
        self.sum = self.sum + whole.sum(0)
        self.sum_of_squares = self.sum_of_squares + (whole * whole).sum(0)
        return squared.mean(axis=(1, 2))


def compute(sums: ReconstructionSums) -> dict[str, float | None]:
    """Plain means over all pixels of all images, grey values in [0, 1]:

    - `mse`: of the reconstructions;
    - `mean_image_mse`: of predicting, for every image, the mean image of this very set (the variance of a pixel over
      the set, averaged over pixels). No constant picture does better, the mean of the training images included;
    - `ratio`: the first over the second; None when all images are the same.
    """
    if sums.images == 0:
        return {"mse": None, "mean_image_mse": None, "ratio": None}
    mse = sums.squared_error / sums.pixels
    count = sums.images
    # sum of squared deviations times the count, all in integers: no cancellation
    deviations = count * sums.sum_of_squares - sums.sum * sums.sum
    mean_image_mse = float(np.mean(deviations / float(count) ** 2)) / 255.0**2
    return {"mse": mse, "mean_image_mse": mean_image_mse, "ratio": mse / mean_image_mse if mean_image_mse > 0 else None}
