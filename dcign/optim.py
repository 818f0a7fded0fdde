"""The authors' 'rmsprop' (paper, section 4: meta learning rate 0.0005, momentum decay 0.1, weight decay 0.01).

With g the gradient of the mini-batch sum, b1 the momentum decay, b2 the update decay and t = 1, 2, ... the update:

    m <- (1 - b1) m + b1 g
    v <- (1 - b2) v + b2 g^2
    x <- x - lr sqrt(1 - (1 - b2)^t) / (1 - (1 - b1)^t)  m / sqrt(v + 1e-8)

These are the formulas of the authors' program: Adam with betas (1 - b1, 1 - b2) and epsilon inside the root. What the
paper calls 'weight decay 0.01' is b2; no weights decay.

A running average of the weights may be kept beside them, a step beyond the paper: mini-batches that vary one factor
each pull the weights to and fro, and their average sees less of it (Polyak and Juditsky, 1992).

    a <- k a + (1 - k) x,    k = min(weight average, (1 + t) / (10 + t)), so that the start is soon forgotten
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

EPSILON = 1e-8  # inside the root


class RMSPropAuthors:
    """Updates named parameters in place from their `.grad`.

    learning_rate   step size for the gradient summed over a mini-batch
    momentum_decay  b1, share of the new gradient in m
    update_decay    b2, share of the new squared gradient in v
    weight_average  share of the averaged weights that an update keeps; 0: no average is kept
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        learning_rate: float = 5e-4,
        momentum_decay: float = 0.1,
        update_decay: float = 0.01,
        weight_average: float = 0.0,
    ) -> None:
        named = dict(named_parameters)
        self.names: list[str] = list(named)
        self.parameters: list[Tensor] = list(named.values())
        self.learning_rate, self.momentum_decay, self.update_decay = learning_rate, momentum_decay, update_decay
        self.mean = [torch.zeros_like(parameter) for parameter in self.parameters]  # m
        self.square = [torch.zeros_like(parameter) for parameter in self.parameters]  # v
        self.weight_average = weight_average
        self.average = [parameter.detach().clone() for parameter in self.parameters] if weight_average else []  # a
        self.updates = 0  # t

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter, a few fused operations over all of them at once."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        b1, b2 = self.momentum_decay, self.update_decay
        self.updates += 1
        torch._foreach_lerp_(self.mean, gradients, b1)
        torch._foreach_mul_(self.square, 1.0 - b2)
        torch._foreach_addcmul_(self.square, gradients, gradients, b2)
        root = torch._foreach_add(self.square, EPSILON)
        torch._foreach_sqrt_(root)
        correction = math.sqrt(1.0 - (1.0 - b2) ** self.updates) / (1.0 - (1.0 - b1) ** self.updates)
        torch._foreach_addcdiv_(self.parameters, self.mean, root, -self.learning_rate * correction)
        if self.average:
            keep = min(self.weight_average, (1 + self.updates) / (10 + self.updates))
            torch._foreach_lerp_(self.average, self.parameters, 1.0 - keep)

    def state(self) -> dict[str, Tensor]:
        """m, v and a as 'mean.', 'square.' and 'average.<parameter>'; t, the updates, is kept by the caller."""
        buffers = (("mean", self.mean), ("square", self.square), ("average", self.average))
        return {
            f"{buffer}.{name}": value
            for buffer, values in buffers
            for name, value in zip(self.names, values, strict=bool(values))
        }

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from what `state()` gave after `updates` updates."""
        for name, value in self.state().items():
            value.copy_(state[name])
        self.updates = updates
