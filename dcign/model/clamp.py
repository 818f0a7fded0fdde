"""The clamp: the paper's training procedure (section 3.1, steps 4, 5 and 7; section 3.2), on one head of the encoder.

A mini-batch varies one factor. The latents bound to it are active; all others are inactive, and should not know.

    forward   active values pass; every inactive value is replaced by its average over the mini-batch, so only the
              active latents can explain to the decoder what differs between the images
    backward  active gradients pass; every inactive gradient is replaced by (value - average) x invariance strength

Gradient descent subtracts the gradient, so that sign moves each inactive value towards the average and the
within-mini-batch variance shrinks. The replacement is itself a gradient: of strength / 2 x sum of (value - average)^2.

`first` is the reading of the authors' program: inactive values are replaced by those of the first image instead. With
`other`, a step beyond the paper, each image gets those of the image before it, the first those of the last: it is
painted as at use, where one image says what the object is and another how it stands. The pull goes to the average all
the same (in the authors' program it is switched off: strength 0).

With `shared`, another step beyond the paper, the inactive gradient also holds what flows back through the replacement:
every image gets the mini-batch average of the incoming gradients (with `first`, the first image gets their sum; with
`other`, each gets that of the image painted by it). Forward and backward then belong to one scalar function, the
objective of the clamped code plus the invariance term.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dcign.config import INVARIANCE_STRENGTH


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, active: Tensor, strength: float | Tensor, shared: bool, source: str
    ) -> Tensor:
        # Step 4: calculate the average of the representation vectors over the entire batch.
        average = values.mean(dim=-2, keepdim=True)  # (..., 1, Z)
        ctx.save_for_backward(values, average, active)
        ctx.strength, ctx.shared, ctx.source = strength, shared, source
        # Step 5: replace the values z_i != z_train with their averages over the entire batch.
        if source == "other":
            return torch.where(active, values, values.roll(1, dims=-2))
        return torch.where(active, values, values[..., :1, :] if source == "first" else average)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = gradients  # (..., N, Z), of the objective with respect to the clamped values
        values, average, active = ctx.saved_tensors
        # Step 7: replace the gradients of the clamped latents with their difference from the mean, scaled (section
        # 3.2); the gradient at z_train is passed through unchanged.
        inactive = (values - average) * ctx.strength
        if ctx.shared and ctx.source == "first":
            inactive[..., 0, :] += gradient.sum(dim=-2)
        elif ctx.shared and ctx.source == "other":
            inactive += gradient.roll(-1, dims=-2)
        elif ctx.shared:
            inactive += gradient.mean(dim=-2, keepdim=True)
        return torch.where(active, gradient, inactive), None, None, None, None


def clamp(
    values: Tensor,
    active: Tensor,
    strength: float | Tensor = INVARIANCE_STRENGTH,
    shared: bool = False,
    source: str = "mean",
) -> Tensor:
    """Clamp one head of the encoder over a mini-batch in which one factor varies, or over several, each for itself.

    values    (..., N, Z) float: means or log-variances, one row an image
    active    (..., 1, Z) bool on the same device, or (Z,) for one: the latents bound to the factor that varies
    strength  factor on (value - average) in the gradient of the summed objective, or one for each latent (..., 1, Z)
    shared    also pass on the incoming gradients of the inactive values, through their replacement
    source    replace inactive values by their 'mean', by those of the 'first' image, or by those of an 'other' one

    Returns (..., N, Z): active columns as they were, inactive ones constant or, with 'other', moved one row on. With a
    batch of one the average is the value itself, hence no pull; with all latents active this is the identity.
    """
    clamped: Tensor = _Clamp.apply(values, active, strength, shared, source)
    return clamped
