"""Checkpoints written beside the training: the loop waits while weights are copied, and not for the disk."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from dcign.runs.checkpoint import Header, save_checkpoint


class CheckpointWriter:
    """Writes checkpoints to `folder` in a thread, one at a time.

    saved  step of the newest one that stands on the disk, or `saved` as given
    """

    def __init__(self, folder: Path, saved: int) -> None:
        self.folder, self.saved = folder, saved
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def begin(self, header: Header, model: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """Copy the tensors, which may change afterwards, and begin to write them.

        Waits for the one before, and raises its Failure if it could not be written.
        """
        self.finish()
        copies = [
            {name: value.detach().to("cpu", copy=True) for name, value in part.items()} for part in (model, optimiser)
        ]
        self._writing = self._thread.submit(self._write, header, *copies)

    def write(self, header: Header, model: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """Write a checkpoint before returning. Failure if it cannot be written."""
        self.settle()
        self._write(header, model, optimiser)

    def settle(self) -> None:
        """Wait for the last write, whatever becomes of it: a newer checkpoint is to take its place."""
        if self._writing is not None:
            self._writing.exception()
            self._writing = None

    def check(self) -> None:
        """Raise the Failure of the last write, if it has ended in one. Waits for nothing."""
        if self._writing is not None and self._writing.done():
            self.finish()

    def finish(self) -> None:
        """Wait for the last write. Raises its Failure, once."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait for the last write and end the thread."""
        self._thread.shutdown()

    def _write(self, header: Header, model: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        save_checkpoint(self.folder, header, model, optimiser)
        self.saved = header.step
