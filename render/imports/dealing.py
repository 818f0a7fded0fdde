"""Mini-batches of images whose labels are known: dealt from the groups that they form, or given with the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.factors import FACTORS, SPLITS, generator
from render.imports.groups import Bins, Groups, bins_of, find_groups
from render.imports.labelled_images import LabelledImages, MiniBatchRows, Rows
from render.shards.labels import INTRINSIC

FEWEST_TO_COMPARE = 2  # identities of a split in which `intrinsic` can vary
FEWEST_TO_SPLIT = 2 * FEWEST_TO_COMPARE


class Dealing(Protocol):
    """Mini-batches of images: dealt here, or given with the images.

    factors  those that have mini-batches, in the order of the labels, then those of the object itself
    used     places of all images that stand in a mini-batch, ascending
    """

    @property
    def factors(self) -> list[str]: ...

    @property
    def used(self) -> Rows: ...

    def count(self, factor: str, split: str) -> int:
        """Count the mini-batches of a factor and split."""

    def minibatches(self, factor: str, split: str) -> NDArray[np.int64]:
        """Return the mini-batches of a factor and split: (n, N) places of images."""


def images_for_testing(images: LabelledImages, share: float, seed: int) -> NDArray[np.bool_]:
    """Tell which images are for testing, (M,): as they say themselves, else all of `share` of the identities.

    These are drawn by `seed`: at least two where there are four identities or more, since one alone has no other to be
    compared with, and never all.
    """
    if images.test is not None:
        return images.test
    identities, numbers = np.unique(images.identity, return_inverse=True)
    count = round(share * len(identities))
    if share > 0 and len(identities) >= FEWEST_TO_SPLIT:
        count = min(max(count, FEWEST_TO_COMPARE), len(identities) - FEWEST_TO_COMPARE)
    shuffled = generator(seed, "test", "identity", 0, "split").permutation(len(identities))
    return np.isin(numbers, shuffled[: min(count, len(identities) - 1)])


def deal(groups: Groups, batch_size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal groups into mini-batches, (n, batch_size) places of images, in an order drawn by `rng`.

    Every image is dealt, and the factor varies in every mini-batch. A group that is smaller than a mini-batch fills one
    up by repetition; a larger one gives as few as will do, none of which has an image twice, and the values of a group
    are spread evenly over them.
    """
    ordered = _evenly_ordered(groups, rng)
    counts = groups.counts(batch_size)
    group = np.repeat(np.arange(len(counts)), counts)
    firsts = np.cumsum(counts) - counts  # mini-batch of each group
    number = np.arange(len(group)) - firsts[group]
    size = groups.sizes[group]
    first = number * np.maximum(size - batch_size, 0) // np.maximum(counts[group] - 1, 1)
    within = (first[:, None] + np.arange(batch_size)) % size[:, None]
    places = ordered[groups.starts[group][:, None] + within]
    for one in np.flatnonzero(groups.are_lopsided(batch_size)):
        start, end = groups.starts[one], groups.starts[one] + groups.sizes[one]
        places[firsts[one] : firsts[one] + counts[one]] = _lopsided(ordered[start:end], groups.own, batch_size)
    bins = groups.own[places]
    for alike in np.flatnonzero((bins == bins[:, :1]).all(axis=1)):
        start = firsts[group[alike]]
        _mix(places[start : start + counts[group[alike]]], alike - start, groups.own)
    return groups.rows[places[rng.permutation(len(places))]].astype(np.int64)


