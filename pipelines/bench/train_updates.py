"""Cost of one update of the weights, by the plain optimiser and by ours, on the same gradients."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dcign.config import TrainConfig
from dcign.model.devices import prepare_cpu
from dcign.model.optimisers import make_optimiser
from pipelines.bench.measuring import finish
from pipelines.bench.plain_optimisers import make_plain_optimiser

VIEWS = ("aten::_unsafe_view",)  # one that does not say so
UPDATES = 12  # of each; the fastest counts


class Operations(TorchDispatchMode):
    """Counts the operations that are asked of the device; views, which ask nothing of it, are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, words: tuple[Any, ...] = (), settings: dict[str, Any] | None = None
    ) -> Any:
        aliases = any(result.alias_info and not result.alias_info.is_write for result in function._schema.returns)
        self.count += not aliases and function._schema.name not in VIEWS
        return function(*words, **(settings or {}))


def measure(named: Iterable[tuple[str, nn.Parameter]], config: TrainConfig) -> dict[str, dict[str, float]]:
    """Return the operations and seconds of one update of these weights, plain and ours.

    Seconds are CPU time of all threads on a CPU, else the time until the device has finished.
    """
    named = list(named)
    generator = torch.Generator().manual_seed(config.seed)
    gradients = [torch.randn(parameter.shape, generator=generator) for _, parameter in named]
    device = named[0][1].device
    if device.type == "cpu":
        prepare_cpu()

    def weights() -> list[tuple[str, nn.Parameter]]:
        copies = [(name, nn.Parameter(parameter.detach().clone())) for name, parameter in named]
        for (_, copy), gradient in zip(copies, gradients, strict=True):
            copy.grad = torch.empty_like(copy).copy_(gradient)
        return copies

    plain = make_plain_optimiser([parameter for _, parameter in weights()], config)
    ours = make_optimiser(weights(), config)
    return {"plain": _cost(plain.step, device), "ours": _cost(ours.step, device)}


def _cost(update: Callable[[], Tensor | float | None], device: torch.device) -> dict[str, float]:
    update()
    with Operations() as operations:
        update()
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    best = float("inf")
    for _ in range(UPDATES):
        finish(device)
        started = clock()
        update()
        finish(device)
        best = min(best, clock() - started)
    return {"operations": operations.count, "seconds": best}
