"""Everything that a run in training shows and keeps: sums of the objective, log, TensorBoard, pictures, checkpoints.

`Status` sums the terms of the objective on the device and finds a NaN; `Board` is the log for TensorBoard, whose
package is an extra and imported late; `Monitor` measures, writes, draws and saves, all in the run's folder.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from assets.files import write_file
from dcign.config import TrainConfig
from dcign.engine.drawing import png
from dcign.errors import ArgumentError, Failure
from dcign.evaluation.metrics.folds import Course, words
from dcign.model.code import NAMING
from dcign.model.interface import DCIGN
from dcign.model.optimisers import Optimiser
from dcign.runs.checkpoint import Header
from dcign.runs.folder import append_stats
from dcign.training.checkpoint_writer import CheckpointWriter
from dcign.training.held_out import diagnose
from dcign.training.order import MiniBatchOrder, has_front
from dcign.training.progress_picture import draw_progress
from render.shards.data_set import DataSet

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


TERMS = ("reconstruction", "kl", "inactive_variance")  # of `dcign.model.step.gradients`, in their order
STATUS_EVERY = 50  # steps between lines of stats.jsonl
TENSORBOARD = "tensorboard"
COUNTS = ("step", "images", "minibatches")  # numbers that make no curve


class Monitor:
    """Looks after the run in `folder`, described by `header`; does nothing in a process that is not `first`.

    held_out  factor -> mini-batches kept out of training
    """

    def __init__(
        self, folder: Path, header: Header, data: DataSet, held_out: Mapping[str, int], model: DCIGN,
        optimiser: Optimiser, device: torch.device, precision: str, tensorboard: bool, first: bool,
    ) -> None:  # fmt: skip
        self.folder, self.header, self.data, self.held_out = folder, header, data, held_out
        self.model, self.optimiser, self.device, self.precision = model, optimiser, device, precision
        self.first = first
        self.states: dict[str, str] = {}  # of the latents, as last said
        self.blind = False  # whether pictures were no nearer than their mean image, when last measured
        self.writer = CheckpointWriter(folder, optimiser.updates)
        self.pictured_at = time.monotonic()
        self.board = open_board(folder, tensorboard and first, optimiser.updates)
        averaged = header.config.weight_average > 0 and first
        self._averaged = copy.deepcopy(model).requires_grad_(False) if averaged else None

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *error: object) -> None:
        self.writer.close()
        self.board.close()
        if error[0] is None:
            self.writer.finish()

    @property
    def saved(self) -> int:
        """The step of the newest checkpoint on the disk."""
        return self.writer.saved

    @property
    def model_to_use(self) -> DCIGN:
        """The model as one would use it now: with the averaged weights where they are kept."""
        if self._averaged is None:
            return self.model
        with torch.no_grad():
            for mine, average in zip(self._averaged.parameters(), self.optimiser.buffers["average"], strict=True):
                mine.copy_(average)
        return self._averaged

    def measure(self) -> dict[str, Any] | None:
        """Measures of the mini-batches held out; None where there are none."""
        if not self.first:
            return None
        config = self.header.config
        return diagnose(
            self.model_to_use, self.header.layout, self.data, self.held_out,
            likelihood=config.likelihood, deviation=config.deviation, seed=config.seed,
            precision=self.precision, device=self.device,
        )  # fmt: skip

    def news(self, step: int, measures: dict[str, Any] | None) -> list[str]:
        """Say, once for each change, which latents do not follow their factor and what to try, and which do again.

        Nothing is said before a tenth of the steps, when hardly any latent has been found, nor of factors that go all
        round, which no single latent can follow, nor under a procedure that gives latents no meaning. First comes, once
        too, that the pictures are no nearer than their mean image would be.
        """
        config = self.header.config
        if measures is None or step * 10 < config.steps:
            return []
        mse, of_mean_image = measures["mse"], measures["mean_image_mse"]
        was_blind, self.blind = self.blind, mse is not None and mse >= of_mean_image
        lines = [_blindness(step, mse, of_mean_image)] if self.blind and not was_blind else []
        if config.procedure not in NAMING:
            return lines
        for name, found in measures["course"].items():
            state, before = found["state"], self.states.get(name, "follows")
            if self.data.labels[name].circular or state == before:
                continue
            self.states[name] = state
            trouble = words(name, Course(**found), self.data.labels)
            lines.append(f"Step {step}, mini-batches held out: {trouble or f'z_{name} now follows the {name}.'}")
            if trouble and before == "follows":
                lines.append(f"  More steps may mend it. Otherwise try {_remedies(config, has_front(self.data))}.")
        return lines

    def write(self, line: dict[str, Any]) -> None:
        """Add a line to the log. Failure if a checkpoint could not be written meanwhile."""
        if self.first:
            self.writer.check()
            append_stats(self.folder, line)
            self.board.scalars(line)

    def save(self, step: int, measures: dict[str, Any] | None = None, beside: bool = False) -> None:
        """Write a checkpoint after `step` updates, unless that is the one the run was opened with.

        beside  go on while it is written; a Failure then comes from the next call of `save` or `write`, or at the end
        """
        if not beside:
            self.writer.settle()
        if self.first and step > self.saved:
            header = dataclasses.replace(self.header, step=step, held_out=measures)
            write = self.writer.begin if beside else self.writer.write
            write(header, self.model.state_dict(), self.optimiser.state())

    def picture(self, step: int, last: bool) -> None:
        """Draw reconstructions and sweeps when enough minutes have passed, and at the end."""
        minutes = self.header.config.picture_every
        if not self.first or not minutes or not (last or time.monotonic() - self.pictured_at >= 60 * minutes):
            return
        picture = draw_progress(self.model_to_use, self.header.layout, self.data, self.held_out, self.device)
        write_file(self.folder / "progress.png", png(picture))
        self.board.picture(step, picture)
        self.pictured_at = time.monotonic()


def _blindness(step: int, mse: float, of_mean_image: float) -> str:
    return (
        f"Step {step}, mini-batches held out: pictures are no nearer than their mean image would be (MSE {mse:.4f}; "
        f"{of_mean_image:.4f}).\n  If that lasts, nothing more is learnt: try a new run with a lower `learning_rate`."
    )


def _remedies(config: TrainConfig, front: bool) -> str:
    """Name settings that keep latents from folding (docs/results.md), those first that `config` has not taken.

    front  whether the images have one, see `front_first`
    """
    untried = [
        *(["`front_first=1000`"] if front and not config.front_first else []),
        *(["`invariance_unit=noise` `invariance_strength=10`"] if config.invariance_unit == "absolute" else []),
        *(["`inactive_gradient=shared`"] if config.inactive_gradient != "shared" else []),
    ]
    otherwise = "a larger `front_first` or another `seed`" if front else "another `seed`"
    return f"a new run with {', '.join(untried) or otherwise}"


class NotFinite(Failure):
    """The objective or its gradient became NaN or infinite."""


class Status:
    """Terms of the steps since the last line, summed by factor, (F, 3) on the device.

    config  says how many mini-batches, and how many images of each, make an update
    """

    def __init__(
        self, folder: Path, data: DataSet, order: MiniBatchOrder, config: TrainConfig, device: torch.device, step: int
    ) -> None:
        self.folder, self.data, self.order, self.accumulate = folder, data, order, config.accumulate
        self.images = config.images or data.batch_size  # that are taken of a mini-batch
        self.row = {factor: number for number, factor in enumerate(data.factors)}
        self.sums = torch.zeros(len(self.row), len(TERMS), dtype=torch.float64, device=device)
        self.minibatches = dict.fromkeys(self.row, 0)
        self.first_bad = torch.tensor(float("inf"), dtype=torch.float64, device=device)
        self.step, self.now, self.waited = step, time.monotonic(), 0.0

    def new_terms(self) -> Tensor:
        """A table (F, 3) of zeros for the terms of one update."""
        return torch.zeros(self.sums.shape, device=self.sums.device)

    def add(self, step: int, terms: Tensor, gradients: list[Tensor]) -> None:
        """Count the terms (F, 3) of the update `step`, summed over its mini-batches, and look at its gradients."""
        self.sums += terms
        for factor, _ in self._minibatches_of(step):
            self.minibatches[factor] += 1
        norms = torch.stack(list(torch._foreach_norm(gradients)))
        good = torch.isfinite(terms).all() & torch.isfinite(norms).all()
        bad = torch.where(good, float("inf"), float(step)).to(torch.float64)
        self.first_bad = torch.minimum(self.first_bad, bad)

    def read_after(self, step: int) -> bool:
        """Tell if the terms are read after so many updates: that waits for the device, so a GPU is asked rarely."""
        return self.sums.device.type == "cpu" or step % STATUS_EVERY == 0

    def check_finite(self) -> None:
        """Raise NotFinite naming the first step whose objective was NaN or infinite. Waits for the device."""
        step = float(self.first_bad)
        if step == float("inf"):
            return
        where = ", ".join(
            f"mini-batch {index} of {factor} ({self.data.minibatch(factor, index).shard})"
            for factor, index in self._minibatches_of(int(step))
        )
        raise NotFinite(
            f"the objective became NaN or infinite at step {int(step) + 1}, {where}; "
            f"the last checkpoint in {self.folder} is as it was; try a new run with a lower `learning_rate`"
        )

    def _minibatches_of(self, step: int) -> list[tuple[str, int]]:
        return [self.order.at(place) for place in range(step * self.accumulate, (step + 1) * self.accumulate)]

    def line(self, step: int, waited: float) -> dict[str, Any]:
        """Make a line for `stats.jsonl` about what came since the last one, and start anew.

        waited  seconds that the steps have waited for input since the run began
        """
        now, size = time.monotonic(), self.images
        factors = {}
        for factor, count in self.minibatches.items():
            if count:
                error, kl, spread = (self.sums[self.row[factor]] / count).tolist()
                factors[factor] = {
                    "minibatches": count,
                    "reconstruction": error / size,  # nats per image
                    "kl": kl / size,  # nats per image
                    "inactive_variance": spread,
                }
        seconds = max(now - self.now, 1e-9)
        line = {
            "step": step,
            "images": step * self.accumulate * size,
            "images_per_second": round((step - self.step) * self.accumulate * size / seconds, 2),
            "input_wait": round((waited - self.waited) / seconds, 4),  # share of the time
            "factors": factors,
        }
        self.step, self.now, self.waited = step, now, waited
        self.sums.zero_()
        self.minibatches = dict.fromkeys(self.row, 0)
        return line


def summary(line: dict[str, Any]) -> str:
    """A few words about a line of `stats.jsonl`, for the progress bar."""
    factors = line["factors"].values()
    total = sum(factor["minibatches"] for factor in factors)
    error = sum(factor["reconstruction"] * factor["minibatches"] for factor in factors) / max(total, 1)
    bound = (line.get("held_out") or {}).get("bound")
    return f"{error:.0f} nats/image" + ("" if bound is None else f", held-out bound {bound:.0f}")


class Board:
    """Write scalars and images to TensorBoard, or do nothing if it is off."""

    def __init__(self, writer: SummaryWriter | None) -> None:
        self.writer = writer

    def scalars(self, line: Mapping[str, Any]) -> None:
        """Add the numbers of one line of `stats.jsonl` at its step, under the names of `curves`."""
        if self.writer is not None:
            for tag, value in curves(line):
                self.writer.add_scalar(tag, value, line["step"])

    def picture(self, step: int, image: Image.Image) -> None:
        """Add a grey picture as it was drawn after `step`."""
        if self.writer is not None:
            self.writer.add_image("progress", np.asarray(image), step, dataformats="HW")

    def close(self) -> None:
        """Write what is waiting and end."""
        if self.writer is not None:
            self.writer.close()


def open_board(folder: Path, wanted: bool, start: int = 0) -> Board:
    """Open the board of the run in `folder`, trained up to step `start`; one that does nothing unless `wanted`.

    What an interrupted run logged beyond `start` is hidden: those steps are made again. Errors as `writer_class`.
    """
    return Board(writer_class()(str(folder / TENSORBOARD), purge_step=start + 1) if wanted else None)


def writer_class() -> type[SummaryWriter]:
    """Import the class that writes the log; ArgumentError when TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ArgumentError(
            "tensorboard", f"expected the package tensorboard, found none ({error}); pip install 'dcign[tensorboard]'"
        ) from None
    return SummaryWriter


def curves(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Tag and value of the numbers of a line of `stats.jsonl`: train/azimuth/kl, held_out/bound and so on."""
    yield from _flat("train", {name: value for name, value in line.items() if name != "held_out"})
    yield from _flat("held_out", line.get("held_out") or {})


def _flat(prefix: str, numbers: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _flat(prefix if name == "factors" else f"{prefix}/{name}", value)
        elif isinstance(value, (int, float)) and name not in COUNTS:
            yield f"{prefix}/{name}", float(value)
