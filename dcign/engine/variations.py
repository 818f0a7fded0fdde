"""Codes made from the code of one image: a factor set, parts or all of another's taken over, identities drawn.

A `Slider` describes the same for a page that moves a code by itself: a range, and what it does to which latents.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.engine.calibration import Calibration
from dcign.engine.codes import set_latent
from dcign.engine.curves import FactorCurve
from dcign.engine.drawing import value_text
from dcign.errors import ArgumentError, RunError
from dcign.model.code import AngleLatents, CodeLayout
from dcign.runs.run import Run
from render.shards.labels import DEGREES, Label

LONGEST_NUMBER = 10  # digits of the number of a latent
INTRINSIC = "intrinsic"  # all latents that are no label's
LONGEST_KEY = 40  # letters of a category in the name of a file
SLIDER_STEPS = 100  # at least, from end to end
REACH = 3.0  # standard deviations that a slider goes to either side along a direction


@dataclass(frozen=True, eq=False)
class Setting:
    """Values that some latents take one after another, all others kept.

    name      what is set: azimuth, colour, latent 17
    latents   which latents, (W,) int64
    values    (S, W) float32
    relative  whether the values are added to what is there, not put in its place
    captions  each of the S values as it is shown: −60°
    keys      each as it stands in names of files: azimuth=-60
    """

    name: str
    latents: NDArray[np.int64]
    values: NDArray[np.float32]
    captions: tuple[str, ...]
    keys: tuple[str, ...]
    relative: bool = False

    def of(self, code: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `code` (Z,) with these latents at each of the values, (S, Z)."""
        start = code[self.latents] if self.relative else np.float32(0)
        return set_latent(code, self.latents, start + self.values)


@dataclass(frozen=True, eq=False)
class Variation:
    """Codes (S, Z) that belong together, shown in rows of `columns`; captions and keys as above.

    `label` stands to the left of the row, `heading` over several rows.
    """

    label: str
    codes: NDArray[np.float32]
    captions: tuple[str, ...]
    keys: tuple[str, ...]
    columns: int
    heading: str = ""


def factor_setting(
    curves: Calibration, angle_latents: AngleLatents, factor: str, values: NDArray[np.float64]
) -> Setting:
    """Set a factor to each of `values` (S,), numbers of categories where it has some, through its calibration.

    RunError for a factor without latents of its own, BadInput for one without calibration and values outside its range.
    """
    latents = angle_latents.latents(factor)  # before a calibration is missed that cannot be
    curve = curves.curve(factor)
    rows = np.asarray(curve.to_latent(values), np.float32)
    width = rows.shape[1] if rows.ndim == 2 else 1
    if width != len(latents):
        raise RunError(
            f"{factor}: expected values of {len(latents)} latents, as many as the code of this run has for it, found "
            f"values of {width} (the calibration of another run?); run `dcign evaluate RUN SHARDS` again"
        )
    captions = tuple(value_text(curve.label, float(value)) for value in values)
    keys = tuple(f"{factor}={_key(curve.label, float(value))}" for value in values)
    return Setting(factor, latents, rows.reshape(-1, width), captions, keys)


def _key(label: Label, value: float) -> str:
    """Write a value as a part of a file's name; a category that cannot stand there as it is has its number too."""
    if not label.categories:
        return f"{value + 0.0:.6g}"
    name = label.text(value)
    plain = re.sub(r"[^\w(). -]", "_", name)[:LONGEST_KEY].strip(". ")
    return name if plain == name else f"{plain}-{value:.0f}"


def latent_setting(layout: CodeLayout, angle_latents: AngleLatents, name: str, values: NDArray[np.float64]) -> Setting:
    """Set one latent to each of `values` (S,); `name` is its number in the code, or a factor or group of one latent.

    BadInput for a name or number that the code has not, and for a name of several latents.
    """
    groups = {**{group: layout.indices(group) for group in layout.names}, **angle_latents.groups}
    if name.isascii() and name.isdigit() and len(name) < LONGEST_NUMBER and int(name) < layout.latents:
        index, label = int(name), f"latent {int(name)}"
    elif name not in groups:
        single = ", ".join(group for group, latents in groups.items() if len(latents) == 1)
        expected = f"expected a number from 0 to {layout.latents - 1}{f', or {single}' if single else ''}"
        raise ArgumentError("latent", expected, name)
    elif len(groups[name]) > 1:
        found = f"it has {len(groups[name])} latents; name one by its number: {groups[name][0]}"
        raise ArgumentError("latent", found, name)
    else:
        index, label = int(groups[name][0]), f"latent {name}"
    captions = tuple(f"{value + 0.0:.3g}".replace("-", "−") for value in values)
    keys = tuple(f"latent-{name}={value + 0.0:.6g}" for value in values)
    return Setting(label, np.array([index]), values[:, None].astype(np.float32), captions, keys)


