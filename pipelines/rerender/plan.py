"""From a request of `dcign rerender` to the codes it decodes: all that can be refused is, before images are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray

from dcign.engine.calibration import Calibration
from dcign.engine.variations import (
    INTRINSIC,
    Setting,
    Variation,
    check_grid,
    direction_setting,
    factor_setting,
    grid,
    interpolate,
    latent_setting,
    random_identities,
    sweep,
    transfer,
)
from dcign.errors import ArgumentError, BadInput
from dcign.model.code import NAMING, AngleLatents, CodeLayout
from dcign.runs.run import Run
from pipelines.calibration import load_calibration
from pipelines.rerender.request import Request, read_values


@dataclass(frozen=True, eq=False)
class Plan:
    """A request in terms of the latents of one run.

    values    of the factors that are set, numbers (S,) in their units
    settings  of what is set: of these factors, then of raw latents, then of directions
    identities  mean (Z,) and directions (D, Z) to draw from, where some are to be drawn and these are known
    """

    request: Request
    angle_latents: AngleLatents
    values: Mapping[str, NDArray[np.float64]]
    settings: tuple[Setting, ...]
    identities: tuple[NDArray[np.float64], NDArray[np.float64]] | None

    @property
    def images(self) -> int:
        """Count the images that one input gives."""
        counts = [len(setting.values) for setting in self.settings]
        swept = math.prod(counts) if self.request.grid else sum(counts)
        count = swept + self.request.random + (self.request.steps if self.request.towards else 0)
        return count or 1  # of --like alone

    def variations(
        self,
        code: NDArray[np.float32],
        like: NDArray[np.float32] | None = None,
        towards: NDArray[np.float32] | None = None,
    ) -> list[Variation]:
        """List what to decode for an input of code (Z,); `like` and `towards` are the codes of the other images."""
        request, taken = self.request, None
        if like is not None:
            taken = transfer(code, like, self.angle_latents, request.parts)
            code = taken.codes[0]
        if request.grid:
            found = [grid(code, self.settings)]
        else:
            found = [sweep(code, setting) for setting in self.settings]
        if towards is not None:
            found.append(interpolate(code, towards, request.steps))
        if request.random:
            found.append(random_identities(code, self.angle_latents, request.random, request.seed, self.identities))
        return found or [taken] if taken else found  # what was taken shows in all others


def make_plan(request: Request, layout: CodeLayout, curves: Calibration) -> Plan:
    """Make the plan of a request for a run with this code and calibration. BadInput for what the run cannot do."""
    angle_latents = curves.angle_latents(layout)
    values = {name: _values(curves, angle_latents, name, given) for name, given in request.factors.items()}
    factors = [factor_setting(curves, angle_latents, name, found) for name, found in values.items()]
    latents = [latent_setting(layout, angle_latents, name, values) for name, values in request.latents]
    for part in request.parts:
        if part not in (*angle_latents.groups, INTRINSIC):
            known = ", ".join((*angle_latents.groups, INTRINSIC))
            raise ArgumentError("of", f"expected one of {known}, which this run has latents for", part)
    directions = [direction_setting(curves, layout, number, values) for number, values in request.directions]
    settings = (*factors, *latents, *directions)
    if request.grid:
        check_grid(settings)
    identities = curves.identities_of(layout) if request.random else None
    return Plan(request, angle_latents, values, settings, identities)


def _values(
    curves: Calibration, angle_latents: AngleLatents, factor: str, given: NDArray[np.float64] | str
) -> NDArray[np.float64]:
    """Return the values (S,) that were asked for of a factor, which a run must have latents and a calibration for."""
    angle_latents.latents(factor)
    label = curves.curve(factor).label
    if isinstance(given, str):
        return read_values(given, label)
    if label.categories:
        raise BadInput(f"--{factor}: expected --set {factor}={label.categories[0]}, for the name of a category")
    return given


def calibration_for(run: Run, request: Request) -> Calibration:
    """Load the calibration of a run; an empty one if there is none and nothing in the request needs it.

    Warns on standard error where identities are to be drawn and it does not know how they vary.
    RunError if it is missing and factors or directions are to be set, or latents named that training did not name.
    """
    named = bool(request.parts or request.latents or request.random) and run.config.procedure not in NAMING
    needed = bool(request.factors or request.directions or named)
    curves = load_calibration(run, needed) or Calibration({}, run.step, {})
    if request.random and not curves.mean_identity:
        click.echo(
            f"Warning: how identities vary in {run.folder} was not measured, so --random draws from N(0, 1), which may "
            "show nobody; run `dcign evaluate RUN SHARDS` on shards in which they vary.",
            err=True,
        )
    return curves
