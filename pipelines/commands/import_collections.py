"""The public collections that `dcign import` reads by name."""

from __future__ import annotations

import click


def add_to(group: click.Group) -> None:
    """Add a command for each collection to `dcign import`."""
