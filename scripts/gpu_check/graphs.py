"""CUDA graphs of every kind of training, and updates that may not wait for the device."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from torch import Tensor

from dcign.config import CHOICES, WIDTHS, TrainConfig
from dcign.errors import RunError
from dcign.model.code import CodeLayout
from dcign.model.devices import has_native_bf16, resolve_device
from dcign.model.networks import NETWORKS
from dcign.model.optimisers import make_optimiser
from dcign.runs.checkpoint import Header
from dcign.training.cuda_graph import open_step, open_update, plain_step
from dcign.training.monitor import Status
from dcign.training.order import MiniBatchOrder, sampling_noise
from dcign.training.updates import Updates, initial_model
from gpu_check.room import Room

LAYOUT = CodeLayout.for_object("face")
LARGEST = {"fp32": 1e-3, "bf16": 2e-2}  # difference that a replay may have, relative to the largest number
UPDATES = 20


class Training:
    """A network in training on noise, as `dcign train` trains it; `said` holds what was said of its graphs."""

    def __init__(
        self, config: TrainConfig, size: int, batch: int, device: torch.device, precision: str, graph: bool
    ) -> None:
        shape = batch, LAYOUT.latents
        self.model = initial_model(Header(0, config, LAYOUT, size, {}), device)
        self.optimiser = make_optimiser(self.model.named_parameters(), config)
        self.optimiser.zero_grad()
        self.said: list[str] = []
        self.plain = plain_step(self.model, config, precision)
        self.step = self.plain
        if graph:
            self.step = open_step(self.model, config, precision, (1, *shape), device, self.said.append)
            open_update(self.optimiser, device, self.said.append)
        images = torch.randint(256, (batch, size, size), dtype=torch.uint8, device=device)
        active = torch.from_numpy(LAYOUT.active("azimuth")).to(device)
        self.inputs = images, active[None], sampling_noise(0, 0, shape, device)
        data = SimpleNamespace(factors=("azimuth",), batch_size=batch)
        order = MiniBatchOrder({"azimuth": 4}, (1,), 0)
        self.status = Status(None, data, order, config, device, 0)  # type: ignore[arg-type]
        feed = itertools.repeat(images)
        updates = Updates(config, order, {"azimuth": active}, self.step, feed, self.optimiser, self.status, range(1))
        self.update = updates.make


def captures(room: Room) -> None:
    """Make the graphs of every combination, and compare a replay with the same done piece by piece."""
    device = resolve_device(room.device)
    precisions = ["fp32", *["bf16"] * has_native_bf16(device)]
    torch.backends.cudnn.benchmark = device.type == "cuda"
    worst: dict[str, float] = dict.fromkeys(precisions, 0.0)
    failed: dict[str, str] = {}
    names = "network", "procedure", "likelihood", "optimizer"
    for count, words in enumerate(itertools.product(*(CHOICES[name] for name in names), precisions), 1):
        network, procedure, likelihood, optimizer, precision = words
        config = TrainConfig(
            network=network, widths=_widths(room, network), procedure=procedure, likelihood=likelihood,
            optimizer=optimizer, weight_average=0.9,
        )  # fmt: skip
        name = " ".join(words)
        try:
            training = Training(config, _smallest_size(config), 4, device, precision, graph=True)
            difference = _difference(training)
            if training.said:
                failed[name] = training.said[0]
            elif not difference < LARGEST[precision]:
                failed[name] = f"a replay differs by {difference:.1e}"
            worst[precision] = max(worst[precision], difference)
        except (RuntimeError, ValueError) as error:
            failed[name] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        print(name, failed.get(name, "good"), flush=True)
        room.note(combinations=count, failed=failed, largest_difference=worst)
    for name, why in failed.items():
        room.check(False, f"{name}: {why}")


def _widths(room: Room, network: str) -> tuple[int, ...]:
    usual = WIDTHS[network]
    return usual if room.device == "cuda" else tuple(max(2, width // 24) for width in usual)


def _smallest_size(config: TrainConfig) -> int:
    """The first size of images that a network can be built for."""
    for size in range(32, 256):
        try:
            NETWORKS[config.network].check_size(size)
        except RunError:
            continue
        return size
    raise ValueError(f"no size up to 256 fits {config.network}")


def _difference(training: Training) -> float:
    """The largest difference between a step and an update of the graphs and the same piece by piece."""
    optimiser = training.optimiser
    found: list[list[Tensor]] = []
    for step in (training.plain, training.step):
        optimiser.zero_grad()
        terms = step(*training.inputs)
        found.append([value.clone() for value in (terms, *optimiser.gradients)])
    optimiser.updates = 5
    state = [parameter.detach() for parameter in optimiser.parameters]
    state += [value for values in optimiser.buffers.values() for value in values]
    before = [value.clone() for value in state]
    for work, results in zip((optimiser.apply, optimiser.work), found, strict=True):
        torch._foreach_copy_(state, before)
        work(*optimiser.sizes())
        results += [value.clone() for value in state]
    differences = [
        float((theirs - ours).abs().max() / theirs.abs().max().clamp(min=1e-6))
        for theirs, ours in zip(*found, strict=True)
    ]
    return max(differences)


def waits(room: Room) -> None:
    """Update without graphs while torch raises an error at each wait for the device."""
    device = resolve_device(room.device)
    kinds = list(itertools.product(NETWORKS, CHOICES["optimizer"]))
    for network, optimizer in kinds:
        config = TrainConfig(network=network, widths=_widths(room, network), optimizer=optimizer, weight_average=0.9)
        training = Training(config, room.sizes.size, room.sizes.batch, device, "fp32", graph=False)
        for number in range(3):
            training.update(number)
        with _no_waits(device):
            for number in range(3, 3 + UPDATES):
                training.update(number)
        training.status.check_finite()
        print(network, optimizer, "did not wait", flush=True)
    room.note(updates=UPDATES * len(kinds))


@contextmanager
def _no_waits(device: torch.device) -> Iterator[None]:
    setting: Callable[[str], None] = torch.cuda.set_sync_debug_mode if device.type == "cuda" else lambda mode: None
    setting("error")
    try:
        yield
    finally:
        setting("default")
