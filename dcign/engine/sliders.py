"""What a page needs to turn a run's knobs by itself: each slider with its range and what it does to a code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.engine.calibration import Calibration
from dcign.runs.run import Run

REACH = 3.0  # standard deviations to either side along a direction


@dataclass(frozen=True)
class Slider:
    """One knob of a run.

    name, label  azimuth; direction-1, which is labelled intrinsic 1
    unit         ° or σ, standard deviations
    low, high    the ends of its range, in steps of `step`
    latents      positions in the code that it moves, W of them
    knots        ascending slider values, and for each the W `values` there; linear between them
    relative     whether these values are added to the code of the image, or take the place of what is there
    circular     whether low and high are the same
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    step: float
    latents: tuple[int, ...]
    knots: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    relative: bool
    circular: bool


def sliders_of(run: Run, curves: Calibration) -> tuple[Slider, ...]:
    """A slider for each angle that the run is calibrated for, then one for each leading direction of identity."""
    knobs = curves.knobs(run.layout)
    found = []
    for name, latents in knobs.groups.items():
        if name in curves.curves:
            curve = curves.curves[name]
            values = np.asarray(curve.latent, np.float64).reshape(len(curve.degrees), -1)
            found.append(
                Slider(
                    name, name, "°", *curve.range, 1.0, _numbers(latents), curve.degrees, _rows(values), False,
                    curve.circular,
                )
            )  # fmt: skip
    for number, direction in enumerate(curves.directions_of(run.layout), 1):
        latents = np.flatnonzero(direction)
        ends = np.outer((-REACH, REACH), direction[latents])
        found.append(
            Slider(
                f"direction-{number}", f"intrinsic {number}", "σ", -REACH, REACH, 0.1, _numbers(latents),
                (-REACH, REACH), _rows(ends), True, False,
            )
        )  # fmt: skip
    return tuple(found)


def apply(code: NDArray[np.floating], sliders: Sequence[Slider], settings: Mapping[str, float]) -> NDArray[np.float32]:
    """`code` (Z,) with the sliders at `settings`, name -> value; what is not in `settings` stays as it is.

    The values must lie within the ranges. KeyError for a slider that there is not.
    """
    known = {slider.name: slider for slider in sliders}
    moved = np.array(code, np.float32)
    for slider, value in sorted(
        ((known[name], value) for name, value in settings.items()), key=lambda p: p[0].relative
    ):
        values = [np.interp(value, slider.knots, column) for column in np.asarray(slider.values).T]
        places = np.asarray(slider.latents)
        moved[places] = moved[places] * np.float32(slider.relative) + np.asarray(values, np.float32)
    return moved


def to_json(sliders: Sequence[Slider]) -> list[dict[str, Any]]:
    """As plain JSON, with the names of the fields."""
    return [asdict(slider) for slider in sliders]


def _numbers(latents: NDArray[np.integer]) -> tuple[int, ...]:
    return tuple(map(int, latents))


def _rows(values: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.tolist()))
