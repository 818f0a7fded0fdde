"""Numbers, tables and figures of a page as plain data, and the page as HTML by its template. No script, nothing from
elsewhere; all text is escaped by Jinja2."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from dcign.evaluation.evidence.types import Cell, Section, Table
from dcign.evaluation.metrics.bootstrap import Estimate

MISSING = "not defined"


@dataclass(frozen=True)
class Td:
    """A cell of a table: its text, the CSS classes that set it, small text below, and 'reached' or 'missed' after."""

    text: str
    kind: str = ""
    below: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Grid:
    """A table of rows (name, cells); a row without cells is a heading of those below it. `kind`: its CSS class."""

    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Td]]]
    caption: str = ""
    kind: str = "named"

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The name of each column and its CSS class: that of numbers where a cell of it is one."""
        columns = zip(*(cells for _, cells in self.rows if cells), strict=True)
        kinds = ["", *("number" if any("number" in each.kind for each in column) else "" for column in columns)]
        return list(zip(self.head, [*kinds, *[""] * len(self.head)], strict=False))


@dataclass(frozen=True)
class Picture:
    """A PNG file, its caption, and the command that makes it; a broad one scrolls on a phone."""

    png: bytes
    caption: str
    command: str
    broad: bool = False

    @property
    def base64(self) -> str:
        """The file as text."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Chapter:
    """A heading of a page and what is below it: text whose blank lines part paragraphs, warnings, then the parts."""

    title: str
    parts: Sequence[Picture | Grid]
    text: str = ""
    warnings: Sequence[str] = ()


def number(value: float | None, like: float | None = None) -> str:
    """Write a number with three decimals, or three digits if small; with as many decimals as `like` has, if given."""
    if value is None:
        return MISSING
    size = abs(value if like is None else like)
    if size and (size < 1e-6 or size >= 1e7):
        return f"{value:.3g}"
    decimals = 3
    if size >= 10:
        decimals = 1 if size >= 100 else 2
    elif 0 < size < 0.1:
        decimals = 2 - math.floor(math.log10(size))
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0: no minus before a zero


def interval(estimate: Estimate) -> str:
    """Write the ends of an interval as finely as its value; empty where there is none."""
    low, high, value = estimate["low"], estimate["high"], estimate["value"]
    if low is None or high is None:
        return ""
    return f"[{number(low, value)}, {number(high, value)}]"


def cell(content: Cell, kind: str = "") -> Td:
    """Set text as it is, a count with its thousands apart, a number, or an estimate with its interval beneath."""
    if isinstance(content, str):
        return Td(content, kind)
    if content is None:
        return Td(MISSING, f"number soft {kind}".rstrip())
    kind = f"number {kind}".rstrip()
    if isinstance(content, int):
        return Td(f"{content:,}", kind)
    if isinstance(content, float):
        return Td(number(content), kind)
    return Td(number(content["value"]), kind, interval(content))


def chapter(section: Section, command: str) -> Chapter:
    """Set a section of evidence; `command` makes its figures."""
    parts = [
        Grid(part.head, [(str(first), [cell(each) for each in rest]) for first, *rest in part.rows], part.caption)
        if isinstance(part, Table)
        else Picture(part.png, part.caption, command, part.broad)
        for part in section.parts
    ]
    return Chapter(section.title, parts, section.text, section.warnings)


def page(
    title: str, subtitle: str, warnings: Sequence[str], chapters: Sequence[Chapter], command: str, facts: Grid
) -> str:
    """Write a whole page: contents, then the chapters; the last says how it was made: by `command`, with `facts`."""
    chapters = [*chapters, Chapter("How this was made", [facts])]
    return (
        templates("dcign.report", ".")
        .get_template("page.html")
        .render(
            title=title,
            subtitle=subtitle,
            warnings=warnings,
            chapters=list(zip(_anchors([each.title for each in chapters]), chapters, strict=True)),
            command=command,
        )
    )


def templates(package: str, folder: str) -> Environment:
    """Open the HTML templates in a folder of a package. All values are escaped; a name without one is an error."""
    return Environment(
        loader=PackageLoader(package, folder), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _anchors(titles: Sequence[str]) -> list[str]:
    """An id for each title, no two alike."""
    found: list[str] = []
    for title in titles:
        plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"
        anchor, count = plain, 1
        while anchor in found:
            count += 1
            anchor = f"{plain}-{count}"
        found.append(anchor)
    return found
