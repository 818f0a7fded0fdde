"""Images of the test split of shards, to start from where the objects on them cannot be drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from render.errors import ShardError
from render.shards.data_set import DataSet, open_data_set

if TYPE_CHECKING:
    from dcign.runs.run import Run

IMAGES = 100


@dataclass(frozen=True, eq=False)
class UnseenImage:
    """An image (H, W) uint8 of the test split; `values` are the numbers of its labels, `identity` is who is on it."""

    pixels: NDArray[np.uint8]
    values: dict[str, float]
    identity: int


def open_unseen_images(run: Run, shards: Path | None = None) -> tuple[UnseenImage, ...]:
    """Read some test images of `shards`, or, for None, of those that the run was trained on if they are still there.

    At most `IMAGES`, in an order that shows each identity once before any again. ShardError and RunError for `shards`
    that cannot be read or are not of this run's kind; none at all where nobody named any.
    """
    from dcign.evaluation.encoding import check_match  # torch, only where it is needed

    if shards is not None:
        data = open_data_set(shards, "test")
        check_match(run, data)
        return _some(data)
    try:
        data = open_data_set(Path(str(run.data.get("folder"))), "test")
        return _some(data) if data.fingerprint == run.data.get("fingerprint") else ()
    except ShardError:
        return ()


def _some(data: DataSet) -> tuple[UnseenImage, ...]:
    seen: dict[int, set[tuple[float, ...]]] = {}
    found: list[tuple[int, UnseenImage]] = []
    for image in _spread(data):
        shown, values = seen.setdefault(image.identity, set()), tuple(image.values.values())
        if values not in shown:
            found.append((len(shown), image))
            shown.add(values)
    return tuple(image for _, image in sorted(found, key=lambda pair: pair[0]))


def _spread(data: DataSet) -> Iterator[UnseenImage]:
    """Yield `IMAGES` images of mini-batches of all factors in turn, from the first to the last; some may come again."""
    factors = data.factors[::-1]  # who is on an image changes most in the last
    turns = -(-IMAGES // len(factors))
    for turn in range(turns):
        for factor in factors[: IMAGES - turn * len(factors)]:
            minibatch = data.minibatch(factor, turn * data.count(factor) // turns)
            row = turn % len(minibatch.identity)
            values = {name: float(column[row]) for name, column in minibatch.values.items()}
            yield UnseenImage(minibatch.images[row], values, int(minibatch.identity[row]))
