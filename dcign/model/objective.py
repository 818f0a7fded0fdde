"""The objective of SGVB, summed over a mini-batch: -log P(x | z) + KL(Q(z | x) || P(z)) (paper, Figure 1).

The sums run over pixels and images and are not averaged, as in the authors' program: learning rate, invariance
strength and the balance of the two terms refer to them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

GAUSSIAN_DEVIATION = 0.1  # of a pixel's grey value under the Gaussian likelihood: about a mini-batch's error early on


def sample(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z ~ N(mean, diag(exp(logvar))) by reparametrisation (equation 3): mean + exp(logvar / 2) x noise, all (N, Z)."""
    return mean + torch.exp(0.5 * logvar) * noise


def reconstruction(logits: Tensor, images: Tensor, likelihood: str = "bernoulli") -> Tensor:
    """-log P(x | z) in nats, summed over pixels and images; (N, 1, H, W) both, scalar out.

    bernoulli  cross-entropy with p = sigmoid(logit): -x log p - (1 - x) log(1 - p) = softplus(logit) - x logit
    gaussian   (x - p)^2 / (2 s^2) + log(s sqrt(2 pi)), s = GAUSSIAN_DEVIATION; a density, so it may be negative
    """
    logits = logits.float()
    if likelihood == "bernoulli":
        return functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    error = (images - torch.sigmoid(logits)) / GAUSSIAN_DEVIATION
    return 0.5 * error.square().sum() + images.numel() * math.log(GAUSSIAN_DEVIATION * math.sqrt(2 * math.pi))


def divergence(mean: Tensor, logvar: Tensor, share: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)) in nats, summed over images and, by their `share` (Z,), over latents.

    -1/2 (1 + logvar - mean^2 - exp(logvar)) for each value (Kingma and Welling, appendix B); (N, Z) both, scalar out.
    Under the clamp it is taken at the clamped values and its gradient meets the same filter as the reconstruction's, so
    it would never reach an inactive latent; a share of 0 leaves those out of the sum, so that value and gradient agree,
    also where the inactive gradient is shared.
    """
    each = -0.5 * (1.0 + logvar - mean.square() - logvar.exp())
    return (each * share).sum()
