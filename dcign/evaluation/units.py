"""Values of labels as people read them: with their unit, or by the name of their category."""

from __future__ import annotations

from render.shards.labels import DEGREES, Label

MOST_NAMED = 8  # categories


def amount_text(label: Label, amount: float) -> str:
    """Write how large a difference of two values is: '3.2°', '0.31 cm'."""
    return f"{amount:.1f}°" if label.unit == DEGREES else f"{amount:.3g}{label.symbol}"


def error_text(label: Label, error: float | None) -> str:
    """Write the error of what is read back through a calibration: '3.2°', '0.31 cm', '12% wrong' of categories."""
    if error is None:
        return "no way back on a circle"
    return f"{error:.0%} wrong" if label.categories else amount_text(label, error)


def range_text(label: Label) -> str:
    """Write a range: '-90° to 90°', '0° only', 'red, green or blue'."""
    if label.categories:
        *others, last = label.categories[:MOST_NAMED]
        more = len(label.categories) - MOST_NAMED
        if more > 0:
            return f"{', '.join((*others, last))} and {more} more"
        return f"{', '.join(others)} or {last}" if others else last
    low = f"{label.low:g}{label.symbol}"
    return f"{low} to {label.high:g}{label.symbol}" if label.varies else f"{low} only"


def in_units(label: Label) -> str:
    """Name what a number is of: 'azimuth, degrees', 'distance, cm', 'colour'."""
    return f"{label.name}, {label.unit}" if label.unit and not label.categories else label.name


def chart_text(text: str) -> str:
    """Return a text of the user's for a chart, where dollar signs would stand around mathematics."""
    return text.replace("$", r"\$")
