"""The request that the options of `dcign rerender` make: their words, parsed and checked without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcign.engine.curves import listed
from dcign.errors import BadInput

if TYPE_CHECKING:
    from dcign.engine.image_files import Box
    from render.shards.labels import Label

MAX_STEPS = 360
MAX_LATENT = 1000.0  # beyond what any code holds; far beyond it float32 ends
MAX_DEVIATIONS = 10.0  # standard deviations


@dataclass(frozen=True, eq=False)
class Request:
    """The changes to make to each image.

    factors        factor -> its values (S,), or how `--set` wrote them, which takes a run to read
    latents        (name or number of a raw latent, values (S,))
    directions     (number of a leading direction of identity, standard deviations (S,))
    grid           whether these are set all at once instead of one after another
    like, parts    an image, and which parts of its code to take before all else
    towards        an image to go over into, in `steps`
    random, seed   how many other identities to draw
    """

    factors: Mapping[str, NDArray[np.float64] | str]
    latents: Sequence[tuple[str, NDArray[np.float64]]]
    directions: Sequence[tuple[int, NDArray[np.float64]]]
    grid: bool
    like: str | None
    parts: Sequence[str]
    towards: str | None
    steps: int
    random: int
    seed: int

    def __post_init__(self) -> None:
        """Raise BadInput for options that miss what they belong to, or when nothing is to be done."""
        if (self.like is None) != (not self.parts):
            raise BadInput("--like and --of: expected both, such as --like OTHER.png --of light")
        if len(set(self.parts)) < len(self.parts):
            raise BadInput(f"--of: expected each part once, found {', '.join(self.parts)}")
        swept = self.factors or self.latents or self.directions
        if self.grid and not swept:
            raise BadInput("--grid: expected sweeps to combine, such as --azimuth -60:60:7 --elevation -20:20:5")
        if not (swept or self.like or self.towards or self.random):
            raise BadInput(
                "expected at least one of --azimuth, --elevation, --light, --set, --latent, --direction, --like, "
                "--towards and --random, such as --azimuth -60:60:9"
            )


def parse_factors(short: Mapping[str, str | None], settings: Sequence[str]) -> dict[str, NDArray[np.float64] | str]:
    """Read the options --NAME, name -> text, and the texts of --set. BadInput names the option."""
    found: dict[str, NDArray[np.float64] | str] = {
        name: parse_angles(text, f"--{name}") for name, text in short.items() if text is not None
    }
    for setting in settings:
        name, sign, values = (part.strip() for part in setting.partition("="))
        if not (name and sign and values):
            wanted = "NAME=A:B:STEPS or NAME=A,B,... (such as distance=20:60:9 or colour=red,green)"
            raise BadInput(f"--set: expected {wanted}, found {setting!r}")
        if name in found:
            raise BadInput(f"--set: expected each factor once, found {name} twice")
        found[name] = values
    return found


def read_values(text: str, label: Label) -> NDArray[np.float64]:
    """Read the values of a factor in `--set`: A:B:STEPS, A, or A,B,...; of categories names, as numbers (S,)."""
    option = f"--set {label.name}"
    names = [text] if text in label.categories else [name.strip() for name in text.split(",")]
    if len(names) > MAX_STEPS:
        raise BadInput(f"{option}: expected at most {MAX_STEPS} values, found {len(names)}")
    if label.categories:
        for name in names:
            if name not in label.categories:
                raise BadInput(f"{option}: expected one of {listed(label.categories)}, or several, found {name!r}")
        return np.array([label.number(name) for name in names])
    unit = f" in {label.unit}" if label.unit else ""
    problem = f"{option}: expected A:B:STEPS{unit} (such as {label.low:g}:{label.high:g}:9) or A,B,..., found {text!r}"
    if len(names) > 1 and ":" in text:
        raise BadInput(problem)
    return np.concatenate([_values(name, problem, option) for name in names])


def parse_angles(text: str, option: str) -> NDArray[np.float64]:
    """Read 'A:B:STEPS' as STEPS angles in degrees from A to B inclusive, or 'A' as one. BadInput names `option`."""
    return _values(
        text, f"{option}: expected A:B:STEPS in degrees (such as -60:60:9) or one angle, found {text!r}", option
    )


def parse_latent(text: str) -> tuple[str, NDArray[np.float64]]:
    """Read 'NAME=A:B:STEPS' or 'NAME=A' as the name or number of a latent and its values. BadInput otherwise."""
    problem = f"--latent: expected NAME=A:B:STEPS or NAME=A (such as 17=-2:2:5 or azimuth=-3), found {text!r}"
    name, sign, numbers = text.partition("=")
    if not (name.strip() and sign):
        raise BadInput(problem)
    values = _values(numbers, problem, "--latent")
    if np.abs(values).max() > MAX_LATENT:
        raise BadInput(f"--latent: expected values from -{MAX_LATENT:g} to {MAX_LATENT:g}, found {text!r}")
    return name.strip(), values


def parse_direction(text: str) -> tuple[int, NDArray[np.float64]]:
    """Read 'K=A:B:STEPS' or 'K=A' as the number of a direction and standard deviations. BadInput otherwise."""
    from dcign.engine.variations import LONGEST_NUMBER

    problem = f"--direction: expected K=A:B:STEPS or K=A (such as 1=-3:3:7 or 2=1.5), found {text!r}"
    number, sign, numbers = text.partition("=")
    number = number.strip()
    if not (sign and number.isascii() and number.isdigit() and len(number) < LONGEST_NUMBER):
        raise BadInput(problem)
    values = _values(numbers, problem, "--direction")
    if np.abs(values).max() > MAX_DEVIATIONS:
        raise BadInput(f"--direction: expected values from -{MAX_DEVIATIONS:g} to {MAX_DEVIATIONS:g}, found {text!r}")
    return int(number), values


def parse_box(text: str) -> Box:
    """Read 'LEFT,TOP,SIZE' in pixels. BadInput otherwise."""
    parts = text.split(",")
    try:
        left, top, side = (int(part) for part in parts)
    except ValueError:
        raise BadInput(f"--box: expected LEFT,TOP,SIZE in pixels (such as 120,40,512), found {text!r}") from None
    if left < 0 or top < 0 or side < 1:
        raise BadInput(f"--box: expected LEFT and TOP of 0 or more and SIZE of 1 or more, found {text!r}")
    return left, top, side


def _values(text: str, problem: str, option: str) -> NDArray[np.float64]:
    parts = text.split(":")
    if len(parts) not in (1, 3):
        raise BadInput(problem)
    try:
        ends = [float(part) for part in parts[:2]]
        steps = int(parts[2]) if len(parts) == 3 else 1
    except ValueError:
        raise BadInput(problem) from None
    if not np.isfinite(ends).all():
        raise BadInput(problem)
    if len(parts) == 3 and not 2 <= steps <= MAX_STEPS:
        raise BadInput(f"{option}: expected 2 to {MAX_STEPS} steps, found {steps} in {text!r}")
    return np.linspace(ends[0], ends[-1], steps)
