"""The order of mini-batches: which one is trained on at which step.

The order is a pure function of (seed, step): a run resumes exactly with one integer, and nothing has to be stored.
Factors follow each other at random in their ratio: steps are dealt in blocks of sum(ratio), each block a random
permutation that holds every factor exactly as often as its share says (paper, section 3.1: 'about 1:1:1:10,
azimuth:elevation:lighting:intrinsic'). Within a factor, every epoch is a random permutation of its mini-batches. The
numbers of the factors are part of the seeds: the renderer's have theirs, others follow in the order of the data set.

The front may come first, a curriculum (Bengio et al., 2009) that the paper has not: what a nod and a light do to the
picture runs opposite ways on the two sides of a head, and a latent that starts on both may learn one sense for each.
Started near the front it learns one, and keeps it as the sides come in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcign.errors import ArgumentError
from render.factors import FACTORS, MAIN
from render.shards.data_set import DataSet
from render.shards.labels import DEGREES

NAMES = tuple(FACTORS)
FRONT = "azimuth"  # of which 0 degrees are the front
NEAREST = 0.2  # share of the mini-batches that the first steps choose from when the front comes first
_FACTORS_STREAM, _MINIBATCH_STREAM, _NOISE_STREAM, _IMAGES_STREAM = 0, 1, 2, 3  # keep the uses of one seed apart


class MiniBatchOrder:
    """The order of mini-batches of a data set.

    counts  factor -> number of mini-batches, for the factors present
    ratio   shares in the order of `names`, the rest as usual (`usual_share`); only those of present factors count
    seed    of the order
    front   factor -> its mini-batches (count,), those nearest the front first: see `nearest_the_front`
    front_steps  steps over which they come in, from the nearest NEAREST of them to all
    names   of all factors in their order, by default the renderer's
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        ratio: Sequence[int],
        seed: int,
        front: Mapping[str, NDArray[np.int64]] | None = None,
        front_steps: int = 0,
        names: Sequence[str] = NAMES,
    ) -> None:
        if len(ratio) > len(names):
            given = ":".join(map(str, ratio))
            raise ArgumentError("ratio", f"expected {':'.join(names)} or its beginning, found {given}")
        every = {name: usual_share(name) for name in names} | dict(zip(names, ratio, strict=False))
        shares = {factor: share for factor, share in every.items() if counts.get(factor)}
        if not any(shares.values()):
            raise ArgumentError(
                "ratio",
                f"{':'.join(map(str, ratio))} ({':'.join(names[: len(ratio)])}) leaves nothing to train on: "
                f"the shards hold {', '.join(factor for factor in names if counts.get(factor)) or 'no mini-batch'}",
            )
        self.counts, self.shares, self.seed = dict(counts), shares, seed
        self.front, self.front_steps = dict(front or {}), front_steps
        self._numbers = {name: number for number, name in enumerate(dict.fromkeys((*NAMES, *names)))}
        self._factors = list(self._numbers)
        self._block = np.repeat([self._numbers[factor] for factor in shares], list(shares.values()))

    def at(self, step: int) -> tuple[str, int]:
        """Factor and mini-batch index of `step` (0, 1, ...)."""
        block, slot = divmod(step, len(self._block))
        dealt = _permutation(self.seed, _FACTORS_STREAM, 0, block, len(self._block))
        row = self._block[dealt]
        number = int(row[slot])
        factor = self._factors[number]
        seen = block * self.shares[factor] + int((row[:slot] == number).sum())  # mini-batches of this factor so far
        epoch, position = divmod(seen, self.counts[factor])
        index = int(_permutation(self.seed, _MINIBATCH_STREAM, number, epoch, self.counts[factor])[position])
        if step < self.front_steps and factor in self.front:
            share = NEAREST + (1 - NEAREST) * step / self.front_steps
            nearest = math.ceil(share * self.counts[factor])
            index = int(self.front[factor][index * nearest // self.counts[factor]])
        return factor, index


def usual_share(factor: str) -> int:
    """Return the share of the mini-batches of a factor: the paper's 10 for intrinsic, 1 for each label."""
    return FACTORS[factor].share if factor in FACTORS else 1


def names_of_ratio(data: DataSet) -> tuple[str, ...]:
    """Return the factors whose shares a ratio lists: all that the renderer knows, or those of imported images."""
    return data.factors if data.imported else NAMES


def usual_ratio(data: DataSet) -> tuple[int, ...]:
    """Return the ratio of a training that asks for none."""
    return tuple(usual_share(name) for name in (data.factors if data.imported else MAIN))


def has_front(data: DataSet) -> bool:
    """Tell whether the images are labelled with how far they are from the front."""
    return FRONT in data.labels and data.labels[FRONT].unit == DEGREES


def nearest_the_front(data: DataSet, counts: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    """Order the mini-batches of labels other than azimuth, which hold it still, by how far it is from the front.

    counts  factor -> how many of its mini-batches to order, from the first

    Returns factor -> (count,) indices, the nearest first. This reads the azimuths that the shards hold. ArgumentError
    where there are none in degrees.
    """
    if not has_front(data):
        found = ", ".join(f"{name} in {label.unit}" if label.unit else name for name, label in data.labels.items())
        raise ArgumentError("front_first", f"expected images labelled with {FRONT} in {DEGREES}, found {found}")

    def distance(factor: str, index: int) -> float:
        return abs((float(data.minibatch(factor, index).values[FRONT][0]) + 180) % 360 - 180)

    held_still = [factor for factor in data.labels if factor != FRONT and counts.get(factor)]
    return {
        factor: np.argsort([distance(factor, index) for index in range(counts[factor])], kind="stable")
        for factor in held_still
    }


@lru_cache(maxsize=16)
def _permutation(seed: int, stream: int, factor: int, turn: int, length: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.PCG64([seed, stream, factor, turn])).permutation(length)


def sampling_noise(seed: int, step: int, shape: tuple[int, int], device: torch.device) -> Tensor:
    """Draw the noise (N, Z) of `step`, from N(0, 1): a pure function of its arguments, as the order is."""
    return torch.randn(shape, generator=_generator(seed, _NOISE_STREAM, step, device), device=device)


def drawn_images(seed: int, step: int, of: int, device: torch.device) -> Tensor:
    """Draw an order of the `of` images of the mini-batch of `step`, as `sampling_noise` draws: its first are taken."""
    return torch.randperm(of, generator=_generator(seed, _IMAGES_STREAM, step, device), device=device)


def _generator(seed: int, stream: int, step: int, device: torch.device) -> torch.Generator:
    state = np.random.SeedSequence([seed, stream, step]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))


def to_float(images: Tensor) -> Tensor:
    """(N, H, W) uint8 -> (N, 1, H, W) float32 in [0, 1], where they are: bytes travel, floats do not."""
    return images.unsqueeze(1).to(torch.float32).div_(255)
