"""Training by the paper's procedure (section 3.1). `clamped_step` is one mini-batch, `train` the whole run."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dcign.batches import MiniBatchOrder, noise_generator, to_device
from dcign.checkpoint import Header, newest_checkpoint, save_checkpoint
from dcign.clamp import clamp
from dcign.code import CodeLayout
from dcign.config import TrainConfig
from dcign.cpu import prepare_cpu
from dcign.errors import Failure
from dcign.networks import DCIGN
from dcign.objective import divergence, reconstruction, sample
from dcign.optim import RMSPropAuthors
from dcign.precision import autocast, resolve_device, resolve_precision
from dcign.run_folder import append_stats, check_same_run, claim_folder, rewind_stats, write_header
from render.shards import DataSet

STATUS_EVERY = 50  # steps between lines of stats.jsonl


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended."""

    step: int  # mini-batches trained on, counted from the start of the run
    signal: int | None = None  # the signal that stopped it early; its checkpoint is written


def clamped_step(
    model: DCIGN,
    optimiser: RMSPropAuthors,
    images: Tensor,
    active: Tensor,
    noise: Tensor,
    config: TrainConfig,
    precision: str = "fp32",
) -> Tensor:
    """Steps 3 to 8 of the paper's procedure (section 3.1) on one mini-batch, and the update.

    images (N, 1, H, W) in [0, 1], active (Z,) bool, noise (N, Z) ~ N(0, 1), all on the model's device. Returns (3,),
    on the same device: reconstruction and KL in nats, summed over the mini-batch, and the variance within the
    mini-batch of the inactive means, averaged over them.
    """
    shared = config.inactive_gradient == "shared"
    # 3. Show the network each example in the mini-batch and capture its latent representation.
    with autocast(precision, images.device):
        mean, logvar = model.encode(images)  # (N, Z) each
    # 4. Calculate the average of those representation vectors over the entire batch.
    # 5. Replace the values z_i != z_train with their averages before they reach the decoder.
    clamped_mean = clamp(mean, active, config.invariance_strength, shared)
    clamped_logvar = clamp(logvar, active, config.invariance_strength, shared)
    # 6. Calculate the reconstruction error and backpropagate as per SGVB in the decoder ...
    z = sample(clamped_mean, clamped_logvar, noise)
    with autocast(precision, images.device):
        logits = model.decode_logits(z)
    error = reconstruction(logits, images)
    kl = divergence(clamped_mean, clamped_logvar, active)
    optimiser.zero_grad()
    # 7. ... where `clamp` replaces the gradients of the clamped latents with their difference from the mean,
    # 8. and backpropagation goes on through the encoder with the modified gradient.
    (error + kl).backward()
    optimiser.step()
    with torch.no_grad():
        inactive = (~active).sum() * len(images)
        spread = (mean - clamped_mean).square().sum() / inactive.clamp(min=1)  # clamping left active values alone
        return torch.stack((error.detach(), kl.detach(), spread))


def train(
    data: DataSet,
    folder: Path,
    config: TrainConfig,
    say: Callable[[str], None] = print,
    progress: bool = True,
) -> Outcome:
    """Train a run in `folder` on `data` up to `config.steps` mini-batches, from its newest checkpoint if it has one.

    Raises RunError, changing nothing, if the folder holds something else or another run, and Failure if the objective
    becomes NaN or infinite. SIGTERM and Ctrl-C write a checkpoint and return. On one CPU and number of threads the
    result does not depend on interruptions, bit for bit.
    """
    # --- machine
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    if device.type == "cpu":
        prepare_cpu()
    else:
        torch.backends.cudnn.benchmark = True  # shapes never change

    # --- data
    layout = CodeLayout.parse(config.code) if config.code else CodeLayout.for_object(data.object)
    order = MiniBatchOrder({factor: data.count(factor) for factor in data.factors}, config.ratio, config.seed)
    active = {factor: torch.from_numpy(layout.active(factor)).to(device) for factor in data.factors}
    asked = Header(0, config, layout, data.size, describe(data))

    # --- state
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = asked.build_model()
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = RMSPropAuthors(
        model.named_parameters(),
        config.learning_rate,
        config.momentum_decay,
        config.update_decay,
        config.weight_average,
    )

    # --- resume
    claim_folder(folder, asked)
    start = resume(folder, asked, model, optimiser, say)
    if start >= config.steps:
        say(f"{folder} is trained: step {start} of {config.steps}. Ask for more --steps to go on.")
        return Outcome(start)
    write_header(folder, asked)  # steps, device and checkpoint_every may be new
    rewind_stats(folder, start)
    say(
        f"Training {folder} on {', '.join(data.factors)} of {data.folder}: steps {start} to {config.steps}, "
        f"{device.type}, {precision}, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters"
    )

    # --- loop
    status = Status(folder, data, order, device, start, time.monotonic())
    saved = start
    interval = 0.2 if sys.stderr.isatty() else 30.0  # seconds; a log file gets a line now and then
    bar = tqdm(
        desc="train",
        total=config.steps * data.batch_size,
        initial=start * data.batch_size,
        unit=" images",
        disable=not progress,
        mininterval=interval,
        maxinterval=interval,
        dynamic_ncols=True,
    )
    with bar, stop_signals() as received:
        for step in range(start, config.steps):
            # 1. Select at random a latent variable z_train, that is, a factor.
            # 2. Select at random a mini-batch in which only that variable changes.
            factor, index = order.at(step)
            images = to_device(data.minibatch(factor, index).images, device)
            # 3. to 8.: encode, clamp, sample, decode, objective, backward with the modified gradient, update
            shape = (len(images), layout.latents)
            noise = torch.randn(shape, generator=noise_generator(config.seed, step, device), device=device)
            status.add(step, factor, clamped_step(model, optimiser, images, active[factor], noise, config, precision))
            bar.update(len(images))

            done = step + 1
            last = done == config.steps or bool(received)
            due = done % config.checkpoint_every == 0 or last
            # --- status; reading it waits for the device, so a GPU is asked only now and then
            if device.type == "cpu" or done % STATUS_EVERY == 0 or due:
                status.check_finite()
            if done % STATUS_EVERY == 0 or last:
                bar.set_postfix_str(status.write(done), refresh=False)
            # --- checkpoint
            if due:
                header = Header(done, config, layout, data.size, asked.data)
                save_checkpoint(folder, header, model.state_dict(), optimiser.state())
                saved = done
            if last:
                break
    if saved < config.steps:
        say(f"Stopped at step {saved} of {config.steps}; {folder} is saved. Run the same command again to resume.")
        return Outcome(saved, received[0])
    say(f"{folder} is trained: step {saved} of {config.steps}.")
    return Outcome(saved)


