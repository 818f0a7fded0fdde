"""The order of mini-batches: which one is trained on at which step.

The order is a pure function of (seed, step): a run resumes exactly with one integer, and nothing has to be stored.
Factors follow each other at random in their ratio: steps are dealt in blocks of sum(ratio), each block a random
permutation that holds every factor exactly as often as its share says (paper, section 3.1: 'about 1:1:1:10,
azimuth:elevation:lighting:intrinsic'). Within a factor, every epoch is a random permutation of its mini-batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcign.errors import ArgumentError
from render.factors import FACTORS

NAMES = tuple(FACTORS)
_FACTORS_STREAM, _MINIBATCH_STREAM, _NOISE_STREAM = 0, 1, 2  # keep the uses of one seed apart


class MiniBatchOrder:
    """The order of mini-batches of a data set.

    counts  factor -> number of mini-batches, for the factors present
    ratio   shares in the order of `render.factors.FACTORS`, the rest as there; only those of present factors count
    seed    of the order
    """

    def __init__(self, counts: Mapping[str, int], ratio: Sequence[int], seed: int) -> None:
        every = {name: factor.share for name, factor in FACTORS.items()} | dict(zip(FACTORS, ratio, strict=False))
        shares = {factor: share for factor, share in every.items() if counts.get(factor)}
        if not any(shares.values()):
            raise ArgumentError(
                "ratio",
                f"{':'.join(map(str, ratio))} ({':'.join(NAMES[: len(ratio)])}) leaves nothing to train on: "
                f"the shards hold {', '.join(factor for factor in FACTORS if counts.get(factor)) or 'no mini-batch'}",
            )
        self.counts, self.shares, self.seed = dict(counts), shares, seed
        self._block = np.repeat([NAMES.index(factor) for factor in shares], list(shares.values()))

    def at(self, step: int) -> tuple[str, int]:
        """Factor and mini-batch index of `step` (0, 1, ...)."""
        block, slot = divmod(step, len(self._block))
        dealt = _permutation(self.seed, _FACTORS_STREAM, 0, block, len(self._block))
        row = self._block[dealt]
        number = int(row[slot])
        factor = NAMES[number]
        seen = block * self.shares[factor] + int((row[:slot] == number).sum())  # mini-batches of this factor so far
        epoch, position = divmod(seen, self.counts[factor])
        index = _permutation(self.seed, _MINIBATCH_STREAM, number, epoch, self.counts[factor])[position]
        return factor, int(index)


@lru_cache(maxsize=16)
def _permutation(seed: int, stream: int, factor: int, turn: int, length: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.PCG64([seed, stream, factor, turn])).permutation(length)


def noise_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """The generator of the sampling noise of `step`: a pure function of its arguments, as the order is."""
    state = np.random.SeedSequence([seed, _NOISE_STREAM, step]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))


def to_float(images: Tensor) -> Tensor:
    """(N, H, W) uint8 -> (N, 1, H, W) float32 in [0, 1], where they are: bytes travel, floats do not."""
    return images.unsqueeze(1).to(torch.float32).div_(255)
