"""The images that an exported page starts from: files, or unseen objects drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from dcign.errors import BadInput
from dcign.images import BACKGROUND, load_grey
from dcign.manipulate import encode
from dcign.run import Run
from pipelines.studio import NoStudio
from pipelines.true_objects import open_true_objects

MOST = 24
OBJECTS = 4


@dataclass(frozen=True, eq=False)
class Start:
    """A code (Z,) to start from; `pixels` (H, W) in [0, 1] is the image that it is of, where there is one."""

    name: str
    pixels: NDArray[np.float32] | None
    code: NDArray[np.float32]


def open_starts(run: Run, images: Sequence[Path], assets: Path | None) -> list[Start]:
    """One for each of `images`; without any, `OBJECTS` unseen objects where they can be drawn, else the prior's mean.

    BadInput for too many images, for files that are none, and for `assets` that are not those of the training data.
    """
    if images and assets is not None:
        raise BadInput("--assets: expected without --image; it names the models to draw objects from")
    if len(images) > MOST:
        raise BadInput(f"--image: expected at most {MOST} images, found {len(images)}")
    if images:
        background = BACKGROUND.get(run.object, 0.0)
        return _encoded(run, [(path.name, load_grey(path, run.size, background)) for path in images])
    try:
        drawn = _draw(run, assets)
    except NoStudio as reason:
        click.echo(
            f"Note: the page starts from the mean code, for no objects can be drawn ({reason}); see --image", err=True
        )
        return [Start("mean code", None, np.zeros(run.layout.latents, np.float32))]
    return _encoded(run, [(f"unseen {run.object} {number}", pixels) for number, pixels in enumerate(drawn, 1)])


def _encoded(run: Run, named: Sequence[tuple[str, NDArray[np.float32]]]) -> list[Start]:
    return [Start(name, pixels, encode(run, pixels[None])[0]) for name, pixels in named]


def _draw(run: Run, assets: Path | None) -> NDArray[np.float32]:
    """(`OBJECTS`, H, W) in [0, 1]: objects of the test split, from in front. NoStudio where that cannot be."""
    with open_true_objects(run, assets) as objects:
        shown = range(min(OBJECTS, len(objects)))
        drawn = np.stack([objects.draw(objects.frontal(number), {}) for number in shown])
    return drawn.astype(np.float32) / np.float32(255)
