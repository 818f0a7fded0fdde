"""Degrees <-> latents, one curve for each extrinsic factor, measured on a data set with known angles.

`dcign evaluate` fits the curves and stores them as `calibration.json` in the run folder; `dcign rerender` reads them.

A factor that does not go full circle gets a monotone piecewise linear curve, of all such curves the least-squares
estimate of the mean latent at each angle; it can be inverted. A factor that does (a chair's azimuth) cannot have one:
a single number that moves continuously around a circle takes each value at two angles at least. It gets a periodic
piecewise linear curve, degrees -> mean latent, and no way back.

A factor with a group of two latents or more (`azimuth:2`) gets a piecewise linear curve through their space, periodic
for a full circle. An angle is read back as that of the curve's nearest point.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from assets.files import write_file
from dcign.engine.curves import Curve, GroupCurve, angle_error, curve_to_json
from dcign.errors import BadInput, RunError
from dcign.model.code import AngleLatents, CodeLayout, stored_latents
from render.factors import EXTRINSIC
from render.shards.documents import Anything, Flag, ListOf, Maybe, Number, Record, Table, Whole, read_json

if TYPE_CHECKING:
    from dcign.runs.run import Run

CALIBRATION_FILE = "calibration.json"
FORMAT = 1  # of a file that holds curves of single latents only
GROUP_FORMAT = 2  # of one with curves of groups, which readers of format 1 would take for damaged
MAX_SEGMENTS = 12  # 24 around a circle
DRAWS_PER_SEGMENT = 15  # fewer independent angles than this for a knot, and the curve would follow noise
MIN_DRAWS = 10
PERCENTILES = 101
LATENT = Number(-1e30, 1e30)  # codes are float32
DOCUMENT = Record(
    {
        "format": Anything(),
        "step": Whole(0),
        "data_set": Table(),
        "curves": Table(
            Record(
                {
                    "degrees": ListOf(Number(-1e6, 1e6)),
                    "latent": ListOf(Anything()),  # a number at each knot, or a row of them: see `_read_curve`
                    "circular": Flag(),
                    "residual_degrees": Maybe(Number(0)),
                    "explained": Number(),
                    "images": Whole(0),
                    "draws": Whole(0),
                }
            ),
            EXTRINSIC,
        ),
    },
    {
        "found": Table(ListOf(Whole(0)), EXTRINSIC),
        "reconstruction": ListOf(Number(0)),
        "directions": ListOf(ListOf(LATENT)),
    },
)
MIN_SLOPE = 1e-3  # of the average slope: keeps a flat stretch invertible, moves the curve by at most 0.1 % of its rise


def fit(
    factor: str,
    degrees: NDArray[np.floating],
    latent: NDArray[np.floating],
    minibatch: NDArray[np.integer],
    angle_range: tuple[float, float],
) -> Curve | None:
    """Fit the curve of one factor to pairs `degrees` (M,) and `latent` (M,), valid on `angle_range`; 360 make a circle.

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
    knots = np.linspace(low, high, _line_segments(draws) + 1)
    candidates = [sign * _monotone(knots, angle, sign * code, weight) for sign in (1.0, -1.0)]  # rising, falling
    fits = [_explained(code, np.interp(angle, knots, values), weight) for values in candidates]
    values, explained = candidates[int(np.argmax(fits))], max(fits)
    if not np.all(np.diff(values) != 0):
        return None
    curve = Curve(factor, tuple(knots.tolist()), tuple(values.tolist()), False, None, explained, len(angle), draws)
    error = curve.to_value(code) - angle
    return replace(curve, residual=float(np.sqrt(np.average(error**2, weights=weight))))


def fit_group(
    factor: str,
    degrees: NDArray[np.floating],
    latents: NDArray[np.floating],
    minibatch: NDArray[np.integer],
    angle_range: tuple[float, float],
) -> GroupCurve | None:
    """Fit the curve of one factor through the space of its group of latents to `degrees` (M,) and `latents` (M, W).

    Least squares for each latent by itself, with the weights, range and reasons for None of `fit`. There is no order to
    keep in several dimensions: a curve that meets itself shows in `residual`.
    """
    low, high = (float(end) for end in angle_range)
    angle, codes = np.asarray(degrees, np.float64), np.asarray(latents, np.float64)
    weight = draw_weights(angle, minibatch)
    draws = round(weight.sum())
    if draws < MIN_DRAWS or high <= low or not np.any(np.ptp(codes, axis=0)) or np.ptp(angle) == 0:
        return None
    circular = high - low >= 360.0
    if circular:
        segments = _circle_segments(draws)
        hats, knots = _circle_hats(angle, low, segments), low + 360.0 * np.arange(segments + 1) / segments
    else:
        knots = np.linspace(low, high, _line_segments(draws) + 1)
        hats = _line_hats(angle, knots)
    values = _least_squares(hats, codes, weight)  # (K, W)
    closed = np.vstack([values, values[:1]]) if circular else values
    rows = tuple(tuple(row) for row in closed.tolist())
    explained = _explained(codes, hats @ values, weight)
    curve = GroupCurve(factor, tuple(knots.tolist()), rows, circular, 0.0, explained, len(angle), draws)
    error = angle_error(curve.to_value(codes), angle, circular)
    return replace(curve, residual=float(np.sqrt(np.average(error**2, weights=weight))))


