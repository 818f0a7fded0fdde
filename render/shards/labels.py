"""Labels: what a data set says of the factors that its images are labelled with, one number an image for each factor.

The renderer's factors are angles in degrees, which go full circle where their range is 360 or more. Images that others
took may be labelled with anything: a distance in centimetres, the hue around a circle from 0 to 1, a colour by its
name. In a manifest `ranges` has a factor's ends, and `labels` what else is known of it; a manifest without `labels` is
of the renderer's.

    "ranges": {"azimuth": [0, 360], "distance": [20, 60], "colour": [0, 2]},
    "labels": {
        "azimuth": {"unit": "degrees", "circular": true},
        "distance": {"unit": "cm", "values": [20, 40, 60]},
        "colour": {"categories": ["red", "green", "blue"]}
    }
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from render.factors import DEFAULT_RANGES, EXTRINSIC, FACTORS, MAIN
from render.shards.documents import Flag, Line, ListOf, Number, Record, Row, Table, Text, Unexpected

DEGREES = "degrees"
INTRINSIC = MAIN[-1]  # the factor of mini-batches in which only the object varies
FULL_TURN = 360.0
# Names that mean something else in a shard, on a command line or in a code.
RESERVED = ("images", "identity", "coefficients", "all", "rest", *(name for name in FACTORS if name not in EXTRINSIC))
MOST_VALUES = 65536  # of a grid, and categories
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_WORDS = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,31}")
LABELS = Table(
    Record(
        optional={
            "unit": Line(),
            "circular": Flag(),
            "tolerance": Number(0),
            "values": ListOf(Number()),
            "categories": ListOf(Line()),
        },
        closed=True,
    )
)
RANGES = Table(Row((Number(), Number())))  # lowest and highest value
OBJECT = Text()  # one word or some: what the images show


@dataclass(frozen=True)
class Label:
    """One factor that images are labelled with.

    low, high   ends of its range in `unit`; with categories 0 and the number of the last one
    unit        'degrees' or any other; '' for a number without one
    circular    the highest value is the lowest again: a full turn
    values      the grid of its values, ascending; empty where they may be any in the range
    categories  names of what the numbers 0, 1, ... stand for; empty where the number is a quantity
    tolerance   by how much values may differ that pass for the same: in a mini-batch of another factor
    """

    name: str
    low: float
    high: float
    unit: str = DEGREES
    circular: bool = False
    values: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    tolerance: float = 0.0

    @property
    def varies(self) -> bool:
        """True if the range has more than one value."""
        return self.high > self.low

    @property
    def period(self) -> float:
        """How far it is once round a circle: its range, or a full turn where the renderer drew more than one."""
        return min(self.high - self.low, FULL_TURN) if self.unit == DEGREES else self.high - self.low

    @property
    def symbol(self) -> str:
        """The unit as it is written after a number: '°', ' cm', or ''."""
        return "°" if self.unit == DEGREES else f" {self.unit}" if self.unit else ""

    def text(self, value: float) -> str:
        """Write a value for people: '30°', '1.5 cm', 'red'."""
        if self.categories:
            return self.categories[min(max(round(value), 0), len(self.categories) - 1)]
        return f"{value:.4g}{self.symbol}"

    def number(self, category: str) -> float:
        """Return the number that stands for a category. ValueError where there is none of this name."""
        return float(self.categories.index(category))


def is_name(text: str) -> bool:
    """Tell whether a factor may be called so: a letter, then letters, digits or _; and no word with another meaning."""
    return bool(_NAME.fullmatch(text)) and text not in RESERVED


def is_object(text: str) -> bool:
    """Tell whether what the images show may be called so: one word or some."""
    return bool(_WORDS.fullmatch(text))


def labels_of(settings: Mapping[str, Any]) -> dict[str, Label]:
    """Return the labels of a data set by its `ranges` and `labels`: those that the renderer knows, then all others.

    `settings` are those of a manifest, or what a run keeps of its training data, as `check_labels` lets them pass.
    """
    ranges, more = settings.get("ranges", {}), settings.get("labels", {})
    ordered = [*(name for name in EXTRINSIC if name in ranges), *(name for name in ranges if name not in EXTRINSIC)]
    return {name: _label(name, float(ranges[name][0]), float(ranges[name][1]), more.get(name)) for name in ordered}


def label_names(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the labels in their order: all that the renderer knows, where it drew the images."""
    return tuple(labels_of(settings)) if "labels" in settings else EXTRINSIC


