"""Curves of latents against the values of a factor, in the unit of its label. Pure arithmetic.

A calibration curve is piecewise linear: of one latent (`Curve`) or of a group of latents together (`GroupCurve`). Of
categories, between which there is nothing, it is a point of the code for each (`Centroids`). How they are fitted is in
`dcign.engine.curve_fitting`, how they are stored in `dcign.engine.calibration`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcign.errors import BadInput
from render.shards.labels import DEGREES, Label

KEYS = {"values": "degrees", "residual": "residual_degrees"}  # in JSON files, whatever the unit is
MOST_LISTED = 20  # categories in a message


@dataclass(frozen=True)
class FactorCurve(ABC):
    """Latents as a function of a factor's value, and the way back where there is one.

    values, latent  the knots, ascending values: a latent at each, or W of a group; valid from the first to the last
    circular        the last knot is the first one turn later, and any value is valid
    residual        error of the value read back from the latents, root mean square in the unit of the factor; of
                    categories the share that is read as another; None where there is no way back
    explained       share of the latents' variance, summed over them, that the curve explains; near 0 it runs through
                    mere noise
    images, draws   how many images, and independent values among them, it was fitted to
    label           what is known of the factor; by default an angle
    """

    factor: str
    values: tuple[float, ...]
    latent: tuple[Any, ...]
    circular: bool
    residual: float | None
    explained: float
    images: int
    draws: int
    label: Label = field(default=None, kw_only=True)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.label is None:
            object.__setattr__(self, "label", Label(self.factor, *self.range, circular=self.circular))

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest valid value."""
        return self.values[0], self.values[-1]

    @property
    def invertible(self) -> bool:
        """True if a value can be read back from the latents."""
        return True

    @abstractmethod
    def to_latent(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return latents (...), or (..., W) of a group, at `values` (...). BadInput, naming what is valid, for others.

        Categories are given by their numbers.
        """

    @abstractmethod
    def to_value(self, latents: ArrayLike) -> NDArray[np.float64]:
        """Return the values (...) that `latents`, (...) or (..., W) of a group, stand for."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without the label."""
        fields = ("factor", "values", "latent", "circular", "residual", "explained", "images", "draws")
        return {KEYS.get(name, name): getattr(self, name) for name in fields}

    def _valid(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return `values` as float64, brought into the range of a circle; BadInput for one outside another range."""
        found = np.asarray(values, dtype=np.float64)
        low, high = self.range
        if self.circular:
            return _once_round(found, self.range)
        if np.any(found < low) or np.any(found > high) or not np.all(np.isfinite(found)):
            worst = found.flat[int(np.argmax(np.maximum(low - found, found - high)))]
            unit = f" {self.label.unit}" if self.label.unit else ""
            kind = "angles" if self.label.unit == DEGREES else "values"
            raise BadInput(
                f"{self.factor}: {worst:g}{unit} is outside the calibrated range {low:g} to {high:g} "
                f"(the {kind} that the model was tested on); ask for {kind} within it"
            )
        return found


@dataclass(frozen=True)
class Curve(FactorCurve):
    """One latent as a piecewise linear function of a value: monotone, or round a circle without a way back."""

    latent: tuple[float, ...]

    @property
    def invertible(self) -> bool:
        """True unless it goes round a circle: one latent cannot tell the values there apart."""
        return not self.circular

    def to_latent(self, values: ArrayLike) -> NDArray[np.float64]:
        return np.interp(self._valid(values), self.values, self.latent)

    def to_value(self, latents: ArrayLike) -> NDArray[np.float64]:
        """Return the values whose latent is `latents` (...), held at the ends of the range beyond it.

        ValueError for a circular curve, which has no inverse.
        """
        if self.circular:
            raise ValueError(f"{self.factor}: one latent cannot tell the values of a full circle apart")
        knots, values = np.asarray(self.latent), np.asarray(self.values)
        if knots[0] > knots[-1]:
            knots, values = knots[::-1], values[::-1]
        return np.interp(np.asarray(latents, dtype=np.float64), knots, values)


@dataclass(frozen=True)
class GroupCurve(FactorCurve):
    """W >= 2 latents as a piecewise linear function of a value: a line through their space, or a loop."""

    latent: tuple[tuple[float, ...], ...]
    residual: float

    def to_latent(self, values: ArrayLike) -> NDArray[np.float64]:
        found = self._valid(values)
        return np.stack([np.interp(found, self.values, column) for column in np.asarray(self.latent).T], axis=-1)

    def to_value(self, latents: ArrayLike) -> NDArray[np.float64]:
        """Return the value (...) of the point of the curve that is nearest to each of `latents` (..., W)."""
        points, knots = np.asarray(latents, dtype=np.float64), np.asarray(self.latent)
        best = np.full(points.shape[:-1], np.inf)
        value = np.full(points.shape[:-1], self.values[0])
        for k, (start, end) in enumerate(pairwise(knots)):
            along, length = end - start, float(np.sum((end - start) ** 2))
            share = np.clip((points - start) @ along / length, 0.0, 1.0) if length > 0 else np.zeros_like(best)
            distance = np.sum((points - start - share[..., None] * along) ** 2, axis=-1)
            nearer = distance < best
            best = np.where(nearer, distance, best)
            value = np.where(nearer, self.values[k] + share * (self.values[k + 1] - self.values[k]), value)
        return _once_round(value, self.range) if self.circular else value


@dataclass(frozen=True)
class Centroids(FactorCurve):
    """The mean latents of each category that images were there of; `values` are the numbers of these categories."""

    residual: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the categories."""
        return tuple(self.label.categories[int(number)] for number in self.values)

    def to_latent(self, values: ArrayLike) -> NDArray[np.float64]:
        found = np.asarray(values, dtype=np.float64)
        if not np.isin(found, self.values).all():
            other = float(found[~np.isin(found, self.values)].flat[0])
            known = other.is_integer() and 0 <= other < len(self.label.categories)
            name = self.label.categories[int(other)] if known else f"{other:g}"
            raise BadInput(
                f"{self.factor}: expected one of {listed(self.names)}, which the model was tested on, found {name}"
            )
        return np.asarray(self.latent, np.float64)[np.searchsorted(self.values, found)]

    def to_value(self, latents: ArrayLike) -> NDArray[np.float64]:
        """Return the number (...) of the category whose centroid is nearest to each of `latents`."""
        centroids = np.asarray(self.latent, np.float64).reshape(len(self.values), -1)  # (K, W)
        points = np.asarray(latents, np.float64)
        points = points[..., None] if np.ndim(self.latent) == 1 else points
        best = np.full(points.shape[:-1], np.inf)
        value = np.full(points.shape[:-1], self.values[0])
        for number, centroid in zip(self.values, centroids, strict=True):
            distance = np.sum((points - centroid) ** 2, axis=-1)
            value = np.where(distance < best, number, value)
            best = np.minimum(distance, best)
        return value


def as_numbers(curve: FactorCurve, given: ArrayLike) -> NDArray[np.float64]:
    """Return the numbers that `to_latent` takes: those given (...), or of categories their names.

    BadInput, naming the factor, for what is neither.
    """
    factor, label = curve.factor, curve.label
    found = np.asarray(given)
    if label.categories and found.dtype.kind in "UO":
        try:
            return np.array([label.number(str(name)) for name in found.flat]).reshape(found.shape)
        except ValueError:
            wrong = next(str(name) for name in found.flat if str(name) not in label.categories)
            raise BadInput(f"{factor}: expected one of {listed(label.categories)}, found {wrong!r:.60}") from None
    unit = label.unit or "numbers"
    try:
        numbers = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{factor}: expected {unit}, one or several, found {given!r:.60}") from None
    if not np.isfinite(numbers).all():
        raise BadInput(f"{factor}: expected finite {unit}, found {given!r:.60}")
    return numbers


def value_error(read: NDArray[np.floating], true: NDArray[np.floating], label: Label) -> NDArray[np.float64]:
    """`read` - `true` in the unit of the label; on a circle the short way round; of categories 1 where they differ."""
    if label.categories:
        return (read != true).astype(np.float64)
    error = np.asarray(read, np.float64) - true
    half = label.period / 2
    return np.mod(error + half, label.period) - half if label.circular else error


def listed(names: tuple[str, ...]) -> str:
    """List names for a message, the first `MOST_LISTED` of them."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def _once_round(value: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    low, high = ends
    return low + np.mod(value - low, high - low)
