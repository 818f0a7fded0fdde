"""Images that others took or rendered, each with a number for every factor: the one form in which they are imported.

What reads a collection fills it: a table of the user's own (`image_table`), or the files of a public collection
(`collections`). `dealing` finds the groups in it and `image_import` writes the shards, whatever it was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from render.shards.labels import Label

Rows: TypeAlias = NDArray[np.int64]  # places in a collection, ascending
MiniBatchRows: TypeAlias = Mapping[tuple[str, str], NDArray[np.int64]]  # (factor, split) -> (n, N) places


def no_remarks() -> list[str]:
    """Say nothing."""
    return []


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """M images and what is known of each. The images themselves stay where they are until they are read.

    name         of the collection: `images` for a user's own, `smallnorb`, ...
    object       what the images show: a word or some
    fingerprint  sha256, hexadecimal, of what decides the data: equal for equal images and labels
    labels       factor -> what its numbers mean
    values       factor -> (M,) float32, in the label's unit, or the numbers of categories
    identity     (M,) int64, from 0: who or what each image shows
    test         (M,) bool, the images for testing; None if identities are still to be drawn for that
    background   grey value in 0..1 beside an image that is no square
    read         yields the images of some rows in their order, grey (H, W) uint8 with row 0 at the top, of any sizes.
                 BadInput names the first that cannot be read; the rows before it have been yielded, those behind it
                 may be asked for again
    identities   names of the identities 0, 1, ...; none where the numbers are all that is known
    remarks      says what reading changed in the images that were read so far, a line each
    minibatches  that the images form already; None if they are still to be dealt
    source       file or folder that it was read from, for messages
    """

    name: str
    object: str
    fingerprint: str
    labels: dict[str, Label]
    values: dict[str, NDArray[np.float32]]
    identity: NDArray[np.int64]
    test: NDArray[np.bool_] | None
    background: float
    read: Callable[[Rows], Iterator[NDArray[np.uint8]]]
    identities: Sequence[str] = ()
    remarks: Callable[[], list[str]] = no_remarks
    minibatches: MiniBatchRows | None = None
    source: str = ""

    @property
    def title(self) -> str:
        """The name of the images in messages: the table they are listed in, or the collection."""
        return self.source or self.name
