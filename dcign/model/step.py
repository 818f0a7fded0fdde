"""One mini-batch of the paper's training procedure (section 3.1), with the numbers of its eight steps.

    1. Select at random a latent variable z_train which we wish to correspond to one of the factors.
    2. Select at random a mini-batch in which only that variable changes.

These two are `dcign.training.order`; the other six follow here. Steps 4, 5 and 7 are `dcign.model.clamp`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dcign.config import TrainConfig
from dcign.model.devices import autocast
from dcign.model.networks import DCIGN
from dcign.model.objective import divergence, reconstruction, sample
from dcign.model.posterior import posterior


def gradients(
    model: DCIGN, images: Tensor, active: Tensor, noise: Tensor, config: TrainConfig, precision: str = "fp32",
    weights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Add the gradients of one mini-batch's objective to the `.grad` of the model's parameters.

    images (N, 1, H, W) in [0, 1], active (Z,) bool: the latents of the factor that varies, noise (N, Z) ~ N(0, 1), and
    weights (Z,), factors on the divergence of each latent, 1 by default; all on the model's device. Returns (3,) there,
    without waiting for it: reconstruction and KL in nats, summed over the mini-batch, and the variance within the
    mini-batch of the inactive means, averaged over them.
    """
    # 3. Show the network each example in the mini-batch and capture its latent representation.
    with autocast(precision, images.device):
        mean, logvar = model.encode(images)  # (N, Z) each
    # 4. Calculate the average of those representation vectors over the entire batch.
    # 5. Replace the values z_i != z_train with their averages before they reach the decoder.
    seen = posterior(mean, logvar, noise, active, config)
    # 6. Calculate the reconstruction error and backpropagate as per SGVB in the decoder ...
    z = sample(seen.mean, seen.logvar, seen.noise)
    with autocast(precision, images.device):
        logits = model.decode_logits(z)
    error = reconstruction(logits, images, config.likelihood)
    kl = divergence(seen.mean, seen.logvar, seen.share if weights is None else seen.share * weights)
    # 7. ... where `clamp` replaces the gradients of the clamped latents with their difference from the mean,
    # 8. and backpropagation goes on through the encoder with the modified gradient.
    (error + seen.weight * kl).backward()
    return torch.stack((error.detach(), kl.detach(), inactive_variance(mean.detach(), active)))


def inactive_variance(mean: Tensor, active: Tensor) -> Tensor:
    """Variance of the inactive latents within the mini-batch, averaged over them: (N, Z), (Z,) bool -> scalar."""
    inactive = ~active
    each = (mean - mean.mean(dim=0, keepdim=True)).square().mean(dim=0)  # (Z,)
    return (each * inactive).sum() / inactive.sum().clamp(min=1)
