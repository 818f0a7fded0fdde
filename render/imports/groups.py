"""Groups of images that agree in all but one factor.

A group of a factor has at least two of its values; all else, the identity and the split included, is one in it, labels
within their tolerance. The groups of `intrinsic` differ in nothing but the identity. The same images may stand in the
groups of several factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.imports.labelled_images import Rows
from render.shards.labels import Label
from render.shards.verification import ROUNDING

Bins = NDArray[np.int32]  # numbers that are equal for what passes for the same


def bins_of(values: NDArray[np.float32], label: Label) -> Bins:
    """Number values (M,) so that those of one number differ by no more than the label's tolerance.

    From the lowest value up, each number takes in as much as it can; on a circle from behind the widest gap.
    """
    exact = values.astype(np.float64)
    if label.circular:
        exact = (exact - label.low) % (label.high - label.low)
    found, inverse = np.unique(exact, return_inverse=True)
    if not label.tolerance:
        return inverse.astype(np.int32)
    order = np.arange(len(found))
    if label.circular:
        turn = label.high - label.low
        after = int(np.argmax(np.diff(found, append=found[0] + turn))) + 1
        order = np.roll(order, -after)
        found = np.where(np.arange(len(found)) < after, found + turn, found)[order]
    reach = label.tolerance * (1 + ROUNDING) + ROUNDING * float(abs(values).max()) / 2
    numbers, start, number = np.empty(len(found), np.int32), 0, 0
    while start < len(found):
        end = int(np.searchsorted(found, found[start] + reach, side="right"))
        numbers[order[start:end]] = number
        start, number = end, number + 1
    return numbers[inverse]


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of one factor, one after another.

    rows    (K,) places of images, in the order of `own` in each group
    own     (K,) their bins of the factor
    starts  (G,) where each group begins in both
    alone   how many images are in no group because no other agrees with them in all else
    alike   how many because all that agree with them have the same value of the factor too
    """

    rows: NDArray[np.int32]
    own: Bins
    starts: NDArray[np.int64]
    alone: int
    alike: int

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The images of each group, (G,)."""
        return np.diff(self.starts, append=len(self.rows))

    @property
    def most(self) -> NDArray[np.int64]:
        """The images that share the commonest value of their group, (G,)."""
        if not len(self.rows):
            return np.empty(0, np.int64)
        new = np.ones(len(self.rows), bool)
        new[1:] = np.diff(self.own) != 0
        new[self.starts] = True
        runs = np.flatnonzero(new)
        lengths = np.diff(runs, append=len(self.rows))
        most: NDArray[np.int64] = np.maximum.reduceat(lengths, np.searchsorted(runs, self.starts))
        return most

    def are_lopsided(self, batch_size: int) -> NDArray[np.bool_]:
        """Tell of each group whether so many images share a value that there are not others enough for mini-batches."""
        most = self.most
        return most > (batch_size - 1) * (self.sizes - most)

    def counts(self, batch_size: int) -> NDArray[np.int64]:
        """Return how many mini-batches each group gives, (G,)."""
        lopsided = self.are_lopsided(batch_size)
        return np.where(lopsided, -(-self.most // (batch_size - 1)), -(-self.sizes // batch_size))

    def chosen(self, which: NDArray[np.bool_]) -> Groups:
        """Return some of the groups, (G,) bool."""
        sizes = self.sizes[which]
        inside = np.repeat(which, self.sizes)
        return Groups(self.rows[inside], self.own[inside], np.cumsum(sizes) - sizes, 0, 0)


def find_groups(own: Bins, others: list[Bins], rows: Rows) -> Groups:
    """Find the groups among the images `rows`, which agree in each of `others` and not in `own`, (M,) each."""
    columns = [column[rows] for column in others]
    order = np.lexsort((own[rows], *columns))
    first = np.ones(len(rows), bool)
    if len(rows):
        first[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=len(rows))
    sorted_own = own[rows][order]
    varies = sorted_own[starts] != sorted_own[starts + sizes - 1] if len(starts) else np.zeros(0, bool)
    found = Groups(rows[order].astype(np.int32), sorted_own, starts, 0, 0).chosen(varies)
    alone, alike = int((sizes == 1).sum()), int(sizes[~varies & (sizes > 1)].sum())
    return Groups(found.rows, found.own, found.starts, alone, alike)
