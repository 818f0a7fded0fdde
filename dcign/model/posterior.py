"""What the decoder sees of a mini-batch's posteriors: the paper's procedure, and those it is compared with.

The encoder gives Q(z | x) = N(mean, exp(logvar)) for each image. A procedure turns these into the posterior that the
code is sampled from, and says how much of its divergence from the prior each latent pays:

    clamped    the paper's (section 3.1): inactive latents are clamped, and pay nothing
    entangled  the paper's baseline (section 4.1.1), 'SGVB without the training procedures': every image for itself
    beta-vae   entangled, with the divergence multiplied by beta (Higgins et al., 2017)
    group-vae  inactive posteriors are multiplied over the mini-batch, whose images share what does not vary, and one
               sample serves them all (Bouchacourt, Tomioka, Nowozin, 2018; Hosoya, 2019); which latents those are is
               known here from the factor. The mini-batch pays for its shared posterior once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dcign.config import TrainConfig
from dcign.model.clamp import clamp


@dataclass(frozen=True)
class Posterior:
    """What the code is sampled from: mean, logvar and noise (N, Z).

    share (Z,) says how much of its divergence each latent pays; the objective takes `weight` times their sum.
    """

    mean: Tensor
    logvar: Tensor
    noise: Tensor
    share: Tensor
    weight: float = 1.0


def posterior(mean: Tensor, logvar: Tensor, noise: Tensor, active: Tensor, config: TrainConfig) -> Posterior:
    """The posterior of `config.procedure`.

    mean, logvar (N, Z) from the encoder, noise (N, Z) ~ N(0, 1), active (Z,) bool, all on one device.
    """
    if config.procedure == "clamped":
        shared, first = config.inactive_gradient == "shared", config.clamp == "first"
        return Posterior(
            clamp(mean, active, config.invariance_strength, shared, first),
            clamp(logvar, active, config.invariance_strength, shared, first),
            noise,
            active.to(mean.dtype),
        )
    if config.procedure == "group-vae":
        common_mean, common_logvar = multiply(mean, logvar)
        return Posterior(
            torch.where(active, mean, common_mean),
            torch.where(active, logvar, common_logvar),
            torch.where(active, noise, noise[:1]),
            torch.where(active, 1.0, 1.0 / len(mean)),
        )
    weight = config.beta if config.procedure == "beta-vae" else 1.0
    return Posterior(mean, logvar, noise, torch.ones_like(mean[0]), weight)


def multiply(mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """The normalised product over images of N(mean, exp(logvar)), (N, Z) both -> its mean and log-variance (1, Z).

    Precisions add up, and the mean is their weighted average: log-sum-exp and softmax of the log-precisions.
    """
    return (
        (torch.softmax(-logvar, dim=0) * mean).sum(dim=0, keepdim=True),
        -torch.logsumexp(-logvar, dim=0, keepdim=True),
    )
