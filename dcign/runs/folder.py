"""The folder of a training run: whose it is, what it was asked to do, and its log.

config.json                         settings, graphics code and training data of the run
stats.jsonl                         one line of measurements every few steps
checkpoint-<step>.safetensors       see `dcign.runs.checkpoint`; best.safetensors too
progress.png                        see `dcign.training.monitor`
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from assets.files import file_lock, make_output_folder, write_file
from dcign.config import TrainConfig, setting_text
from dcign.errors import ArgumentError, Failure, RunError
from dcign.runs.checkpoint import Header, newest_checkpoint
from dcign.runs.starting_weights import start_path
from render.shards.documents import Record, Whole, read_json

CONFIG, STATS = "config.json", "stats.jsonl"
LINE = Record({"step": Whole(0)})
# Settings that a resumed run may be given anew
MAY_CHANGE = ("steps", "checkpoint_every", "keep", "picture_every", "device")


def claim_folder(folder: Path, header: Header) -> None:
    """Make the folder a run's, or check that it is the run of `header` already; RunError changes nothing."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: expected a folder for the run, found a file")
    started = read_header(folder)
    if started is not None:
        check_same_run(folder, started, header)
    elif folder.is_dir() and any(not path.name.endswith(".tmp") for path in folder.iterdir()):
        raise RunError(f"{folder}: expected a training run or an empty folder, found other files; name another folder")
    make_output_folder(folder)


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep a run's folder to this process until the end, which a `kill -9` is too; RunError if another one has it.

    Removes what an interrupted write has left. Where the file system knows no locks, nobody is kept out.
    """
    with ExitStack() as locks:
        try:
            locks.enter_context(file_lock(folder))
        except BlockingIOError:
            raise RunError(f"{folder}: another process is training this run; wait for it, or stop it") from None
        for stale in folder.glob(".*.tmp"):
            stale.unlink()
        yield


def read_header(folder: Path) -> Header | None:
    """Read what the run was asked to do, from `config.json` or else its newest checkpoint; None if it is no run."""
    path = folder / CONFIG
    if path.is_file():
        return Header.from_json(read_json(path, Record(), RunError), path)
    found = newest_checkpoint(folder) if folder.is_dir() else None
    return found[0].header if found else None


def write_header(folder: Path, header: Header) -> None:
    """Write `config.json`, atomically."""
    value = dataclasses.replace(header, step=0).to_json()
    write_file(folder / CONFIG, (json.dumps(value, indent=2) + "\n").encode())


def check_same_run(folder: Path, started: Header, request: Header) -> None:
    """RunError naming the first setting in which a run and a request to resume it differ."""
    for field in dataclasses.fields(TrainConfig):
        if field.name in MAY_CHANGE:
            continue
        if field.name == "precision" and started.config.precision == "auto":  # of runs before this was settled
            continue
        was, wanted = getattr(started.config, field.name), getattr(request.config, field.name)
        if was != wanted:
            then, now = (_asked(field.name, value, folder) for value in (was, wanted))
            raise ArgumentError(
                field.name,
                f"the run in {folder} has {then}, but {now} is asked for; resume with {then} or in another folder",
            )
    counts, found_counts = started.data.get("counts") or {}, request.data.get("counts") or {}
    for factor, count in counts.items():
        if found_counts.get(factor, 0) < count:
            raise RunError(
                f"{request.data.get('folder')}: expected the {count} mini-batches of {factor} that {folder} is trained "
                f"on, found {found_counts.get(factor, 0)}; others would be held out now"
            )
    was, found = started.data.get("fingerprint"), request.data.get("fingerprint")
    if was != found:
        raise RunError(
            f"{folder}: the run is trained on another data set: expected fingerprint {str(was)[:12]} (then in "
            f"{started.data.get('folder')}), found {str(found)[:12]} in {request.data.get('folder')}; "
            "name another folder"
        )
    if started.layout != request.layout:
        raise RunError(f"{folder}: the run's graphics code is {started.layout}, these shards ask for {request.layout}")


def _asked(name: str, value: object, folder: Path) -> str:
    """Return a setting of the run in `folder` as its option takes it."""
    if name != "start_from":
        return setting_text(name, value)
    return "none" if value is None else str(start_path(str(value), folder))


def rewind_stats(folder: Path, step: int) -> None:
    """Drop the lines of `stats.jsonl` beyond `step`, which a resumed run writes again, and those that are damaged."""
    path = folder / STATS
    if not path.exists():
        return
    lines = [(line, parse_line(line)) for line in path.read_bytes().splitlines(keepends=True)]
    kept = [line for line, found in lines if found is not None and line.endswith(b"\n") and found["step"] <= step]
    write_file(path, b"".join(kept))


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Read a line of `stats.jsonl`, an object with its `step`; None for one that is damaged. Figures may be NaN."""
    try:
        found = json.loads(line.decode())
        LINE.check(found)
    except (ValueError, RecursionError):
        return None
    return dict(found)


def append_stats(folder: Path, line: dict[str, Any]) -> None:
    """Add one line to `stats.jsonl`; Failure naming it if the disk refuses."""
    path = folder / STATS
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror}") from None
