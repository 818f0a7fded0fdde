"""The two trainings that `dcign bench train` compares, from the same shards, weights, mini-batches and noise.

Each runs in a process of its own; `Setting` is all that the two processes are told. Ours is `dcign train`; the plain
one is DC-IGN as one would write it from the paper with stock PyTorch: eager, float32, default memory format; nearest
upsampling and 7x7 convolutions as modules; the clamp as a formula of tensors; an optimiser that goes through its
parameters one by one; the loss printed at every step, hence `.item()`. What the device can do at most is measured too.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from dcign.config import TrainConfig
from dcign.model.devices import allow_tf32, has_native_bf16, prepared, resolve_device
from dcign.model.interface import DCIGN
from dcign.model.optimisers import make_optimiser
from dcign.runs.checkpoint import Header
from dcign.training.cuda_graph import open_step, open_update, plain_step
from dcign.training.feeding import open_feed
from dcign.training.loop import describe, graphics_code
from dcign.training.monitor import STATUS_EVERY, Status
from dcign.training.order import MiniBatchOrder, names_of_ratio, sampling_noise
from dcign.training.updates import Updates, initial_model
from pipelines.bench import train_updates
from pipelines.bench.load_loops import NaiveShards
from pipelines.bench.measuring import finish
from pipelines.bench.plain_optimisers import make_plain_optimiser
from render.shards.data_set import open_data_set

PLAIN = "plain"
WORKERS = {"cpu": 0, "cuda": 4}  # of the plain DataLoader: with a GPU one would let some processes read
WARM_UP = {"cpu": 2, "cuda": 10}  # steps before the clock starts
SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices
COPIED = 2**28  # bytes, more than any cache holds
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Setting:
    """Shards, device, widths of the network and optimiser; all else is as in `dcign train`."""

    shards: Path
    device: str
    widths: tuple[int, int, int]
    optimizer: str = "rmsprop-authors"


class Training:
    """The common start of both sides: the mini-batches in their order, the noise, and the initial weights."""

    def __init__(self, setting: Setting) -> None:
        self.data = open_data_set(setting.shards)
        self.device = resolve_device(setting.device)
        self.widths = setting.widths
        self.config = TrainConfig(widths=setting.widths, device=setting.device, optimizer=setting.optimizer)
        layout = graphics_code(self.data, None)
        self.header = Header(0, self.config, layout, self.data.size, describe(self.data))
        counts = {factor: self.data.count(factor) for factor in self.data.factors}
        names = names_of_ratio(self.data)
        self.order = MiniBatchOrder(counts, self.config.ratio, self.config.seed, names=names)
        self.active = {f: torch.from_numpy(layout.active(f)).to(self.device) for f in self.data.factors}
        self.batch = (self.data.batch_size, layout.latents)
        self.waited = 0.0  # seconds spent in asking for mini-batches

    def noise(self, step: int) -> Tensor:
        """Draw the noise of a step, (N, Z)."""
        return sampling_noise(self.config.seed, step, self.batch, self.device)

    def model(self) -> DCIGN:
        """Return our network with its initial weights."""
        return initial_model(self.header, self.device)

    def plain_model(self) -> PlainDCIGN:
        """Return the plain network with the same weights."""
        model = PlainDCIGN(self.widths, self.batch[1], self.data.size).to(self.device)
        with torch.no_grad():
            for mine, theirs in zip(model.parameters(), self.model().parameters(), strict=True):
                mine.copy_(theirs)
        return model

    def steps(self, precision: str, graph: bool = True) -> Generator[Tensor, None, None]:
        """Make the updates of `dcign train`, without progress bar, checkpoints, measures and pictures.

        Yields the terms of each step as `Status` takes them.

        precision  'fp32' or 'bf16'
        graph      as a CUDA graph on CUDA
        """
        model = self.model()
        optimiser = make_optimiser(model.named_parameters(), self.config)
        optimiser.zero_grad()
        if graph:
            step_3_to_8 = open_step(model, self.config, precision, (1, *self.batch), self.device, print)
            open_update(optimiser, self.device, print)
        else:
            step_3_to_8 = plain_step(model, self.config, precision)
        status = Status(self.data.folder, self.data, self.order, self.config, self.device, 0)
        feeding = open_feed(self.data, map(self.order.at, count()), self.device, progress=False)
        with prepared(self.device), feeding as feed:
            updates = Updates(self.config, self.order, self.active, step_3_to_8, feed, optimiser, status, range(1))
            for step in count(1):
                terms = updates.make(step - 1)
                if status.read_after(step):
                    status.check_finite()
                if step % STATUS_EVERY == 0:
                    status.line(step, feed.waited)
                self.waited = feed.waited
                yield terms

    def plain_steps(self) -> Generator[float, None, None]:
        """Run the plain program; yields the bound of each step."""
        model, config = self.plain_model(), self.config
        optimiser = make_plain_optimiser(model.parameters(), config)
        return plain_steps(model, optimiser, self._loaded(), config.invariance_strength, self.device)

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Load mini-batches as the plain program does, in the common order."""
        shards = NaiveShards(self.data)
        row = {(path.name, number): k for k, (path, number) in enumerate(shards.places)}
        place = {
            (entry.factor, entry.first + number): row[name, number]
            for name, entry in self.data.manifest.shards.items()
            if entry.split == self.data.split
            for number in range(entry.count)
        }
        cuda = self.device.type == "cuda"
        loader = iter(
            DataLoader(
                shards,  # type: ignore[arg-type]
                batch_size=None,
                sampler=(place[self.order.at(step)] for step in count()),  # type: ignore[arg-type]
                num_workers=WORKERS[self.device.type],
                pin_memory=cuda,
            )
        )
        for step in count():
            started = time.perf_counter()
            images = next(loader)
            self.waited += time.perf_counter() - started
            yield images, self.active[self.order.at(step)[0]], self.noise(step)