def _lopsided(members: NDArray[np.int64], own: Bins, batch_size: int) -> NDArray[np.int64]:
    """Deal a group that has more images of one value than can each be beside another: one other in each mini-batch."""
    values, counts = np.unique(own[members], return_counts=True)
    usual = own[members] == values[counts.argmax()]
    many, others = members[usual], members[~usual]
    count = -(-len(many) // (batch_size - 1))
    numbers = np.arange(count)
    first = numbers * (len(many) - batch_size + 1) // max(count - 1, 1)
    return np.column_stack([many[first[:, None] + np.arange(batch_size - 1)], others[numbers % len(others)]])


def _mix(minibatches: NDArray[np.int64], alike: int, own: Bins) -> None:
    """Exchange an image of mini-batch `alike` of a group, all of one value, with one of another that has two to spare.

    There is one, since the group has at least as many images of other values as mini-batches.
    """
    others = own[minibatches] != own[minibatches[alike, 0]]
    giver = int(others.sum(axis=1).argmax())
    given = int(others[giver].argmax())
    taken = int(np.isin(minibatches[alike], minibatches[giver], invert=True).argmax())
    minibatches[giver, given], minibatches[alike, taken] = minibatches[alike, taken], minibatches[giver, given]


def _evenly_ordered(groups: Groups, rng: np.random.Generator) -> NDArray[np.int64]:
    """Order the images of each group so that any stretch has the values of the factor in their shares, (K,) positions.

    Of c images with one value the k-th stands at (k + u) / c of the group's way, with u drawn for each value.
    """
    count = len(groups.rows)
    group = np.repeat(np.arange(len(groups.starts)), groups.sizes)
    shuffled = np.lexsort((rng.random(count), groups.own, group))
    new = np.ones(count, bool)
    new[1:] = (np.diff(group[shuffled]) != 0) | (np.diff(groups.own[shuffled]) != 0)
    runs = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    lengths = np.diff(runs, append=count)
    way = (np.arange(count) - runs[run] + rng.random(len(runs))[run]) / lengths[run]
    return shuffled[np.lexsort((way, group[shuffled]))]


class DealtImages:
    """The mini-batches that images give by their labels.

    groups  factor -> its groups, for all factors, in the order of the labels and then `intrinsic`
    """

    def __init__(
        self, images: LabelledImages, test: NDArray[np.bool_], rows: Rows, batch_size: int, seed: int, limit: int | None
    ) -> None:
        """Find the groups among the images `rows`; with a `limit` take so many mini-batches of each factor and split.

        Raises BadInput if there are none.
        """
        self.batch_size, self.seed, self.limit, self._test = batch_size, seed, limit, test
        bins = {name: bins_of(images.values[name], label) for name, label in images.labels.items()}
        bins[INTRINSIC] = np.unique(images.identity, return_inverse=True)[1].astype(np.int32)
        part = test.astype(np.int32)
        self.groups = {
            name: find_groups(own, [part, *(bins[other] for other in bins if other != name)], rows)
            for name, own in bins.items()
        }
        self.factors = [name for name, groups in self.groups.items() if len(groups.starts)]
        if not self.factors:
            raise BadInput(_no_groups(images, len(rows)))
        self._taken: dict[tuple[str, str], NDArray[np.int64]] = {}
        if limit is not None:
            self._taken = {(name, split): self._deal(name, split)[:limit] for name in self.factors for split in SPLITS}
        in_groups = [groups.rows for groups in self.groups.values()]
        in_minibatches = [rows.ravel() for rows in self._taken.values()]
        self.used = np.unique(np.concatenate(in_minibatches or in_groups)).astype(np.int64)

    def count(self, factor: str, split: str) -> int:
        found = int(self._of(factor, split).counts(self.batch_size).sum())
        return found if self.limit is None else min(found, self.limit)

    def minibatches(self, factor: str, split: str) -> NDArray[np.int64]:
        return self._deal(factor, split) if self.limit is None else self._taken[factor, split]

    def _deal(self, factor: str, split: str) -> NDArray[np.int64]:
        rng = generator(self.seed, split, factor, 0, "deal")
        return deal(self._of(factor, split), self.batch_size, rng)

    def _of(self, factor: str, split: str) -> Groups:
        groups = self.groups[factor]
        return groups.chosen(self._test[groups.rows[groups.starts]] == (split == "test"))


def _no_groups(images: LabelledImages, count: int) -> str:
    wanted = f"images that differ in one of {', '.join([*images.labels, 'identity'])} and agree in all others"
    advice = "leave a column out with `ignore`, or give one a `tolerance`"
    return f"{images.title}: expected {wanted}, found none among {count}; {advice}"


def counts_of(dealing: Dealing) -> Iterator[tuple[str, str, int]]:
    """Yield factor, split and number of mini-batches of all that a dealing has."""
    for factor in dealing.factors:
        for split in SPLITS:
            if count := dealing.count(factor, split):
                yield factor, split, count


@dataclass(frozen=True, eq=False)
class GivenMiniBatches:
    """Mini-batches that come with the images: (factor, split) -> (n, N) places."""

    given: MiniBatchRows
    factors: list[str]
    used: Rows

    @classmethod
    def of(cls, images: LabelledImages, good: NDArray[np.bool_], limit: int | None) -> GivenMiniBatches:
        """Return those mini-batches of `images` whose images are all `good`, (M,), up to a `limit` the first.

        BadInput if there are none.
        """
        given = {key: rows[good[rows].all(axis=1)][:limit] for key, rows in (images.minibatches or {}).items()}
        given = {key: rows for key, rows in given.items() if len(rows)}
        if not given:
            raise BadInput(f"{images.title}: expected mini-batches of readable images, found none")
        found = [factor for factor, _ in given]
        factors = [name for name in (*images.labels, *FACTORS) if name in found]
        used = np.unique(np.concatenate([rows.ravel() for rows in given.values()]))
        return cls(given, list(dict.fromkeys(factors)), used)

    def count(self, factor: str, split: str) -> int:
        return len(self.minibatches(factor, split))

    def minibatches(self, factor: str, split: str) -> NDArray[np.int64]:
        return self.given.get((factor, split), np.empty((0, 0), np.int64))
