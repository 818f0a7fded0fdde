"""Mini-batches on their way to the training device: `open_feed`.

    read      CPU: read from its shard when its turn comes, always into the same memory
    resident  CUDA: the whole data set lies in the memory of the device; a mini-batch is a view of it
    prefetch  CUDA, where it does not fit: read ahead by a thread that fills a ring of buffers while the present step
              runs, copied on a stream beside the computation

    free buffer -> [thread: reads the shard] -> filled -> [consumer: begins the copy] -> leaving -> free

The thread reads bytes and nothing else. All that concerns the device is done by the consumer's thread: calls from
another one would spoil the capture of a CUDA graph.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from itertools import cycle
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from render.shards.data_set import DataSet

RESIDENT_SHARE = 0.5  # of the free memory of the device, for images; the rest is for the network and its activations

Places = Iterable[tuple[str, int]]  # (factor, index of its mini-batch)
BUFFERS = 4  # of one mini-batch each
UPLOADERS = 4  # threads that read the whole data set: one copies fewer bytes a second than a GPU takes
AHEAD = 2  # mini-batches on their way to the device, or there, before they are asked for


class _Source(Protocol):
    def __next__(self) -> Tensor: ...

    def close(self) -> None: ...


class Feed:
    """Iterates over uint8 tensors (N, H, W) on the training device, one for each place, in order.

    Never write to them. On the CPU each holds until the next one is asked for.

    kind    'read', 'resident' or 'prefetch'
    waited  seconds spent in asking for the next one, so far
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
    """Feed the mini-batches of `data` at `places`, which may be endless and is drawn from in time, or ahead.

    On CUDA the data set becomes resident if it takes at most `limit_bytes`, by default RESIDENT_SHARE of the free
    memory. Used as a context manager. Raises ShardError, also later, if a shard has gone or changed.
    """
    if device.type != "cuda":
        return Feed("read", _read(data, places))
    if limit_bytes is None:
        limit_bytes = int(RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0])
    transfer = SideStream(device)
    if resident_bytes(data) > limit_bytes:
        return Feed("prefetch", Prefetch(data, places, transfer))
    resident = upload(data, transfer, device, progress)
    torch.cuda.synchronize(device)  # once: from now on any stream may read them
    return Feed("resident", _resident(resident, places))


def resident_bytes(data: DataSet) -> int:
    """Return the bytes that the images of `data` take."""
    return sum(data.count(factor) for factor in data.factors) * data.batch_size * data.size**2


