"""The choices that a network makes at its kinks, taken by one program and repeated by another.

A ReLU passes its input or stops it, a max-pool takes one of four. Where two values nearly tie, rounding decides, and
two programs that compute the same function part: their gradients differ by all that flows through that unit, a few
1e-4 of the norm for one unit in millions. To compare gradients more closely, both have to choose alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class RecordChoices(TorchFunctionMode):
    """While it is entered, notes what every ReLU and every max-pool (2 x 2) chose, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.choices: list[Tensor] = []  # bool: passed; or int64: index into the flat image

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        kind = KINKS.get(function)
        if kind is None:
            return function(*arguments, **(options or {}))
        choice = kind(arguments[0].detach())
        return apply(self._take(choice), arguments[0])

    def _take(self, choice: Tensor) -> Tensor:
        self.choices.append(choice)
        return choice


class RepeatChoices(RecordChoices):
    """While it is entered, ReLUs and max-pools choose as in `recorded`; `turned` counts where they would not have."""

    def __init__(self, recorded: RecordChoices) -> None:
        super().__init__()
        self._recorded: Iterator[Tensor] = iter(recorded.choices)
        self.turned = 0

    def _take(self, choice: Tensor) -> Tensor:
        taken = next(self._recorded).reshape(choice.shape)
        self.turned += int((taken != choice).sum())
        return super()._take(taken)


def apply(choice: Tensor, values: Tensor) -> Tensor:
    """`values` (N, ...) through ReLUs with these choices; or (N, C, H, W) through max-pools with these."""
    if choice.dtype == torch.bool:
        return values * choice
    return values.flatten(2).gather(2, choice.flatten(2)).view(choice.shape)


def _passed(values: Tensor) -> Tensor:
    return values > 0


def _largest(values: Tensor) -> Tensor:
    return functional.max_pool2d(values, 2, return_indices=True)[1]


KINKS: dict[Callable[..., Any], Callable[[Tensor], Tensor]] = {
    functional.relu: _passed,
    functional.max_pool2d: _largest,
    torch.max_pool2d: _largest,  # what older versions of PyTorch call it
}
