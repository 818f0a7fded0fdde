"""`dcign bench`: measured figures for docs/results.md."""

from __future__ import annotations

import click

from pipelines.console import LazyGroup

# name -> (module that defines `command`, one line of help)
BENCHMARKS = {
    "assets": ("pipelines.bench.assets", "Opening face models and chairs: seconds and peak memory."),
    "import": ("pipelines.bench.image_import", "Importing images: images a second and peak memory."),
    "render": ("pipelines.bench.render", "Rendering, beside the loops that users write."),
    "parity": ("pipelines.bench.parity", "How far the two renderers differ, with a sheet."),
    "load": ("pipelines.bench.load", "Loading, beside an np.load for each mini-batch."),
    "train": ("pipelines.bench.train", "A training step, beside a plain one."),
    "explore": ("pipelines.bench.explore", "The sliders of the pages, in a real browser."),
}


@click.group(cls=LazyGroup, table=BENCHMARKS, context_settings={"show_default": True})
def command() -> None:
    """Measure time and memory on this machine.

    \b
    Example:
      dcign bench render -o render.json
    """
