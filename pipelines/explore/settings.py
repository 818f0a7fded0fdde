"""Sliders at values: read from a request, fitted to a run, written as a command line, or recorded as an endless GIF."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dcign.engine.drawing import Row, Tile, draw_rows, movie, value_text
from dcign.engine.variations import Slider
from dcign.errors import BadInput
from pipelines.explore.session import OpenRun, counterpart
from render.factors import EXTRINSIC
from render.shards.labels import Label

OUTPUT = "rerendered"  # folder of the command line that is shown
STEPS = (2, 72)  # fewest and most
SCALE = 2  # pixels of the recording for one of the network
MILLISECONDS, MILLISECONDS_OF_CATEGORY = 80, 800


def read_settings(pairs: Iterable[tuple[str, str]], sliders: Iterable[Slider]) -> dict[str, float]:
    """Read slider name -> value, in the order of `sliders`.

    BadInput for other names, a name twice, and values that are no numbers within the range of the slider, or not the
    number of a category that it knows.
    """
    known = {slider.name: slider for slider in sliders}
    found: dict[str, float] = {}
    for name, text in pairs:
        if name not in known:
            raise BadInput(f"{name[:40]!r}: expected the name of a slider: {', '.join(known) or 'there is none'}")
        if name in found:
            raise BadInput(f"{name}: expected one value, found several")
        found[name] = read_number(name, text, known[name].low, known[name].high)
        if known[name].choices and found[name] not in known[name].knots:
            numbers = ", ".join(f"{knot:g}" for knot in known[name].knots)
            raise BadInput(f"{name}: expected the number of a category, {numbers}; found {text[:40]!r}")
    return {name: found[name] for name in known if name in found}


def read_number(name: str, text: str, low: float, high: float) -> float:
    """Read a number; BadInput unless it is one from `low` to `high`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:  # NaN is not
        raise BadInput(f"{name}: expected a number from {low:g} to {high:g}, found {text[:40]!r}")
    return value


def read_integer(name: str, text: str, low: int, high: int) -> int:
    """Read a whole number; BadInput unless it is one from `low` to `high`."""
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else low - 1
    if not low <= value <= high:
        raise BadInput(f"{name}: expected a whole number from {low} to {high}, found {text[:40]!r}")
    return value


def fitted(settings: Mapping[str, float], of: Iterable[Slider], sliders: Iterable[Slider]) -> dict[str, float]:
    """Fit `settings`, of the sliders `of`, to those of another run: values within its ranges, categories by name."""
    others, found = {slider.name: slider for slider in sliders}, {}
    for slider in of:
        other = counterpart(slider, others) if slider.name in settings else None
        if other is None:
            continue
        value = settings[slider.name]
        if not slider.choices:
            found[slider.name] = min(max(value, other.low), other.high)
        elif (name := slider.choices[round(value - slider.low)]) in other.choices:
            found[slider.name] = other.low + other.choices.index(name)
    return found


def command_line(open_run: OpenRun, image: str, settings: Mapping[str, float]) -> str:
    """Write the `dcign rerender` of the picture of the file `image` at the run's own settings; '' if nothing is set."""
    if not settings:
        return ""
    words = ["dcign", "rerender", _plain(open_run.word), _plain(image)]
    if open_run.run.fit:
        words.append(f"--fit={open_run.run.fit}")
    for name, value in settings.items():
        kind, sign, which = name.partition("-")
        text = np.format_float_positional(value, trim="-")  # all digits: the end of a range must not fall beyond it
        label = open_run.run.labels.get(name)
        if sign:
            words += [f"--{kind}", f"{which}={text}"]
        elif name in EXTRINSIC and not (label and label.categories):
            words.append(f"--{name}={text}")
        else:
            words += ["--set", f"{name}={label.text(value) if label and label.categories else text}"]
    return shlex.join([*words, "--grid", "-o", f"{OUTPUT}/"])


def _plain(path: str) -> str:
    """Write a name so that no command takes it for an option."""
    return f"./{path}" if path.startswith("-") else path


def positions(slider: Slider, steps: int) -> NDArray[np.float64]:
    """Return (steps,) values from low to high, without the last of a full circle, which is the first again.

    Of categories each is shown once, however many steps are asked for.
    """
    if slider.choices:
        return np.asarray(slider.knots, np.float64)
    return np.linspace(slider.low, slider.high, steps, endpoint=not slider.circular)


def sweeps(slider: Slider, steps: int, settings: Mapping[str, float]) -> Iterator[dict[str, float]]:
    """Give the settings of each step."""
    return ({**settings, slider.name: float(value)} for value in positions(slider, steps))


def recording(
    slider: Slider, label: Label | None, pictures: Sequence[Sequence[NDArray[np.uint8]]], names: Sequence[str]
) -> bytes:
    """Record a GIF file: each step a frame, then back again unless it is a circle or has categories.

    `label` tells how values are written; None for a slider of something else. `pictures` are (H, W) of each run at
    each step; `names` of the runs stand over them where there are several.
    """
    frames = []
    for value, shown in zip(positions(slider, len(pictures)), pictures, strict=True):
        if label is not None:
            text = value_text(label, float(value))
        else:
            text = f"{value:+.2g} {slider.unit}".strip().replace("-", "−")
        captions = names if len(names) > 1 else [f"{slider.label} {text}"]
        tiles = [Tile(picture / 255, caption) for picture, caption in zip(shown, captions, strict=True)]
        heading = f"{slider.label} {text}" if len(names) > 1 else ""
        frames.append(draw_rows([Row(tiles, heading=heading)], SCALE))
    back = [] if slider.circular or slider.choices else frames[-2:0:-1]
    return movie([*frames, *back], ".gif", MILLISECONDS_OF_CATEGORY if slider.choices else MILLISECONDS)
