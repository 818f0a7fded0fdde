"""The data that kinds of evidence take and give: encoded images and sweeps in; tables, figures and sections out.

A section is plain data: `dcign.report.pages` sets it in HTML, and report.json keeps its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.evaluation.metrics.bootstrap import Estimate

Cell = str | float | int | None | Estimate


@dataclass(frozen=True)
class Figure:
    """A picture. `name` is that of its PNG file, `broad` lets it be wider than a phone."""

    name: str
    png: bytes
    caption: str
    broad: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first of each row names it. None shows as 'not defined', an Estimate with its interval."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One heading of the report: a line or two on what is shown and what it should look like, then the parts."""

    title: str
    text: str
    parts: Sequence[Figure | Table]
    warnings: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence: numbers for report.json, and a section that shows them.

    Where it could not be had, `measures` is {"skipped": reason}, and there is no section.
    """

    measures: dict[str, Any]
    section: Section | None


@dataclass(frozen=True, eq=False)
class Coded:
    """M images.

    images        (M, H, W) uint8
    codes         (M, Z) float32, means of Q(z | x)
    values        labelled factor -> (M,) float32, the true ones, in the label's unit
    identity      (M,) int64
    coefficients  (M, K) float32 of the morphable model, in standard deviations; None where there is none
    """

    images: NDArray[np.uint8]
    codes: NDArray[np.float32]
    values: Mapping[str, NDArray[np.float32]]
    identity: NDArray[np.int64]
    coefficients: NDArray[np.float32] | None = None

    def rows(self, chosen: NDArray[np.integer]) -> Coded:
        """Return these images only, in this order."""
        values = {name: own[chosen] for name, own in self.values.items()}
        coefficients = None if self.coefficients is None else self.coefficients[chosen]
        return Coded(self.images[chosen], self.codes[chosen], values, self.identity[chosen], coefficients)


@dataclass(frozen=True, eq=False)
class Sweep:
    """True images of O of the inputs, each shown at up to S values of one factor while all else of it holds still.

    rows    (O,) int64, which of the inputs each is of
    values  (O, S) float64 in the label's unit, ascending; NaN where there are fewer than S
    images  (O, S, H, W) uint8
    codes   (O, S, Z) float32
    given   (O,) int64, the column that is the input itself; -1 where none is
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    images: NDArray[np.uint8]
    codes: NDArray[np.float32]
    given: NDArray[np.int64]

    @classmethod
    def even(cls, values: NDArray[np.float64], images: NDArray[np.uint8], codes: NDArray[np.float32]) -> Sweep:
        """Make the sweep of all inputs at the same `values` (S,), none of which is an input itself."""
        objects = len(images)
        grid = np.broadcast_to(np.asarray(values, np.float64), (objects, len(values)))
        return cls(np.arange(objects), grid, images, codes, np.full(objects, -1))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Mask of the places that have an image, (O, S)."""
        return np.isfinite(self.values)

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Mask of the places that have an image other than the input, (O, S)."""
        return self.known & (np.arange(self.values.shape[1]) != self.given[:, None])

    @property
    def shared(self) -> NDArray[np.float64] | None:
        """The values (S,), where all objects are shown at the same ones; else None."""
        first = self.values[0]
        return first if bool(np.all(self.values == first)) else None


@dataclass(frozen=True, eq=False)
class Boxes:
    """B boxes around features of what images show.

    image    (B,) int64, rows of the images, rising
    feature  (B,) str
    limits   (B, 4) int64 pixels: left, top, and the first column and row beyond the box on the right and below
    """

    image: NDArray[np.int64]
    feature: NDArray[np.str_]
    limits: NDArray[np.int64]
