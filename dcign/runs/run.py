"""A trained run, opened for use: what `dcign evaluate`, `rerender`, `explore` and `dcign.load` start from."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dcign.config import TrainConfig
from dcign.errors import RunError
from dcign.model.code import CodeLayout
from dcign.model.interface import DCIGN
from dcign.runs.checkpoint import WEIGHTS, Header, load_checkpoint, load_weights, newest_checkpoint
from dcign.runs.shipped import find_run, shipped_names
from render.shards.labels import Label, labels_of

BACKGROUND = {"face": 0.0, "chair": 1.0}  # behind what the renderer drew


@dataclass(frozen=True)
class Run:
    """A model with what is known about its training."""

    folder: Path
    model: DCIGN  # in evaluation mode, parameters without gradients, on the device asked for
    layout: CodeLayout
    config: TrainConfig
    step: int  # updates done
    data: dict[str, Any]  # about the training data, see `HEADER` in `dcign.runs.checkpoint`
    fit: int = 0  # steps by which a code is fitted to its image, see `dcign.engine.fitting`

    @property
    def object(self) -> str:
        """The word for what the images show: 'face', 'chair', or another."""
        return str(self.data["object"])

    @property
    def imported(self) -> bool:
        """True if it was trained on images that others took, not on what the renderer drew."""
        return "labels" in self.data

    @cached_property
    def labels(self) -> dict[str, Label]:
        """The labels of the training images, by name: unit, range, categories."""
        return labels_of(self.data)

    @property
    def background(self) -> float:
        """Grey value behind the object, 0 to 1, for the transparent pixels of an image."""
        return float(self.data.get("background", BACKGROUND.get(self.object, 0.0)))

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self.model.size


def load_run(path: Path, device: str | torch.device = "cpu", fit: int = 0) -> Run:
    """Open the newest readable checkpoint of a run folder, the checkpoint at `path`, or weights that ship by name.

    Codes of images are fitted in `fit` steps. A run at `path` comes before weights that ship. RunError says what is
    wrong; a newer checkpoint that cannot be read is passed over with a line on stderr.
    """
    path = find_run(Path(path))
    folder = path.parent if path.suffix == ".safetensors" else path
    header, weights = read_trained(path)
    model = header.build_model()
    model.load_state_dict(weights)
    model.to(device).eval().requires_grad_(False)
    return Run(folder, model, header.layout, header.config, header.step, header.data, fit)


def read_trained(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Read header and weights to use, float32 on the CPU, of a run folder, a checkpoint or a `weights.safetensors`."""
    if path.suffix != ".safetensors":
        return _newest(path)
    if path.name == WEIGHTS:
        return load_weights(path)
    checkpoint = load_checkpoint(path)
    return checkpoint.header, checkpoint.trained


def _newest(folder: Path) -> tuple[Header, dict[str, Tensor]]:
    if not folder.is_dir():
        raise RunError(
            f"{folder}: expected a folder written by `dcign train`, or one of {', '.join(shipped_names())}, which ship "
            f"with dcign; found {'a file' if folder.exists() else 'nothing of that name'}"
        )
    found = newest_checkpoint(folder)
    if found is not None:
        checkpoint, problems = found
        for problem in problems:
            print(f"Warning: {problem}; using the checkpoint of step {checkpoint.header.step}", file=sys.stderr)
        return checkpoint.header, checkpoint.trained
    if (folder / WEIGHTS).is_file():
        return load_weights(folder / WEIGHTS)
    raise RunError(f"{folder}: expected a folder written by `dcign train`, found no checkpoint in it")
