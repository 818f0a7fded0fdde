"""Errors of the render stage (the tree is drawn in `assets.errors`)."""

from __future__ import annotations

from assets.errors import AssetError, BadInput, DcignError, Failure

__all__ = ["AssetError", "BadInput", "DcignError", "Failure", "ShardError"]


class ShardError(BadInput):
    """A shard, a manifest or a shard folder cannot be used."""
