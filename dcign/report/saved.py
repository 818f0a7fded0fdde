"""Reports of `dcign evaluate`, found and read again: of several runs to compare, or of one run for its model card."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcign.errors import BadInput
from dcign.runs.report_file import REPORT, find_report, reach
from dcign.runs.shipped import find_run

if TYPE_CHECKING:
    from dcign.runs.run import Run

LARGEST, LARGEST_PICTURE = 2**25, 2**23  # bytes
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
    content = _content(path)
    if len(content) > LARGEST:
        raise BadInput(f"{path}: expected a report of at most {LARGEST} bytes, found more")
    document = _parsed(content)
    if document is None:
        raise BadInput(f"{path}: expected a report as JSON, found something else; {AGAIN}")
    if not isinstance(document, dict):
        raise BadInput(f"{path}: expected a report, a JSON object, found {type(document).__name__}; {AGAIN}")
    if "evidence" not in document and "reconstruction" in document:
        raise BadInput(f"{path}: a report of an older dcign, without `evidence`; {AGAIN} again")
    wanted: dict[tuple[str, ...], type] = {
        ("evidence",): dict,
        ("reconstruction",): dict,
        ("made", "config"): dict,
        ("run", "folder"): str,
        ("run", "step"): int,
        ("data_set", "fingerprint"): str,
        ("data_set", "split"): str,
        ("data_set", "object"): str,
    }
    for keys, kind in wanted.items():
        if not isinstance(reach(document, keys), kind):
            raise BadInput(f"{path}: expected a report with `{'.'.join(keys)}`, found none; {AGAIN} again")
    return document


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
    content = _content(path)
    document = _parsed(content) if len(content) <= LARGEST else None
    lines = reach(document, ("headline",))
    good = isinstance(lines, list) and all(
        isinstance(line, dict) and isinstance(line.get("name"), str) and _numbers(line, "value", "low", "high")
        for line in lines
    )
    parts = (reach(document, (name,)) for name in ("run", "data_set", "evidence", "made"))
    good = good and all(part is None or isinstance(part, dict) for part in parts)
    if not good:
        raise BadInput(f"{path}: expected the report of `dcign evaluate`, found something else; measure the run again")
    assert isinstance(document, dict)
    return document


def _numbers(line: Mapping[str, Any], *names: str) -> bool:
    found = [line.get(name) for name in names]
    return all(each is None or (isinstance(each, (int, float)) and not isinstance(each, bool)) for each in found)


def _content(path: Path) -> bytes:
    """Read a file; of one that is larger than a report may be, one byte more than that."""
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None


def _parsed(content: bytes) -> Any:
    """Read the JSON in `content`; None if it is none, or holds a number that is not finite."""
    try:
        return json.loads(content, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float:
    """Read a number. ValueError for NaN and for what is larger than any: neither is in a report."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
