"""Errors of the training stage (the tree is drawn in `assets.errors`)."""

from __future__ import annotations

from render.errors import BadInput, DcignError, Failure, ShardError

__all__ = ["BadInput", "DcignError", "Failure", "RunError", "ShardError"]


class RunError(BadInput):
    """A run folder, a checkpoint or an image to re-render cannot be used."""
