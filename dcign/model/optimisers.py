"""Two readings of the paper's 'rmsprop' (section 4: learning rate 0.0005, momentum decay 0.1, weight decay 0.01).

Beside them stands one optimiser of today, `muon`.

With g the gradient summed over a mini-batch, x a parameter and t = 1, 2, ... the update:

`rmsprop-authors`, the formulas of the authors' program. It is Adam with betas (1 - b1, 1 - b2) and epsilon inside the
root; what the paper calls 'weight decay' is b2, and no weights decay.

    m <- (1 - b1) m + b1 g                              b1 = momentum decay, b2 = update decay
    v <- (1 - b2) v + b2 g^2
    x <- x - lr sqrt(1 - (1 - b2)^t) / (1 - (1 - b1)^t)  m / sqrt(v + 1e-8)

`rmsprop`, the paper's words taken literally: RMSprop (Tieleman and Hinton, 2012) with a momentum of 0.1 and L2 weight
decay of 0.01.

    g <- g + (weight decay) x
    v <- (1 - b2) v + b2 g^2
    u <- (momentum decay) u + g / (sqrt(v) + 1e-8)
    x <- x - lr u

`muon` (Jordan et al., 2024; scaled as by Liu et al., 2025, 'Muon is scalable for LLM training'): every weight and every
kernel is seen as a matrix of outputs x inputs, and all directions of its mean gradient are taken with equal length. So
a latent that few mini-batches vary moves as fast as one that nearly all do. A bias is a matrix of one row.

    m <- (1 - b1) m + b1 g
    x <- x - lr 0.2 sqrt(max(rows, columns)) U V^T      with U S V^T the singular value decomposition of m

A running average of the weights may be kept beside them, a step beyond the paper: mini-batches that vary one factor
each pull the weights to and fro, and their average sees less of it (Polyak and Juditsky, 1992).

    a <- k a + (1 - k) x,    k = min(weight average, (1 + t) / (10 + t)), so that the start is soon forgotten
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from dcign.config import TrainConfig
from dcign.model.newton_schulz import SHORTEST, as_wide_matrix, batches, length_of_one, whiten

EPSILON = 1e-8


class Optimiser:
    """Updates named parameters in place from their `.grad`, all of them at once. A few operations, none of which waits.

    learning_rate   step size for the gradient summed over a mini-batch
    momentum_decay  see the formulas
    update_decay    b2, share of the new squared gradient in v
    weight_average  share of the averaged weights that an update keeps; 0: no average is kept
    """

    BUFFERS: ClassVar[tuple[str, ...]] = ()  # what is kept for each parameter, besides the average

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
        self.buffers = {name: [torch.zeros_like(p) for p in self.parameters] for name in self.BUFFERS}
        self.weight_average = weight_average
        if weight_average:
            self.buffers["average"] = [parameter.detach().clone() for parameter in self.parameters]  # a
        self.updates = 0  # t
        self.updating = False  # whether an update is half done
        self.work: Callable[[float, float], object] = self.apply  # a CUDA graph of it may take its place

    def zero_grad(self) -> None:
        """Set the gradients to zero where they are: a captured step goes on adding to the same memory."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        torch._foreach_zero_(self.gradients)

    @property
    def gradients(self) -> list[Tensor]:
        """The gradients, one for each parameter."""
        return [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]

    def step(self) -> None:
        """Update every parameter once, and their average."""
        self.updating = True
        self.updates += 1
        self.work(*self.sizes())
        self.updating = False

    def sizes(self) -> tuple[float, float]:
        """Return what differs from update to update: the step size, and the share of the weights in their average."""
        keep = min(self.weight_average, (1 + self.updates) / (10 + self.updates))
        return self.learning_rate, 1.0 - keep

    @torch.no_grad()
    def apply(self, size: float | Tensor, share: float | Tensor) -> None:
        """Do the arithmetic of an update with these `sizes`: numbers, or scalars on the device for a CUDA graph."""
        self._update(self.gradients, size)
        if not self.weight_average:
            return
        if not isinstance(share, Tensor):
            torch._foreach_lerp_(self.buffers["average"], self.parameters, share)
        else:
            for average, parameter in zip(self.buffers["average"], self.parameters, strict=True):
                average.lerp_(parameter, share)

    def _update(self, gradients: list[Tensor], size: float | Tensor) -> None:
        raise NotImplementedError

    def state(self) -> dict[str, Tensor]:
        """The buffers as '<buffer>.<parameter>'; t, the updates, is kept by the caller."""
        return {
            f"{buffer}.{name}": value
            for buffer, values in self.buffers.items()
            for name, value in zip(self.names, values, strict=True)
        }

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from what `state()` gave after `updates` updates."""
        for name, value in self.state().items():
            value.copy_(state[name])
        self.updates = updates


class RMSPropAuthors(Optimiser):
    """The authors' reading; momentum_decay is b1, the share of the new gradient in m."""

    BUFFERS = ("mean", "square")  # m, v

    def sizes(self) -> tuple[float, float]:
        size, share = super().sizes()
        b1, b2 = self.momentum_decay, self.update_decay
        correction = math.sqrt(1.0 - (1.0 - b2) ** self.updates) / (1.0 - (1.0 - b1) ** self.updates)
        return size * correction, share

    def _update(self, gradients: list[Tensor], size: float | Tensor) -> None:
        mean, square = self.buffers["mean"], self.buffers["square"]
        b1, b2 = self.momentum_decay, self.update_decay
        torch._foreach_lerp_(mean, gradients, b1)
        torch._foreach_mul_(square, 1.0 - b2)
        torch._foreach_addcmul_(square, gradients, gradients, b2)
        root = torch._foreach_add(square, EPSILON)
        torch._foreach_sqrt_(root)
        if not isinstance(size, Tensor):
            torch._foreach_addcdiv_(self.parameters, mean, root, -size)
        else:
            torch._foreach_div_(root, -size)
            torch._foreach_addcdiv_(self.parameters, mean, root)


