"""The paper's network (section 2 and Figure 1): a convolutional encoder and an up-convolutional decoder.

    encoder  3 x (conv 5x5 valid, max-pool 2, ReLU), then two linear heads: mean and log-variance of Q(z | x)
    decoder  linear, ReLU, 4 x (nearest x2 upsampling, conv 7x7 valid), ReLU between them; logits out

At 150 x 150 with the paper's widths 96/64/32 both bottlenecks are 32 x 15 x 15 = 7200 wide; the authors' program has
96/48/24. Shapes below: N images, Z latents, H = W = size.

The up-convolution is computed in an exact four-phase form. Upsampling repeats every source pixel, so an output pixel's
49 taps fall on only 4 x 4 source pixels; which taps share one depends on the parity ('phase') of the output row and
column. In one dimension, output 2i + p reads sum_k w[k] x[i + (p + k) // 2], k = 0..6: taps {01 23 45 6} for p = 0 and
{0 12 34 56} for p = 1. Summing the taps that meet gives four 4x4 kernels; one small convolution with four times the
outputs and a pixel shuffle then yield the same image with 16 multiplications a pixel instead of 49. The parameters stay
the 7x7 kernels of the paper (section 2, 'unpooling followed by convolution'); they are folded in every forward pass,
and autograd unfolds the gradient.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dcign.config import PAPER_WIDTHS, TrainConfig, join
from dcign.model.interface import DCIGN, Graph, Network, channels_last
from dcign.model.paper_sizes import PAPER_SIZE, decoder_grid

KERNEL = 7  # taps along one side of the kernel on the upsampled image
FOLDED = 4  # taps along one side of a phase kernel on the source image


def encoder_grid(size: int) -> int:
    """Return the side of the encoder's last feature map: three times a 5x5 valid convolution and a halving."""
    for _ in range(3):
        size = (size - 4) // 2
    return size


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
            assert isinstance(convolution, nn.Conv2d)
            x = functional.relu(pooled_convolution(x, convolution))  # pool first: a quarter of the ReLUs
        # The code keeps float32 under autocast: clamping works with small differences from the mini-batch mean.
        with torch.autocast(images.device.type, enabled=False):
            x = x.float().flatten(1)
            return self.mean(x), self.logvar(x)


def pooled_convolution(x: Tensor, convolution: nn.Conv2d, bias_last: bool | None = None) -> Tensor:
    """Convolve and max-pool by 2: (N, Cin, H, W) -> (N, Cout, h // 2, w // 2).

    bias_last  add the bias after pooling, which is the same function. By default so on a GPU, where adding it is a pass
               of its own, and so is its gradient: of a quarter of the numbers. On a CPU the convolution adds it.
    """
    if bias_last is None:
        bias_last = x.is_cuda
    if not bias_last:
        return functional.max_pool2d(convolution(x), 2)
    assert convolution.bias is not None
    pooled = functional.max_pool2d(functional.conv2d(x, convolution.weight), 2)
    return pooled + convolution.bias.to(pooled.dtype)[:, None, None]


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