def _label(name: str, low: float, high: float, more: Mapping[str, Any] | None) -> Label:
    if more is None:
        return Label(name, low, high, circular=high - low >= FULL_TURN)
    return Label(
        name, low, high, more.get("unit", ""), more.get("circular", False),
        tuple(map(float, more.get("values", ()))), tuple(more.get("categories", ())), float(more.get("tolerance", 0)),
    )  # fmt: skip


def labels_to_json(labels: Mapping[str, Label]) -> dict[str, dict[str, Any]]:
    """Return `ranges` and `labels` of a manifest, from which `labels_of` makes these labels again."""
    return {
        "ranges": {name: [label.low, label.high] for name, label in labels.items()},
        "labels": {name: _to_json(label) for name, label in labels.items()},
    }


def _to_json(label: Label) -> dict[str, Any]:
    if label.categories:
        return {"categories": list(label.categories)}
    grid = {"values": list(label.values)} if label.values else {}
    tolerance = {"tolerance": label.tolerance} if label.tolerance else {}
    return {"unit": label.unit, "circular": label.circular, **grid, **tolerance}


def check_labels(settings: Mapping[str, Any], place: str = "") -> None:
    """Raise Unexpected, with the place below `place`, where labels contradict their ranges or have impossible names.

    `settings` hold `object`, `ranges` and perhaps `labels`, each of its shape. Without `labels` the names are the
    renderer's.
    """
    above, rendered = f"{place}." if place else "", "labels" not in settings
    if not is_object(settings["object"]) or (rendered and settings["object"] not in DEFAULT_RANGES):
        wanted = f"one of {', '.join(DEFAULT_RANGES)}" if rendered else "a word or some"
        raise Unexpected(f"{above}object", wanted, ascii(settings["object"])[:60])
    check_ranges(settings, place)


def check_ranges(settings: Mapping[str, Any], place: str = "") -> None:
    """Raise Unexpected as `check_labels` does, of `ranges` and `labels` alone."""
    above = f"{place}." if place else ""
    more, rendered = settings.get("labels", {}), "labels" not in settings
    if set(more) - set(settings["ranges"]):
        raise Unexpected(f"{above}labels", "labels of factors in ranges", ascii(min(more))[:60])
    for name, (low, high) in settings["ranges"].items():
        if name not in (EXTRINSIC if rendered else more):
            wanted = f"keys of {', '.join(EXTRINSIC)}" if rendered else "factors that labels has"
            raise Unexpected(f"{above}ranges", wanted, ascii(name)[:60])
        if rendered:
            continue
        if not is_name(name):
            raise Unexpected(f"{above}labels", "names of factors, such as distance", ascii(name)[:60])
        if low > high:
            raise Unexpected(f"{above}ranges.{name}", "the lower end first", f"{low:g} and {high:g}")
        _check_label(_label(name, float(low), float(high), more[name]), f"{above}labels.{name}")


def _check_label(label: Label, place: str) -> None:
    categories, values = label.categories, label.values
    if max(len(categories), len(values)) > MOST_VALUES:
        raise Unexpected(place, f"at most {MOST_VALUES} values", str(max(len(categories), len(values))))
    if categories and (label.unit or label.circular or values):
        raise Unexpected(place, "categories, or a quantity", "both")
    if categories and ((label.low, label.high) != (0, len(categories) - 1) or len(set(categories)) < len(categories)):
        raise Unexpected(place, f"different categories for {label.low:g} to {label.high:g}", f"{len(categories)}")
    if values and not (values[0] == label.low and (values[-1] == label.high or label.circular)):
        raise Unexpected(f"{place}.values", f"{label.low:g} to {label.high:g}", f"{values[0]:g} to {values[-1]:g}")
    if any(not b > a for a, b in pairwise(values)):
        raise Unexpected(f"{place}.values", "ascending numbers", "others")
    if label.circular and not (label.varies and math.isfinite(label.high - label.low)):
        raise Unexpected(place, "a range of a full turn", f"{label.low:g} to {label.high:g}")
