"""|Spearman| of latents with the true factors: does the latent follow its factor, and only that one?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MIN_DRAWS = 10  # below this many independently drawn values of a factor, a rank correlation says nothing

Table = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class SpearmanResult:
    """`table[latent][factor]` is |Spearman| in [0, 1], or None where `warnings` says why."""

    table: Table
    draws: dict[str, int]  # independently drawn values of each factor
    warnings: list[str] = field(default_factory=list)


def independent_draws(values: NDArray[np.floating], minibatch: NDArray[np.integer]) -> int:
    """How many independent values a factor (M,) takes: twenty images that share one angle count once."""
    return len(np.unique(np.stack([minibatch.astype(np.float64), values.astype(np.float64)]), axis=1).T)


def compute(
    latents: Mapping[str, NDArray[np.floating]],
    factors: Mapping[str, NDArray[np.floating]],
    minibatch: NDArray[np.integer],
) -> SpearmanResult:
    """|Spearman's rank correlation| of every latent with every true factor, over all images pooled.

    `latents` name -> (M,) inferred means, `factors` name -> (M,) degrees, `minibatch` (M,) where each image is from.
    A constant factor or latent, or fewer than `MIN_DRAWS` independent values of a factor, gives None and a warning.
    Ties (images of one mini-batch share their inactive factors) take their mean rank, as `scipy.stats.spearmanr` does.
    """
    warnings: list[str] = []
    draws = {name: independent_draws(values, minibatch) for name, values in factors.items()}
    usable_factors = []
    for name, values in factors.items():
        if np.ptp(values) == 0:
            warnings.append(f"{name} is the same in all {len(values)} images: no correlation with it can be computed.")
        elif draws[name] < MIN_DRAWS:
            warnings.append(
                f"{name} takes only {draws[name]} independent values (at least {MIN_DRAWS} are needed): "
                "no correlation with it is reported."
            )
        else:
            usable_factors.append(name)
    table: Table = {}
    for latent, code in latents.items():
        constant = bool(np.ptp(code) == 0)
        if constant:
            warnings.append(
                f"z_{latent} is the same for all {len(code)} images: it follows nothing (collapsed latent)."
            )
        row: dict[str, float | None] = dict.fromkeys(factors)
        for name in usable_factors if not constant else []:
            row[name] = abs(float(stats.spearmanr(code, factors[name]).statistic))
        table[latent] = row
    return SpearmanResult(table, draws, warnings)


def own_values(table: Table) -> dict[str, float | None]:
    """|Spearman| of each extrinsic latent with the factor it is named after."""
    return {name: row.get(name) for name, row in table.items()}


def largest_leak(table: Table) -> dict[str, str | float] | None:
    """The largest |Spearman| of an extrinsic latent with a factor that is not its own; None when none is defined."""
    leaks = [
        (value, latent, factor)
        for latent, row in table.items()
        for factor, value in row.items()
        if factor != latent and value is not None
    ]
    if not leaks:
        return None
    value, latent, factor = max(leaks)
    return {"latent": latent, "factor": factor, "value": value}
