"""`dcign bench`: measured figures for docs/results.md."""

from __future__ import annotations

import click

from pipelines.bench.assets import assets
from pipelines.bench.explore import explore
from pipelines.bench.load import load
from pipelines.bench.parity import parity
from pipelines.bench.render import render
from pipelines.bench.train import train


@click.group(context_settings={"show_default": True})
def command() -> None:
    """Measure time and memory on this machine.

    \b
    Example:
      dcign bench render -o render.json
    """


for each in (assets, render, parity, load, train, explore):
    command.add_command(each)
