"""Curves of latents against an angle, and the directions along which those of the identity differ. Pure arithmetic.

A calibration curve is piecewise linear: of one latent (`Curve`) or of a group of latents together (`GroupCurve`); how
curves are fitted and stored is in `dcign.engine.calibration`.

The leading directions of identity are principal components of the latents that no angle has, within the mini-batches in
which the object itself varies, so that pose and light, which these latents still know something of, are not taken for
identity. One unit along a direction is one standard deviation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcign.errors import BadInput
from render.factors import EXTRINSIC

MOST_DIRECTIONS = 6
DIGITS = 6  # kept of each number of a direction
KEYS = {"values": "degrees", "residual": "residual_degrees"}  # in JSON files, whatever the unit is


@dataclass(frozen=True)
class Curve:
    """Latent value as a piecewise linear function of an angle.

    values, latent  the knots, ascending in degrees; the curve is valid from the first to the last
    circular        the last knot is the first one turn later, and any angle is valid
    residual        root mean square error of the angle read back from the latent; None for a circle
    explained       share of the latent's variance that the curve explains; near 0 it runs through mere noise
    images, draws   how many images, and independent angles among them, it was fitted to
    """

    factor: str
    values: tuple[float, ...]
    latent: tuple[float, ...]
    circular: bool
    residual: float | None
    explained: float
    images: int
    draws: int

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest valid angle in degrees."""
        return self.values[0], self.values[-1]

    @property
    def invertible(self) -> bool:
        """True if an angle can be read back from the latent."""
        return not self.circular

    def to_latent(self, degrees: ArrayLike) -> NDArray[np.float64]:
        """Return latent values at `degrees` (any shape). BadInput, naming the range, for an angle outside it."""
        angle = _valid(self.factor, degrees, self.range, self.circular)
        return np.interp(angle, self.values, self.latent)

    def to_value(self, latent: ArrayLike) -> NDArray[np.float64]:
        """Return the angles whose latent value is `latent` (any shape), held at the ends of the range beyond it.

        ValueError for a circular curve, which has no inverse.
        """
        if self.circular:
            raise ValueError(f"{self.factor}: one latent cannot tell the angles of a full circle apart")
        knots, values = np.asarray(self.latent), np.asarray(self.values)
        if knots[0] > knots[-1]:
            knots, values = knots[::-1], values[::-1]
        return np.interp(np.asarray(latent, dtype=np.float64), knots, values)


@dataclass(frozen=True)
class GroupCurve:
    """Values of W >= 2 latents as a piecewise linear function of an angle: a line through their space, or a loop.

    values         the knots, ascending; the curve is valid from the first to the last
    latent         W values at each knot
    circular       the last knot is the first one turn later, and any angle is valid
    residual       root mean square error of the angle read back from the latents, the short way round on a circle
    explained      share of the latents' variance, summed over them, that the curve explains
    images, draws  how many images, and independent angles among them, it was fitted to
    """

    factor: str
    values: tuple[float, ...]
    latent: tuple[tuple[float, ...], ...]
    circular: bool
    residual: float
    explained: float
    images: int
    draws: int

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest valid angle in degrees."""
        return self.values[0], self.values[-1]

    @property
    def invertible(self) -> bool:
        """True: an angle can be read back even from two latents that go round a circle."""
        return True

    def to_latent(self, degrees: ArrayLike) -> NDArray[np.float64]:
        """Return latents (..., W) at `degrees` (...). BadInput, naming the range, for an angle outside it."""
        angle = _valid(self.factor, degrees, self.range, self.circular)
        return np.stack([np.interp(angle, self.values, column) for column in np.asarray(self.latent).T], axis=-1)

    def to_value(self, latents: ArrayLike) -> NDArray[np.float64]:
        """Return the angle (...) of the point of the curve that is nearest to each of `latents` (..., W)."""
        points, knots = np.asarray(latents, dtype=np.float64), np.asarray(self.latent)
        best = np.full(points.shape[:-1], np.inf)
        angle = np.full(points.shape[:-1], self.values[0])
        for k, (start, end) in enumerate(pairwise(knots)):
            along, length = end - start, float(np.sum((end - start) ** 2))
            share = np.clip((points - start) @ along / length, 0.0, 1.0) if length > 0 else np.zeros_like(best)
            distance = np.sum((points - start - share[..., None] * along) ** 2, axis=-1)
            nearer = distance < best
            best = np.where(nearer, distance, best)
            angle = np.where(nearer, self.values[k] + share * (self.values[k + 1] - self.values[k]), angle)
        return _once_round(angle, self.range) if self.circular else angle


def curve_to_json(curve: Curve | GroupCurve) -> dict[str, Any]:
    """Return plain JSON of a curve."""
    return {KEYS.get(name, name): value for name, value in asdict(curve).items()}


def angle_error(read: NDArray[np.float64], true: NDArray[np.float64], circular: bool) -> NDArray[np.float64]:
    """`read` - `true` in degrees; on a circle the short way round, in [-180, 180)."""
    error = read - true
    return np.mod(error + 180.0, 360.0) - 180.0 if circular else error


def _once_round(angle: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    low, high = ends
    return low + np.mod(angle - low, high - low)


def _valid(factor: str, degrees: ArrayLike, ends: tuple[float, float], circular: bool) -> NDArray[np.float64]:
    """Return `degrees` as float64, brought into the range of a circle; BadInput for an angle outside another range."""
    angle = np.asarray(degrees, dtype=np.float64)
    low, high = ends
    if circular:
        return _once_round(angle, ends)
    if np.any(angle < low) or np.any(angle > high) or not np.all(np.isfinite(angle)):
        worst = angle.flat[int(np.argmax(np.maximum(low - angle, angle - high)))]
        raise BadInput(
            f"{factor}: {worst:g} degrees is outside the calibrated range {low:g} to {high:g} "
            "(the angles that the model was tested on); ask for angles within it"
        )
    return angle


def leading_directions(
    codes: NDArray[np.floating], kinds: NDArray[np.str_], minibatch: NDArray[np.integer], rest: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Find the directions, (D, Z), the largest first: what one standard deviation along each adds to a code.

    `codes` (M, Z) means, `kinds` (M,) the factor that varies in the mini-batch of each image, `minibatch` (M,) which
    one that is, `rest` the latents that no angle has; all others get zeros. D is at most `MOST_DIRECTIONS`, fewer where
    little varies, 0 without mini-batches of the object itself. The largest number of a direction is positive.
    """
    chosen = ~np.isin(kinds, EXTRINSIC)
    own = codes[chosen][:, rest].astype(np.float64)
    labels = np.unique(minibatch[chosen], return_inverse=True)[1].reshape(-1)
    freedom = len(own) - (labels.max(initial=-1) + 1)
    if freedom < 1 or not len(rest):
        return np.zeros((0, codes.shape[1]))
    for label in range(labels.max() + 1):
        own[labels == label] -= own[labels == label].mean(axis=0)
    variance, axes = np.linalg.eigh(own.T @ own / freedom)  # ascending
    order = [k for k in np.argsort(-variance, kind="stable")[:MOST_DIRECTIONS] if variance[k] > 1e-9 * variance[-1]]
    scaled = (axes[:, order] * np.sqrt(variance[order])).T  # (D, rest)
    largest = np.take_along_axis(scaled, np.abs(scaled).argmax(axis=1)[:, None], axis=1)
    directions = np.zeros((len(order), codes.shape[1]))
    directions[:, rest] = scaled * np.sign(largest)
    return np.array([[float(f"{value:.{DIGITS}g}") for value in row] for row in directions]).reshape(directions.shape)
