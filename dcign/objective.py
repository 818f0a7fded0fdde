"""The objective of SGVB, summed over a mini-batch: -log P(x | z) + KL(Q(z | x) || P(z)) (paper, Figure 1).

The sums run over pixels and images and are not averaged, as in the authors' program: learning rate, invariance
strength and the balance of the two terms refer to them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sample(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z ~ N(mean, diag(exp(logvar))) by reparametrisation (equation 3): mean + exp(logvar / 2) x noise, all (N, Z)."""
    return mean + torch.exp(0.5 * logvar) * noise


def reconstruction(logits: Tensor, images: Tensor) -> Tensor:
    """-log P(x | z): Bernoulli cross-entropy in nats, summed over pixels and images; (N, 1, H, W) both, scalar out.

    With p = sigmoid(logit): -x log p - (1 - x) log(1 - p) = softplus(logit) - x logit.
    """
    return functional.binary_cross_entropy_with_logits(logits.float(), images, reduction="sum")


def divergence(mean: Tensor, logvar: Tensor, active: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)) in nats, summed over images and active latents; (N, Z) both, scalar out.

    -1/2 (1 + logvar - mean^2 - exp(logvar)) for each value (Kingma and Welling, appendix B). It is taken at the clamped
    values and its gradient meets the same filter as the reconstruction's, so it would never reach an inactive latent;
    leaving those out of the sum makes value and gradient agree, also where the inactive gradient is shared.
    """
    each = -0.5 * (1.0 + logvar - mean.square() - logvar.exp())
    return (each * active).sum()
