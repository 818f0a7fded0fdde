"""One slider from end to end, recorded as an endless GIF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dcign.movies import movie
from dcign.pictures import Row, Tile, degrees_text, draw_rows
from dcign.sliders import Slider

STEPS = (2, 72)  # fewest and most
SCALE = 2  # pixels of the recording for one of the network
MILLISECONDS = 80


def positions(slider: Slider, steps: int) -> NDArray[np.float64]:
    """(steps,) values from low to high, without the last of a full circle, which is the first again."""
    return np.linspace(slider.low, slider.high, steps, endpoint=not slider.circular)


def sweeps(slider: Slider, steps: int, settings: Mapping[str, float]) -> Iterator[dict[str, float]]:
    """The settings of each step."""
    return ({**settings, slider.name: float(value)} for value in positions(slider, steps))


def recording(slider: Slider, pictures: Sequence[Sequence[NDArray[np.uint8]]], names: Sequence[str]) -> bytes:
    """A GIF file: each step a frame, then back again unless it is a circle.

    `pictures` are those of each step, (H, W) of each run; `names` of the runs stand over them where there are several.
    """
    frames = []
    for value, shown in zip(positions(slider, len(pictures)), pictures, strict=True):
        text = degrees_text(value) if slider.unit == "°" else f"{value:+.2g} {slider.unit}".strip().replace("-", "−")
        captions = names if len(names) > 1 else [f"{slider.label} {text}"]
        tiles = [Tile(picture / 255, caption) for picture, caption in zip(shown, captions, strict=True)]
        heading = f"{slider.label} {text}" if len(names) > 1 else ""
        frames.append(draw_rows([Row(tiles, heading=heading)], SCALE))
    back = [] if slider.circular else frames[-2:0:-1]
    return movie([*frames, *back], ".gif", MILLISECONDS)
