"""The report.json of a run, as `dcign evaluate` leaves it: where it lies, and a way into its content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

REPORT = "report.json"


def find_report(
    folder: Path, read: Callable[[Path], Mapping[str, Any] | None]
) -> tuple[Path, Mapping[str, Any]] | None:
    """Find the report of the run in `folder`: in the folder itself, or beside it if it names a run of that folder.

    `read` gives the content of a report.json, or None to pass it over; what it raises ends the search. Returns path and
    content, or None if there is no such report.
    """
    for path in (folder / REPORT, folder.resolve().parent / REPORT):
        document = read(path) if path.is_file() else None
        if document is None:
            continue
        named = reach(document, ("run", "folder"))
        if path.parent == folder or (isinstance(named, str) and Path(named).name == folder.resolve().name):
            return path, document
    return None


def reach(document: object, keys: Sequence[str]) -> Any:
    """Follow a path of keys into a document, '0' being the first of a list; None where the path breaks off."""
    for key in keys:
        if isinstance(document, Mapping):
            document = document.get(key)
        elif key == "0" and isinstance(document, list) and document:
            document = document[0]
        else:
            return None
    return document
