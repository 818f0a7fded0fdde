"""Do the inactive latents hold still while one factor varies? (paper, section 3.2)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def compute(
    codes: NDArray[np.floating], minibatch: NDArray[np.integer], inactive: Sequence[int] | NDArray[np.integer]
) -> dict[str, float | int | None]:
    """Variance of inactive latents within mini-batches of one factor.

    `codes` (M, Z) means of the images of that factor's mini-batches, `minibatch` (M,) which one each is from,
    `inactive` the indices of the latents that the factor must not move. Returns

    - `within`: sample variance (divisor N - 1) within a mini-batch, mean over latents and mini-batches; None when no
      mini-batch has two images, or when no latent is inactive;
    - `latents`, `minibatches`: how many of each it is a mean of.

    Set it against `total_variance` of the same latents: a small value alone may only mean small codes.
    """
    chosen = codes[:, np.asarray(inactive, dtype=np.int64)].astype(np.float64)
    members = [chosen[minibatch == label] for label in np.unique(minibatch)]
    variances = [rows.var(axis=0, ddof=1).mean() for rows in members if len(rows) > 1 and rows.shape[1] > 0]
    return {
        "within": float(np.mean(variances)) if variances else None,
        "latents": int(chosen.shape[1]),
        "minibatches": len(variances),
    }


def total_variance(codes: NDArray[np.floating], latents: Sequence[int] | NDArray[np.integer]) -> float | None:
    """Variance (divisor M - 1) of `codes` (M, Z) over the whole set, mean over the given latents; None if undefined."""
    chosen = codes[:, np.asarray(latents, dtype=np.int64)].astype(np.float64)
    if chosen.shape[0] < 2 or chosen.shape[1] == 0:
        return None
    return float(chosen.var(axis=0, ddof=1).mean())
