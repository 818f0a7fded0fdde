"""The two trainings that `dcign bench train` compares, from the same shards, weights, mini-batches and noise.

Each runs in a process of its own; `Setting` is all that the two processes are told.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dcign.batches import MiniBatchOrder, noise_generator
from dcign.code import CodeLayout
from dcign.config import TrainConfig
from dcign.cpu import prepare_cpu
from dcign.feeding import open_feed
from dcign.graphs import open_step, plain_step
from dcign.networks import DCIGN
from dcign.optim import make_optimiser
from dcign.precision import has_native_bf16, resolve_device
from dcign.status import Status
from dcign.training import STATUS_EVERY
from pipelines.bench.load_loops import NaiveShards
from pipelines.bench.peaks import copy_bandwidth, finish, matrix_peak
from pipelines.bench.plain_training import AuthorsRMSProp, PlainDCIGN, plain_steps
from render.shards import open_data_set

PLAIN = "plain"
WORKERS = {"cpu": 0, "cuda": 4}  # of the plain DataLoader: with a GPU one would let some processes read
WARM_UP = {"cpu": 2, "cuda": 10}  # steps before the clock starts


@dataclass(frozen=True)
class Setting:
    """Shards, device and widths of the network; all else is as in `dcign train`."""

    shards: Path
    device: str
    widths: tuple[int, int, int]


class Training:
    """What both sides start from: the mini-batches in their order, the noise, and the initial weights."""

    def __init__(self, setting: Setting) -> None:
        self.data = open_data_set(setting.shards)
        self.device = resolve_device(setting.device)
        self.config = TrainConfig(widths=setting.widths, device=setting.device)
        layout = CodeLayout.for_object(self.data.object)
        self.order = MiniBatchOrder(
            {factor: self.data.count(factor) for factor in self.data.factors}, self.config.ratio, self.config.seed
        )
        self.active = {f: torch.from_numpy(layout.active(f)).to(self.device) for f in self.data.factors}
        self.batch = (self.data.batch_size, layout.latents)
        self.waited = 0.0  # seconds spent in asking for mini-batches

    def noise(self, step: int) -> Tensor:
        """(N, Z)."""
        generator = noise_generator(self.config.seed, step, self.device)
        return torch.randn(self.batch, generator=generator, device=self.device)

    def model(self) -> DCIGN:
        """Ours with its initial weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            model = DCIGN(self.config.widths, self.batch[1], self.data.size)
        return model.to(self.device)

    def plain_model(self) -> PlainDCIGN:
        """The plain one with the same weights."""
        model = PlainDCIGN(self.config.widths, self.batch[1], self.data.size).to(self.device)
        with torch.no_grad():
            for mine, theirs in zip(model.parameters(), self.model().parameters(), strict=True):
                mine.copy_(theirs)
        return model

    def steps(self, precision: str, graph: bool = True) -> Generator[Tensor, None, None]:
        """`dcign train` without progress bar, checkpoints, measures and pictures; yields the terms of each step as
        `Status` takes them.

        precision  'fp32' or 'bf16'
        graph      as a CUDA graph on CUDA
        """
        if self.device.type == "cpu":
            prepare_cpu()
        else:
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = False
        model = self.model().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = make_optimiser(model.named_parameters(), self.config)
        optimiser.zero_grad()
        if graph:
            step_3_to_8 = open_step(model, self.config, precision, self.batch, self.device, print)
        else:
            step_3_to_8 = plain_step(model, self.config, precision)
        status = Status(self.data.folder, self.data, self.order, 1, self.device, 0)
        with open_feed(self.data, map(self.order.at, count()), self.device, progress=False) as feed:
            for step in count():
                optimiser.zero_grad()
                terms = status.new_terms()
                factor, _ = self.order.at(step)
                images = next(feed)
                terms[status.row[factor]] += step_3_to_8(images, self.active[factor], self.noise(step))
                optimiser.step()
                status.add(step, terms, optimiser.gradients)
                if self.device.type == "cpu" or (step + 1) % STATUS_EVERY == 0:
                    status.check_finite()
                if (step + 1) % STATUS_EVERY == 0:
                    status.line(step + 1, feed.waited)
                self.waited = feed.waited
                yield terms

    def plain_steps(self) -> Generator[float, None, None]:
        """The plain program; yields the bound of each step."""
        model, config = self.plain_model(), self.config
        optimiser = AuthorsRMSProp(model.parameters(), config.learning_rate, config.momentum_decay, config.update_decay)
        return plain_steps(model, optimiser, self._loaded(), config.invariance_strength, self.device)

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Mini-batches as the plain program loads them, and as the order has them."""
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


def seconds_a_step(setting: Setting, program: str, steps: int) -> tuple[float, float]:
    """Seconds of one step on average over so many, and the share of them spent in waiting for input.

    program  'plain', 'plain without TF32', 'fp32', 'bf16', or the last two with ' without graph' behind them
    """
    training = Training(setting)
    name, _, without = program.partition(" without ")
    running: Generator[Any, None, None]
    if name == PLAIN:
        torch.backends.cudnn.allow_tf32 = not without  # convolutions have it, unless one says otherwise
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
    """The device, the precisions that it has, their peaks, and what the programs run on."""
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
