"""Mini-batches read ahead: a thread fills a ring of buffers while the present step runs.

    free buffer -> [thread: bytes of the mapped file] -> filled -> [consumer: begins the copy] -> leaving -> free

The thread copies bytes and nothing else. All that concerns the device is done by the consumer's thread: calls from
another one would spoil the capture of a CUDA graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np
import torch
from torch import Tensor

from dcign.training.side_stream import Copied, Transfer
from render.shards import DataSet

BUFFERS = 4  # of one mini-batch each
AHEAD = 2  # mini-batches on their way to the device, or there, before they are asked for


class Prefetch:
    """Iterates over the mini-batches at `places` as uint8 tensors (N, H, W), brought to a device by `transfer`.

    `places` is drawn from in the thread, up to BUFFERS + AHEAD ahead. What the thread raises, such as ShardError, is
    raised by the iteration in its turn. `close` ends the thread; an iteration that came to its end needs none.
    """

    def __init__(self, data: DataSet, places: Iterable[tuple[str, int]], transfer: Transfer) -> None:
        self._data = DataSet(data.folder, data.split, data.manifest)  # a data set serves one thread
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
        """What the thread does; ends `filled` with None, or with the exception that stopped it."""
        try:
            for factor, index in places:
                buffer = self._free.get()
                if buffer is None or self._ended:
                    return
                np.copyto(buffer.numpy(), self._data.minibatch(factor, index).images)
                self._filled.put(buffer)
            self._filled.put(None)
        except BaseException as error:
            self._filled.put(error)
