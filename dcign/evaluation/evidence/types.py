"""The parts of a report, as plain data: what `dcign.report.pages` sets in HTML and report.json keeps the numbers of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dcign.metrics.bootstrap import Estimate

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
    """What one kind of evidence says: numbers for report.json, and a section that shows them.

    Where it could not be had, `measures` is {"skipped": reason}, and there is no section.
    """

    measures: dict[str, Any]
    section: Section | None