def cost_of_updates(setting: Setting) -> dict[str, dict[str, float]]:
    """Measure one update of our network's weights, by the plain optimiser and by ours."""
    training = Training(setting)
    return train_updates.measure(training.model().named_parameters(), training.config)


def seconds_a_step(setting: Setting, program: str, steps: int) -> tuple[float, float]:
    """Return the seconds of one step on average over so many, and the share of them spent waiting for input.

    program  'plain', 'plain without TF32', 'fp32', 'bf16', or the last two with ' without graph' behind them
    """
    training = Training(setting)
    name, _, without = program.partition(" without ")
    running: Generator[Any, None, None]
    if name == PLAIN:
        allow_tf32(convolutions=not without)  # as torch has it, unless one says otherwise
        running = training.plain_steps()
    else:
        running = training.steps(name, graph=not without)
    for _ in islice(running, WARM_UP[training.device.type]):
        pass
    finish(training.device)
    waited, started = training.waited, time.perf_counter()
    for _ in islice(running, steps):
        pass
    finish(training.device)
    seconds = time.perf_counter() - started
    running.close()
    return seconds / steps, (training.waited - waited) / seconds


def machine(device: str) -> dict[str, Any]:
    """Describe the device: the precisions that it has, their peaks, and what the programs run on."""
    on = resolve_device(device)
    bf16 = has_native_bf16(on)
    precisions = ["fp32", *["tf32"] * (bf16 and on.type == "cuda"), *["bf16"] * bf16]
    return {
        "device": on.type,
        "name": torch.cuda.get_device_name(on) if on.type == "cuda" else _processor(),
        "precisions": precisions,
        "matrix_peak": {precision: matrix_peak(precision, on) for precision in precisions},
        "bandwidth": copy_bandwidth(on),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
    }


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def matrix_peak(precision: str, device: torch.device, seconds: float = 0.5) -> float:
    """Measure the most operations a second, by the product of two large square matrices.

    On a CPU a wide convolution is tried too: the two go to different libraries, of which either may know it better.

    precision  'fp32', 'bf16', or on CUDA 'tf32': float32 rounded on its way into the product
    """
    side = SIDE[device.type]
    a, b, product = (torch.randn(side, side, device=device).to(DTYPES[precision]) for _ in range(3))
    with _float32_products(precision == "tf32"), torch.inference_mode():
        peak = 2 * side**3 / _fastest(lambda: torch.mm(a, b, out=product), device, seconds)
        if device.type == "cpu":
            image = torch.randn(8, 64, 64, 64).to(DTYPES[precision], memory_format=torch.channels_last)
            kernels = torch.randn(64, 64, 5, 5).to(DTYPES[precision], memory_format=torch.channels_last)
            operations = 2 * 8 * 60 * 60 * 64 * 64 * 5 * 5
            peak = max(peak, operations / _fastest(lambda: torch.conv2d(image, kernels), device, seconds))
    return peak


def copy_bandwidth(device: torch.device, seconds: float = 0.5) -> float:
    """Measure the fastest copy inside the memory of the device: bytes a second, read and written together."""
    source, target = (torch.ones(COPIED, dtype=torch.uint8, device=device) for _ in range(2))
    return 2 * COPIED / _fastest(lambda: target.copy_(source), device, seconds)


def _fastest(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Return the seconds that `work` takes at best; on CUDA in bundles, so that launching costs nothing."""
    bundle = 10 if device.type == "cuda" else 1
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        finish(device)
        started = time.perf_counter()
        for _ in range(bundle):
            work()
        finish(device)
        best = min(best, (time.perf_counter() - started) / bundle)
    return best


@contextmanager
def _float32_products(tf32: bool) -> Iterator[None]:
    allow_tf32(products=tf32)
    try:
        yield
    finally:
        allow_tf32()


class PlainDCIGN(nn.Module):
    """The networks of section 2; parameters in the order of `dcign.model.paper_network.PaperDCIGN`."""

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
        """Return the bound on the mini-batch in nats, and the term to add so that inactive latents are pulled together.

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
    """Replace inactive columns by their average; return them and the term of gradient (value - average) x strength."""
    average = values.detach().mean(dim=0)
    pull = 0.5 * strength * ((values - average) ** 2 * ~active).sum()
    return torch.where(active, values, average), pull


def plain_steps(
    model: PlainDCIGN, optimiser: torch.optim.Optimizer, minibatches: Iterable[tuple[Tensor, Tensor, Tensor]],
    strength: float, device: torch.device,
) -> Generator[float, None, None]:  # fmt: skip
    """Train on `minibatches`, (images, active, noise) as `PlainDCIGN.forward` takes them; yields each step's bound.

    Images are moved to `device`.
    """
    for images, active, noise in minibatches:
        images = images.to(device, non_blocking=True)
        optimiser.zero_grad()
        bound, pull = model(images, active, noise, strength)
        (bound + pull).backward()
        optimiser.step()
        yield bound.item()
