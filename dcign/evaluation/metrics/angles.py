"""Latents against angles: |Spearman|, circular R^2, a jump at 0 degrees, and how still the other latents hold.

A rank correlation means little on the full circle; circular R^2 is for that. The paper saw a jump in azimuth
(section 4.1.2, Figure 6), and asks of inactive latents that they hold still (section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.bootstrap import Estimate

MIN_DRAWS = 10  # below this many independently drawn values of a factor, a rank correlation says nothing

Table = dict[str, dict[str, float | None]]
JUMP_WIDTH = 30.0  # degrees on either side of 0 in which a jump is looked for
JUMP_FEWEST = 10  # images on either side


@dataclass(frozen=True)
class SpearmanResult:
    """`table[latent][factor]` is |Spearman| in [0, 1], or None where `warnings` says why."""

    table: Table
    draws: dict[str, int]  # independently drawn values of each factor
    warnings: list[str] = field(default_factory=list)


def independent_draws(values: NDArray[np.floating], minibatch: NDArray[np.integer]) -> int:
    """Count the independent values of a factor (M,): twenty images that share one angle count once."""
    return len(np.unique(np.stack([minibatch.astype(np.float64), values.astype(np.float64)]), axis=1).T)


def spearman(
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


def radians(values: NDArray[np.floating], period: float = 360.0) -> NDArray[np.float64]:
    """Angles of values that are the same again after `period`: degrees by default."""
    return np.deg2rad(values.astype(np.float64) * (360.0 / period))


def circular_r2(latent: NDArray[np.floating], values: NDArray[np.floating], period: float = 360.0) -> float | None:
    """Circular-linear association: R^2 of the least-squares fit latent ~ 1 + cos(angle) + sin(angle), in [0, 1].

    `latent` (M,), `values` (M,), which are the same again after `period`: degrees by default. None when the latent or
    the angle is constant, or with fewer than 4 images.
    1 means that the latent is a sinusoid of the angle: the best that one number can do without a jump, and then two
    angles share each value. Source: Mardia and Jupp, Directional Statistics (2000), section 11.2.1, `R_xt^2`.
    """
    if len(latent) < 4 or np.ptp(latent) == 0 or np.ptp(values) == 0:
        return None
    angle = radians(values, period)
    design = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)  # (M, 3)
    target = latent.astype(np.float64)
    fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    unexplained = float(np.sum((target - fitted) ** 2) / np.sum((target - target.mean()) ** 2))
    return min(1.0, max(0.0, 1.0 - unexplained))


def group_circular_r2(
    latents: NDArray[np.floating], values: NDArray[np.floating], period: float = 360.0
) -> float | None:
    """Share of the variance of the point (cos, sin) of the angle that least squares on the latents explains, in [0, 1].

    `latents` (M, W), `values` (M,), which are the same again after `period`: degrees by default. None when no latent
    moves, the angle is constant, or with no more than W + 1 images, which can be fitted whatever they are. Least
    squares has no penalty, so the value does not depend on how the latents are scaled, turned or mixed with each other;
    nor does it depend on where 0 degrees lies.

    This asks the other way round than `circular_r2`, because a group is there to be read: two latents that both follow
    the cosine would score 1 there, and 1/2 here, for they do not tell left from right. 1 means that the angle can be
    read off, even by a linear map; a loop that is bent rather than round scores lower, though a curve may read it.
    For one latent and angles all around the circle this value is half that of `circular_r2`.
    """
    angle = radians(values, period)
    return linear_r2(latents, np.stack([np.cos(angle), np.sin(angle)], axis=1))


def linear_r2(latents: NDArray[np.floating], target: NDArray[np.float64]) -> float | None:
    """Share of the variance of `target` (M, T), summed over its columns, that is linear in `latents` (M, W), in [0, 1].

    None when no latent moves, the target is constant, or with no more than W + 1 images.
    """
    still = not np.any(np.ptp(latents, axis=0)) or not np.any(np.ptp(target, axis=0))
    if len(latents) <= latents.shape[1] + 1 or still:
        return None
    target = target - target.mean(axis=0)
    codes = latents.astype(np.float64)
    codes -= codes.mean(axis=0)
    scale = codes.std(axis=0)
    codes /= np.where(scale > 0, scale, 1.0)  # conditions the problem: lstsq's cut-off must not drop a quiet latent
    fitted = codes @ np.linalg.lstsq(codes, target, rcond=None)[0]
    return min(1.0, max(0.0, 1.0 - float(np.sum((target - fitted) ** 2) / np.sum(target**2))))


def jump_at_zero(
    latent: NDArray[np.floating], degrees: NDArray[np.floating], identity: NDArray[np.integer], circular: bool = False
) -> Estimate:
    """Height of the jump at 0 degrees, in standard deviations of the latent over all images.

    `latent` (M,), true `degrees` (M,), `identity` (M,) of the object in each image, which the interval is over.
    Regression discontinuity: a straight line on either side, with a slope of its own, by least squares within `WIDTH`
    degrees; the jump is the difference of the two at 0. With `circular` 350 degrees are -10. None when the latent is
    constant, or with fewer than `FEWEST` images or two angles on a side. Imbens and Lemieux (2008), section 4.
    """
    angle = degrees.astype(np.float64)
    if circular:
        angle = np.mod(angle + 180.0, 360.0) - 180.0
    values = latent.astype(np.float64)
    scale = float(values.std())
    near = np.abs(angle) <= JUMP_WIDTH
    angle, values = angle[near], values[near]
    sides = (angle < 0, angle >= 0)
    if scale == 0 or any(np.sum(side) < JUMP_FEWEST for side in sides):
        return Estimate(value=None, low=None, high=None)

    def jump(rows: NDArray[np.int64]) -> float | None:
        left, right = (_at_zero(angle[rows][side[rows]], values[rows][side[rows]]) for side in sides)
        return None if left is None or right is None else (right - left) / scale

    return bootstrap.estimate(jump, identity[near])


def _at_zero(angle: NDArray[np.float64], values: NDArray[np.float64]) -> float | None:
    """Height at 0 degrees of the least-squares line through points (n,); None where there is no such line."""
    if len(angle) == 0 or np.ptp(angle) == 0:
        return None
    centred = angle - angle.mean()
    slope = float(centred @ values) / float(centred @ centred)
    return float(values.mean()) - slope * float(angle.mean())


def within_variance(
    codes: NDArray[np.floating], minibatch: NDArray[np.integer], inactive: Sequence[int] | NDArray[np.integer]
) -> dict[str, float | int | None]:
    """Variance of inactive latents within mini-batches of one factor.

    `codes` (M, Z) means of the images of that factor's mini-batches, `minibatch` (M,) which one each is from,
    `inactive` the indices of the latents that the factor must not move. Returns

    - `within`: sample variance (divisor N - 1) within a mini-batch, mean over latents and mini-batches; None when no
      mini-batch has two images, or when no latent is inactive;
    - `latents`, `minibatches`: how many of each it is a mean of.

    Set it against `total_variance` of the same latents: a small value alone may only mean small codes.
    """
    chosen = codes[:, np.asarray(inactive, dtype=np.int64)].astype(np.float64)
    members = [chosen[minibatch == label] for label in np.unique(minibatch)]
    variances = [rows.var(axis=0, ddof=1).mean() for rows in members if len(rows) > 1 and rows.shape[1] > 0]
    return {
        "within": float(np.mean(variances)) if variances else None,
        "latents": int(chosen.shape[1]),
        "minibatches": len(variances),
    }


def total_variance(codes: NDArray[np.floating], latents: Sequence[int] | NDArray[np.integer]) -> float | None:
    """Variance (divisor M - 1) of `codes` (M, Z) over the whole set, mean over the given latents; None if undefined."""
    chosen = codes[:, np.asarray(latents, dtype=np.int64)].astype(np.float64)
    if chosen.shape[0] < 2 or chosen.shape[1] == 0:
        return None
    return float(chosen.var(axis=0, ddof=1).mean())
