"""What is seen of a run while it trains, and what is saved: measures, log, pictures, checkpoints, all in its folder."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dcign.checkpoint import Header, save_checkpoint
from dcign.config import TrainConfig
from dcign.held_out import diagnose
from dcign.metrics.folds import Course, words
from dcign.networks import DCIGN
from dcign.optim import Optimiser
from dcign.pictures import png
from dcign.progress_picture import draw_progress
from dcign.run_folder import append_stats
from dcign.tensorboard import open_board
from render.files import write_file
from render.shards import DataSet


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
        self.saved = optimiser.updates
        self.drawn = time.monotonic()
        self.board = open_board(folder, tensorboard and first, optimiser.updates)
        averaged = header.config.weight_average > 0 and first
        self._averaged = copy.deepcopy(model).requires_grad_(False) if averaged else None

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *error: object) -> None:
        self.board.close()

    @property
    def looked_at(self) -> DCIGN:
        """The model that the run would be used with now: the averaged weights where they are kept."""
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
            self.looked_at, self.header.layout, self.data, self.held_out,
            likelihood=config.likelihood, seed=config.seed, precision=self.precision, device=self.device,
        )  # fmt: skip

    def news(self, step: int, measures: dict[str, Any] | None) -> list[str]:
        """Say, once for each change, which latents do not follow their angle and what to try, and which do again.

        Nothing is said before a tenth of the steps, when hardly any latent has been found, nor of angles that go all
        round, which no single latent can follow.
        """
        if measures is None or step * 10 < self.header.config.steps:
            return []
        lines = []
        for name, found in measures["course"].items():
            low, high = self.data.ranges[name]
            state, before = found["state"], self.states.get(name, "follows")
            if high - low >= 360 or state == before:
                continue
            self.states[name] = state
            trouble = words(name, Course(**found))
            lines.append(f"Step {step}, mini-batches held out: {trouble or f'z_{name} now follows the {name}.'}")
            if trouble and before == "follows":
                lines.append(f"  More steps may mend it. Otherwise try {_remedies(self.header.config)}.")
        return lines

    def write(self, line: dict[str, Any]) -> None:
        """Add a line to the log."""
        if self.first:
            append_stats(self.folder, line)
            self.board.scalars(line)

    def save(self, step: int, measures: dict[str, Any] | None = None) -> None:
        """Write a checkpoint after `step` updates, unless that is the one the run was opened with."""
        if self.first and step > self.saved:
            header = dataclasses.replace(self.header, step=step, held_out=measures)
            save_checkpoint(self.folder, header, self.model.state_dict(), self.optimiser.state())
            self.saved = step

    def picture(self, step: int, last: bool) -> None:
        """Draw reconstructions and sweeps when enough minutes have passed, and at the end."""
        minutes = self.header.config.picture_every
        if not self.first or not minutes or not (last or time.monotonic() - self.drawn >= 60 * minutes):
            return
        picture = draw_progress(self.looked_at, self.header.layout, self.data, self.held_out, self.device)
        write_file(self.folder / "progress.png", png(picture))
        self.board.picture(step, picture)
        self.drawn = time.monotonic()


def _remedies(config: TrainConfig) -> str:
    """Name settings that keep latents from folding (docs/results.md), those first that `config` has not taken."""
    untried = [
        *(["--front-first 1000"] if not config.front_first else []),
        *(["--invariance-unit noise --invariance-strength 10"] if config.invariance_unit == "absolute" else []),
        *(["--inactive-gradient shared"] if config.inactive_gradient != "shared" else []),
    ]
    return (
        f"a new run with {', '.join(untried)}" if untried else "a new run with a larger --front-first or another --seed"
    )