def draw_weights(degrees: NDArray[np.floating], minibatch: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return weights (M,) that sum to the number of independent angles: 1 / images of the mini-batch that share it."""
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
    segments = _circle_segments(draws)
    hats = _circle_hats(angle, low, segments)
    values = _least_squares(hats, code, weight)
    knots = low + 360.0 * np.arange(segments + 1) / segments
    closed = np.append(values, values[0])
    explained = _explained(code, hats @ values, weight)
    return Curve(factor, tuple(knots.tolist()), tuple(closed.tolist()), True, None, explained, len(angle), draws)


def _line_segments(draws: int) -> int:
    return int(np.clip(draws // DRAWS_PER_SEGMENT, 2, MAX_SEGMENTS))


def _circle_segments(draws: int) -> int:
    return int(np.clip(draws // DRAWS_PER_SEGMENT, 4, 2 * MAX_SEGMENTS))


def _circle_hats(angle: NDArray[np.float64], low: float, segments: int) -> NDArray[np.float64]:
    """Share of each of K = `segments` knots around the circle, from `low` on, in the value at each angle: (M, K)."""
    position = np.mod(angle - low, 360.0) / 360.0 * segments  # in knots, [0, segments)
    left = np.minimum(position.astype(np.int64), segments - 1)
    share = position - left
    hats = np.zeros((len(angle), segments))
    hats[np.arange(len(angle)), left] += 1.0 - share
    hats[np.arange(len(angle)), (left + 1) % segments] += share
    return hats


def _line_hats(angle: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each of `knots` (K,), ascending and evenly spaced, in the value at each angle: (M, K)."""
    return np.maximum(0.0, 1.0 - np.abs(np.clip(angle, knots[0], knots[-1])[:, None] - knots) / (knots[1] - knots[0]))


def _least_squares(
    hats: NDArray[np.float64], codes: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values at the knots, (K,) or (K, W), of the piecewise linear curve nearest to `codes` (M,) or (M, W).

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


@dataclass(frozen=True)
class Calibration:
    """The curves of a run, by factor; `step` is the training step of the weights they were measured on."""

    curves: Mapping[str, Curve | GroupCurve]
    step: int
    data_set: Mapping[str, Any]  # folder, split, fingerprint: what it was measured on
    found: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # latents of angles that training did not name
    reconstruction: tuple[float, ...] = ()  # percentiles 0, 1, ..., 100 of the images' mean squared error, if known
    directions: tuple[tuple[float, ...], ...] = ()  # (D, Z), the leading ones of identity: `dcign.engine.curves`

    def angle_latents(self, layout: CodeLayout) -> AngleLatents:
        """Return the latents that the curves are of, by angle."""
        return stored_latents(layout, self.found)

    def out_of_date(self, run: str, step: int) -> str | None:
        """Return a warning if a run, named `run`, is at another step than its calibration; None if at the same."""
        if self.step == step:
            return None
        again = f"run `dcign evaluate {run} SHARDS` again for exact angles"
        return f"{run} was calibrated at step {self.step} and is at step {step} now; {again}"

    def directions_of(self, layout: CodeLayout) -> NDArray[np.float64]:
        """Return `directions` as an array (D, Z). RunError for those of another code."""
        if self.directions and len(self.directions[0]) != layout.latents:
            raise RunError(
                f"expected directions of {layout.latents} latents, as many as the code of this run has, found "
                f"{len(self.directions[0])} (the calibration of another run?); run `dcign evaluate RUN SHARDS` again"
            )
        return np.asarray(self.directions, np.float64).reshape(-1, layout.latents)

    def curve(self, factor: str) -> Curve | GroupCurve:
        """Return the curve of `factor`; BadInput when it could not be measured."""
        if factor not in self.curves:
            known = ", ".join(self.curves) or "no factor at all"
            raise BadInput(
                f"{factor}: this run has no calibration for it (it has {known}); "
                "run `dcign evaluate RUN SHARDS` on shards in which it varies"
            )
        return self.curves[factor]


def save(folder: Path, calibration: Calibration) -> Path:
    """Write `folder/calibration.json` atomically and return its path."""
    path = folder / CALIBRATION_FILE
    groups = any(isinstance(curve, GroupCurve) for curve in calibration.curves.values())
    content: dict[str, Any] = {
        "format": GROUP_FORMAT if groups else FORMAT,
        "step": calibration.step,
        "data_set": dict(calibration.data_set),
        "curves": {name: curve_to_json(curve) for name, curve in calibration.curves.items()},
    }
    if calibration.found:
        content["found"] = {name: list(latents) for name, latents in calibration.found.items()}
    if calibration.reconstruction:
        content["reconstruction"] = list(calibration.reconstruction)
    if calibration.directions:
        content["directions"] = [list(direction) for direction in calibration.directions]
    write_file(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return path


def load(folder: Path) -> Calibration:
    """Read `folder/calibration.json`. RunError when it is missing, damaged or of another format."""
    path = folder / CALIBRATION_FILE
    if not path.exists():
        raise RunError(f"{path}: no calibration here; run `dcign evaluate {folder} SHARDS` first")
    advice = f"; run `dcign evaluate {folder} SHARDS` again"
    content = read_json(path, DOCUMENT, RunError, advice=advice)
    try:
        if content["format"] not in (FORMAT, GROUP_FORMAT):
            raise ValueError(f"expected format {FORMAT} or {GROUP_FORMAT}, found {content['format']!r:.60}")
        curves = {name: _read_curve(name, entry) for name, entry in content["curves"].items()}
        found = {name: tuple(latents) for name, latents in content.get("found", {}).items()}
        errors = tuple(map(float, content.get("reconstruction", ())))
        if errors and not (len(errors) == PERCENTILES and np.all(np.diff(errors) >= 0)):
            raise ValueError(f"expected {PERCENTILES} ascending percentiles of the error, found {len(errors)} numbers")
        directions = _read_directions(content.get("directions", ()))
    except ValueError as error:
        raise RunError(f"{path}: {error}{advice}") from None
    return Calibration(curves, content["step"], content["data_set"], found, errors, directions)


def is_calibrated(run: Run) -> bool:
    """Tell if `dcign evaluate` has stored a calibration with the run."""
    return (run.folder / CALIBRATION_FILE).exists()


def load_for(run: Run, warn: Callable[[str], None], name: str | None = None) -> Calibration:
    """Load the calibration of `run`; RunError as `load`.

    `warn` is given a sentence, without its full stop, if it was measured on weights of another step. In it the run is
    called `name`, by default its folder.
    """
    found = load(run.folder)
    if warning := found.out_of_date(str(run.folder) if name is None else name, run.step):
        warn(warning)
    return found


def _read_directions(rows: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Read directions. ValueError unless the rows are of one width, and none is all zeros."""
    directions = tuple(tuple(map(float, row)) for row in rows)
    if len({len(row) for row in directions}) > 1 or not all(any(row) for row in directions):
        raise ValueError("directions: expected rows of one width, none of them zeros, found others")
    return directions


def _read_curve(name: str, entry: Mapping[str, Any]) -> Curve | GroupCurve:
    """Read a curve from its JSON form.

    ValueError unless its knots are ascending, and, for one latent that does not go round a circle, monotone.
    """
    group = bool(entry["latent"]) and isinstance(entry["latent"][0], list)
    ListOf(ListOf(LATENT) if group else LATENT).check(entry["latent"], f"curves.{name}.latent")
    widths = {len(row) for row in entry["latent"]} if group else set()
    degrees, circular = np.asarray(entry["degrees"], np.float64), entry["circular"]
    fine = len(degrees) >= 2 and len(entry["latent"]) == len(degrees) and bool(np.all(np.diff(degrees) > 0))
    fine = fine and (not group or (len(widths) == 1 and min(widths) >= 2))
    if fine and not group and not circular:
        rises = np.diff(np.asarray(entry["latent"], np.float64))
        fine = bool(np.all(rises > 0) or np.all(rises < 0))
    if not fine:
        raise ValueError(f"curves.{name}: expected knots of a curve, found others")
    residual = entry["residual_degrees"]
    if residual is None and (group or not circular):
        raise ValueError(f"curves.{name}.residual_degrees: expected a number, found null")
    knots, rest = tuple(degrees.tolist()), (float(entry["explained"]), entry["images"], entry["draws"])
    if group:
        rows = tuple(tuple(map(float, row)) for row in entry["latent"])
        return GroupCurve(name, knots, rows, circular, float(residual), *rest)
    error = None if residual is None else float(residual)
    return Curve(name, knots, tuple(map(float, entry["latent"])), circular, error, *rest)
