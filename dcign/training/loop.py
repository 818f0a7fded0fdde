"""The training loop: the paper's procedure (section 3.1) from the first mini-batch to the last, never losing a run.

SIGTERM, SIGHUP and Ctrl-C are noted while a step is finished and its checkpoint written.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dcign.config import TrainConfig
from dcign.errors import ArgumentError
from dcign.model.code import CodeLayout
from dcign.model.devices import prepared, resolve_device, resolve_precision
from dcign.model.interface import DCIGN
from dcign.model.optimisers import Optimiser, make_optimiser
from dcign.runs.checkpoint import Header, has_checkpoint, newest_checkpoint
from dcign.runs.folder import check_same_run, claim_folder, hold_folder, rewind_stats, write_header
from dcign.runs.starting_weights import read_starting_weights, recorded_start, start_path
from dcign.runs.training_data import write_identities, write_rendering
from dcign.training.cuda_graph import open_step, open_update
from dcign.training.distributed import Ranks, open_ranks
from dcign.training.feeding import open_feed
from dcign.training.held_out import held_out_counts
from dcign.training.monitor import STATUS_EVERY, Monitor, Status, summary, writer_class
from dcign.training.order import MiniBatchOrder, names_of_ratio, nearest_the_front, usual_ratio
from dcign.training.updates import Updates, at_once, begin_with, initial_model
from render.shards.data_set import DataSet
from render.shards.labels import label_names

SECOND_THOUGHTS = 1.0  # seconds after which another Ctrl-C is one more wish, not the echo of the first


@dataclass(frozen=True)
class Outcome:
    """The end of a call of `train`."""

    step: int  # updates since the start of the run
    signal: int | None = None  # the signal that stopped it early; its checkpoint is written


def train(
    data: DataSet,
    folder: Path,
    config: TrainConfig,
    say: Callable[[str], None] = print,
    progress: bool = True,
    tensorboard: bool = False,
) -> Outcome:
    """Train a run in `folder` on `data` up to `config.steps` updates, from its newest checkpoint if it has one.

    Raises RunError, changing nothing, if the folder holds something else or another run, and Failure if the objective
    becomes NaN or infinite. SIGTERM and Ctrl-C write a checkpoint and return. On one CPU and number of threads the
    result does not depend on interruptions, bit for bit. Under torchrun all its processes train this one run.
    """
    with open_ranks(resolve_device(config.device)) as ranks, prepared(ranks.device), ExitStack() as locks:
        if ranks.first:
            return _train(data, folder, config, say, progress, tensorboard, ranks, locks)
        return _train(data, folder, config, lambda line: None, False, False, ranks, locks)


def _train(
    data: DataSet, folder: Path, config: TrainConfig, say: Callable[[str], None], progress: bool, tensorboard: bool,
    ranks: Ranks, locks: ExitStack,
) -> Outcome:  # fmt: skip
    # --- machine
    device = ranks.device
    precision = resolve_precision(config.precision, device)
    config = dataclasses.replace(config, precision=precision)  # a run keeps it, on whatever machine it goes on
    if config.accumulate == 1:
        config = dataclasses.replace(config, accumulate=ranks.count)  # one mini-batch a rank
    if config.accumulate % ranks.count:
        raise ArgumentError(
            "accumulate", f"expected a multiple of the {ranks.count} processes, found {config.accumulate}"
        )
    if config.start_from is not None:
        config = dataclasses.replace(config, start_from=recorded_start(config.start_from, folder))

    if tensorboard:
        writer_class()  # before anything is written

    # --- data
    if not config.ratio:
        config = dataclasses.replace(config, ratio=usual_ratio(data))
    layout = graphics_code(data, config.code)
    counts = {factor: data.count(factor) for factor in data.factors}
    held_out = held_out_counts(counts, config.held_out)
    if config.images is not None and config.images > data.batch_size:
        raise ArgumentError(
            "images", f"expected at most {data.batch_size}, the images of a mini-batch, found {config.images}"
        )
    used = {factor: n - held_out[factor] for factor, n in counts.items()}
    front = nearest_the_front(data, used) if config.front_first else None
    front_steps = config.front_first * config.accumulate
    order = MiniBatchOrder(used, config.ratio, config.seed, front, front_steps, names_of_ratio(data))
    active = {factor: torch.from_numpy(layout.active(factor)).to(device) for factor in data.factors}
    header = Header(0, config, layout, data.size, describe(data))
    ranks.agree(json.dumps([config.to_json(), layout.to_json(), data.fingerprint, counts]))

    # --- state
    model = initial_model(header, device)
    optimiser = make_optimiser(model.named_parameters(), config)

    # --- resume
    start = ranks.on_first(lambda: resume(folder, data, header, model, optimiser, locks, say))
    if start >= config.steps:
        say(f"{folder} is trained: step {start} of {config.steps}. Ask for more `steps` to go on.")
        return Outcome(start)
    ranks.copy_from_first([*model.state_dict().values(), *optimiser.state().values()])
    optimiser.updates = start
    say(
        f"Training {folder} on {', '.join(data.factors)} of {data.folder}: steps {start} to {config.steps}, "
        f"{device.type}{f' x {ranks.count}' if ranks.count > 1 else ''}, {precision}, "
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters"
    )

    # --- loop
    optimiser.zero_grad()
    share = ranks.share(config.accumulate)
    status = Status(folder, data, order, config, device, start)
    batch = at_once(len(share), status.images, data.batch_size), status.images, layout.latents
    step_3_to_8 = open_step(model, config, precision, batch, device, say, divergence_weights(layout, config, device))
    open_update(optimiser, device, say)
    places = (step * config.accumulate + number for step in range(start, config.steps) for number in share)
    stop = torch.zeros(1, device=device)
    step, stopping = start, False
    with (
        open_feed(data, (order.at(place) for place in places), device, progress=progress) as feed,
        Monitor(
            folder, header, data, held_out, model, optimiser, device, precision, tensorboard, ranks.first
        ) as monitor,
        _progress_bar(start, config, status.images, progress) as bar,
        stop_signals() as received,
        _saving_at_least(monitor, status, optimiser, say),
    ):

        def save_if_stopped() -> None:
            """Save first if this process was told to stop while it waits for others, who may not answer."""
            before = monitor.saved
            if received:
                _save_last_update(monitor, status, optimiser)
            if monitor.saved > before:
                with bar.external_write_mode():
                    say(f"Told to stop: step {monitor.saved} is saved. The other processes have not answered yet.")

        def exchange(tensors: list[Tensor]) -> None:
            """Sum tensors over the ranks, and count those that were told to stop."""
            stop.fill_(bool(received))
            others_busy = step == start or step % config.checkpoint_every == 0  # they start, rank 0 measures and saves
            ranks.sum([*tensors, stop], save_if_stopped, patiently=others_busy)

        updates = Updates(config, order, active, step_3_to_8, feed, optimiser, status, share, exchange)
        while step < config.steps and not stopping:
            updates.make(step)
            step += 1
            bar.update(config.accumulate * status.images)

            # --- status
            last = step == config.steps
            reading = status.read_after(step) or last
            stopping = bool(received) if ranks.count == 1 else reading and bool(stop)
            due = step % config.checkpoint_every == 0 or last
            if reading or due or stopping:
                status.check_finite()
            if last and config.erase and ranks.first:
                from dcign.training.erasure import erase  # loads scikit-learn, which no other part of a training needs

                erase(optimiser, monitor.model_to_use, layout, data, used, precision, device)
            # --- measures, log, checkpoint, picture; who is told to stop saves at once and leaves
            measures = monitor.measure() if due and not stopping else None
            for news in monitor.news(step, measures):
                with bar.external_write_mode():
                    say(news)
            if step % STATUS_EVERY == 0 or last or stopping or measures:
                line = {**status.line(step, feed.waited), **({"held_out": measures} if measures else {})}
                monitor.write(line)
                bar.set_postfix_str(summary(line), refresh=False)
            if due or stopping:
                monitor.save(step, measures, beside=not (last or stopping))
            if not stopping:
                monitor.picture(step, last)
    if step < config.steps:
        say(f"Stopped at step {step} of {config.steps}; {folder} is saved. Run the same command again to resume.")
        return Outcome(step, received[0] if received else signal.SIGTERM)
    say(f"{folder} is trained: step {step} of {config.steps}.")
    return Outcome(step)


@contextmanager
def _saving_at_least(
    monitor: Monitor, status: Status, optimiser: Optimiser, say: Callable[[str], None]
) -> Iterator[None]:
    """Save the last whole update when the loop ends in an error: a lost rank, a changed shard, a full disk.

    Not when the objective was no longer finite, nor in the middle of an update, nor if that fails too.
    """
    try:
        yield
    except Exception:
        _save_last_update(monitor, status, optimiser)
        if monitor.saved == optimiser.updates > 0:
            say(f"Saved step {monitor.saved} in {monitor.folder}: the same command resumes from it.")
        raise


def _save_last_update(monitor: Monitor, status: Status, optimiser: Optimiser) -> None:
    with suppress(Exception):
        status.check_finite()
        if not optimiser.updating:
            monitor.save(optimiser.updates)


def _progress_bar(start: int, config: TrainConfig, of_minibatch: int, shown: bool) -> tqdm[Any]:
    images = config.accumulate * of_minibatch
    interval = 0.2 if sys.stderr.isatty() else 30.0  # seconds; a log file gets a line now and then
    return tqdm(
        desc="train",
        total=config.steps * images,
        initial=start * images,
        unit=" images",
        disable=not shown,
        mininterval=interval,
        maxinterval=interval,
        dynamic_ncols=True,
    )


def graphics_code(data: DataSet, code: str | None) -> CodeLayout:
    """Return the layout that `code` asks for, or where it is None the usual one for such data."""
    if code:
        return CodeLayout.parse(code, label_names(data.manifest.settings))
    if data.imported:
        return CodeLayout.for_data(data.labels, data.factors)
    return CodeLayout.for_object(data.object)


def divergence_weights(layout: CodeLayout, config: TrainConfig, device: torch.device) -> Tensor | None:
    """Factors (Z,) on the divergence of each latent; None where all are 1."""
    if config.extrinsic_divergence == 1:
        return None
    return torch.from_numpy(np.where(layout.extrinsic, config.extrinsic_divergence, 1.0).astype(np.float32)).to(device)


def _of_imported(data: DataSet) -> dict[str, Any]:
    """Return what a run remembers of images that others took alone: those that were rendered are known by `object`."""
    if not data.imported:
        return {}
    background = data.manifest.settings["shading"].get("background")
    return {"labels": data.manifest.settings["labels"], **({} if background is None else {"background": background})}


def describe(data: DataSet) -> dict[str, Any]:
    """Return what a run remembers of its training data."""
    return {
        "object": data.object,
        "size": data.size,
        "batch_size": data.batch_size,
        "fingerprint": data.fingerprint,
        "ranges": {name: list(limits) for name, limits in data.ranges.items()},
        **_of_imported(data),
        "seed": data.manifest.settings["seed"],
        "factors": list(data.factors),
        "counts": {factor: data.count(factor) for factor in data.factors},
        "folder": str(data.folder),
    }


def resume(
    folder: Path,
    data: DataSet,
    header: Header,
    model: DCIGN,
    optimiser: Optimiser,
    locks: ExitStack,
    say: Callable[[str], None],
) -> int:
    """Make the folder the run's, load its newest readable checkpoint; returns its step, 0 if there is none yet.

    Without one the run begins with the weights it is to start from, if any. The folder is kept to this process until
    `locks` end.
    """
    beginning = None
    if header.config.start_from is not None and not has_checkpoint(folder):
        other = start_path(header.config.start_from, folder)
        beginning = read_starting_weights(other, header)  # what does not fit is said before anything is written
    claim_folder(folder, header)
    locks.enter_context(hold_folder(folder))
    found = newest_checkpoint(folder)
    step = 0
    if found is not None:
        checkpoint, problems = found
        step = checkpoint.header.step
        for problem in problems:
            say(f"{problem}; going back to the checkpoint of step {step}")
        check_same_run(folder, checkpoint.header, header)
        was, now = checkpoint.header.data.get("counts"), header.data["counts"]
        if was != now:
            say(f"{header.data['folder']} now holds {now} mini-batches, not {was}.")
        model.load_state_dict(checkpoint.model)
        optimiser.load_state(checkpoint.optimiser, step)
    elif beginning is not None:
        begin_with(beginning[1], model, optimiser)
        say(f"Starting from the weights of {other}, step {beginning[0].step}.")
    if step < header.config.steps:
        write_header(folder, header)  # steps, device and the like may be new
        write_identities(folder, data)
        write_rendering(folder, data)
        rewind_stats(folder, step)
    return step


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect stop signals in the list it gives, so that a step is finished and saved first.

    A second Ctrl-C, more than SECOND_THOUGHTS later, acts at once. Others are only noted: launchers and terminals send
    the same one twice. A hang-up is left alone where it is ignored (nohup).
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]
    first = 0.0

    def note(number: int, frame: object) -> None:
        nonlocal first
        if number == signal.SIGINT and received and time.monotonic() - first > SECOND_THOUGHTS:
            raise KeyboardInterrupt
        first = first or time.monotonic()
        received.append(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
