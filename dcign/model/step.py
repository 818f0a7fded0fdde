"""One step of the paper's training procedure (section 3.1) on one mini-batch, with the numbers of its eight steps.

    1. Select at random a latent variable z_train which we wish to correspond to one of the factors.
    2. Select at random a mini-batch in which only that variable changes.

These two are `dcign.training.order`; the other six follow here. Steps 4, 5 and 7 are `dcign.model.clamp`.

The encoder gives Q(z | x) = N(mean, exp(logvar)) for each image. A procedure turns these into the posterior that the
code is sampled from, and says how much of its divergence from the prior each latent pays:

    clamped    the paper's (section 3.1): inactive latents are clamped, and pay nothing
    entangled  the paper's baseline (section 4.1.1), 'SGVB without the training procedures': every image for itself
    beta-vae   entangled, with the divergence multiplied by beta (Higgins et al., 2017)
    group-vae  inactive posteriors are multiplied over the mini-batch, whose images share what does not vary, and one
               sample serves them all (Bouchacourt, Tomioka, Nowozin, 2018; Hosoya, 2019); which latents those are is
               known here from the factor. The mini-batch pays for its shared posterior once.

The objective is that of SGVB, summed over the mini-batch: -log P(x | z) + KL(Q(z | x) || P(z)) (paper, Figure 1). The
sums run over pixels and images and are not averaged, as in the authors' program: learning rate, invariance strength and
the balance of the two terms refer to them. `dcign.model.structure` may be a third, a step beyond the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dcign.config import TrainConfig
from dcign.model.clamp import clamp
from dcign.model.devices import autocast
from dcign.model.interface import DCIGN
from dcign.model.structure import dissimilarity


def gradients(
    model: DCIGN, images: Tensor, active: Tensor, noise: Tensor, config: TrainConfig, precision: str = "fp32",
    weights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Add the gradients of one mini-batch's objective to the `.grad` of the model's parameters.

    images (N, 1, H, W) in [0, 1], active (Z,) bool: the latents of the factor that varies, noise (N, Z) ~ N(0, 1), and
    weights (Z,), factors on the divergence of each latent, 1 by default; all on the model's device. Returns (3,) there,
    without waiting for it: reconstruction and KL in nats, summed over the mini-batch, and the variance within the
    mini-batch of the inactive means, averaged over them.

    With active (G, Z) the images are those of G mini-batches of N / G, one after the other, each with a factor of its
    own. They are clamped each for itself, and go through the network together; the terms are (G, 3).
    """
    minibatches = (*active.shape[:-1], -1)  # () or (G,), then the images of each
    active = active.unsqueeze(-2)  # (..., 1, Z)
    # 3. Show the network each example in the mini-batch and capture its latent representation.
    with autocast(precision, images.device):
        mean, logvar = (head.unflatten(0, minibatches) for head in model.encode(images))  # (..., N, Z) each
    # 4. Calculate the average of those representation vectors over the entire batch.
    # 5. Replace the values z_i != z_train with their averages before they reach the decoder.
    seen = posterior(mean, logvar, noise.unflatten(0, minibatches), active, config)
    # 6. Calculate the reconstruction error and backpropagate as per SGVB in the decoder ...
    z = sample(seen.mean, seen.logvar, seen.noise).flatten(0, -2)  # (N, Z)
    with autocast(precision, images.device):
        logits = model.decode_logits(z)
    error = reconstruction(logits, images, config.likelihood, config.deviation).unflatten(0, minibatches).sum(dim=-1)
    kl = divergence(seen.mean, seen.logvar, seen.share if weights is None else seen.share * weights)
    objective = (error + seen.weight * kl).sum()
    if config.structure:
        objective = objective + config.structure * dissimilarity(torch.sigmoid(logits.float()), images)
    # 7. ... where `clamp` replaces the gradients of the clamped latents with their difference from the mean,
    # 8. and backpropagation goes on through the encoder with the modified gradient.
    objective.backward()
    return torch.stack((error.detach(), kl.detach(), inactive_variance(mean.detach(), active.squeeze(-2))), dim=-1)


def inactive_variance(mean: Tensor, active: Tensor) -> Tensor:
    """Variance of the inactive latents within the mini-batch, averaged: (..., N, Z), (..., Z) bool -> (...)."""
    inactive = ~active
    each = (mean - mean.mean(dim=-2, keepdim=True)).square().mean(dim=-2)  # (..., Z)
    return (each * inactive).sum(dim=-1) / inactive.sum(dim=-1).clamp(min=1)


@dataclass(frozen=True)
class Posterior:
    """The distribution that the code is sampled from: mean, logvar and noise (..., N, Z).

    share, broadcast to them, says how much of its divergence each latent pays; the objective takes `weight` times their
    sum.
    """

    mean: Tensor
    logvar: Tensor
    noise: Tensor
    share: Tensor
    weight: float = 1.0


