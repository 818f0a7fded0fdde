"""How to use exported files, in the words of their model card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import resources
from string import Template

from dcign.export.onnx_files import DECODER, ENCODER, LARGEST_DIFFERENCE
from dcign.runs.run import Run


def usage(run: Run, differences: Mapping[str, float], starts: int) -> str:
    """The section of the card: the files, and a few lines of Python. `differences` as `check_files` gives them."""
    measured = ", ".join(f"{name} {rounded(difference)}" for name, difference in differences.items())
    pictures = f"| `start-*.png` | {starts} images that the page starts from |\n" if starts else ""
    template = resources.files("dcign.export").joinpath("usage.md.template").read_text(encoding="utf-8")
    return Template(template).substitute(
        encoder=ENCODER,
        decoder=DECODER,
        size=run.size,
        latents=run.layout.latents,
        pictures=pictures,
        measured=measured,
        largest=f"{LARGEST_DIFFERENCE:g}",
    )


def rounded(difference: float) -> str:
    """One digit, rounded up: the last digits differ between processors."""
    if difference == 0:
        return "0"
    unit = 10.0 ** math.floor(math.log10(difference))
    return f"{math.ceil(difference / unit) * unit:.0e}"