def describe(data: DataSet) -> dict[str, Any]:
    """What a run remembers of its training data."""
    return {
        "object": data.object,
        "size": data.size,
        "batch_size": data.batch_size,
        "fingerprint": data.fingerprint,
        "ranges": {name: list(limits) for name, limits in data.ranges.items()},
        "seed": data.manifest.settings["seed"],
        "factors": list(data.factors),
        "counts": {factor: data.count(factor) for factor in data.factors},
        "folder": str(data.folder),
    }


def resume(folder: Path, asked: Header, model: DCIGN, optimiser: RMSPropAuthors, say: Callable[[str], None]) -> int:
    """Load the newest readable checkpoint into model and optimiser; returns its step, 0 if there is none yet."""
    found = newest_checkpoint(folder)
    if found is None:
        return 0
    checkpoint, problems = found
    header = checkpoint.header
    for problem in problems:
        say(f"{problem}; going back to the checkpoint of step {header.step}")
    check_same_run(folder, header, asked)
    if header.data.get("counts") != asked.data["counts"]:
        say(f"{asked.data['folder']} now holds {asked.data['counts']} mini-batches, not {header.data.get('counts')}.")
    model.load_state_dict(checkpoint.model)
    optimiser.load_state(checkpoint.optimiser, header.step)
    return header.step


class Status:
    """Sums of what was measured since the last line of `stats.jsonl`, kept on the device."""

    def __init__(
        self, folder: Path, data: DataSet, order: MiniBatchOrder, device: torch.device, step: int, now: float
    ) -> None:
        self.folder, self.data, self.order = folder, data, order
        self.step, self.now = step, now
        self.sums = {factor: torch.zeros(3, device=device) for factor in data.factors}
        self.minibatches = dict.fromkeys(data.factors, 0)
        self.first_bad = torch.tensor(float("inf"), dtype=torch.float64, device=device)

    def add(self, step: int, factor: str, terms: Tensor) -> None:
        """Count the (3,) terms of `clamped_step`."""
        self.sums[factor] += terms
        self.minibatches[factor] += 1
        bad = torch.where(torch.isfinite(terms).all(), float("inf"), float(step)).to(torch.float64)
        self.first_bad = torch.minimum(self.first_bad, bad)

    def check_finite(self) -> None:
        """Raise Failure naming the first step whose objective was NaN or infinite."""
        step = float(self.first_bad)
        if step == float("inf"):
            return
        factor, index = self.order.at(int(step))
        shard = self.data.minibatch(factor, index).shard
        raise Failure(
            f"the objective became NaN or infinite at step {int(step) + 1}, mini-batch {index} of {factor} ({shard}); "
            f"the last checkpoint in {self.folder} is as it was; try a new run with a lower --learning-rate"
        )

    def write(self, step: int) -> str:
        """Append a line to `stats.jsonl` and start anew; returns a few words for the progress bar."""
        now, size = time.monotonic(), self.data.batch_size
        factors = {}
        for factor, count in self.minibatches.items():
            if count:
                error, kl, spread = (self.sums[factor] / count).tolist()
                factors[factor] = {
                    "minibatches": count,
                    "reconstruction": error / size,  # nats per image
                    "kl": kl / size,  # nats per image
                    "inactive_variance": spread,
                }
        speed = (step - self.step) * size / max(now - self.now, 1e-9)
        line = {"step": step, "images": step * size, "images_per_second": round(speed, 2), "factors": factors}
        append_stats(self.folder, line)
        total = sum(self.minibatches.values())
        error = sum(f["reconstruction"] * f["minibatches"] for f in factors.values()) / total
        self.step, self.now = step, now
        for factor, sums in self.sums.items():
            sums.zero_()
            self.minibatches[factor] = 0
        return f"{error:.0f} nats/image"


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the list it gives, so that a step is finished first; a second one acts at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        received.append(number)
        for again in before:
            signal.signal(again, before[again])

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number in before:
            signal.signal(number, before[number])
