"""Degrees <-> latent value, one curve for each extrinsic factor, measured on a data set with known angles.

`dcign evaluate` fits the curves and stores them as `calibration.json` in the run folder; `dcign rerender` reads them.

A factor that does not go full circle gets a monotone piecewise linear curve, of all such curves the least-squares
estimate of the mean latent at each angle; it can be inverted. A factor that does (a chair's azimuth) cannot have one:
a single number that moves continuously around a circle takes each value at two angles at least. It gets a periodic
piecewise linear curve, degrees -> mean latent, and no way back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from dcign.errors import BadInput, RunError
from render.files import write_file

CALIBRATION_FILE = "calibration.json"
FORMAT = 1
MAX_SEGMENTS = 12  # of a monotone curve; 24 around a circle
DRAWS_PER_SEGMENT = 15  # fewer independent angles than this for a knot, and the curve would follow noise
MIN_DRAWS = 10
MIN_SLOPE = 1e-3  # of the average slope: keeps a flat stretch invertible, moves the curve by at most 0.1 % of its rise


@dataclass(frozen=True)
class Curve:
    """Latent value as a piecewise linear function of an angle.

    degrees, latent   the knots, ascending in degrees; the curve is valid from the first to the last
    circular          the last knot is the first one turn later, and any angle is valid
    residual_degrees  root mean square error of the angle read back from the latent; None for a circle
    explained         share of the latent's variance that the curve explains; near 0 it runs through mere noise
    images, draws     how many images, and independent angles among them, it was fitted to
    """

    factor: str
    degrees: tuple[float, ...]
    latent: tuple[float, ...]
    circular: bool
    residual_degrees: float | None
    explained: float
    images: int
    draws: int

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest valid angle in degrees."""
        return self.degrees[0], self.degrees[-1]

    def to_latent(self, degrees: ArrayLike) -> NDArray[np.float64]:
        """Latent values at `degrees` (any shape). BadInput, naming the range, for an angle outside it."""
        angle = np.asarray(degrees, dtype=np.float64)
        low, high = self.range
        if self.circular:
            angle = low + np.mod(angle - low, high - low)
        elif np.any(angle < low) or np.any(angle > high) or not np.all(np.isfinite(angle)):
            worst = angle.flat[int(np.argmax(np.maximum(low - angle, angle - high)))]
            raise BadInput(
                f"{self.factor}: {worst:g} degrees is outside the calibrated range {low:g} to {high:g} "
                "(the angles that the model was tested on); ask for angles within it"
            )
        return np.interp(angle, self.degrees, self.latent)

    def to_degrees(self, latent: ArrayLike) -> NDArray[np.float64]:
        """Angles whose latent value is `latent` (any shape), held at the ends of the range beyond it.

        ValueError for a circular curve, which has no inverse.
        """
        if self.circular:
            raise ValueError(f"{self.factor}: one latent cannot tell the angles of a full circle apart")
        knots, values = np.asarray(self.degrees), np.asarray(self.latent)
        if values[0] > values[-1]:
            knots, values = knots[::-1], values[::-1]
        return np.interp(np.asarray(latent, dtype=np.float64), values, knots)


