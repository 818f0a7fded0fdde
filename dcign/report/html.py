"""Numbers, tables, figures and the frame of a page as HTML. No script, nothing from elsewhere; all text is escaped."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template

from dcign.evaluation.evidence.types import Cell, Figure, Section, Table
from dcign.metrics.bootstrap import Estimate

MISSING = "not defined"


@dataclass(frozen=True)
class Chapter:
    """A heading of a page and the HTML below it."""

    title: str
    html: str


@dataclass(frozen=True)
class Td:
    """A cell of a table: HTML, and the CSS classes that set it."""

    html: str
    kind: str = ""


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
    if content is None:
        return Td(MISSING, f"number soft {kind}".rstrip())
    if isinstance(content, str):
        return Td(escape(content), kind)
    if isinstance(content, int):
        return Td(f"{content:,}", f"number {kind}".rstrip())
    if isinstance(content, float):
        return Td(number(content), f"number {kind}".rstrip())
    ends = interval(content)
    below = f"<small>{ends}</small>" if ends else ""
    return Td(number(content["value"]) + below, f"number {kind}".rstrip())


def table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[Td]]], kind: str = "") -> str:
    """A table that scrolls in a frame of its own: the names of the columns, and rows of a name and cells.

    A row without cells is a heading of those below it.
    """
    columns = list(zip(*(cells for _, cells in rows if cells), strict=True))
    kinds = ["", *("number" if any("number" in each.kind for each in column) else "" for column in columns)]
    kinds += [""] * (len(head) - len(kinds))  # no rows
    top = "".join(f'<th scope="col"{_class(k)}>{escape(name)}</th>' for name, k in zip(head, kinds, strict=False))
    body = "".join(_table_row(name, cells, len(columns)) for name, cells in rows)
    above = f"<thead><tr>{top}</tr></thead>" if head else ""
    return f'<div class="wide"><table{_class(kind)}>{above}<tbody>{body}</tbody></table></div>'


def _table_row(name: str, cells: Sequence[Td], columns: int) -> str:
    if not cells:
        return f'<tr class="group"><th scope="colgroup">{escape(name)}</th><td colspan="{columns}"></td></tr>'
    shown = "".join(f"<td{_class(each.kind)}>{each.html}</td>" for each in cells)
    return f'<tr><th scope="row">{escape(name)}</th>{shown}</tr>'


def figure(picture: bytes, caption: str, command: str, broad: bool = False) -> str:
    """A PNG file with its caption and the command that makes it; a broad one scrolls on a phone."""
    data = base64.b64encode(picture).decode("ascii")
    image = f'<img{_class("broad" if broad else "")} alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    made = f'<code class="command">{escape(command)}</code>'
    return f'<figure><div class="wide picture">{image}</div><figcaption>{escape(caption)}{made}</figcaption></figure>'


def captioned(table: str, caption: str) -> str:
    """A table with words below it."""
    return f"<figure>{table}<figcaption>{escape(caption)}</figcaption></figure>" if caption else table


def paragraphs(text: str) -> str:
    """Blank lines part paragraphs."""
    return "".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())


def warning_list(lines: Sequence[str]) -> str:
    """A marked list; nothing if there are none."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="warnings">{items}</ul>' if items else ""


def chapter(section: Section, command: str) -> Chapter:
    """A section of evidence: text, warnings, then figures and tables in their order."""
    parts = [paragraphs(section.text), warning_list(section.warnings)]
    return Chapter(section.title, "\n".join((*parts, *(_part(part, command) for part in section.parts))))


def page(title: str, subtitle: str, warnings: Sequence[str], chapters: Sequence[Chapter], footer: str) -> str:
    """A whole page: contents, then the chapters, and `footer`, which is HTML."""
    ends = [*chapters, Chapter("How this was made", footer)]
    anchors = _anchors([each.title for each in ends])
    links = "".join(f'<li><a href="#{a}">{escape(c.title)}</a></li>' for a, c in zip(anchors, ends, strict=True))
    body = [
        f'<section id="{anchor}">\n<h2>{escape(each.title)}</h2>\n{each.html}\n</section>'
        for anchor, each in zip(anchors, ends, strict=True)
    ]
    return Template(_resource("report.html.template")).substitute(
        palette=palette().rstrip("\n"),
        title=escape(title),
        subtitle=escape(subtitle),
        warnings=warning_list(warnings),
        contents=f'<nav aria-label="Contents"><ol>{links}</ol></nav>',
        chapters="\n".join(body),
    )


def palette() -> str:
    """The colours of every page of dcign as CSS variables, light and dark."""
    return _resource("palette.css")


def command_block(command: str) -> str:
    """A command line, set apart."""
    return f"<pre>{escape(command)}</pre>"


def _resource(name: str) -> str:
    return resources.files("dcign.report").joinpath(name).read_text(encoding="utf-8")


def _part(part: Figure | Table, command: str) -> str:
    if isinstance(part, Figure):
        return figure(part.png, part.caption, command, part.broad)
    rows = [(str(first), [cell(each) for each in rest]) for first, *rest in part.rows]
    return captioned(table(part.head, rows, "named"), part.caption)


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


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
