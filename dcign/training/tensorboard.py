"""The log of a run for TensorBoard, in the folder `tensorboard` of the run. The package is an extra: asked for late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dcign.errors import RunError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
COUNTS = ("step", "images", "minibatches")  # numbers that make no curve


class Board:
    """Where curves and pictures go; without a writer nowhere."""

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
    """The board of the run in `folder`, trained up to step `start`; one that does nothing unless `wanted`.

    What an interrupted run logged beyond `start` is hidden: those steps are made again. RunError as `writer_class`.
    """
    return Board(writer_class()(str(folder / FOLDER), purge_step=start + 1) if wanted else None)


def writer_class() -> type[SummaryWriter]:
    """What writes the log; RunError when TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RunError(
            f"--tensorboard: expected the package tensorboard, found none ({error}); pip install 'dcign[tensorboard]'"
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
