"""The curve of a factor, fitted to images whose values are known.

A factor that does not go full circle gets a monotone piecewise linear curve, of all such curves the least-squares
estimate of the mean latent at each value; it can be inverted. A factor that does (a chair's azimuth) cannot have one:
a single number that moves continuously around a circle takes each value at two places at least. It gets a periodic
piecewise linear curve, value -> mean latent, and no way back.

A factor with a group of two latents or more (`azimuth:2`) gets a piecewise linear curve through their space, periodic
for a full circle. A value is read back as that of the curve's nearest point.

Categories get their centroids, and what is read back is the nearest one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from dcign.engine.curves import Centroids, Curve, FactorCurve, GroupCurve, value_error
from render.shards.labels import Label

MAX_SEGMENTS = 12  # 24 around a circle
DRAWS_PER_SEGMENT = 15  # fewer independent values than this for a knot, and the curve would follow noise
MIN_DRAWS = 10
MIN_SLOPE = 1e-3  # of the average slope: keeps a flat stretch invertible, moves the curve by at most 0.1 % of its rise


def fit(
    label: Label,
    values: NDArray[np.floating],
    own: NDArray[np.floating],
    minibatch: NDArray[np.integer],
) -> FactorCurve | None:
    """Fit the curve of one factor to pairs of its `values` (M,) and its `own` latent (M,) or latents (M, W).

    `minibatch` (M,) tells which mini-batch an image is from: images of one that share their value weigh together as
    much as one image that has its own; else twenty views of one object at one angle would pull the curve to it. There
    is no order to keep in several dimensions: a curve that meets itself shows in `residual`.

    None where no curve exists: an empty range, latents that never move, or fewer than `MIN_DRAWS` independent values.
    """
    found, codes = np.asarray(values, np.float64), np.asarray(own, np.float64)
    weight = draw_weights(found, minibatch, label.tolerance)
    draws = round(weight.sum())
    if draws < MIN_DRAWS or not label.varies or not np.any(np.ptp(codes, axis=0)) or np.ptp(found) == 0:
        return None
    if label.values and len(_grid_values(label, found)) < 2:
        return None
    if label.categories:
        return _centroids(label, found, codes, weight)
    if codes.ndim == 1 and not label.circular:
        return _line(label, found, codes, weight)
    return _by_least_squares(label, found, codes, weight)


def draw_weights(
    values: NDArray[np.floating], minibatch: NDArray[np.integer], tolerance: float = 0.0
) -> NDArray[np.float64]:
    """Return weights (M,) that sum to the number of independent values: 1 / images of the mini-batch that share it.

    Values in the same interval of `tolerance` pass for shared.
    """
    column = np.round(values / tolerance) if tolerance else values
    pairs = np.stack([minibatch.astype(np.float64), column.astype(np.float64)], axis=1)
    _, which, sharing = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return 1.0 / sharing[which.reshape(-1)]


def _line(
    label: Label, values: NDArray[np.float64], code: NDArray[np.float64], weight: NDArray[np.float64]
) -> Curve | None:
    """Fit a monotone curve of one latent; None if it does not move between the knots."""
    draws = round(weight.sum())
    knots = _line_knots(label, values, draws)
    widths = np.diff(knots) if label.values else knots[1] - knots[0]
    candidates = [sign * _monotone(knots, widths, values, sign * code, weight) for sign in (1.0, -1.0)]
    fits = [_explained(code, np.interp(values, knots, each), weight) for each in candidates]  # rising, falling
    latent, explained = candidates[int(np.argmax(fits))], max(fits)
    if not np.all(np.diff(latent) != 0):
        return None
    curve = Curve(label.name, _floats(knots), _floats(latent), False, None, explained, len(values), draws, label=label)
    error = value_error(curve.to_value(code), values, label)
    return replace(curve, residual=float(np.sqrt(np.average(error**2, weights=weight))))


def _monotone(
    knots: NDArray[np.float64],
    widths: NDArray[np.float64] | float,
    values: NDArray[np.float64],
    code: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Latents (K,) at `knots` of the increasing piecewise linear function nearest to the points, by weighted squares.

    The function is a level plus non-negative multiples of K - 1 ramps, each rising from 0 to 1 over one segment, so
    this is non-negative least squares (the level split into two signs). It is then made to rise strictly.
    """
    ramps = np.clip((values[:, None] - knots[None, :-1]) / widths, 0.0, 1.0)  # (M, K - 1)
    centre, scale = code.mean(), code.std()  # conditions the problem
    level = np.ones((len(values), 1))
    root = np.sqrt(weight)
    solution, _ = nnls(root[:, None] * np.hstack([level, -level, ramps]), root * (code - centre) / scale)
    rises = solution[2:]
    rises = np.maximum(rises, MIN_SLOPE * rises.sum() / len(rises))
    start = solution[0] - solution[1]
    return centre + scale * (start + np.concatenate([[0.0], np.cumsum(rises)]))