def posterior(mean: Tensor, logvar: Tensor, noise: Tensor, active: Tensor, config: TrainConfig) -> Posterior:
    """Return the posterior that `config.procedure` makes of the encoder's.

    mean, logvar (..., N, Z) from the encoder, noise (..., N, Z) ~ N(0, 1), active (..., 1, Z) bool, all on one device.
    """
    if config.procedure == "clamped":
        shared = config.inactive_gradient == "shared"
        of_mean, of_logvar = pulls(logvar, config)
        return Posterior(
            clamp(mean, active, of_mean, shared, config.clamp),
            clamp(logvar, active, of_logvar, shared, config.clamp),
            noise,
            active.to(mean.dtype),
        )
    if config.procedure == "group-vae":
        common_mean, common_logvar = multiply(mean, logvar)
        return Posterior(
            torch.where(active, mean, common_mean),
            torch.where(active, logvar, common_logvar),
            torch.where(active, noise, noise[..., :1, :]),
            torch.where(active, 1.0, 1.0 / mean.shape[-2]),
        )
    weight = config.beta if config.procedure == "beta-vae" else 1.0
    return Posterior(mean, logvar, noise, torch.ones_like(mean), weight)


def pulls(logvar: Tensor, config: TrainConfig) -> tuple[float | Tensor, float | Tensor]:
    """Return the strengths that pull inactive means and log-variances (..., N, Z) to their averages over a mini-batch.

    absolute  the paper's: both by the invariance strength, in units of the code. A code that shrinks evades it.
    noise     a step beyond the paper: in units of each latent's posterior deviation, which shrinks with the code. The
              pulls are the gradients of strength x KL(N(m, s^2) || N(m', s'^2)) near the averages m', s', to second
              order (m - m')^2 / (2 s'^2) + (log s^2 - log s'^2)^2 / 4.
    """
    if config.invariance_unit == "absolute":
        return config.invariance_strength, config.invariance_strength
    precision = torch.exp(-logvar.detach().mean(dim=-2, keepdim=True))  # (..., 1, Z)
    return config.invariance_strength * precision, config.invariance_strength / 2


def multiply(mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """The normalised product over N images of N(mean, exp(logvar)), (..., N, Z) -> mean and log-variance (..., 1, Z).

    Precisions add up, and the mean is their weighted average: log-sum-exp and softmax of the log-precisions.
    """
    return (
        (torch.softmax(-logvar, dim=-2) * mean).sum(dim=-2, keepdim=True),
        -torch.logsumexp(-logvar, dim=-2, keepdim=True),
    )


def sample(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z ~ N(mean, diag(exp(logvar))) by reparametrisation (equation 3): mean + exp(logvar / 2) x noise. All alike."""
    return mean + torch.exp(0.5 * logvar) * noise


def reconstruction(logits: Tensor, images: Tensor, likelihood: str = "bernoulli", deviation: float = 0.1) -> Tensor:
    """-log P(x | z) in nats under one of `LIKELIHOODS`, summed over the pixels of each image.

    (N, 1, H, W) both, (N,) out; p = sigmoid(logit); `deviation` is that of a pixel's grey value under the Gaussian.
    ValueError for an unknown likelihood.
    """
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"likelihood: expected one of {', '.join(LIKELIHOODS)}, found {likelihood!r}")
    return LIKELIHOODS[likelihood](logits.float(), images, deviation)


def bernoulli(logits: Tensor, images: Tensor, deviation: float) -> Tensor:
    """Cross-entropy: -x log p - (1 - x) log(1 - p) = softplus(logit) - x logit."""
    return functional.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(dim=1)


def gaussian(logits: Tensor, images: Tensor, deviation: float) -> Tensor:
    """(x - p)^2 / (2 s^2) + log(s sqrt(2 pi)), s the deviation; a density, so it may be negative."""
    error = (images - torch.sigmoid(logits)) / deviation
    pixels = images[0].numel()
    return 0.5 * error.square().flatten(1).sum(dim=1) + pixels * math.log(deviation * math.sqrt(2 * math.pi))


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {"bernoulli": bernoulli, "gaussian": gaussian}


def divergence(mean: Tensor, logvar: Tensor, share: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)) in nats, summed over images and, by their `share`, over latents.

    -1/2 (1 + logvar - mean^2 - exp(logvar)) for each value (Kingma and Welling, appendix B); (..., N, Z) both, and a
    share that is broadcast to them; (...) out.
    Under the clamp it is taken at the clamped values and its gradient meets the same filter as the reconstruction's, so
    it would never reach an inactive latent; a share of 0 leaves those out of the sum, so that value and gradient agree,
    also where the inactive gradient is shared.
    """
    each = -0.5 * (1.0 + logvar - mean.square() - logvar.exp())
    return (each * share).sum(dim=(-2, -1))
