"""The optimisers of the plain program: as one would write those of `dcign train` with stock PyTorch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dcign.config import TrainConfig


class AuthorsRMSProp(torch.optim.Optimizer):
    """The authors' rmsprop, by the formulas in `dcign.model.optimisers`; stock Adam has epsilon outside the root."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, b1: float, b2: float) -> None:
        super().__init__(parameters, {"lr": lr, "b1": b1, "b2": b2})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights once."""
        for group in self.param_groups:
            lr, b1, b2 = group["lr"], group["b1"], group["b2"]
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["t"], state["m"], state["v"] = 0, torch.zeros_like(parameter), torch.zeros_like(parameter)
                state["t"] += 1
                state["m"].mul_(1 - b1).add_(parameter.grad, alpha=b1)
                state["v"].mul_(1 - b2).addcmul_(parameter.grad, parameter.grad, value=b2)
                correction = math.sqrt(1 - (1 - b2) ** state["t"]) / (1 - (1 - b1) ** state["t"])
                parameter.addcdiv_(state["m"], (state["v"] + 1e-8).sqrt(), value=-lr * correction)


class PlainMuon(torch.optim.Optimizer):
    """Muon, by the formulas in `dcign.model.optimisers`; stock Muon takes matrices only."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, b1: float) -> None:
        super().__init__(parameters, {"lr": lr, "b1": b1})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights once."""
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["m"] = torch.zeros_like(parameter)
                mean = state["m"].lerp_(parameter.grad, group["b1"])
                matrix = mean.flatten(1) if mean.ndim > 1 else mean[None]
                length = 0.2 * math.sqrt(max(matrix.shape))
                parameter.add_(orthogonal(matrix).view_as(parameter), alpha=-group["lr"] * length)


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix with orthogonal rows (columns, if it has more rows): Newton and Schulz on M M^T."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    a, b, c = 3.4445, -4.7750, 2.0315
    matrix = matrix / (torch.linalg.vector_norm(matrix) + 1e-30)
    square = matrix @ matrix.T
    product = identity = torch.eye(len(square), dtype=matrix.dtype, device=matrix.device)
    for _ in range(5):
        step = a * identity + b * square + c * (square @ square)
        product = step @ product
        square = step @ square @ step
    return product @ matrix


def make_plain_optimiser(parameters: Iterable[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """Return the plain form of the optimiser that `config` asks for."""
    lr, b1, b2 = config.learning_rate, config.momentum_decay, config.update_decay
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            parameters, lr, alpha=1 - b2, eps=1e-8, momentum=b1, weight_decay=config.weight_decay, foreach=False
        )
    return PlainMuon(parameters, lr, b1) if config.optimizer == "muon" else AuthorsRMSProp(parameters, lr, b1, b2)
