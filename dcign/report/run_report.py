"""The report of a run as its model card reads it: that of `dcign evaluate`, where it is of these very weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dcign.errors import BadInput
from dcign.report.saved import LARGEST, REPORT, reach
from dcign.runs.run import Run


def find_report(run: Run) -> Mapping[str, Any] | None:
    """What report.json in the folder of `run`, or in the one above, says of it; None where there is none.

    One of another run or step counts as none. BadInput, naming the file, where it is damaged.
    """
    for path in (run.folder / REPORT, run.folder.resolve().parent / REPORT):
        if not path.is_file():
            continue
        document = _read(path)
        own = path.parent == run.folder
        named = reach(document, ("run", "folder"))
        if reach(document, ("run", "step")) == run.step and (
            own or (isinstance(named, str) and Path(named).name == run.folder.resolve().name)
        ):
            return document
    return None


def _read(path: Path) -> dict[str, Any]:
    """A report with the members that the card is written from."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        document = json.loads(content, parse_float=_finite, parse_constant=_finite) if len(content) <= LARGEST else None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        document = None
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


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
