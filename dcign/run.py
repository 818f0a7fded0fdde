"""A trained run, opened for use: what `evaluate` and `rerender` start from."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dcign.checkpoint import Checkpoint, load_checkpoint, newest_checkpoint
from dcign.code import CodeLayout
from dcign.config import TrainConfig
from dcign.errors import RunError
from dcign.networks import DCIGN


@dataclass(frozen=True)
class Run:
    """A model with what is known about its training."""

    folder: Path
    model: DCIGN  # in evaluation mode, parameters without gradients, on the device asked for
    layout: CodeLayout
    config: TrainConfig
    step: int  # updates done
    data: dict[
        str, Any
    ]  # about the training data: object, size, fingerprint, factors, counts, ranges (degrees), seed, folder

    @property
    def object(self) -> str:
        """'face' or 'chair'."""
        return str(self.data["object"])

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self.model.size


def load_run(path: Path, device: str | torch.device = "cpu") -> Run:
    """Open the newest readable checkpoint of a run folder, or the checkpoint at `path`; RunError says what is wrong.

    A newer checkpoint that cannot be read is passed over with a line on stderr.
    """
    path = Path(path)
    folder = path.parent if path.suffix == ".safetensors" else path
    checkpoint = load_checkpoint(path) if folder != path else _newest(path)
    header = checkpoint.header
    model = header.build_model()
    model.load_state_dict(checkpoint.trained)
    model.to(device).eval().requires_grad_(False)
    return Run(folder, model, header.layout, header.config, header.step, header.data)


def _newest(folder: Path) -> Checkpoint:
    if not folder.is_dir():
        raise RunError(f"{folder}: expected a folder written by `dcign train`, found {_what(folder)}")
    found = newest_checkpoint(folder)
    if found is None:
        raise RunError(f"{folder}: expected a folder written by `dcign train`, found no checkpoint in it")
    checkpoint, problems = found
    for problem in problems:
        print(f"Warning: {problem}; using the checkpoint of step {checkpoint.header.step}", file=sys.stderr)
    return checkpoint


def _what(path: Path) -> str:
    return "a file" if path.exists() else "nothing of that name"
