"""The mean of the identity latents, and the directions along which they differ from it. Pure arithmetic.

They are principal components of the latents that no labelled factor has, within the mini-batches in which the object
itself varies, so that pose and light, which these latents still know something of, are not taken for identity. One unit
along a direction is one standard deviation. Random steps along all of them, from the mean, draw other identities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcign.model.code import PARTS

MOST_DIRECTIONS = 40  # of the weights that ship they have 99 % of the variance
DIGITS = 6  # kept of each number of a direction


def of_identities(kinds: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell which images (M,) are of mini-batches in which the object itself varies; `kinds` (M,) name what does."""
    return np.isin(kinds, tuple(PARTS))


def mean_identity(
    codes: NDArray[np.floating], kinds: NDArray[np.str_], rest: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the mean (Z,) of codes (M, Z) where the object itself varies, of which there must be some.

    Latents that are not in `rest` get zeros; `kinds` (M,) as below.
    """
    mean = np.zeros(codes.shape[1])
    mean[rest] = codes[of_identities(kinds)][:, rest].mean(axis=0, dtype=np.float64)
    return _rounded(mean)


def leading_directions(
    codes: NDArray[np.floating], kinds: NDArray[np.str_], minibatch: NDArray[np.integer], rest: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Find the directions, (D, Z), the largest first: what one standard deviation along each adds to a code.

    `codes` (M, Z) means, `kinds` (M,) the factor that varies in the mini-batch of each image, `minibatch` (M,) which
    one that is, `rest` the latents that no label has; all others get zeros. D is at most `MOST_DIRECTIONS`, fewer where
    little varies, 0 without mini-batches of the object itself. The largest number of a direction is positive.
    """
    chosen = of_identities(kinds)
    own = codes[chosen][:, rest].astype(np.float64)
    labels = np.unique(minibatch[chosen], return_inverse=True)[1].reshape(-1)
    freedom = len(own) - (labels.max(initial=-1) + 1)
    if freedom < 1 or not len(rest):
        return np.zeros((0, codes.shape[1]))
    for label in range(labels.max() + 1):
        own[labels == label] -= own[labels == label].mean(axis=0)
    variance, axes = np.linalg.eigh(own.T @ own / freedom)  # ascending
    order = [k for k in np.argsort(-variance, kind="stable")[:MOST_DIRECTIONS] if variance[k] > 1e-9 * variance[-1]]
    scaled = (axes[:, order] * np.sqrt(variance[order])).T  # (D, rest)
    largest = np.take_along_axis(scaled, np.abs(scaled).argmax(axis=1)[:, None], axis=1)
    directions = np.zeros((len(order), codes.shape[1]))
    directions[:, rest] = scaled * np.sign(largest)
    return _rounded(directions)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([float(f"{value:.{DIGITS}g}") for value in values.flat]).reshape(values.shape)
