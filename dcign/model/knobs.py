"""Knobs: which latents of a trained run stand for which angle, whether training named them or they had to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcign.errors import RunError
from dcign.model.code import CodeLayout
from render.factors import EXTRINSIC

NAMING = ("clamped", "group-vae")  # the procedures that give latents a meaning


@dataclass(frozen=True, eq=False)
class Knobs:
    """Which latents stand for what.

    groups  extrinsic factor -> its latents (W,) int64: those the code names, or those found to move most with it
    rest    all other latents, int64: what is left for the identity
    found   whether they had to be found, because the training named none
    """

    groups: Mapping[str, NDArray[np.int64]]
    rest: NDArray[np.int64]
    found: bool = False

    @property
    def single(self) -> tuple[str, ...]:
        """The angles that have one latent: azimuth, elevation and light for faces by default, azimuth for chairs."""
        return tuple(name for name, latents in self.groups.items() if len(latents) == 1)

    def latents(self, factor: str) -> NDArray[np.int64]:
        """Which latents are those of `factor`, (W,) int64. RunError when it has none, or is not an angle."""
        if factor not in self.groups:
            known = ", ".join(self.groups) or "no angle"
            raise RunError(f"{factor}: this run has no latents for it; it has them for {known}")
        return self.groups[factor]

    def own(self, codes: NDArray[np.floating], factor: str) -> NDArray[np.floating]:
        """The latents of `factor` out of `codes` (..., Z): (...) where it has one, (..., W) where it has a group."""
        own = codes[..., self.latents(factor)]
        return own[..., 0] if own.shape[-1] == 1 else own


def named_knobs(layout: CodeLayout) -> Knobs:
    """Those of the groups that bear an angle's name."""
    return _knobs({name: layout.indices(name) for name in EXTRINSIC if name in layout.names}, layout.latents, False)


def stored_knobs(layout: CodeLayout, found: Mapping[str, Sequence[int]]) -> Knobs:
    """Those that a calibration keeps because they had to be found, factor -> latents; by name where it keeps none.

    RunError for latents that the code has not.
    """
    if not found:
        return named_knobs(layout)
    chosen = [latent for latents in found.values() for latent in latents]
    if len(set(chosen)) < len(chosen) or not all(0 <= latent < layout.latents for latent in chosen):
        raise RunError(f"expected calibrated latents out of the {layout.latents} of this code, found {chosen}")
    return _knobs({name: np.asarray(latents, np.int64) for name, latents in found.items()}, layout.latents, True)


def find_knobs(
    layout: CodeLayout, codes: NDArray[np.floating], kinds: NDArray[np.str_], minibatch: NDArray[np.integer]
) -> Knobs:
    """For a training that named no latents: of each angle that the code has latents for, those of largest variance
    within mini-batches of that angle, as the paper picks z_azimuth of its baseline (section 4.1.1).

    `codes` (M, Z) means, `kinds` (M,) the factor that varies in the mini-batch of each image, `minibatch` (M,) which
    one that is. An angle without mini-batches has no knob. No latent becomes the knob of two angles: the first of
    azimuth, elevation and light takes it.
    """
    groups: dict[str, NDArray[np.int64]] = {}
    free = np.ones(layout.latents, bool)
    for name in EXTRINSIC:
        if name not in layout.names or not np.any(kinds == name):
            continue
        labels = np.unique(minibatch[kinds == name])
        within = np.mean([codes[minibatch == label].astype(np.float64).var(axis=0) for label in labels], axis=0)
        order = np.argsort(np.where(free, -within, np.inf), kind="stable")
        groups[name] = order[: layout.groups[name]].astype(np.int64)
        free[groups[name]] = False
    return _knobs(groups, layout.latents, True)


def _knobs(groups: dict[str, NDArray[np.int64]], latents: int, found: bool) -> Knobs:
    rest = np.setdiff1d(np.arange(latents), np.concatenate([np.empty(0, np.int64), *groups.values()]))
    return Knobs(groups, rest.astype(np.int64), found)
