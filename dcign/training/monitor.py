"""What is seen of a run while it trains, and what is saved: measures, log, pictures, checkpoints, all in its folder."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dcign.images.drawing import png
from dcign.model.networks import DCIGN
from dcign.model.optimisers import Optimiser
from dcign.runs.checkpoint import Header, save_checkpoint
from dcign.runs.folder import append_stats
from dcign.training.held_out import diagnose
from dcign.training.progress_picture import draw_progress
from dcign.training.tensorboard import open_board
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
