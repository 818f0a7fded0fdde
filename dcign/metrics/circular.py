"""How well latents follow an angle on the full circle, where a rank correlation means little."""

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


def compute_group(latents: NDArray[np.floating], degrees: NDArray[np.floating]) -> float | None:
    """Share of the variance of the point (cos, sin) of the angle that least squares on the latents explains, in [0, 1].

    `latents` (M, W), `degrees` (M,). None when no latent moves, the angle is constant, or with no more than W + 1
    images, which can be fitted whatever they are. Least squares has no penalty, so the value does not depend on how the
    latents are scaled, turned or mixed with each other; nor does it depend on where 0 degrees lies.

    This asks the other way round than `compute`, because a group is there to be read: two latents that both follow the
    cosine would score 1 there, and 1/2 here, for they do not tell left from right. 1 means that the angle can be read
    off, even by a linear map; a loop that is bent rather than round scores lower, though a curve may still read it.
    For one latent and angles all around the circle this value is half that of `compute`.
    """
    if len(latents) <= latents.shape[1] + 1 or not np.any(np.ptp(latents, axis=0)) or np.ptp(degrees) == 0:
        return None
    angle = np.deg2rad(degrees.astype(np.float64))
    target = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (M, 2)
    target -= target.mean(axis=0)
    codes = latents.astype(np.float64)
    codes -= codes.mean(axis=0)
    scale = codes.std(axis=0)
    codes /= np.where(scale > 0, scale, 1.0)  # conditions the problem: lstsq's cut-off must not drop a quiet latent
    fitted = codes @ np.linalg.lstsq(codes, target, rcond=None)[0]
    return min(1.0, max(0.0, 1.0 - float(np.sum((target - fitted) ** 2) / np.sum(target**2))))