def direction_setting(curves: Calibration, layout: CodeLayout, number: int, values: NDArray[np.float64]) -> Setting:
    """Move along a leading direction of identity, 1 for the first, by each of `values` (S,) in standard deviations.

    BadInput for a number beyond those of the calibration, RunError for a calibration of another code.
    """
    directions = curves.directions_of(layout)
    if not 1 <= number <= len(directions):
        known = f"a number from 1 to {len(directions)}" if len(directions) else "a run that has directions"
        hint = "" if len(directions) else "; run `dcign evaluate RUN SHARDS` again, on shards in which identities vary"
        raise ArgumentError("direction", f"expected {known}{hint}", str(number))
    direction = directions[number - 1]
    latents = np.flatnonzero(direction)
    captions = tuple(f"{value + 0.0:.3g} σ".replace("-", "−") for value in values)
    keys = tuple(f"direction-{number}={value + 0.0:.6g}" for value in values)
    offsets = np.outer(values, direction[latents]).astype(np.float32)
    return Setting(f"intrinsic {number}", latents, offsets, captions, keys, relative=True)


def sweep(code: NDArray[np.float32], setting: Setting) -> Variation:
    """Vary `code` (Z,) by one setting, at each of its values."""
    return Variation(setting.name, setting.of(code), setting.captions, setting.keys, len(setting.values))


def check_grid(settings: Sequence[Setting]) -> None:
    """BadInput for more than two settings with several values, and for settings of the same latent.

    Directions add up, so they may share latents with each other.
    """
    moving = [each.name for each in settings if len(each.values) > 1]
    if len(moving) > 2:
        found = f"expected at most two sweeps, found {', '.join(moving)}; give the others one value each"
        raise ArgumentError("grid", found)
    added = [each.latents for each in settings if each.relative]
    groups = [each.latents for each in settings if not each.relative]
    latents = np.concatenate([*groups, np.unique(np.concatenate(added or [np.empty(0, np.int64)]))])
    names = {each.name for each in settings}
    if len(np.unique(latents)) < len(latents) or len(names) < len(settings):
        raise ArgumentError("grid", f"expected each latent once, found {', '.join(each.name for each in settings)}")


def grid(code: NDArray[np.float32], settings: Sequence[Setting]) -> Variation:
    """Vary `code` (Z,) by all settings at once: the first of those with several values goes across, the second down.

    `settings` are such as `check_grid` lets pass.
    """
    moving = [each for each in settings if len(each.values) > 1]
    fixed = [each for each in settings if len(each.values) == 1]
    codes, captions, keys = np.asarray(code, np.float32)[None], [""], [""]
    for setting in [*reversed(fixed), *reversed(moving)]:  # the last runs fastest
        codes = np.concatenate([setting.of(one) for one in codes])
        shown = setting.captions if len(setting.values) > 1 else [""]
        captions = [_joined(", ", new, old) for old in captions for new in shown]
        keys = [_joined(",", new, old) for old in keys for new in setting.keys]
    heading = ", ".join([*(each.name for each in moving), *(f"{each.name} {each.captions[0]}" for each in fixed)])
    columns = len(moving[0].values) if moving else 1
    return Variation("", codes, tuple(captions), tuple(keys), columns, heading)


def transfer(
    code: NDArray[np.float32], other: NDArray[np.float32], angle_latents: AngleLatents, parts: Sequence[str]
) -> Variation:
    """Put `parts` of `other` (Z,) into `code` (Z,): factors, or `intrinsic`, all that no label has; one code.

    RunError for a factor without latents of its own.
    """
    taken = np.asarray(code, np.float32).copy()
    for part in parts:
        latents = angle_latents.rest if part == INTRINSIC else angle_latents.latents(part)
        taken[latents] = other[latents]
    names = ", ".join(parts)
    return Variation(names, taken[None], ("result",), (f"like={'+'.join(parts)}",), 1)


