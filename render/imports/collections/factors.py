"""Collections in which every factor is known, one number an image: which are labels, which make up the identity.

What a mini-batch of `intrinsic` varies is the identity, and all labels hold still in it. So a factor is either one of
those that make up the identity, of which every combination is another identity, or a label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.imports.labelled_images import LabelledImages, Rows
from render.shards.labels import MOST_VALUES, Label

DECIMALS = 5  # to which values of a grid are rounded


@dataclass(frozen=True, eq=False)
class Factor:
    """One factor of a collection: what is known of it, and its value in each of M images, (M,) float64."""

    label: Label
    values: NDArray[np.float64]

    @property
    def varies(self) -> bool:
        """True if not all images have the same value."""
        return bool((self.values != self.values[0]).any())


def quantity(
    name: str, values: NDArray[np.generic], unit: str = "", circle: tuple[float, float] | None = None
) -> Factor:
    """Make a factor of numbers on a grid; `circle` gives its ends if the highest is the lowest again.

    A grid that does not begin at the circle's lowest value, or has too many, is not stated.
    """
    rounded = np.asarray(values, np.float64).round(DECIMALS)
    grid = np.unique(rounded)
    low, high = circle or (float(grid[0]), float(grid[-1]))
    stated = tuple(grid.tolist()) if grid[0] == low and len(grid) <= MOST_VALUES else ()
    return Factor(Label(name, low, high, unit, circle is not None, stated), rounded)


def category(name: str, numbers: NDArray[np.generic], names: Sequence[str]) -> Factor:
    """Make a factor of categories, numbered from 0."""
    return Factor(Label(name, 0.0, len(names) - 1.0, "", categories=tuple(names)), numbers.astype(np.float64))


def check_limits(where: str, name: str, values: NDArray[np.float64], low: float, high: float) -> None:
    """Raise BadInput naming the first row, from 1, whose value is not from `low` to `high`."""
    wrong = np.flatnonzero(~((values >= low) & (values <= high)))
    if len(wrong):
        row = wrong[0]
        raise BadInput(f"{where}: expected {name} from {low:g} to {high:g} in row {row + 1}, found {values[row]:g}")


def divide(factors: Sequence[Factor], identity: Sequence[str]) -> tuple[list[Factor], NDArray[np.int64]]:
    """Return the factors that are labels, and the number of the combination of all those named by `identity`, (M,).

    Combinations are numbered from 0 in the order of their values. Factors that never vary are no labels. Raises
    BadInput unless `identity` names at least one factor and leaves a label.
    """
    known = [factor.label.name for factor in factors]
    labels = [factor for factor in factors if factor.label.name not in identity and factor.varies]
    wrong = [word for word in identity if word not in known]
    if wrong or not identity or not labels:
        wanted = f"some of {', '.join(known)}, and not all that vary"
        raise BadInput(f"`identity={','.join(wrong or identity)}`: expected {wanted}")
    return labels, number_combinations([factor.values for factor in factors if factor.label.name in identity])


def number_combinations(columns: Sequence[NDArray[np.generic]]) -> NDArray[np.int64]:
    """Number the combinations of values in columns of M from 0, in the order of the values: (M,)."""
    numbers = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, places = np.unique(column, return_inverse=True)
        numbers = numbers * len(values) + places
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def labelled(
    name: str,
    source: Path,
    kind: str,
    fingerprint: str,
    factors: Sequence[Factor],
    identity: NDArray[np.int64],
    background: float,
    read: Callable[[Rows], Iterator[NDArray[np.uint8]]],
    test: NDArray[np.bool_] | None = None,
    identities: Sequence[str] = (),
) -> LabelledImages:
    """Make labelled images of the object `kind` whose labels are `factors`; the others are as `LabelledImages` says."""
    return LabelledImages(
        name=name,
        object=kind,
        fingerprint=fingerprint,
        labels={factor.label.name: factor.label for factor in factors},
        values={factor.label.name: factor.values.astype(np.float32) for factor in factors},
        identity=identity,
        test=test,
        background=background,
        read=read,
        identities=identities,
        source=str(source),
    )


def full_grid(sizes: Sequence[int]) -> list[NDArray[np.int64]]:
    """Return each factor's number in all combinations of so many values, (M,) each; the last changes fastest."""
    count = math.prod(sizes)
    columns, repeats = [], count
    for size in sizes:
        repeats //= size
        columns.append(np.arange(count, dtype=np.int64) // repeats % size)
    return columns
