"""Sliders at values: read from a request, fitted to a run, and written as the command line of the same picture."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping

import numpy as np

from dcign.errors import BadInput
from dcign.sliders import Slider
from pipelines.explore.opened import Opened

OUTPUT = "rerendered"  # folder of the command line that is shown


def read_settings(pairs: Iterable[tuple[str, str]], sliders: Iterable[Slider]) -> dict[str, float]:
    """Slider name -> value, in the order of `sliders`. BadInput for other names, a name twice, and for other values
    than numbers within the range of the slider."""
    known = {slider.name: slider for slider in sliders}
    found: dict[str, float] = {}
    for name, text in pairs:
        if name not in known:
            raise BadInput(f"{name[:40]!r}: expected the name of a slider: {', '.join(known) or 'there is none'}")
        if name in found:
            raise BadInput(f"{name}: expected one value, found several")
        found[name] = read_number(name, text, known[name].low, known[name].high)
    return {name: found[name] for name in known if name in found}


def read_number(name: str, text: str, low: float, high: float) -> float:
    """BadInput unless `text` is a number from `low` to `high`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:  # NaN is not
        raise BadInput(f"{name}: expected a number from {low:g} to {high:g}, found {text[:40]!r}")
    return value


def read_integer(name: str, text: str, low: int, high: int) -> int:
    """BadInput unless `text` is a whole number from `low` to `high`."""
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else low - 1
    if not low <= value <= high:
        raise BadInput(f"{name}: expected a whole number from {low} to {high}, found {text[:40]!r}")
    return value


def fitted(settings: Mapping[str, float], sliders: Iterable[Slider]) -> dict[str, float]:
    """As much of `settings` as another run has sliders for, within their ranges."""
    return {
        slider.name: min(max(settings[slider.name], slider.low), slider.high)
        for slider in sliders
        if slider.name in settings
    }


def command_line(opened: Opened, image: str, settings: Mapping[str, float]) -> str:
    """The `dcign rerender` that writes the same picture of the file `image`, for a shell; '' if nothing is set."""
    own = fitted(settings, opened.sliders)
    if not own:
        return ""
    words = ["dcign", "rerender", _plain(opened.word), _plain(image)]
    for name, value in own.items():
        kind, sign, which = name.partition("-")
        text = np.format_float_positional(value, trim="-")  # all digits: the end of a range must not fall beyond it
        words += [f"--{kind}", f"{which}={text}"] if sign else [f"--{name}={text}"]
    return shlex.join([*words, "--grid", "-o", f"{OUTPUT}/"])


def _plain(path: str) -> str:
    """A name that no command takes for an option."""
    return f"./{path}" if path.startswith("-") else path