def fit(
    factor: str,
    degrees: NDArray[np.floating],
    latent: NDArray[np.floating],
    minibatch: NDArray[np.integer],
    angle_range: tuple[float, float],
) -> Curve | None:
    """The curve of one factor from pairs `degrees` (M,) and `latent` (M,), valid on `angle_range`; 360 make a circle.

    `minibatch` (M,) tells which mini-batch an image is from: images of one that share their angle weigh together as
    much as one image that has its own; else twenty views of one object at one angle would pull the curve to it.
    None where no curve exists: an empty range, a latent that never moves, or fewer than `MIN_DRAWS` independent angles.
    """
    low, high = (float(end) for end in angle_range)
    angle, code = np.asarray(degrees, np.float64), np.asarray(latent, np.float64)
    weight = draw_weights(angle, minibatch)
    draws = round(weight.sum())
    if draws < MIN_DRAWS or high <= low or np.ptp(code) == 0 or np.ptp(angle) == 0:
        return None
    if high - low >= 360.0:
        return _fit_circle(factor, angle, code, weight, low)
    segments = int(np.clip(draws // DRAWS_PER_SEGMENT, 2, MAX_SEGMENTS))
    knots = np.linspace(low, high, segments + 1)
    candidates = [sign * _monotone(knots, angle, sign * code, weight) for sign in (1.0, -1.0)]  # rising, falling
    fits = [_explained(code, np.interp(angle, knots, values), weight) for values in candidates]
    values, explained = candidates[int(np.argmax(fits))], max(fits)
    if not np.all(np.diff(values) != 0):
        return None
    curve = Curve(factor, tuple(knots.tolist()), tuple(values.tolist()), False, None, explained, len(angle), draws)
    error = curve.to_degrees(code) - angle
    return replace(curve, residual_degrees=float(np.sqrt(np.average(error**2, weights=weight))))


def draw_weights(degrees: NDArray[np.floating], minibatch: NDArray[np.integer]) -> NDArray[np.float64]:
    """Weights (M,) that sum to the number of independent angles: 1 / images of the mini-batch that share it."""
    pairs = np.stack([minibatch.astype(np.float64), degrees.astype(np.float64)], axis=1)
    _, which, sharing = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return 1.0 / sharing[which.reshape(-1)]


def _monotone(
    knots: NDArray[np.float64], angle: NDArray[np.float64], code: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values (K,) at `knots` of the increasing piecewise linear function nearest to the points, by weighted squares.

    The function is a level plus non-negative multiples of K - 1 ramps, each rising from 0 to 1 over one segment, so
    this is non-negative least squares (the level split into two signs). It is then made to rise strictly.
    """
    width = knots[1] - knots[0]
    ramps = np.clip((angle[:, None] - knots[None, :-1]) / width, 0.0, 1.0)  # (M, K - 1)
    centre, scale = code.mean(), code.std()  # conditions the problem
    level = np.ones((len(angle), 1))
    root = np.sqrt(weight)
    solution, _ = nnls(root[:, None] * np.hstack([level, -level, ramps]), root * (code - centre) / scale)
    rises = solution[2:]
    rises = np.maximum(rises, MIN_SLOPE * rises.sum() / len(rises))
    start = solution[0] - solution[1]
    return centre + scale * (start + np.concatenate([[0.0], np.cumsum(rises)]))


def _fit_circle(
    factor: str, angle: NDArray[np.float64], code: NDArray[np.float64], weight: NDArray[np.float64], low: float
) -> Curve:
    """A periodic piecewise linear curve by least squares, a knot's value being the mean latent around its angle."""
    draws = round(weight.sum())
    segments = int(np.clip(draws // DRAWS_PER_SEGMENT, 4, 2 * MAX_SEGMENTS))
    position = np.mod(angle - low, 360.0) / 360.0 * segments  # in knots, [0, segments)
    left = np.minimum(position.astype(np.int64), segments - 1)
    share = position - left
    hats = np.zeros((len(angle), segments))
    hats[np.arange(len(angle)), left] += 1.0 - share
    hats[np.arange(len(angle)), (left + 1) % segments] += share
    # lstsq's minimum-norm answer about the mean: a knot without data sits at the mean latent
    root = np.sqrt(weight)
    values = code.mean() + np.linalg.lstsq(root[:, None] * hats, root * (code - code.mean()), rcond=None)[0]
    knots = low + 360.0 * np.arange(segments + 1) / segments
    closed = np.append(values, values[0])
    explained = _explained(code, hats @ values, weight)
    return Curve(factor, tuple(knots.tolist()), tuple(closed.tolist()), True, None, explained, len(angle), draws)


def _explained(code: NDArray[np.float64], fitted: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    spread = np.average((code - np.average(code, weights=weight)) ** 2, weights=weight)
    return float(np.clip(1.0 - np.average((code - fitted) ** 2, weights=weight) / spread, 0.0, 1.0))


@dataclass(frozen=True)
class Calibration:
    """The curves of a run, by factor; `step` is the training step of the weights they were measured on."""

    curves: Mapping[str, Curve]
    step: int
    data_set: Mapping[str, Any]  # folder, split, fingerprint: what it was measured on

    def curve(self, factor: str) -> Curve:
        """The curve of `factor`; BadInput when it could not be measured."""
        if factor not in self.curves:
            known = ", ".join(self.curves) or "no factor at all"
            raise BadInput(
                f"{factor}: this run has no calibration for it (it has {known}); "
                "run `dcign evaluate RUN SHARDS` on shards in which it varies"
            )
        return self.curves[factor]


def save(folder: Path, calibration: Calibration) -> Path:
    """Writes `folder/calibration.json` atomically and returns its path."""
    path = folder / CALIBRATION_FILE
    content = {
        "format": FORMAT,
        "step": calibration.step,
        "data_set": dict(calibration.data_set),
        "curves": {name: asdict(curve) for name, curve in calibration.curves.items()},
    }
    write_file(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return path


def load(folder: Path) -> Calibration:
    """Reads `folder/calibration.json`. RunError when it is missing, damaged or of another format."""
    path = folder / CALIBRATION_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no calibration here; run `dcign evaluate {folder} SHARDS` first") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); run `dcign evaluate {folder} SHARDS` again") from None
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}, expected {FORMAT}")
        curves = {name: _read_curve(name, entry) for name, entry in content["curves"].items()}
        return Calibration(curves, int(content["step"]), dict(content["data_set"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path}: not a calibration ({error}); run `dcign evaluate {folder} SHARDS` again") from None


def _read_curve(name: str, entry: Mapping[str, Any]) -> Curve:
    """A curve from its JSON form; ValueError unless its knots are finite, ascending and, if not circular, monotone."""
    degrees, latent = np.asarray(entry["degrees"], np.float64), np.asarray(entry["latent"], np.float64)
    circular = bool(entry["circular"])
    steps = np.diff(latent)
    fine = degrees.ndim == 1 and degrees.shape == latent.shape and len(degrees) >= 2
    fine = fine and bool(np.isfinite(degrees).all() and np.isfinite(latent).all() and np.all(np.diff(degrees) > 0))
    if not fine or not (circular or np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(f"the knots of {name} are not a curve")
    residual = entry["residual_degrees"]
    return Curve(
        name,
        tuple(degrees.tolist()),
        tuple(latent.tolist()),
        circular,
        None if residual is None else float(residual),
        float(entry["explained"]),
        int(entry["images"]),
        int(entry["draws"]),
    )