def upload(data: DataSet, transfer: Transfer, device: torch.device, progress: bool) -> dict[str, Tensor]:
    """Copy all images to `device`: factor -> (B, N, H, W) uint8."""
    places = [(factor, index) for factor in data.factors for index in range(data.count(factor))]
    shape = (data.batch_size, data.size, data.size)
    resident = {
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
    with bar, ExitStack() as stack:
        readers = [
            stack.enter_context(closing(Prefetch(data, places[number::UPLOADERS], transfer)))
            for number in range(UPLOADERS)
        ]
        for (factor, index), reader in zip(places, cycle(readers), strict=False):
            resident[factor][index].copy_(next(reader))
            bar.update()
    return resident


def _read(data: DataSet, places: Places) -> Generator[Tensor, None, None]:
    images = torch.empty((data.batch_size, data.size, data.size), dtype=torch.uint8)  # one: it stays in the CPU's cache
    for factor, index in places:
        data.images(factor, index, images.numpy())
        yield images


def _resident(images: Mapping[str, Tensor], places: Places) -> Generator[Tensor, None, None]:
    for factor, index in places:
        yield images[factor][index]


class Prefetch:
    """Iterates over the mini-batches at `places` as uint8 tensors (N, H, W), brought to a device by `transfer`.

    `places` is drawn from in the thread, up to BUFFERS + AHEAD ahead. What the thread raises, such as ShardError, is
    raised by the iteration in its turn. `close` ends the thread; an iteration that came to its end needs none.
    """

    def __init__(self, data: DataSet, places: Iterable[tuple[str, int]], transfer: Transfer) -> None:
        self._data = data.for_another_thread()
        self._transfer = transfer
        self._free: SimpleQueue[Tensor | None] = SimpleQueue()
        self._filled: SimpleQueue[Tensor | BaseException | None] = SimpleQueue()
        self._leaving: deque[tuple[Tensor, Copied]] = deque()  # buffers
        self._sent: deque[tuple[Tensor, Copied]] = deque()  # on the device
        self._ended = False  # nothing more will be filled
        self._error: BaseException | None = None
        for _ in range(BUFFERS):
            shape = (data.batch_size, data.size, data.size)
            self._free.put(torch.empty(shape, dtype=torch.uint8, pin_memory=transfer.pinned))
        self._thread = Thread(target=self._read, args=(places,), name="prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Prefetch:
        return self

    def __next__(self) -> Tensor:
        while self._leaving and self._leaving[0][1].query():
            self._free.put(self._leaving.popleft()[0])
        while len(self._sent) < AHEAD and not self._ended and self._send(wait=not self._sent):
            pass
        if self._sent:
            images, copied = self._sent.popleft()
            self._transfer.receive(images, copied)
            return images
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        raise StopIteration

    def close(self) -> None:
        """End the thread and let go of what was read ahead."""
        self._ended, self._error = True, None
        self._free.put(None)
        self._thread.join()
        self._sent.clear()
        self._leaving.clear()

    def _send(self, wait: bool) -> bool:
        """Begin the copy of the next filled buffer; False if there is none yet."""
        if wait and len(self._leaving) == BUFFERS:  # the thread has nothing to fill
            buffer, copied = self._leaving.popleft()
            copied.synchronize()
            self._free.put(buffer)
        try:
            filled = self._filled.get(block=wait)
        except Empty:
            return False
        if isinstance(filled, Tensor):
            images, copied = self._transfer.send(filled)
            self._sent.append((images, copied))
            self._leaving.append((filled, copied))
        else:
            self._ended, self._error = True, filled
        return True

    def _read(self, places: Iterable[tuple[str, int]]) -> None:
        """Fill buffers, in the thread; end `filled` with None, or with the exception that stopped it."""
        try:
            for factor, index in places:
                buffer = self._free.get()
                if buffer is None or self._ended:
                    return
                self._data.images(factor, index, buffer.numpy())
                self._filled.put(buffer)
            self._filled.put(None)
        except BaseException as error:
            self._filled.put(error)


class Copied(Protocol):
    """Tells when a copy has left its source; a `torch.cuda.Event`."""

    def query(self) -> bool: ...

    def synchronize(self) -> None: ...


class Transfer(Protocol):
    """A way for a host buffer to reach a device; `pinned` says which kind of buffer it asks for."""

    pinned: bool

    def send(self, buffer: Tensor) -> tuple[Tensor, Copied]:
        """Begin to copy `buffer`, which must stay as it is until the second value says that it has been copied."""

    def receive(self, images: Tensor, copied: Copied) -> None:
        """Let the work that is queued from now on see `images` whole."""


class SideStream:
    """The transfer to a CUDA device. Neither side waits for the other on the host."""

    pinned = True

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)

    def send(self, buffer: Tensor) -> tuple[Tensor, Copied]:
        """Begin to copy `buffer` into a new tensor, whatever the device computes meanwhile."""
        with torch.cuda.stream(self._stream):
            images = buffer.to(self._device, non_blocking=True)
            return images, self._stream.record_event()

    def receive(self, images: Tensor, copied: Copied) -> None:
        """Let the present stream use `images` once they have arrived, and keep their memory until it has."""
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(copied)  # type: ignore[arg-type]
        images.record_stream(stream)  # they belong to the side stream, which would use their memory again at once
