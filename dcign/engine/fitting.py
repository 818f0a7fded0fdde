"""Fit codes to their images: what the encoder says at a glance, the decoder puts right (analysis by synthesis).

The encoder answers every image with one guess. A few steps down the gradient of the decoder's error take the code of
this very image nearer (semi-amortised inference: Kim et al., 2018). Steps are in units of the posterior's deviation, so
that a code moves only where the encoder was unsure: identity latents are put right, and what they mean stays.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dcign.model.interface import DCIGN

LONGEST = 0.3  # step in posterior deviations: the first, of which the others fall to nothing


def fit_codes(model: DCIGN, images: Tensor, means: Tensor, logvar: Tensor, steps: int) -> Tensor:
    """Return codes (N, Z) that `model` decodes to `images` (N, 1, H, W) with less squared error than `means` (N, Z).

    No latent moves by more than some 0.15 `steps` of its deviation exp(`logvar` / 2). Each code is fitted by itself.
    """
    deviation = (0.5 * logvar).exp()
    moved = torch.zeros_like(means, requires_grad=True)
    optimizer = torch.optim.Adam([moved])
    with torch.enable_grad():
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = LONGEST * (1 - step / steps)
            error = (model.decode(means + deviation * moved) - images).square().sum()
            (moved.grad,) = torch.autograd.grad(error, moved)
            optimizer.step()
    return (means + deviation * moved).detach()
