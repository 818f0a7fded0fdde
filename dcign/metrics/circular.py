"""How well one latent follows an angle on the full circle, where a rank correlation means little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def compute(latent: NDArray[np.floating], degrees: NDArray[np.floating]) -> float | None:
    """Circular-linear association: R^2 of the least-squares fit latent ~ 1 + cos(angle) + sin(angle), in [0, 1].

    `latent` (M,), `degrees` (M,). None when the latent or the angle is constant, or with fewer than 4 images.
    1 means that the latent is a sinusoid of the angle: the best that one number can do without a jump, and then two
    angles share each value. Source: Mardia and Jupp, Directional Statistics (2000), section 11.2.1, `R_xt^2`.
    """
    if len(latent) < 4 or np.ptp(latent) == 0 or np.ptp(degrees) == 0:
        return None
    angle = np.deg2rad(degrees.astype(np.float64))
    design = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)  # (M, 3)
    target = latent.astype(np.float64)
    fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    unexplained = float(np.sum((target - fitted) ** 2) / np.sum((target - target.mean()) ** 2))
    return min(1.0, max(0.0, 1.0 - unexplained))
