"""Categories read from latents: how often the right one, by a calibration and by readers fitted to other objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcign.evaluation.metrics import groups
from dcign.evaluation.metrics.disentanglement import classes, columns

READERS = ("read_back", "linear", "nearest")


@dataclass(frozen=True, eq=False)
class CategoryReads:
    """Which of M images each reader tells the category of.

    right       name of the reader -> (M,) bool
    categories  K, as many as are among the images
    chance      share of the most frequent one, which a reader that knows nothing gets right
    """

    right: dict[str, NDArray[np.bool_]]
    categories: int
    chance: float


def read_categories(
    latents: NDArray[np.floating],
    category: NDArray[np.integer],
    identity: NDArray[np.integer],
    read_back: NDArray[np.integer] | None,
) -> CategoryReads:
    """Read the `category` (M,) of images from `latents` (M, W), always of identities that the reader was not fitted to.

    `linear` is ridge regression on which category it is, 0 or 1 for each, and the largest of its answers; `nearest` the
    category whose mean latents are nearest. Both need three identities and two categories, and are not there without.
    `read_back` (M,) is what the calibration says, which is fitted to these very images; None without one.
    """
    label = classes(category)
    counts = np.bincount(label)
    right = {} if read_back is None else {"read_back": read_back == category}
    if len(counts) > 1 and len(np.unique(identity)) >= groups.FEWEST_FOLDS:
        fold = groups.folds_by_identity(identity)
        (line,) = groups.ridge_predictions(latents, [columns(category)], fold)
        right["linear"] = line.argmax(axis=1) == label
        right["nearest"] = groups.nearest_class_mean(latents, label, fold) == label
    return CategoryReads(right, len(counts), float(counts.max() / counts.sum()))
