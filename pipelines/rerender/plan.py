"""From a request of `dcign rerender` to the codes it decodes: all that can be refused is, before images are read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcign.engine.calibration import Calibration
from dcign.engine.variations import (
    INTRINSIC,
    Setting,
    Variation,
    angle_setting,
    check_grid,
    direction_setting,
    grid,
    interpolate,
    latent_setting,
    random_identities,
    sweep,
    transfer,
)
from dcign.model.code import NAMING, AngleLatents, CodeLayout
from dcign.runs.run import Run
from pipelines.calibration import load_calibration
from pipelines.rerender.request import Request


@dataclass(frozen=True, eq=False)
class Plan:
    """A request in terms of the latents of one run."""

    request: Request
    angle_latents: AngleLatents
    settings: tuple[Setting, ...]

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
            found.append(random_identities(code, self.angle_latents, request.random, request.seed))
        return found or [taken] if taken else found  # what was taken shows in all others


def make_plan(request: Request, layout: CodeLayout, curves: Calibration) -> Plan:
    """Make the plan of a request for a run with this code and calibration. BadInput for what the run cannot do."""
    angle_latents = curves.angle_latents(layout)
    angles = [angle_setting(curves, angle_latents, name, degrees) for name, degrees in request.angles.items()]
    latents = [latent_setting(layout, angle_latents, name, values) for name, values in request.latents]
    for part in request.parts:
        if part != INTRINSIC:
            angle_latents.latents(part)
    directions = [direction_setting(curves, layout, number, values) for number, values in request.directions]
    settings = (*angles, *latents, *directions)
    if request.grid:
        check_grid(settings)
    return Plan(request, angle_latents, settings)


def calibration_for(run: Run, request: Request) -> Calibration:
    """Load the calibration of a run; an empty one if there is none and nothing in the request needs it.

    RunError if it is missing and angles or directions are to be set, or latents named that training did not name.
    """
    named = bool(request.parts or request.latents or request.random) and run.config.procedure not in NAMING
    needed = bool(request.angles or request.directions or named)
    return load_calibration(run, needed) or Calibration({}, run.step, {})
