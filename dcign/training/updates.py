"""The updates of a run: steps 1 to 8 of the paper's procedure for each mini-batch, then the optimiser.

`dcign.training.loop` makes them and logs, measures and saves in between; `dcign bench train` times the very same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dcign.config import TrainConfig
from dcign.model.interface import DCIGN
from dcign.model.optimisers import Optimiser
from dcign.runs.checkpoint import Header
from dcign.training.cuda_graph import Step
from dcign.training.monitor import Status
from dcign.training.order import MiniBatchOrder, drawn_images, sampling_noise


@dataclass(frozen=True, eq=False)
class Updates:
    """Makes the updates of a run, each from `config.accumulate` mini-batches, of which this process takes a share.

    order        of all mini-batches
    active       factor -> (Z,) bool, the latents that it may move
    step_3_to_8  of mini-batches that go through the network at once; it adds to the gradients
    feed         the mini-batches of this process, (N, H, W) uint8, in that order
    status       counts the terms
    share        the numbers of the mini-batches of an update that this process takes
    exchange     sums tensors, gradients and terms, over all processes in place
    """

    config: TrainConfig
    order: MiniBatchOrder
    active: Mapping[str, Tensor]
    step_3_to_8: Step
    feed: Iterator[Tensor]
    optimiser: Optimiser
    status: Status
    share: range
    exchange: Callable[[list[Tensor]], object] = lambda tensors: None  # of a process on its own

    def make(self, step: int) -> Tensor:
        """Make the update `step` (0, 1, ...); returns its terms (F, 3), summed over its mini-batches."""
        config = self.config
        self.optimiser.zero_grad()
        terms = self.status.new_terms()
        together = at_once(len(self.share), self.status.images, self.status.data.batch_size)
        for first in range(0, len(self.share), together):
            # 1. Select at random a latent variable z_train, that is, a factor.
            # 2. Select at random a mini-batch in which only that variable changes.
            places = [step * config.accumulate + number for number in self.share[first : first + together]]
            factors, images, active, noise = zip(*map(self._minibatch, places), strict=True)
            # 3. to 8.: encode, clamp, sample, decode, objective, backward with the modified gradient
            found = self.step_3_to_8(torch.cat(images), torch.stack(active), torch.cat(noise))
            for factor, of_minibatch in zip(factors, found, strict=True):
                terms[self.status.row[factor]] += of_minibatch
        self.exchange([*self.optimiser.gradients, terms])
        self.optimiser.learning_rate = config.learning_rate_at(step)
        self.optimiser.step()
        self.status.add(step, terms, self.optimiser.gradients)
        return terms

    def _minibatch(self, place: int) -> tuple[str, Tensor, Tensor, Tensor]:
        """Return factor, images (N, H, W) uint8, active latents (Z,) and noise (N, Z) of the mini-batch at `place`.

        They are the feed's next, of which the run may take a few only.
        """
        seed, count = self.config.seed, self.config.images
        factor, _ = self.order.at(place)
        images, active = next(self.feed), self.active[factor]
        if count is not None:
            images = images[drawn_images(seed, place, len(images), images.device)[:count]]
        return factor, images, active, sampling_noise(seed, place, (len(images), len(active)), images.device)


def at_once(share: int, images: int, batch_size: int) -> int:
    """Return how many of the `share` mini-batches of an update, of which `images` are taken each, go through at once.

    They have no more images than one of `batch_size`, so that memory does not grow, and their number divides the share,
    so that all passes have one shape.
    """
    return max(count for count in range(1, batch_size // images + 1) if share % count == 0)


def initial_model(header: Header, device: torch.device) -> DCIGN:
    """Make the model of a run as its seed has it, before the first update; no other random number is drawn.

    An encoder that is to stay as it is asks for no gradients.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(header.config.seed)
        model = header.build_model()
    model.encoder.requires_grad_(not header.config.freeze_encoder)
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def begin_with(weights: Mapping[str, Tensor], model: DCIGN, optimiser: Optimiser) -> None:
    """Set the weights, name -> tensor, of a run before its first update, and the average that its optimiser keeps.

    What the weights lack, blocks of a deeper decoder, stays as it is.
    """
    model.load_state_dict(weights, strict=False)
    averages = {f"average.{name}": weight for name, weight in weights.items()}
    optimiser.load_state({**optimiser.state(), **averages}, updates=0)
