"""The meaning of the columns of a table: quantities with units and ranges, categories with names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.factors import EXTRINSIC
from render.imports.tables.columns import LabelColumn, normal_form, number_in
from render.shards.documents import Line, Unexpected
from render.shards.labels import DEGREES, FULL_TURN, Label
from render.shards.verification import ROUNDING

GRID = 360  # values of a grid at most: more, or values that hardly come twice, are any values of a range
LONGEST_UNIT = 16  # characters
_HEADER = re.compile(r"(.*?)\s*\(([^()]*)\)")
_SPELLINGS = {"deg": DEGREES, "degree": DEGREES, "\N{DEGREE SIGN}": DEGREES}


@dataclass(frozen=True)
class LabelOptions:
    """Options for reading the columns of factors, by their names.

    categorical  numbers that are names
    circular     the turn after which the values begin again, in the factor's unit
    tolerance    by how much values may differ that pass for the same
    units
    """

    categorical: frozenset[str] = frozenset()
    circular: Mapping[str, float] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def check(self, names: Iterable[str]) -> None:
        """Raise BadInput, naming the argument, for a factor that is not among `names`."""
        known = list(names)
        options = {"categorical": self.categorical, "circular": self.circular, "tolerance": self.tolerance,
                   "unit": self.units}  # fmt: skip
        for option, chosen in options.items():
            for name in chosen:
                if name not in known:
                    raise BadInput(f"`{option}`: expected one of the factors {', '.join(known)}, found {name!r}")
                if name in self.categorical and option != "categorical":
                    raise BadInput(f"`{option}`: expected a quantity, found {name!r}, which is `categorical` too")


def name_and_unit(header: str) -> tuple[str, str | None]:
    """Split the head of a column: `distance (cm)` is distance in cm; without brackets the unit is None."""
    found = _HEADER.fullmatch(header)
    return (found[1], checked_unit(found[2], header)) if found else (header, None)


def checked_unit(unit: str, place: str) -> str:
    """Return a unit as labels have it. BadInput, naming the place, for one that cannot be written after a number."""
    unit = unit.strip()
    try:
        Line().check(unit)
    except Unexpected as error:
        raise BadInput(f"{place}: expected a unit, found {error.found}") from None
    if len(unit) > LONGEST_UNIT:
        raise BadInput(f"{place}: expected a unit of at most {LONGEST_UNIT} characters, found {len(unit)}")
    return _SPELLINGS.get(unit, unit)


def read_label(
    column: LabelColumn, unit: str | None, options: LabelOptions, given: Label | None
) -> tuple[Label, NDArray[np.float32]]:
    """Return what a column means, and the value of each row, (M,) float32.

    unit   of the head of the column, if it has one
    given  what a file beside the table says of the factor; `options` come first

    Raises BadInput, naming line and column, for values that are no label.
    """
    name = column.name
    categorical = name in options.categorical
    if given is not None and given.categories and not (name in options.circular or name in options.units):
        categorical = True
    if not column.quantities:
        numbers = [number_in(text, column.decimal_comma) for text in column.texts]
        if categorical or all(number is None for number in numbers):
            told = next((o for o in ("circular", "tolerance", "units") if name in getattr(options, o)), None)
            if told:
                wanted = f"a number, since `{told.removesuffix('s')}` speaks of it"
                raise column.fault(column.lines[0], wanted, repr(column.texts[0]))
            return _categories(column, given)
    elif categorical:
        raise BadInput(f"`categorical`: expected a factor of few values, found {name!r} with more than a label has")
    return _quantity(column, unit, options, given)


def _categories(column: LabelColumn, given: Label | None) -> tuple[Label, NDArray[np.float32]]:
    """Number the names: as they are given, else numbers by their size before texts by the alphabet."""
    if given is not None and given.categories:
        names, places = list(given.categories), _given_places(column, given.categories)
    else:
        names, places = _new_places(column)
    label = Label(column.name, 0.0, len(names) - 1.0, unit="", categories=tuple(names))
    return label, np.array(places, np.float32)[column.numbers()]


def _given_places(column: LabelColumn, categories: tuple[str, ...]) -> list[int]:
    """Return the place of each text among the categories: in their spelling, else in another one of it."""
    exact = {name: place for place, name in enumerate(categories)}
    other = {_form(name, column.decimal_comma): place for place, name in enumerate(categories)}
    places = []
    for line, text in zip(column.lines, column.texts, strict=True):
        place = exact.get(text, other.get(_form(text, column.decimal_comma)))
        if place is None:
            raise column.fault(line, f"one of {', '.join(categories[:10])}", repr(text))
        places.append(place)
    return places


def _new_places(column: LabelColumn) -> tuple[list[str], list[int]]:
    """Return the categories in their order, and the place of each text. BadInput for one in two spellings."""
    forms = [_form(text, column.decimal_comma) for text in column.texts]
    names: dict[str | float, str] = {}
    for line, form, text in zip(column.lines, forms, column.texts, strict=True):
        first = names.setdefault(form, text)
        if first != text and isinstance(form, str):
            other = f"{first!r} (line {column.lines[column.texts.index(first)]})"
            raise column.fault(line, "one spelling of each category", f"{text!r} and {other}")
    ordered = sorted(names, key=lambda form: (isinstance(form, str), form))
    places = {form: place for place, form in enumerate(ordered)}
    return [names[form] for form in ordered], [places[form] for form in forms]


def _form(text: str, decimal_comma: bool) -> str | float:
    """Return what is equal for two spellings of a category."""
    number = number_in(text, decimal_comma)
    return normal_form(text) if number is None else number


def _quantity(
    column: LabelColumn, unit: str | None, options: LabelOptions, given: Label | None
) -> tuple[Label, NDArray[np.float32]]:
    name = column.name
    if column.quantities:
        exact = np.frombuffer(column.quantities, np.float64)
    else:
        known = [column.number(line, text) for line, text in zip(column.lines, column.texts, strict=True)]
        exact = np.array(known, np.float64)[column.numbers()]
    turn = options.circular.get(name)
    if turn is None and given is not None and given.circular:
        turn = given.high - given.low
    tolerance = options.tolerance.get(name, given.tolerance if given is not None else 0.0)
    if name in options.units:
        unit = options.units[name]
    elif given is not None and unit is None:
        unit = given.unit
    elif unit is None:
        unit = DEGREES if name in EXTRINSIC or turn == FULL_TURN else ""  # the names of angles are taken for them
    found = Label(name, float(exact.min()), float(exact.max()), unit, turn is not None, (), (), tolerance)
    if turn is not None:
        found, exact = _on_circle(found, exact, turn, given)
    elif given is not None and not given.categories:
        slack = ROUNDING * max(abs(given.low), abs(given.high))  # which a value was rounded by
        low = found.low if found.low < given.low - slack else given.low
        found = replace(found, low=low, high=found.high if found.high > given.high + slack else given.high)
    values = exact.astype(np.float32)
    return _on_grid(found, exact, values, given), values


def _on_circle(
    label: Label, exact: NDArray[np.float64], turn: float, given: Label | None
) -> tuple[Label, NDArray[np.float64]]:
    """Choose where a circle is cut, and bring all values there: the given place, else 0, else half a turn below it."""
    if given is not None and given.circular and given.high - given.low == turn:
        low = given.low
    else:
        low = -turn / 2 if label.low < 0 and -turn / 2 <= label.low and label.high <= turn / 2 else 0.0
    inside = (exact >= low) & (exact <= low + turn)
    return replace(label, low=low, high=low + turn), np.where(inside, exact, low + (exact - low) % turn)


def _on_grid(label: Label, exact: NDArray[np.float64], values: NDArray[np.float32], given: Label | None) -> Label:
    """Add the values of a grid, if the images have few, and none that is hardly used."""
    found, first = np.unique(values, return_index=True)
    if given is not None and set(found.tolist()) <= {float(np.float32(value)) for value in given.values}:
        return replace(label, low=given.low, high=given.high, values=given.values)
    if given is not None or len(found) > GRID or 2 * len(found) > len(values) or len(found) < 2:
        return label
    grid = [float(exact[row]) for row in first]
    if not label.circular:
        return replace(label, values=tuple(grid))
    turn = label.high - label.low
    if np.float32(grid[0] + turn) == found[-1]:
        grid.pop()  # where the circle closes
    return replace(label, low=grid[0], high=grid[0] + turn, values=tuple(grid))
