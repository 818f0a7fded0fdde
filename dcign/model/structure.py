"""Structural dissimilarity, a term for what people look at (Wang et al., 2004; as a loss: Zhao et al., 2017).

A squared error asks least where a picture is faint: a mouth is a few grey levels in a few hundred pixels, and the best
guess of a line whose place is not quite known is no line. Structural similarity compares windows in their own contrast,
and is greatest where a guess has all the contrast of the truth.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from render.similarity import C1, C2

WINDOW, STRIDE = 8, 4  # pixels: windows without weights, every fourth of them, which costs little beside a convolution
LUMINANCE, CONTRAST = C1 / 255**2, C2 / 255**2  # its constants, of grey values in [0, 1]


def dissimilarity(images: Tensor, truths: Tensor) -> Tensor:
    """1 - SSIM, the mean over windows, times pixels, summed over images: (N, 1, H, W) in [0, 1] both, scalar out.

    H and W are WINDOW at least.
    """
    x, y, xy = window_means(images), window_means(truths), window_means(images * truths)
    squares = window_means(images.square() + truths.square())
    luminance = (2 * x * y + LUMINANCE) / (x.square() + y.square() + LUMINANCE)
    contrast = (2 * (xy - x * y) + CONTRAST) / (squares - x.square() - y.square() + CONTRAST)
    return images.numel() * (1 - luminance * contrast).mean()


def window_means(images: Tensor) -> Tensor:
    """Return the mean of every window, (N, 1, H, W) -> (N, 1, h, w); cells that windows share are summed once."""
    return functional.avg_pool2d(functional.avg_pool2d(images, STRIDE), WINDOW // STRIDE, stride=1)
