"""What is measured while training: sums kept on the device, a line of `stats.jsonl` now and then, NaN found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dcign.errors import Failure
from dcign.training.order import MiniBatchOrder
from render.shards import DataSet

TERMS = ("reconstruction", "kl", "inactive_variance")  # of `dcign.model.step.gradients`, in their order


class NotFinite(Failure):
    """The objective or its gradient became NaN or infinite."""


class Status:
    """Terms of the steps since the last line, summed by factor, (F, 3) on the device.

    accumulate  mini-batches of an update
    """

    def __init__(
        self, folder: Path, data: DataSet, order: MiniBatchOrder, accumulate: int, device: torch.device, step: int
    ) -> None:
        self.folder, self.data, self.order, self.accumulate = folder, data, order, accumulate
        self.row = {factor: number for number, factor in enumerate(data.factors)}
        self.sums = torch.zeros(len(self.row), len(TERMS), dtype=torch.float64, device=device)
        self.minibatches = dict.fromkeys(self.row, 0)
        self.first_bad = torch.tensor(float("inf"), dtype=torch.float64, device=device)
        self.step, self.now, self.waited = step, time.monotonic(), 0.0

    def new_terms(self) -> Tensor:
        """A table (F, 3) of zeros for the terms of one update."""
        return torch.zeros(self.sums.shape, device=self.sums.device)

    def add(self, step: int, terms: Tensor, gradients: list[Tensor]) -> None:
        """Count the terms (F, 3) of the update `step`, summed over its mini-batches, and look at its gradients."""
        self.sums += terms
        for factor, _ in self._minibatches_of(step):
            self.minibatches[factor] += 1
        norms = torch.stack(list(torch._foreach_norm(gradients)))
        good = torch.isfinite(terms).all() & torch.isfinite(norms).all()
        bad = torch.where(good, float("inf"), float(step)).to(torch.float64)
        self.first_bad = torch.minimum(self.first_bad, bad)

    def check_finite(self) -> None:
        """Raise NotFinite naming the first step whose objective was NaN or infinite. Waits for the device."""
        step = float(self.first_bad)
        if step == float("inf"):
            return
        where = ", ".join(
            f"mini-batch {index} of {factor} ({self.data.minibatch(factor, index).shard})"
            for factor, index in self._minibatches_of(int(step))
        )
        raise NotFinite(
            f"the objective became NaN or infinite at step {int(step) + 1}, {where}; "
            f"the last checkpoint in {self.folder} is as it was; try a new run with a lower --learning-rate"
        )

    def _minibatches_of(self, step: int) -> list[tuple[str, int]]:
        return [self.order.at(place) for place in range(step * self.accumulate, (step + 1) * self.accumulate)]

    def line(self, step: int, waited: float) -> dict[str, Any]:
        """A line for `stats.jsonl` about what came since the last one, and a new start.

        waited  seconds that the steps have waited for input since the run began
        """
        now, size = time.monotonic(), self.data.batch_size
        factors = {}
        for factor, count in self.minibatches.items():
            if count:
                error, kl, spread = (self.sums[self.row[factor]] / count).tolist()
                factors[factor] = {
                    "minibatches": count,
                    "reconstruction": error / size,  # nats per image
                    "kl": kl / size,  # nats per image
                    "inactive_variance": spread,
                }
        seconds = max(now - self.now, 1e-9)
        line = {
            "step": step,
            "images": step * self.accumulate * size,
            "images_per_second": round((step - self.step) * self.accumulate * size / seconds, 2),
            "input_wait": round((waited - self.waited) / seconds, 4),  # share of the time
            "factors": factors,
        }
        self.step, self.now, self.waited = step, now, waited
        self.sums.zero_()
        self.minibatches = dict.fromkeys(self.row, 0)
        return line


def summary(line: dict[str, Any]) -> str:
    """A few words about a line of `stats.jsonl`, for the progress bar."""
    factors = line["factors"].values()
    total = sum(factor["minibatches"] for factor in factors)
    error = sum(factor["reconstruction"] * factor["minibatches"] for factor in factors) / max(total, 1)
    bound = (line.get("held_out") or {}).get("bound")
    return f"{error:.0f} nats/image" + ("" if bound is None else f", held-out bound {bound:.0f}")
