"""Checks that the plain training and ours are one training: gradients of a step, and losses of the first steps.

A ReLU passes its input or stops it, a max-pool takes one of four. Where two values nearly tie, rounding decides, and
two programs that compute the same function part: their gradients differ by all that flows through that unit, a few
1e-4 of the norm for one unit in millions. To compare gradients more closely, both have to choose alike: the choices of
one program are recorded, and repeated by the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from dcign.model.step import gradients
from dcign.training.order import to_float
from pipelines.bench.train_loops import Setting, Training


def curve(setting: Setting, program: str, steps: int) -> list[float]:
    """Return the bound of each of the first steps, in nats an image; program 'plain' or 'fp32'."""
    training = Training(setting)
    if program == "plain":
        bounds = list(islice(training.plain_steps(), steps))
    else:
        bounds = [float(terms[:, :2].sum()) for terms in islice(training.steps("fp32"), steps)]
    return [bound / training.data.batch_size for bound in bounds]


def gradient_differences(setting: Setting, exact: bool = False) -> dict[str, Any]:
    """Measure how far apart the gradients of the first step are, by parameter: norm of the difference / norm.

    'ours to plain' in fp32, with the choices of ReLUs and max-pools alike (see `RepeatChoices`); 'turned' is the number
    of choices that rounding would turn over, and 'with turned' the difference with them. With `exact` also 'plain to
    float64' and 'ours to float64', the rounding of either: against the plain program in float64.
    """
    training = Training(setting)
    factor, index = training.order.at(0)
    images = to_float(torch.from_numpy(training.data.images(factor, index)).to(training.device))
    active, noise = training.active[factor], training.noise(0)
    model = training.model()
    names = [name for name, _ in model.named_parameters()]

    def plain(dtype: torch.dtype, choices: AbstractContextManager[object]) -> list[Tensor]:
        model = training.plain_model().to(dtype)
        with choices:
            bound, pull = model(images.to(dtype), active, noise.to(dtype), training.config.invariance_strength)
        (bound + pull).backward()
        return _gradients(model)

    with RecordChoices() as ours_chose:
        gradients(model, images, active, noise, training.config, "fp32")
    ours = _gradients(model)
    alike = RepeatChoices(ours_chose)
    theirs = plain(torch.float32, alike)
    found: dict[str, Any] = {
        "ours to plain": _differences(names, ours, theirs),
        "turned": alike.turned,
        "with turned": _differences(names, ours, plain(torch.float32, nullcontext())),
    }
    if exact:
        truth = plain(torch.float64, RepeatChoices(ours_chose))
        found["plain to float64"] = _differences(names, theirs, truth)
        found["ours to float64"] = _differences(names, ours, truth)
    return found


def _gradients(model: torch.nn.Module) -> list[Tensor]:
    return [parameter.grad.double() for parameter in model.parameters() if parameter.grad is not None]


def _differences(names: list[str], found: list[Tensor], expected: list[Tensor]) -> dict[str, float]:
    return {
        name: float((a - b).norm() / b.norm().clamp(min=1e-30))
        for name, a, b in zip(names, found, expected, strict=True)
    }


class RecordChoices(TorchFunctionMode):
    """A context that notes what every ReLU and every max-pool (2 x 2) chose, in their order."""

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
    """A context in which ReLUs and max-pools choose as in `recorded`; `turned` counts where they would not have."""

    def __init__(self, recorded: RecordChoices) -> None:
        super().__init__()
        self._recorded: Iterator[Tensor] = iter(recorded.choices)
        self.turned = 0

    def _take(self, choice: Tensor) -> Tensor:
        taken = next(self._recorded).reshape(choice.shape)
        self.turned += int((taken != choice).sum())
        return super()._take(taken)


def apply(choice: Tensor, values: Tensor) -> Tensor:
    """Put `values` (N, ...) through ReLUs with these choices, or (N, C, H, W) through max-pools."""
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
