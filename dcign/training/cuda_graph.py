"""Steps 3 to 8, and the optimiser's update, captured once as CUDA graphs and replayed: two launches, not some hundred.

The shapes of a run never change, nothing in the step asks the device for a value, and gradients stay where they are
(`Optimiser.zero_grad`), which is what a graph needs. The first calls run as they are, so that cuDNN has chosen its
algorithms before the capture. They are two graphs because the gradients of several mini-batches and processes are
summed between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dcign.config import TrainConfig
from dcign.model.interface import DCIGN
from dcign.model.optimisers import Optimiser
from dcign.model.step import gradients
from dcign.training.order import to_float

# images (G N, H, W) uint8, active (G, Z) bool, noise (G N, Z) -> the (G, 3) terms of `dcign.model.step.gradients`
Step = Callable[[Tensor, Tensor, Tensor], Tensor]

WARM_UP = 3  # calls before the capture


def plain_step(model: DCIGN, config: TrainConfig, precision: str, weights: Tensor | None = None) -> Step:
    """Return the step as it is written; `weights` (Z,) are factors on the latents' divergence."""

    def run(images: Tensor, active: Tensor, noise: Tensor) -> Tensor:
        return gradients(model, to_float(images), active, noise, config, precision, weights)

    return run


class GraphedStep:
    """The same step as a CUDA graph; it must be given tensors of one shape. The terms are valid until the next call."""

    def __init__(self, step: Step, images: Tensor, active: Tensor, noise: Tensor) -> None:
        self.inputs = [torch.empty_like(value) for value in (images, active, noise)]
        self._fill(images, active, noise)
        warm_up(lambda: step(*self.inputs))
        self.graph = torch.cuda.CUDAGraph()
        with capture(self.graph):
            self.terms = step(*self.inputs)

    def __call__(self, images: Tensor, active: Tensor, noise: Tensor) -> Tensor:
        self._fill(images, active, noise)
        self.graph.replay()
        return self.terms

    def _fill(self, *values: Tensor) -> None:
        for place, value in zip(self.inputs, values, strict=True):
            place.copy_(value)


class GraphedUpdate:
    """The arithmetic of an optimiser's update as a CUDA graph, which reads the sizes of each update on the device."""

    def __init__(self, optimiser: Optimiser) -> None:
        device = optimiser.parameters[0].device
        self.sizes = [torch.zeros((), device=device) for _ in range(2)]
        state = [parameter.detach() for parameter in optimiser.parameters]
        state += [value for values in optimiser.buffers.values() for value in values]
        before = [value.clone() for value in state]
        try:
            warm_up(lambda: optimiser.apply(*self.sizes))
        finally:
            torch._foreach_copy_(state, before)
        self.graph = torch.cuda.CUDAGraph()
        with capture(self.graph):
            optimiser.apply(*self.sizes)

    def __call__(self, *sizes: float) -> None:
        for place, size in zip(self.sizes, sizes, strict=True):
            place.fill_(size)
        self.graph.replay()


def warm_up(work: Callable[[], object]) -> None:
    """Do `work` a few times on a stream of its own, as torch asks for before a capture."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(aside)


@contextmanager
def capture(graph: torch.cuda.CUDAGraph) -> Iterator[None]:
    """Capture what is launched into `graph`; afterwards the current stream is the one that it was.

    `torch.cuda.graph` leaves its own stream current when a capture fails: all later work would go there, unseen by the
    other streams, which wait for the usual one.
    """
    before = torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph):
            yield
    finally:
        torch.cuda.set_stream(before)


def first_error(error: BaseException) -> BaseException:
    """Return what went wrong first. A capture that fails ends in an error of its own, which hides it."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def open_step(
    model: DCIGN, config: TrainConfig, precision: str, batch: tuple[int, int, int], device: torch.device,
    say: Callable[[str], None], weights: Tensor | None = None,
) -> Step:  # fmt: skip
    """Return the step for `batch` = (G mini-batches, N images of each, Z latents): captured on CUDA, plain elsewhere.

    `weights` (Z,) are factors on the latents' divergence.

    The gradients must be in place (`Optimiser.zero_grad`); a capture leaves numbers in them.
    """
    step = plain_step(model, config, precision, weights)
    if device.type != "cuda":
        return step
    minibatches, each, latents = batch
    images = torch.zeros(minibatches * each, model.size, model.size, dtype=torch.uint8, device=device)
    active = torch.zeros(minibatches, latents, dtype=torch.bool, device=device)
    noise = torch.zeros(minibatches * each, latents, device=device)
    try:
        return GraphedStep(step, images, active, noise)
    except RuntimeError as error:
        say(f"No CUDA graph could be made ({what_failed(error)}); every step is launched piece by piece.")
        return step


def open_update(optimiser: Optimiser, device: torch.device, say: Callable[[str], None]) -> None:
    """Have `optimiser` do its updates by a graph on CUDA; elsewhere it goes on as it is.

    Its gradients must be in place (`Optimiser.zero_grad`), and stay there. Nothing has changed if no graph can be made.
    """
    if device.type != "cuda":
        return
    try:
        optimiser.work = GraphedUpdate(optimiser)
    except RuntimeError as error:
        say(f"No CUDA graph of the update could be made ({what_failed(error)}); it is launched piece by piece.")


def what_failed(error: RuntimeError) -> str:
    """Return the first line of what spoiled a capture. Ctrl-C is raised again."""
    cause = first_error(error)
    if not isinstance(cause, Exception):
        raise cause from None
    torch.cuda.synchronize()
    return (str(cause).splitlines() or [type(cause).__name__])[0]
