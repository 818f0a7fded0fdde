"""Reports of `dcign evaluate`, found and read again: of several runs to compare, or of one run for its model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcign.errors import BadInput
from dcign.runs.report_file import REPORT, find_report, reach
from dcign.runs.shipped import find_run
from render.shards.documents import Line, ListOf, Maybe, Number, Record, Table, Text, Whole, check_shape, read_json
from render.shards.labels import LABELS, RANGES

if TYPE_CHECKING:
    from dcign.runs.run import Run

LARGEST, LARGEST_PICTURE = 2**25, 2**23  # bytes
# What every comparison needs of a report, and a model card; most others they look for, and do without.
COMPARED = Record(
    {
        "evidence": Table(),
        "reconstruction": Table(),
        "made": Record({"config": Table()}),
        "run": Record({"folder": Text(), "step": Whole(0)}),
        "data_set": Record(
            {"fingerprint": Line(), "split": Line(), "object": Line()}, {"ranges": RANGES, "labels": LABELS}
        ),
    }
)
_FIGURE = Maybe(Number())
CARD = Record(
    {"headline": ListOf(Record({"name": Text()}, {"value": _FIGURE, "low": _FIGURE, "high": _FIGURE}))},
    {
        **{name: Maybe(Table()) for name in ("run", "evidence", "made", "categories")},
        "data_set": Maybe(Record(optional={"ranges": RANGES, "labels": LABELS})),
    },
)
AGAIN = "measure the run with `dcign evaluate RUN SHARDS`"


@dataclass(frozen=True)
class SavedReport:
    """The content of report.json at `path`.

    `name` is that of its run's folder, with as few of those above it as tell it from the others.
    """

    path: Path
    name: str
    document: Mapping[str, Any]

    def picture(self, name: str) -> bytes | None:
        """Return the file `name`.png beside it; None where there is none that a page could show."""
        try:
            with open(self.path.parent / f"{name}.png", "rb") as file:
                content = file.read(LARGEST_PICTURE + 1)
        except OSError:
            return None
        return content if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) <= LARGEST_PICTURE else None


def open_reports(places: Sequence[Path]) -> list[SavedReport]:
    """Open the reports at `places`.

    Each place is a report.json, a folder with one, a run's folder with its report one above, or the name of weights
    that ship.

    BadInput naming the files where there is none, it is no report of today's form, a run comes twice, or two of them
    were measured on different images.
    """
    if len(places) < 2:
        found = f"only {places[0]}" if places else "none"
        raise BadInput(f"RUN RUN ...: expected two runs or more to compare, found {found}")
    documents: list[tuple[Path, Mapping[str, Any]]] = []
    for place in places:
        path, document = _open(find_run(place))
        for other, before in documents:
            _check_pair(other, before, path, document)
        documents.append((path, document))
    names = unique_names([_parts(place) for place in places])
    return [SavedReport(path, name, document) for (path, document), name in zip(documents, names, strict=True)]


def unique_names(paths: Sequence[Sequence[str]]) -> list[str]:
    """Return the last part of each path, and as many before it as needed, without an end that all share."""
    whole = [list(parts) for parts in paths]
    while all(len(parts) > 1 for parts in whole) and len({parts[-1] for parts in whole}) == 1:
        whole = [parts[:-1] for parts in whole]
    names = []
    for i, parts in enumerate(whole):
        others = whole[:i] + whole[i + 1 :]
        depth = 1
        while depth < len(parts) and any(other[-depth:] == parts[-depth:] for other in others):
            depth += 1
        names.append("/".join(parts[-depth:]))
    return names


def _parts(place: Path) -> tuple[str, ...]:
    whole = place.resolve()
    return (whole.parent if whole.name == REPORT else whole).parts[1:]


def _open(place: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return path and content of the report of `place`."""
    if not place.exists():
        raise BadInput(f"{place}: expected a run or its {REPORT}, found nothing of that name")
    if place.is_file():
        return place, _read(place)
    found = find_report(place, _read)
    if found is None:
        raise BadInput(f"{place}: expected {REPORT} there or beside the folder, found none of this run; {AGAIN}")
    return found


def _read(path: Path) -> dict[str, Any]:
    """Read a report with the members that every comparison needs."""
    document = read_json(path, Record(), BadInput, LARGEST, f"; {AGAIN}")
    if "evidence" not in document and "reconstruction" in document:
        raise BadInput(f"{path}: a report of an older dcign, without `evidence`; {AGAIN} again")
    check_shape(path, document, COMPARED, BadInput, f"; {AGAIN} again")
    return dict(document)


def _check_pair(path: Path, first: Mapping[str, Any], other: Path, second: Mapping[str, Any]) -> None:
    for key, what in (("object", "objects"), ("split", "splits"), ("fingerprint", "images")):
        a, b = first["data_set"][key], second["data_set"][key]
        if a != b:
            raise BadInput(
                f"{path} and {other}: expected reports on the same images, found different {what} ({a[:12]} and "
                f"{b[:12]}); measure both runs on the same shards"
            )
    if all(first[key] == second[key] for key in ("run", "reconstruction")):
        raise BadInput(f"{path} and {other}: expected different runs, found the same run twice")


def report_of(run: Run) -> Mapping[str, Any] | None:
    """Return the content of the report of `run`, or None if there is none, or only one of another step.

    BadInput, naming the file, where it is damaged.
    """

    def read(path: Path) -> Mapping[str, Any] | None:
        document = _read_for_card(path)
        return document if reach(document, ("run", "step")) == run.step else None

    found = find_report(run.folder, read)
    return found[1] if found else None


def _read_for_card(path: Path) -> dict[str, Any]:
    """Read a report with the members that a model card is written from."""
    return dict(read_json(path, CARD, BadInput, LARGEST, "; measure the run again with `dcign evaluate`"))
