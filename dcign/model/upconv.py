"""Up-convolution: nearest x2 upsampling followed by a 7x7 valid convolution, in its exact four-phase form.

Upsampling repeats every source pixel, so an output pixel's 49 taps fall on only 4 x 4 source pixels; which taps share
one depends on the parity ('phase') of the output row and column. In one dimension, output 2i + p reads
sum_k w[k] x[i + (p + k) // 2], k = 0..6: taps {01 23 45 6} for p = 0 and {0 12 34 56} for p = 1. Summing the taps that
meet gives four 4x4 kernels; one small convolution with four times the outputs and a pixel shuffle then yield the same
image with 16 multiplications a pixel instead of 49. The parameters stay the 7x7 kernels of the paper (section 2,
'unpooling followed by convolution'); they are folded in every forward pass, and autograd unfolds the gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 7  # taps along one side of the kernel on the upsampled image
FOLDED = 4  # taps along one side of a phase kernel on the source image


def plain_upconv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The definition, slow: the oracle of `four_phase_upconv`.

    x (N, Cin, h, w), weight (Cout, Cin, 7, 7), bias (Cout,) -> (N, Cout, 2h - 6, 2w - 6).
    """
    upsampled = functional.interpolate(x, scale_factor=2, mode="nearest")
    return functional.conv2d(upsampled, weight, bias)


def phase_map() -> Tensor:
    """The fixed 0/1 map (49, 64) from a flat 7x7 kernel to its four flat 4x4 phase kernels, ordered (p, q, a, b)."""
    line = torch.zeros(2, FOLDED, KERNEL)  # (phase, source tap, kernel tap)
    for phase in range(2):
        for tap in range(KERNEL):
            line[phase, (phase + tap) // 2, tap] = 1.0
    return torch.einsum("pak,qbl->klpqab", line, line).reshape(KERNEL * KERNEL, 4 * FOLDED * FOLDED).contiguous()


def fold(weight: Tensor, phases: Tensor) -> Tensor:
    """7x7 kernels (Cout, Cin, 7, 7) -> phase kernels (Cout, 4, Cin, 4, 4)."""
    outputs, inputs = weight.shape[:2]
    with torch.autocast(weight.device.type, enabled=False):  # sum the taps in float32, round to bfloat16 once
        folded = weight.reshape(outputs, inputs, KERNEL * KERNEL) @ phases
    return folded.view(outputs, inputs, 4, FOLDED, FOLDED).transpose(1, 2)


def four_phase_upconv(x: Tensor, weight: Tensor, bias: Tensor, phases: Tensor) -> Tensor:
    """The same function as `plain_upconv`, with a third of the multiplications. `phases` is `phase_map()`."""
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
        """Uniform in +-1/sqrt(fan_in), as the authors' convolutions."""
        bound = 1.0 / math.sqrt(self.weight.shape[1] * KERNEL * KERNEL)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return four_phase_upconv(x, self.weight, self.bias, self.phases)
