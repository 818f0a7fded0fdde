"""Images with what is true of them and what a run makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Coded:
    """M images.

    images        (M, H, W) uint8
    codes         (M, Z) float32, means of Q(z | x)
    degrees       extrinsic factor -> (M,) float32
    identity      (M,) int64
    coefficients  (M, K) float32 of the morphable model, in standard deviations; None where there is none
    """

    images: NDArray[np.uint8]
    codes: NDArray[np.float32]
    degrees: Mapping[str, NDArray[np.float32]]
    identity: NDArray[np.int64]
    coefficients: NDArray[np.float32] | None = None

    def rows(self, chosen: NDArray[np.integer]) -> Coded:
        """Those images only, in that order."""
        degrees = {name: values[chosen] for name, values in self.degrees.items()}
        coefficients = None if self.coefficients is None else self.coefficients[chosen]
        return Coded(self.images[chosen], self.codes[chosen], degrees, self.identity[chosen], coefficients)


@dataclass(frozen=True, eq=False)
class Sweep:
    """True images of O objects, each turned through S angles of one factor while all else of it holds still.

    angles  (S,) float64, degrees
    images  (O, S, H, W) uint8
    codes   (O, S, Z) float32
    """

    angles: NDArray[np.float64]
    images: NDArray[np.uint8]
    codes: NDArray[np.float32]
