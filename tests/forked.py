"""Processes forked from one that has imported torch and done nothing: each of its own, without seconds of imports."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from pipelines import cli

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["dcign.training.loop", "pipelines.commands.train"])


def context(kind: str = "forkserver") -> multiprocessing.context.BaseContext:
    """What `multiprocessing.get_context` is to return, so that processes compute on one thread and start at once."""
    with patch.dict(os.environ, OMP_NUM_THREADS="1"):
        forkserver.ensure_running()
    return _context


class Forked:
    """A process that calls `function(*arguments)`, both picklable, on one thread; used as a `subprocess.Popen`."""

    def __init__(self, function: Callable[..., object], *arguments: object, **variables: object) -> None:
        self.folder = TemporaryDirectory(prefix="dcign-tests-")
        self.files = [Path(self.folder.name) / name for name in ("out", "err")]
        for path in self.files:
            path.touch()
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        self.process = context().Process(target=_call, args=(function, arguments, environment, Path.cwd(), self.files))
        self.process.start()
        atexit.register(self.kill)  # else the end of the tests would wait for one that a failed test left

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def printed(self) -> list[str]:
        """The whole lines that it has written to standard output so far."""
        return self.files[0].read_text().split("\n")[:-1]

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; returns what it wrote to standard output and to standard error."""
        self.process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("the forked process", timeout)
        out, err = (path.read_text() for path in self.files)
        return out, err


def run_command(*words: object) -> None:
    """What a process is to call for `dcign WORDS`."""
    sys.argv[:] = ["dcign", *map(str, words)]
    cli.main()


def run_command_in_a_group(*words: object) -> None:
    """The same, for a process that begins a group of processes."""
    os.setsid()
    run_command(*words)


def _call(
    function: Callable[..., object], arguments: tuple[object, ...], environment: Mapping[str, str], folder: Path,
    files: list[Path],
) -> None:  # fmt: skip
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY), number)
    function(*arguments)
