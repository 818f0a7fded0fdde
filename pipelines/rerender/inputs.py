"""The images that `dcign rerender` starts from: read from files or standard input, and encoded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from dcign.engine.calibration import Calibration
from dcign.engine.cut_out import cut_out_head
from dcign.engine.image_files import Box, grey_square, read_image
from dcign.errors import BadInput
from dcign.runs.run import Run
from pipelines.calibration import encode_and_judge
from pipelines.console import NAME, STDIN, check_once, piped_image
from pipelines.rerender.request import Request

MOST_INPUTS = 5000  # all are in memory before anything is written


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """An image that was read: its name, its pixels (H, W) in [0, 1] and its code (Z,)."""

    name: str
    pixels: NDArray[np.float32]
    code: NDArray[np.float32]


def check_names(names: Sequence[str], request: Request, output: Path) -> None:
    """Raise BadInput for too many images, standard input twice, or an output that would replace an input."""
    if len(names) > MOST_INPUTS:
        raise BadInput(f"IMAGE: expected at most {MOST_INPUTS} images at once, found {len(names)}")
    used = [*names, *{name for name in (request.like, request.towards) if name is not None}]
    check_once(used)
    if output.is_file() and any(os.path.samefile(output, name) for name in used if os.path.exists(name)):
        raise BadInput(f"-o {output}: expected another file than the images that are read")


def read(run: Run, curves: Calibration, name: str, box: Box | None = None, cut_out: bool = False) -> EncodedImage:
    """Read and encode one image, or the head that is cut out of it; warns as `encode_pixels` does."""
    shown = NAME if name == STDIN else name
    image = piped_image() if name == STDIN else read_image(Path(name))
    if cut_out:
        image, box = cut_out_head(image, shown, box), None
    pixels = grey_square(image, run.size, run.background, shown, box)
    return encode_pixels(run, curves, shown, pixels)


def encode_pixels(run: Run, curves: Calibration, name: str, pixels: NDArray[np.float32]) -> EncodedImage:
    """Encode (H, W) in [0, 1]; warns of what the run reconstructs worse than nearly all it was tested on."""
    code, warning = encode_and_judge(run, curves, pixels)
    if warning:
        click.echo(f"Warning: {name}: {warning}", err=True)
    return EncodedImage(name, pixels, code)
