"""DC-IGN as one would write it from the paper with stock PyTorch: what `dcign bench train` compares with.

Eager, float32, default memory format; nearest upsampling and 7x7 convolutions as modules; the clamp as a formula of
tensors; an optimiser that goes through its parameters one by one; the loss printed at every step, hence `.item()`.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class PlainDCIGN(nn.Module):
    """The networks of section 2; parameters in the order of `dcign.networks.DCIGN`."""

    def __init__(self, widths: tuple[int, int, int], latents: int, size: int) -> None:
        super().__init__()
        a, b, c = widths
        self.encoder = nn.Sequential(
            nn.Conv2d(1, a, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(a, b, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(b, c, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(),
        )  # fmt: skip
        with torch.no_grad():
            features = self.encoder(torch.zeros(1, 1, size, size)).shape[1]
        self.mean = nn.Linear(features, latents)
        self.logvar = nn.Linear(features, latents)
        grid = (size + 90) // 16
        self.decoder = nn.Sequential(
            nn.Linear(latents, c * grid * grid), nn.ReLU(), nn.Unflatten(1, (c, grid, grid)),
            nn.Upsample(scale_factor=2), nn.Conv2d(c, b, 7), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(b, a, 7), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(a, a, 7), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(a, 1, 7),
        )  # fmt: skip

    def forward(self, images: Tensor, active: Tensor, noise: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """Bound on the mini-batch in nats, and what is to be added to it so that inactive latents are pulled together.

        images (N, 1, H, W), active (Z,) bool, noise (N, Z).
        """
        features = self.encoder(images)
        mean, pull_mean = clamp(self.mean(features), active, strength)
        logvar, pull_logvar = clamp(self.logvar(features), active, strength)
        logits = self.decoder(mean + torch.exp(0.5 * logvar) * noise)
        error = functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
        kl = -0.5 * ((1 + logvar - mean**2 - logvar.exp()) * active).sum()
        return error + kl, pull_mean + pull_logvar


def clamp(values: Tensor, active: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Inactive columns replaced by their average, and the term whose gradient is (value - average) x strength."""
    average = values.detach().mean(dim=0)
    pull = 0.5 * strength * ((values - average) ** 2 * ~active).sum()
    return torch.where(active, values, average), pull


class AuthorsRMSProp(torch.optim.Optimizer):
    """The authors' rmsprop, by the formulas in `dcign.optim`; stock Adam has epsilon outside the root."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, b1: float, b2: float) -> None:
        super().__init__(parameters, {"lr": lr, "b1": b1, "b2": b2})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update."""
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


def plain_steps(
    model: PlainDCIGN, optimiser: torch.optim.Optimizer, minibatches: Iterable[tuple[Tensor, Tensor, Tensor]],
    strength: float, device: torch.device,
) -> Generator[float, None, None]:  # fmt: skip
    """Train on what `minibatches` gives, (images, active, noise) as `PlainDCIGN.forward` takes them, images perhaps
    elsewhere; yields the bound after each step.
    """
    for images, active, noise in minibatches:
        images = images.to(device, non_blocking=True)
        optimiser.zero_grad()
        bound, pull = model(images, active, noise, strength)
        (bound + pull).backward()
        optimiser.step()
        yield bound.item()
