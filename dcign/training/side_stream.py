"""How a host buffer reaches the training device; `SideStream`: by CUDA, on a stream beside the one that computes."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Copied(Protocol):
    """Tells when a copy has left its source; a `torch.cuda.Event`."""

    def query(self) -> bool: ...

    def synchronize(self) -> None: ...


class Transfer(Protocol):
    """How a host buffer reaches a device; `pinned` says which kind of buffer it asks for."""

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