class PaperDCIGN(DCIGN):
    """The network of the paper.

    widths   maps of the three encoder layers; the decoder mirrors them
    latents  width Z of the graphics code
    size     side of the square images in pixels: 54, 70, ..., 134, 150, ... (RunError otherwise)
    """

    def __init__(self, widths: tuple[int, int, int] = PAPER_WIDTHS, latents: int = 200, size: int = PAPER_SIZE) -> None:
        decoder_grid(size)  # refuse an impossible size before anything is built
        super().__init__(latents, size)
        self.widths = widths
        self.encoder: Encoder = Encoder(widths, latents, size)
        self.decoder: Decoder = Decoder(widths, latents, size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the authors' initial values: linear N(0, 0.01) with bias, convolutions uniform in +-1/sqrt(fan_in)."""
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


def plain_upconv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Upsample and convolve as the definition says, slowly: the oracle of `four_phase_upconv`.

    x (N, Cin, h, w), weight (Cout, Cin, 7, 7), bias (Cout,) -> (N, Cout, 2h - 6, 2w - 6).
    """
    upsampled = functional.interpolate(x, scale_factor=2, mode="nearest")
    return functional.conv2d(upsampled, weight, bias)


def phase_map() -> Tensor:
    """Return the fixed 0/1 map (49, 64) from a flat 7x7 kernel to its four flat 4x4 phase kernels, as (p, q, a, b)."""
    line = torch.zeros(2, FOLDED, KERNEL)  # (phase, source tap, kernel tap)
    for phase in range(2):
        for tap in range(KERNEL):
            line[phase, (phase + tap) // 2, tap] = 1.0
    return torch.einsum("pak,qbl->klpqab", line, line).reshape(KERNEL * KERNEL, 4 * FOLDED * FOLDED).contiguous()


def fold(weight: Tensor, phases: Tensor) -> Tensor:
    """Fold 7x7 kernels (Cout, Cin, 7, 7) into phase kernels (Cout, 4, Cin, 4, 4)."""
    outputs, inputs = weight.shape[:2]
    with torch.autocast(weight.device.type, enabled=False):  # sum the taps in float32, round to bfloat16 once
        folded = weight.reshape(outputs, inputs, KERNEL * KERNEL) @ phases
    return folded.view(outputs, inputs, 4, FOLDED, FOLDED).transpose(1, 2)


def four_phase_upconv(x: Tensor, weight: Tensor, bias: Tensor, phases: Tensor) -> Tensor:
    """Compute `plain_upconv` with a third of the multiplications. `phases` is `phase_map()`."""
    kernels = fold(weight, phases)
    if len(bias) == 1:  # the gradient of this one is a long sum that nearly cancels: autograd does it best
        return functional.pixel_shuffle(functional.conv2d(x, kernels.flatten(0, 1)), 2) + bias
    # Ordered (p, q, channel), each output row is made of runs of 2 Cout numbers of y, and moving runs is fast.
    y = functional.conv2d(x, kernels.transpose(0, 1).flatten(0, 1), bias.repeat(4))  # (N, 4 Cout, h - 3, w - 3)
    runs = y.movedim(1, -1).unflatten(-1, (2, 2 * len(bias)))  # (N, h - 3, w - 3, p, q x channel)
    return runs.transpose(2, 3).reshape(len(y), 2 * y.shape[2], 2 * y.shape[3], len(bias)).movedim(-1, 1)


class UpConv(nn.Module):
    """Nearest x2 upsampling and 7x7 valid convolution: (N, Cin, h, w) -> (N, Cout, 2h - 6, 2w - 6)."""

    phases: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.register_buffer("phases", phase_map(), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the authors' initial values: uniform in +-1/sqrt(fan_in)."""
        bound = 1.0 / math.sqrt(self.weight.shape[1] * KERNEL * KERNEL)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return four_phase_upconv(x, self.weight, self.bias, self.phases)


class PaperNetwork(Network):
    """The paper's network, whose shape is three widths."""

    def check_size(self, size: int) -> None:
        decoder_grid(size)

    def build(self, config: TrainConfig, latents: int, size: int) -> PaperDCIGN:
        a, b, c = config.widths
        return PaperDCIGN((a, b, c), latents, size)

    def architecture(self, config: TrainConfig) -> dict[str, Any]:
        return {"widths": list(config.widths)}

    def describe(self, config: TrainConfig) -> str:
        return join(config.widths, "/")

    def write_encoder(self, model: DCIGN, graph: Graph) -> None:
        assert isinstance(model, PaperDCIGN)
        x = "images"
        for number, convolution in enumerate(model.encoder.convolutions, 1):
            assert isinstance(convolution, nn.Conv2d)
            assert convolution.bias is not None
            x = graph.convolve(x, f"convolution{number}", convolution.weight, convolution.bias)
            x = graph.add("MaxPool", [x], f"pool{number}", kernel_shape=[2, 2], strides=[2, 2])
            x = graph.add("Relu", [x], f"relu{number}")
        x = graph.add("Flatten", [x], "features", axis=1)
        mean = model.encoder.mean
        graph.linear(x, "mean", mean.weight, mean.bias, "means")

    def write_decoder(self, model: DCIGN, graph: Graph) -> None:
        assert isinstance(model, PaperDCIGN)
        decoder = model.decoder
        x = graph.linear("codes", "linear", decoder.linear.weight, decoder.linear.bias, "features")
        start = graph.constant("grid", np.asarray([-1, *decoder.start], np.int64))
        x = graph.add("Reshape", [x, start], "maps")
        for number, upconvolution in enumerate(decoder.upconvolutions, 1):
            assert isinstance(upconvolution, UpConv)
            kernels = fold(upconvolution.weight, upconvolution.phases).flatten(0, 1)
            x = graph.add("Relu", [x], f"relu{number}")
            x = graph.convolve(x, f"upconvolution{number}", kernels, upconvolution.bias.repeat_interleave(4))
            x = graph.add("DepthToSpace", [x], f"shuffle{number}", blocksize=2, mode="CRD")  # PyTorch's pixel shuffle
        graph.add("Sigmoid", [x], "images")
