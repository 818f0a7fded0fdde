"""Structural dissimilarity, a term for what people look at (Wang et al., 2004; as a loss: Zhao et al., 2017).

A squared error asks least where a picture is faint: a mouth is a few grey levels in a few hundred pixels, and the best
guess of a line whose place is not quite known is no line. Structural similarity compares windows in their own contrast,
and is greatest where a guess has all the contrast of the truth.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from render.similarity import C1, C2

WINDOW, STRIDE = 8, 4  # pixels: windows without weights, every fourth of them, which costs little beside a convolution
LUMINANCE, CONTRAST = C1 / 255**2, C2 / 255**2  # its constants, of grey values in [0, 1]


def dissimilarity(images: Tensor, truths: Tensor) -> Tensor:
    """1 - SSIM, the mean over windows, times pixels, summed over images: (N, 1, H, W) in [0, 1] both, scalar out.

    H and W are WINDOW at least.
    """
    pairs = torch.cat((images, truths, images.square(), truths.square(), images * truths))
    x, y, xx, yy, xy = functional.avg_pool2d(pairs, WINDOW, STRIDE).split(len(images))  # means over windows
    luminance = (2 * x * y + LUMINANCE) / (x.square() + y.square() + LUMINANCE)
    contrast = (2 * (xy - x * y) + CONTRAST) / (xx - x.square() + yy - y.square() + CONTRAST)
    return images.numel() * (1 - luminance * contrast).mean()
