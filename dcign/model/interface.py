"""The network as the rest of the program sees it: the model that is trained, and what its kind tells of itself.

A new kind of network is a file with a `DCIGN` and a `Network`, and a line in `dcign.model.networks`.
Shapes: N images, Z latents, H = W = size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dcign.config import TrainConfig
from dcign.errors import RunError


class DCIGN(nn.Module):
    """A deep convolutional inverse graphics network. Its subclasses make `encoder` and `decoder`.

    latents  width Z of the graphics code
    size     side of the square images in pixels
    encoder  images (N, 1, H, W) in [0, 1] -> mean and log-variance of Q(z | x), (N, Z) float32 each
    decoder  graphics codes (N, Z) -> logits of the pixels (N, 1, H, W) float32
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, latents: int, size: int) -> None:
        super().__init__()
        self.latents, self.size = latents, size

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 1, H, W) float in [0, 1] -> mean (N, Z), log-variance (N, Z). RunError for another shape."""
        if images.ndim != 4 or images.shape[1:] != (1, self.size, self.size):
            raise RunError(
                f"the network takes images of shape (N, 1, {self.size}, {self.size}), found {tuple(images.shape)}"
            )
        mean, logvar = self.encoder(images)
        return mean, logvar

    def decode_logits(self, z: Tensor) -> Tensor:
        """Graphics codes (N, Z) -> logits (N, 1, H, W)."""
        logits: Tensor = self.decoder(z)
        return logits

    def decode(self, z: Tensor) -> Tensor:
        """Graphics codes (N, Z) -> images (N, 1, H, W) in [0, 1]."""
        return torch.sigmoid(self.decode_logits(z))


def channels_last(images: Tensor) -> Tensor:
    """Give images (N, 1, H, W) the memory layout that convolutions and pooling are fastest in; nothing is copied.

    With one channel both layouts are the same numbers in memory, and only the strides tell which is meant.
    """
    return images.squeeze(1).unsqueeze(-1).movedim(-1, 1)


class Graph(Protocol):
    """An ONNX graph in the making. A node bears the name of its output, which each of these methods returns."""

    def constant(self, name: str, values: NDArray[Any]) -> str: ...

    def add(self, operation: str, inputs: Sequence[str], output: str, **attributes: Any) -> str: ...

    def convolve(self, x: str, name: str, weight: Tensor, bias: Tensor, **attributes: Any) -> str: ...

    def linear(self, x: str, name: str, weight: Tensor, bias: Tensor, output: str) -> str: ...


class Network(ABC):
    """A kind of network. Checkpoint, ONNX export, model card, benchmark and `dcign runs` ask it what they need."""

    @abstractmethod
    def check_size(self, size: int) -> None:
        """RunError for an image size that it cannot be built for."""

    @abstractmethod
    def build(self, config: TrainConfig, latents: int, size: int) -> DCIGN:
        """Make the model, its initial weights drawn from torch's default generator. RunError as `check_size`."""

    @abstractmethod
    def architecture(self, config: TrainConfig) -> dict[str, Any]:
        """Return what the header of a checkpoint says of its shape, beside `latents` and `size`, as plain JSON."""

    @abstractmethod
    def describe(self, config: TrainConfig) -> str:
        """Return its shape in a word, for lists and messages: '96/64/32'."""

    @abstractmethod
    def write_encoder(self, model: DCIGN, graph: Graph) -> None:
        """Add the nodes that lead from `images` (N, 1, H, W) to `means` (N, Z)."""

    @abstractmethod
    def write_decoder(self, model: DCIGN, graph: Graph) -> None:
        """Add the nodes that lead from `codes` (N, Z) to `images` (N, 1, H, W) in [0, 1]."""
