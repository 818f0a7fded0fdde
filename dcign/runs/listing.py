"""A list of the training runs below a folder and of the weights that ship, with what their files say of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from dcign.errors import RunError
from dcign.model.networks import network_of
from dcign.runs import shipped
from dcign.runs.checkpoint import WEIGHTS, Header, list_checkpoints, read_checkpoint_header
from dcign.runs.folder import CONFIG, STATS, parse_line
from dcign.runs.report_file import REPORT, find_report
from render.factors import EXTRINSIC
from render.shards.documents import LARGEST_NUMBER, Record, read_json
from render.shards.labels import is_name

DEEPEST = 4  # levels below the folder asked for
CHECKPOINT = "checkpoint-*.safetensors"
LARGEST = {CONFIG: 2**20, STATS: 2**26, REPORT: 2**24}  # bytes


@dataclass(frozen=True)
class RunSummary:
    """A run as `dcign runs` shows it; None where its files do not say.

    `bound` (nats per image) and `spearman` (labelled factor -> |Spearman|) are from the line of stats.jsonl with the
    lowest bound on mini-batches held out; `mse` and `leak` are from report.json.
    """

    folder: Path
    changed: float  # seconds since 1970
    object: str
    procedure: str
    widths: str
    step: int  # mini-batches trained on
    steps: int  # asked for
    images_per_second: float | None
    bound: float | None
    spearman: dict[str, float]
    mse: float | None
    leak: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**vars(self), "folder": str(self.folder)}


@dataclass(frozen=True)
class ShippedSummary:
    """Weights that ship as `dcign runs` shows them; the measures, on unseen images, are from their report.json."""

    name: str
    folder: Path
    bytes: int  # of all their files
    object: str
    procedure: str
    widths: str
    step: int
    spearman: dict[str, float]
    mse: float | None
    leak: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**vars(self), "folder": str(self.folder)}


def summarise_shipped(note: Callable[[str], None]) -> list[ShippedSummary]:
    """Summarise the weights that ship, by name; `note` is told of those that are damaged, which are left out."""
    found = []
    try:
        names = shipped.shipped_names()
    except RunError as error:
        note(str(error))
        return []
    for name in names:
        folder = shipped.FOLDER / name
        try:
            shipped.check_shipped(name)
            header = read_checkpoint_header(folder / WEIGHTS)
            report = _document(folder / REPORT)
        except RunError as error:
            note(str(error))
            continue
        ranks = _table(report, "spearman")
        found.append(
            ShippedSummary(
                name=name,
                folder=folder,
                bytes=sum(path.stat().st_size for path in folder.iterdir()),
                object=str(header.data.get("object", "")),
                procedure=header.config.procedure,
                widths=network_of(header.config).describe(header.config),
                step=header.step,
                spearman=_ranks(_table(ranks, "own")),
                mse=_number(_table(report, "reconstruction"), "mse"),
                leak=_number(_table(ranks, "largest_leak"), "value"),
            )
        )
    return found


def find_runs(top: Path) -> Iterator[Path]:
    """Find the folders at and below `top` that look like runs, not those inside a run, nor hidden or unreadable ones.

    RunError if `top` itself is no folder, or cannot be read.
    """
    if not top.is_dir():
        raise RunError(f"{top}: expected a folder, found {'a file' if top.exists() else 'nothing of that name'}")

    def refuse(error: OSError) -> None:
        if error.filename == str(top):
            raise RunError(f"{top}: cannot be read: {error.strerror}")

    for place, below, files in os.walk(top, onerror=refuse):  # does not follow links
        trained = STATS in files or any(fnmatch(name, CHECKPOINT) for name in files)
        if trained or CONFIG in files:
            yield Path(place)
        if trained:
            below.clear()
        depth = len(Path(place).relative_to(top).parts)
        below[:] = sorted(name for name in below if not name.startswith(".")) if depth < DEEPEST else []


def summarise(folder: Path, note: Callable[[str], None]) -> RunSummary | None:
    """Summarise the files of a run folder; None if it is no run after all. `note` is told what cannot be used."""
    log, checkpoints = folder / STATS, list_checkpoints(folder)
    try:
        header = Header.from_json(_document(folder / CONFIG), folder / CONFIG)
    except RunError as error:
        if log.is_file() or checkpoints:  # else a config.json of some other program
            note(f"{error}; passed over")
        return None
    lines = list(_lines(log, note))
    step = max([lines[-1]["step"] if lines else 0, *(int(path.stem.split("-")[1]) for path in checkpoints)])
    best = _best(lines)
    pixels, leak = _report(folder, note)
    return RunSummary(
        folder=folder,
        changed=max(path.stat().st_mtime for path in (folder / CONFIG, log) if path.is_file()),
        object=str(header.data.get("object", "")),
        procedure=header.config.procedure,
        widths=network_of(header.config).describe(header.config),
        step=step,
        steps=header.config.steps,
        images_per_second=_number(lines[-1], "images_per_second") if lines else None,
        bound=_number(best, "bound"),
        spearman=_ranks(_table(best, "spearman")),
        mse=_number(pixels, "mse"),
        leak=_number(leak, "value"),
    )


def _ranks(own: Mapping[str, Any]) -> dict[str, float]:
    """Return |Spearman| of the factors that have one: those of the renderer, then all others."""
    names = [*(name for name in EXTRINSIC if name in own), *(name for name in own if name not in EXTRINSIC)]
    return {name: value for name in names if is_name(name) and (value := _number(own, name)) is not None}


def _lines(path: Path, note: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Read the lines of a log that can be used, and count the others. The last may be being written just now."""
    if not path.is_file():
        return
    try:
        rows = _content(path).splitlines(keepends=True)
    except RunError as error:
        note(f"{error}; passed over")
        return
    damaged = 0
    for number, row in enumerate(rows):
        line = parse_line(row)
        if line is not None:
            yield line
        elif number < len(rows) - 1 or row.endswith(b"\n"):
            damaged += 1
    if damaged:
        note(f"{path}: {damaged} damaged line{'s' * (damaged > 1)} passed over")


def _best(lines: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Return the measures of the line with the lowest held-out bound; empty if none has one."""
    measured = [_table(line, "held_out") for line in lines]
    bounds = [(bound, i) for i, held_out in enumerate(measured) if (bound := _number(held_out, "bound")) is not None]
    return measured[min(bounds)[1]] if bounds else {}


def _report(folder: Path, note: Callable[[str], None]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return `reconstruction` and `largest_leak` of the run's report; empty ones without a report."""

    def read(path: Path) -> Mapping[str, Any] | None:
        try:
            return _document(path)
        except RunError as error:
            note(f"{error}; passed over")
            return None

    found = find_report(folder, read)
    report = found[1] if found else {}
    return _table(report, "reconstruction"), _table(_table(report, "spearman"), "largest_leak")


def _content(path: Path) -> bytes:
    """Read a file no larger than `LARGEST` says; RunError otherwise."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST[path.name] + 1)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) > LARGEST[path.name]:
        raise RunError(f"{path}: expected at most {LARGEST[path.name]} bytes, found more")
    return content


def _document(path: Path) -> dict[str, Any]:
    return dict(read_json(path, Record(), RunError, LARGEST[path.name]))


def _table(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _number(values: Mapping[str, Any], key: str) -> float | None:
    found = values.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not abs(found) < LARGEST_NUMBER:
        return None
    return float(found)
