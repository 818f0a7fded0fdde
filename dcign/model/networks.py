"""The networks of DC-IGN (paper, section 2 and Figure 1): a convolutional encoder and an up-convolutional decoder.

    encoder  3 x (conv 5x5 valid, max-pool 2, ReLU), then two linear heads: mean and log-variance of Q(z | x)
    decoder  linear, ReLU, 4 x (nearest x2 upsampling, conv 7x7 valid), ReLU between them; logits out

At 150 x 150 with the paper's widths 96/64/32 both bottlenecks are 32 x 15 x 15 = 7200 wide; the authors' program has
96/48/24. Shapes below: N images, Z latents, H = W = size.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcign.config import PAPER_WIDTHS
from dcign.errors import RunError
from dcign.model.upconv import UpConv

PAPER_SIZE = 150
SMALLEST_GRID = 9  # the decoder's start for 54 x 54; a smaller one would leave the encoder 2 x 2 pixels or fewer


def decoder_grid(size: int) -> int:
    """Side h of the decoder's first feature map: four up-convolutions h -> 2h - 6 end at 16h - 90 = size.

    Raises RunError for an image size that the decoder cannot end at.
    """
    grid, remainder = divmod(size + 90, 16)
    if remainder or grid < SMALLEST_GRID:
        low = max(grid, SMALLEST_GRID)
        near = f"{16 * low - 90} or {16 * (low + 1) - 90}" if grid >= SMALLEST_GRID else "54"
        raise RunError(
            f"images of {size} x {size} do not fit the network: possible sizes are 54, 70, ..., 134, 150, ... "
            f"(16 h - 90; nearest: {near}); render with another --size"
        )
    return grid


def encoder_grid(size: int) -> int:
    """Side of the encoder's last feature map: three times a 5x5 valid convolution and a halving (15 at 150)."""
    for _ in range(3):
        size = (size - 4) // 2
    return size


def channels_last(images: Tensor) -> Tensor:
    """Images (N, 1, H, W) in the layout that convolutions and pooling are fastest in, and hand on; nothing is copied.

    With one channel both layouts are the same numbers in memory, and only the strides tell which is meant.
    """
    return images.squeeze(1).unsqueeze(-1).movedim(-1, 1)


class Encoder(nn.Module):
    """Images (N, 1, H, W) in [0, 1] -> mean and log-variance of Q(z | x), (N, Z) float32 each (equations 1 and 2)."""

    def __init__(self, widths: tuple[int, int, int], latents: int, size: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 5) for inputs, outputs in zip((1, *widths[:2]), widths, strict=True)
        )
        features = widths[2] * encoder_grid(size) ** 2
        self.mean = nn.Linear(features, latents)
        self.logvar = nn.Linear(features, latents)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = channels_last(images)
        for convolution in self.convolutions:
            x = functional.relu(functional.max_pool2d(convolution(x), 2))  # pool first: a quarter of the ReLUs
        # The code keeps float32 under autocast: clamping works with small differences from the mini-batch mean.
        with torch.autocast(images.device.type, enabled=False):
            x = x.float().flatten(1)
            return self.mean(x), self.logvar(x)


class Decoder(nn.Module):
    """Graphics codes (N, Z) -> logits of the pixels (N, 1, H, W) float32."""

    def __init__(self, widths: tuple[int, int, int], latents: int, size: int) -> None:
        super().__init__()
        self.start = (widths[2], decoder_grid(size), decoder_grid(size))
        self.linear = nn.Linear(latents, math.prod(self.start))
        channels = (widths[2], widths[1], widths[0], widths[0], 1)
        self.upconvolutions = nn.ModuleList(UpConv(inputs, outputs) for inputs, outputs in itertools.pairwise(channels))

    def forward(self, z: Tensor) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            x = self.linear(z)
        x = x.unflatten(1, self.start).contiguous(memory_format=torch.channels_last)
        for upconvolution in self.upconvolutions:
            x = upconvolution(functional.relu(x))
        return x.float()


class DCIGN(nn.Module):
    """The deep convolutional inverse graphics network.

    widths   maps of the three encoder layers; the decoder mirrors them
    latents  width Z of the graphics code
    size     side of the square images in pixels: 54, 70, ..., 134, 150, ... (RunError otherwise)
    """

    def __init__(self, widths: tuple[int, int, int] = PAPER_WIDTHS, latents: int = 200, size: int = PAPER_SIZE) -> None:
        super().__init__()
        self.widths, self.latents, self.size = widths, latents, size
        decoder_grid(size)  # refuse an impossible size before anything is built
        self.encoder = Encoder(widths, latents, size)
        self.decoder = Decoder(widths, latents, size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' initial values: linear N(0, 0.01) in weights and bias, convolutions uniform +-1/sqrt(fan_in)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.01)
                nn.init.normal_(module.bias, 0.0, 0.01)
            elif isinstance(module, nn.Conv2d):
                bound = 1.0 / math.sqrt(module.in_channels * module.kernel_size[0] * module.kernel_size[1])
                nn.init.uniform_(module.weight, -bound, bound)
                if module.bias is not None:
                    nn.init.uniform_(module.bias, -bound, bound)
            elif isinstance(module, UpConv):
                module.reset_parameters()

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 1, H, W) float in [0, 1] -> mean (N, Z), log-variance (N, Z)."""
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
