"""One part in a process of its own, with a time limit: whatever it does costs only itself."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import resource
import signal
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_check.room import PartFailed, Room

# Imported once, by a server that parts are forked from; importing them touches no GPU
PRELOAD = ["torch", "dcign.training.loop", "pipelines.bench.train_loops", "pipelines.cli"]


@dataclass(frozen=True)
class Part:
    """A part of the check.

    work     module:function, called with the part's `Room`
    seconds  the most that it may take on a GPU
    about    what it looks at
    """

    name: str
    work: str
    seconds: float
    about: str = ""


@dataclass
class Outcome:
    """Outcome of a part: state 'passed', 'failed', 'timed out' or 'not run'."""

    state: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)


def run(part: Part, room: Room, seconds: float) -> Outcome:
    """Run a part for at most so many seconds, and whatever it started with it."""
    room.found.unlink(missing_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    started = time.monotonic()
    process = context.Process(target=_work, args=(part.work, room, log_of(room)))
    try:
        process.start()
    except OSError as error:
        return Outcome("failed", problems=[f"no process could be started: {error}"])
    try:
        process.join(max(seconds, 1.0))
        late = process.is_alive()
    finally:
        _kill(process.pid, process)
        process.join(10)
    outcome = Outcome("passed", time.monotonic() - started)
    with suppress(OSError, ValueError):
        found = json.loads(room.found.read_text())
        outcome.measured, outcome.problems = found["measured"], found["problems"]
        outcome.cpu_seconds = found["cpu_seconds"]
    if late:
        outcome.state = "timed out"
        outcome.problems.insert(0, f"no end after {seconds:.0f} s")
    elif process.exitcode or outcome.problems:
        outcome.state = "failed"
        if process.exitcode and not outcome.problems:
            outcome.problems.append(_how_it_ended(process.exitcode or 0))
    return outcome


def log_of(room: Room) -> Path:
    """Return the file that holds all that a part prints."""
    return room.out / f"{room.name.replace(' ', '-')}.log"


def _kill(pid: int | None, process: Any) -> None:
    """End a part and all that is left of what it started."""
    if pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    process.kill()


def _how_it_ended(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _work(work: str, room: Room, log: Path) -> None:
    """In the process of the part: lead what is printed into its log, and do its work."""
    os.setsid()
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    module, _, function = work.partition(":")
    try:
        getattr(importlib.import_module(module), function)(room)
    except PartFailed:
        raise SystemExit(1) from None
    except BaseException as error:
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        room.check(False, f"{type(error).__name__}: {first}")
        raise SystemExit(1) from None
    finally:
        used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        room.cpu_seconds = sum(each.ru_utime + each.ru_stime for each in used)
        room.keep()