def _by_least_squares(
    label: Label, values: NDArray[np.float64], codes: NDArray[np.float64], weight: NDArray[np.float64]
) -> Curve | GroupCurve:
    """Fit a curve of one latent round a circle, or of a group: each latent by itself, a knot's the mean around it."""
    draws = round(weight.sum())
    if label.circular:
        knots = _circle_knots(label, values, draws)
        hats = _circle_hats(label, values, knots)
    else:
        knots = _line_knots(label, values, draws)
        hats = _line_hats(label, values, knots)
    latent = _least_squares(hats, codes, weight)  # (K,) or (K, W)
    explained = _explained(codes, hats @ latent, weight)
    closed = np.concatenate([latent, latent[:1]]) if label.circular else latent
    known = (explained, len(values), draws)
    if codes.ndim == 1:
        return Curve(label.name, _floats(knots), _floats(closed), label.circular, None, *known, label=label)
    curve = GroupCurve(label.name, _floats(knots), _rows(closed), label.circular, 0.0, *known, label=label)
    error = value_error(curve.to_value(codes), values, label)
    return replace(curve, residual=float(np.sqrt(np.average(error**2, weights=weight))))


def _centroids(
    label: Label, values: NDArray[np.float64], codes: NDArray[np.float64], weight: NDArray[np.float64]
) -> Centroids:
    """Take the weighted mean of the latents of each category that is there."""
    numbers, which = np.unique(values, return_inverse=True)
    which = which.reshape(-1)
    latent = np.stack([np.average(codes[which == k], axis=0, weights=weight[which == k]) for k in range(len(numbers))])
    own = _floats(latent) if codes.ndim == 1 else _rows(latent)
    explained = _explained(codes, latent[which], weight)
    draws = round(weight.sum())
    found = Centroids(label.name, _floats(numbers), own, False, 0.0, explained, len(values), draws, label=label)
    wrong = value_error(found.to_value(codes), values, label)
    return replace(found, residual=float(np.average(wrong, weights=weight)))


def _line_knots(label: Label, values: NDArray[np.float64], draws: int) -> NDArray[np.float64]:
    """Return knots (K,), evenly spaced over the range; of a grid those of its values that images were there of."""
    segments = int(np.clip(draws // DRAWS_PER_SEGMENT, 2, MAX_SEGMENTS))
    if not label.values:
        return np.linspace(label.low, label.high, segments + 1)
    grid = _grid_values(label, values)
    return grid[np.linspace(0, len(grid) - 1, min(segments + 1, len(grid))).round().astype(np.int64)]


def _circle_knots(label: Label, values: NDArray[np.float64], draws: int) -> NDArray[np.float64]:
    """Return the knots (K + 1,) of a circle, the last of which is the first one turn later."""
    segments = int(np.clip(draws // DRAWS_PER_SEGMENT, 4, 2 * MAX_SEGMENTS))
    if not label.values:
        return label.low + label.period * np.arange(segments + 1) / segments
    grid = _grid_values(label, values)
    count = min(segments, len(grid))
    chosen = grid[np.arange(count) * len(grid) // count]
    return np.append(chosen, chosen[0] + label.period)


def _grid_values(label: Label, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of the label's grid that `values` (M,) take, ascending; each is taken for the nearest."""
    grid = np.asarray(label.values)
    nearest = np.abs(np.unique(values)[:, None] - grid).argmin(axis=1)
    found = grid[np.unique(nearest)]
    return found[found < found[0] + label.period] if label.circular else found


def _circle_hats(label: Label, values: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each of the K different `knots` (K + 1,) around a circle in the latent at each value: (M, K)."""
    low, segments = knots[0], len(knots) - 1
    if label.values:
        hats = _line_hats(label, low + np.mod(values - low, label.period), knots)
        hats[:, 0] += hats[:, -1]
        return hats[:, :-1]
    position = np.mod(values - low, label.period) / label.period * segments  # in knots, [0, segments)
    left = np.minimum(position.astype(np.int64), segments - 1)
    share = position - left
    hats = np.zeros((len(values), segments))
    hats[np.arange(len(values)), left] += 1.0 - share
    hats[np.arange(len(values)), (left + 1) % segments] += share
    return hats


def _line_hats(label: Label, values: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each of `knots` (K,), ascending, in the latent at each value: (M, K)."""
    if label.values:  # not evenly spaced
        return np.stack([np.interp(values, knots, column) for column in np.eye(len(knots))], axis=1)
    return np.maximum(0.0, 1.0 - np.abs(np.clip(values, knots[0], knots[-1])[:, None] - knots) / (knots[1] - knots[0]))


def _least_squares(
    hats: NDArray[np.float64], codes: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Latents at the knots, (K,) or (K, W), of the piecewise linear curve nearest to `codes` (M,) or (M, W).

    lstsq's minimum-norm answer about the mean: a knot without data sits at the mean latent.
    """
    root = np.sqrt(weight).reshape(-1, *[1] * (codes.ndim - 1))
    mean = codes.mean(axis=0)
    return mean + np.linalg.lstsq(np.sqrt(weight)[:, None] * hats, root * (codes - mean), rcond=None)[0]


def _explained(codes: NDArray[np.float64], fitted: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Share of the variance of `codes` (M,) or (M, W), summed over latents, that `fitted` explains, in [0, 1]."""
    mean = np.average(codes, axis=0, weights=weight)
    spread = np.sum(np.average((codes - mean) ** 2, axis=0, weights=weight))
    return float(np.clip(1.0 - np.sum(np.average((codes - fitted) ** 2, axis=0, weights=weight)) / spread, 0.0, 1.0))


def _floats(numbers: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(numbers.tolist())


def _rows(numbers: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, numbers.tolist()))