def interpolate(code: NDArray[np.float32], other: NDArray[np.float32], steps: int) -> Variation:
    """Take `steps` codes from `code` (Z,) to `other` (Z,), ends included, on the straight line between them."""
    shares = np.linspace(0.0, 1.0, steps)
    codes = (1.0 - shares[:, None]) * code + shares[:, None] * other
    captions = tuple(f"{100 * share:.3g} %" for share in shares)
    keys = tuple(f"towards={share:.4g}" for share in shares)
    return Variation("towards", codes.astype(np.float32), captions, keys, steps)


def random_identities(
    code: NDArray[np.float32],
    angle_latents: AngleLatents,
    count: int,
    seed: int,
    identities: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> Variation:
    """Give `code` (Z,) `count` other identities: the latents that no label has are drawn, those of the labels kept.

    `identities` are the mean (Z,) and directions (D, Z) of those that the run was measured on, and what is drawn varies
    as they do. Without them all that is known is the prior's standard deviation, 1, about the identity of `code`.
    """
    rest = angle_latents.rest
    mean, directions = (code, np.eye(len(code))[rest]) if identities is None else identities
    steps = np.random.default_rng(seed).standard_normal((count, len(directions)))
    codes = set_latent(code, rest, (mean + steps @ directions)[:, rest])
    keys = tuple(f"random={number}" for number in range(1, count + 1))
    return Variation("random", codes, tuple(map(str, range(1, count + 1))), keys, count)


def _joined(sign: str, *words: str) -> str:
    return sign.join(word for word in words if word)


@dataclass(frozen=True)
class Slider:
    """A slider of a page: a range, and what it does to a code.

    name, label  azimuth; direction-1, which is labelled intrinsic 1
    unit         ° or another, σ for standard deviations; '' for numbers without one and for categories
    low, high    the ends of its range, in steps of `step`
    latents      positions in the code that it moves, W of them
    knots        ascending slider values, and for each the W `values` there; linear between them
    relative     whether these values are added to the code of the image, or take the place of what is there
    circular     whether low and high are the same
    choices      names of what low, low + 1, ... stand for; empty where the values are a quantity
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
    choices: tuple[str, ...] = ()


def sliders_of(run: Run, curves: Calibration) -> tuple[Slider, ...]:
    """Return a slider for each calibrated factor of the run, then one for each leading direction of identity."""
    angle_latents = curves.angle_latents(run.layout)
    found = []
    for name, latents in angle_latents.groups.items():
        if name in curves.curves:
            curve = curves.curves[name]
            values = np.asarray(curve.latent, np.float64).reshape(len(curve.values), -1)
            found.append(
                Slider(
                    name, name, curve.label.symbol.strip(), *curve.range, _step(curve.label), _numbers(latents),
                    curve.values, _rows(values), False, curve.circular, _choices(curve),
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


def _step(label: Label) -> float:
    """Return the step of a slider: a degree, a category, or 1, 2 or 5 of a decimal place that the range has often."""
    if label.unit == DEGREES or label.categories:
        return 1.0
    most = (label.high - label.low) / SLIDER_STEPS
    place = math.floor(math.log10(most))
    return max(step for digit in (1, 2, 5) if (step := float(f"{digit}e{place}")) <= most * (1 + 1e-9))


def _choices(curve: FactorCurve) -> tuple[str, ...]:
    """Name the categories from the first calibrated one to the last, and say which of them were not tested."""
    if not curve.label.categories:
        return ()
    low, high = (int(end) for end in curve.range)
    names = curve.label.categories[low : high + 1]
    return tuple(name if number in curve.values else f"{name} (not tested)" for number, name in enumerate(names, low))


def apply_sliders(
    code: NDArray[np.floating], sliders: Sequence[Slider], settings: Mapping[str, float]
) -> NDArray[np.float32]:
    """Return `code` (Z,) with the sliders at `settings`, name -> value; what is not in `settings` stays as it is.

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


def sliders_to_json(sliders: Sequence[Slider]) -> list[dict[str, Any]]:
    """Return plain JSON, with the names of the fields."""
    return [asdict(slider) for slider in sliders]


def _numbers(latents: NDArray[np.integer]) -> tuple[int, ...]:
    return tuple(map(int, latents))


def _rows(values: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.tolist()))