class RMSProp(Optimiser):
    """The literal reading; momentum_decay is the share of u kept, weight_decay the L2 factor."""

    BUFFERS = ("square", "velocity")  # v, u

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        *positional: float,
        weight_decay: float = 0.01,
        **settings: float,
    ) -> None:
        super().__init__(named_parameters, *positional, **settings)
        self.weight_decay = weight_decay

    def _update(self, gradients: list[Tensor], size: float | Tensor) -> None:
        square, velocity = self.buffers["square"], self.buffers["velocity"]
        gradients = list(torch._foreach_add(gradients, self.parameters, alpha=self.weight_decay))
        torch._foreach_mul_(square, 1.0 - self.update_decay)
        torch._foreach_addcmul_(square, gradients, gradients, self.update_decay)
        root = torch._foreach_sqrt(square)
        torch._foreach_add_(root, EPSILON)
        torch._foreach_mul_(velocity, self.momentum_decay)
        torch._foreach_addcdiv_(velocity, gradients, root)
        if not isinstance(size, Tensor):
            torch._foreach_add_(self.parameters, velocity, alpha=-size)
        else:
            torch._foreach_sub_(self.parameters, list(torch._foreach_mul(velocity, size)))


class Muon(Optimiser):
    """Directions of equal length in every matrix; momentum_decay is b1, the share of the new gradient in m."""

    BUFFERS = ("mean",)  # m
    LENGTH = 0.2  # root mean square of an update's entries at a learning rate of 1, about that of Adam

    def __init__(
        self, named_parameters: Iterable[tuple[str, nn.Parameter]], *positional: float, **settings: float
    ) -> None:
        super().__init__(named_parameters, *positional, **settings)
        matrices = [as_wide_matrix(parameter.detach()) for parameter in self.parameters]
        lengths = [self.LENGTH * math.sqrt(matrix.shape[1]) for matrix in matrices]  # of an update's every direction
        one = matrices[0]

        learning = [number for number, parameter in enumerate(self.parameters) if parameter.requires_grad]
        single = [number for number in learning if len(matrices[number]) == 1]  # biases and single outputs
        counts = torch.tensor([matrices[number].numel() for number in single], dtype=torch.int64)
        self._owner = torch.repeat_interleave(counts).to(one.device)  # of each of their numbers, all in a row
        self._single = single, one.new_tensor([length_of_one() * lengths[number] for number in single])

        several = [number for number in learning if len(matrices[number]) > 1]
        self._several: list[tuple[list[int], Tensor]] = []
        for batch in batches([len(matrices[number]) for number in several], one.device.type):
            numbers = [several[place] for place in batch]
            self._several.append((numbers, one.new_tensor([lengths[number] for number in numbers])))

    def _update(self, gradients: list[Tensor], size: float | Tensor) -> None:
        torch._foreach_lerp_(self.buffers["mean"], gradients, self.momentum_decay)
        if self._single[0]:
            self._update_single(self._single[0], -size * self._single[1])
        for numbers, lengths in self._several:
            self._update_several(numbers, -size * lengths)

    def _update_single(self, numbers: list[int], lengths: Tensor) -> None:
        """Update what has one row or column, and so one direction, which is itself, by so much of `lengths`."""
        means = [as_wide_matrix(self.buffers["mean"][number])[0] for number in numbers]
        norms = torch.stack(torch._foreach_norm(means)).clamp_(min=SHORTEST)
        factors = lengths / norms
        changes = torch.cat(means).mul_(factors[self._owner]).split([len(mean) for mean in means])
        torch._foreach_add_([as_wide_matrix(self.parameters[number])[0] for number in numbers], list(changes))

    def _update_several(self, numbers: list[int], lengths: Tensor) -> None:
        """Update matrices whose squares make one batch, padded to the first."""
        means = [as_wide_matrix(self.buffers["mean"][number]) for number in numbers]
        squares = means[0].new_zeros(len(means), len(means[0]), len(means[0]))
        for mean, square in zip(means, squares, strict=True):
            torch.mm(mean, mean.T, out=square[: len(mean), : len(mean)])
        factors = whiten(squares).mul_(lengths[:, None, None])
        for number, mean, factor in zip(numbers, means, factors, strict=True):
            as_wide_matrix(self.parameters[number]).addmm_(factor[: len(mean), : len(mean)], mean)


OPTIMISERS: dict[str, type[Optimiser]] = {"rmsprop-authors": RMSPropAuthors, "rmsprop": RMSProp, "muon": Muon}


def make_optimiser(named_parameters: Iterable[tuple[str, nn.Parameter]], config: TrainConfig) -> Optimiser:
    """The optimiser that `config` asks for."""
    settings = (config.learning_rate, config.momentum_decay, config.update_decay, config.weight_average)
    if config.optimizer == "rmsprop":
        return RMSProp(named_parameters, *settings, weight_decay=config.weight_decay)
    return OPTIMISERS[config.optimizer](named_parameters, *settings)


def state_names(config: TrainConfig) -> tuple[str, ...]:
    """The buffers that a checkpoint of `config` holds for each parameter."""
    return OPTIMISERS[config.optimizer].BUFFERS + (("average",) if config.weight_average else ())
