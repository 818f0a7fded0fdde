"""How mini-batches reach the training device: `open_feed`.

mapped    CPU: tensors over the mapped bytes; nothing is copied
resident  CUDA: the whole data set lies in the memory of the device; a mini-batch is a view of it
prefetch  CUDA, where it does not fit: read ahead by a thread, copied beside the computation (prefetch.py)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from dcign.training.prefetch import Prefetch
from dcign.training.side_stream import SideStream, Transfer
from render.shards import DataSet

RESIDENT_SHARE = 0.5  # of the free memory of the device, for images; the rest is for the network and its activations

Places = Iterable[tuple[str, int]]  # (factor, index of its mini-batch)


class _Source(Protocol):
    def __next__(self) -> Tensor: ...

    def close(self) -> None: ...


class Feed:
    """Iterates over uint8 tensors (N, H, W) on the training device, one for each place, in order. Never write to them.

    kind    'mapped', 'resident' or 'prefetch'
    waited  seconds spent in asking for the next one, so far; a mapped file is read only when its tensor is first used
    """

    def __init__(self, kind: str, source: _Source) -> None:
        self.kind, self.waited, self._source = kind, 0.0, source

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Tensor:
        started = time.perf_counter()
        try:
            return next(self._source)
        finally:
            self.waited += time.perf_counter() - started

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()


def open_feed(
    data: DataSet, places: Places, device: torch.device, limit_bytes: int | None = None, progress: bool = True
) -> Feed:
    """The mini-batches of `data` at `places`, which may be endless and is drawn from as they are asked for, or ahead.

    On CUDA the data set becomes resident if it takes at most `limit_bytes`, by default RESIDENT_SHARE of the free
    memory. Used as a context manager. Raises ShardError, also later, if a shard has gone or changed.
    """
    if device.type != "cuda":
        return Feed("mapped", _mapped(data, places))
    if limit_bytes is None:
        limit_bytes = int(RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0])
    transfer = SideStream(device)
    if resident_bytes(data) > limit_bytes:
        return Feed("prefetch", Prefetch(data, places, transfer))
    held = upload(data, transfer, device, progress)
    torch.cuda.synchronize(device)  # once: from now on any stream may read them
    return Feed("resident", _resident(held, places))


def resident_bytes(data: DataSet) -> int:
    """What the images of `data` take."""
    return sum(data.count(factor) for factor in data.factors) * data.batch_size * data.size**2


def upload(data: DataSet, transfer: Transfer, device: torch.device, progress: bool) -> dict[str, Tensor]:
    """factor -> its images on `device`, (B, N, H, W) uint8."""
    places = [(factor, index) for factor in data.factors for index in range(data.count(factor))]
    shape = (data.batch_size, data.size, data.size)
    held = {
        factor: torch.empty((data.count(factor), *shape), dtype=torch.uint8, device=device) for factor in data.factors
    }
    interval = 0.2 if sys.stderr.isatty() else 30.0  # seconds; a log file gets a line now and then
    bar = tqdm(
        desc=f"images to {device.type}",
        total=len(places),
        unit=" mini-batches",
        disable=not progress,
        mininterval=interval,
        maxinterval=interval,
        dynamic_ncols=True,
    )
    with bar, closing(Prefetch(data, places, transfer)) as minibatches:
        for (factor, index), images in zip(places, minibatches, strict=True):
            held[factor][index].copy_(images)
            bar.update()
    return held


def as_tensor(images: NDArray[np.uint8]) -> Tensor:
    """A tensor over the memory of a read-only array, which it keeps alive."""
    return torch.from_numpy(np.asarray(_Writable(images)))


class _Writable:
    """The memory of `array` for torch, which knows no read-only tensors and warns of arrays that are."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def _mapped(data: DataSet, places: Places) -> Generator[Tensor, None, None]:
    for factor, index in places:
        yield as_tensor(data.minibatch(factor, index).images)


def _resident(held: Mapping[str, Tensor], places: Places) -> Generator[Tensor, None, None]:
    for factor, index in places:
        yield held[factor][index]
