"""What is asked of groups of latents: angles, leading coefficients, or which object it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcign.evaluation.evidence.coded import Coded
from dcign.metrics import cross_fitting

REST = "intrinsic"  # the group of all latents that no angle has, and the owner of all that is not an angle of its own
LEADING = {"shape": 3, "albedo": 1}  # coefficients that are asked for, from the first on
FEWEST_IDENTITIES = 10  # fewer values of a coefficient than this cannot be predicted for unseen objects


@dataclass(frozen=True, eq=False)
class Factor:
    """What is to be predicted for M images.

    owner   the group that should know it
    target  (M, T) float64; T = 2 for a circle: cosine and sine. None for which object it is
    bounds  of its bins, in what `values` gives
    """

    name: str
    owner: str
    target: NDArray[np.float64] | None
    bounds: tuple[float, float] = (0.0, 1.0)

    def values(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The one number of each of `rows` (M, T): for points about a circle their angle in degrees."""
        return rows[:, 0] if rows.shape[1] == 1 else np.rad2deg(np.arctan2(rows[:, 1], rows[:, 0]))


def factors(
    probes: Coded,
    groups: Collection[str],
    ranges: Mapping[str, tuple[float, float]],
    parts: Mapping[str, int],
    warnings: list[str],
) -> list[Factor]:
    """All that varies in `probes` and can be asked for; `warnings` gets a line for what cannot.

    An angle without a group of its own belongs to `REST`, which had to learn it. ValueError when `parts` do not add up
    to the coefficients.
    """
    identities = len(np.unique(probes.identity))
    if identities < cross_fitting.FEWEST_FOLDS:
        warnings.append(f"{identities} objects are too few to predict anything for unseen ones.")
        return []
    found = _angles(probes, groups, ranges, warnings)
    if probes.coefficients is None:
        found += _identity(probes, warnings)
    elif identities < FEWEST_IDENTITIES:
        warnings.append(
            f"{identities} identities are too few (at least {FEWEST_IDENTITIES} are needed) to predict the "
            "coefficients of unseen ones."
        )
    else:
        found += _coefficients(probes.coefficients, parts, warnings)
    for factor in found:
        if factor.owner not in groups:
            warnings.append(f"The code has no latents left for {factor.name}.")
    return [factor for factor in found if factor.owner in groups]


def _angles(
    probes: Coded, groups: Collection[str], ranges: Mapping[str, tuple[float, float]], warnings: list[str]
) -> list[Factor]:
    found = []
    for name, (low, high) in ranges.items():
        if high <= low or name not in probes.degrees:
            continue
        degrees, owner = probes.degrees[name].astype(np.float64), name if name in groups else REST
        if np.ptp(degrees) == 0:
            warnings.append(f"{name} is the same in all {len(degrees)} images.")
        elif high - low >= 360.0:
            angle = np.deg2rad(degrees)
            found.append(Factor(name, owner, np.stack([np.cos(angle), np.sin(angle)], axis=1), (-180.0, 180.0)))
        else:
            found.append(Factor(name, owner, degrees[:, None], (low, high)))
    return found


def _identity(probes: Coded, warnings: list[str]) -> list[Factor]:
    if np.unique(probes.identity, return_counts=True)[1].min() < 2:
        warnings.append("An object has a single image, so it cannot be recognised in another.")
        return []
    return [Factor("identity", REST, None)]


def _coefficients(coefficients: NDArray[np.float32], parts: Mapping[str, int], warnings: list[str]) -> list[Factor]:
    if sum(parts.values()) != coefficients.shape[1]:
        raise ValueError(f"{dict(parts)} are not {coefficients.shape[1]} coefficients")
    found, start = [], 0
    for part, count in parts.items():
        for number in range(min(LEADING.get(part, 0), count)):
            name, values = f"{part} {number + 1}", coefficients[:, start + number].astype(np.float64)
            if np.ptp(values) == 0:
                warnings.append(f"{name} is the same in all {len(values)} images.")
            else:
                found.append(Factor(name, REST, values[:, None], (float(values.min()), float(values.max()))))
        start += count
    return found
