"""A pool of processes, each with a GL context of its own, that render shards. A worker that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from render.errors import BadInput, DcignError, Failure

ATTEMPTS = 3  # times a task may take its worker down before the job gives up

# A software-GL worker is quickest with one thread, and so is its small linear algebra: processes fill the cores. And no
# pixel may depend on the order of sums, which changes with the number of threads.
THREADS = {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Workers(Protocol):
    """The workers of a job: processes of this machine (`Pool`) or of a cluster (`render.jobs.cluster`)."""

    count: int

    def first_info(self) -> Any:
        """Return what `work.start()` returned in the first worker."""

    def run(
        self,
        tasks: Sequence[Any],
        finished: Callable[[Any, Any], None],
        tick: Callable[[int], None],
        method: str = "run",
    ) -> None:
        """Do all tasks by `method` of the work; calls `finished(task, result)` for each, `tick(n)` for mini-batches."""


class Schedule:
    """The tasks of one run, in their order; a task that took its worker down is tried again, ATTEMPTS times in all.

    waiting  tasks that no worker has, the next one last
    left     how many are not done yet, those that workers have included
    """

    def __init__(self, tasks: Sequence[Any]) -> None:
        self.waiting, self.left = list(reversed(tasks)), len(tasks)
        self._deaths: dict[Any, int] = {}

    def next(self) -> Any:
        """Take the next task out of `waiting`."""
        return self.waiting.pop()

    def lost(self, task: Any, why: str) -> None:
        """Put back the `task` (None: the start) at which a worker died.

        Raises Failure, which ends in `why`, at the last attempt.
        """
        self._deaths[task] = self._deaths.get(task, 0) + 1
        if self._deaths[task] >= ATTEMPTS:
            place = "the start of OpenGL" if task is None else task
            raise Failure(f"a render worker died {ATTEMPTS} times at {place}{why}")
        if task is not None:
            self.waiting.append(task)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    environment: Mapping[str, str]
    task: Any = None


@dataclass
class Pool:
    """Runs `work` (a picklable object with `start() -> info` and `run(task, tick) -> result`) in `count` processes.

    environments  variables that put a worker on its device; workers take turns over them
    """

    work: Any
    count: int
    environments: Sequence[Mapping[str, str]] = ({},)
    _workers: list[_Worker] = field(default_factory=list)
    _info: Any = None

    def __enter__(self) -> Pool:
        os.environ.update(THREADS)  # inherited by the children, too late to matter here
        self._workers = [self._spawn(self.environments[i % len(self.environments)]) for i in range(self.count)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()

    def _spawn(self, environment: Mapping[str, str]) -> _Worker:
        context = multiprocessing.get_context("spawn")  # GL and fork do not mix
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.work, environment), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, environment)

    def first_info(self) -> Any:
        """Return what `work.start()` returned in the first worker."""
        if self._info is None:
            try:
                self._info = unwrap(self._workers[0].pipe.recv())
            except EOFError:
                raise Failure("a render worker died while it opened OpenGL; run `dcign doctor`") from None
        return self._info

    def run(
        self,
        tasks: Sequence[Any],
        finished: Callable[[Any, Any], None],
        tick: Callable[[int], None],
        method: str = "run",
    ) -> None:
        """Do all tasks by `method` of the work, each worker at least one where there are as many.

        Calls `finished(task, result)` here for each, and `tick(n)` as n more mini-batches are done.
        """
        self.first_info()
        schedule = Schedule(tasks)
        for worker in self._workers:
            self._give(worker, schedule, method)
        while schedule.left:
            for pipe in wait([worker.pipe for worker in self._workers]):
                worker = next(worker for worker in self._workers if worker.pipe is pipe)
                try:
                    kind, value = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    schedule.lost(worker.task, "; see `dcign doctor`")
                    worker.pipe.close()
                    worker.process.join()
                    replacement = self._spawn(worker.environment)
                    self._workers[self._workers.index(worker)] = replacement
                    self._give(replacement, schedule, method)
                    continue
                if kind == "tick":
                    tick(value)
                elif kind == "done":
                    schedule.left -= 1
                    done = worker.task
                    self._give(worker, schedule, method)  # which it does while this process keeps the result
                    finished(done, value)
                else:
                    check_same(self._info, unwrap((kind, value)))

    @staticmethod
    def _give(worker: _Worker, schedule: Schedule, method: str) -> None:
        worker.task = schedule.next() if schedule.waiting else None
        if worker.task is not None:
            with suppress(ConnectionError):  # dead: its pipe says so next
                worker.pipe.send((method, worker.task))


def check_same(first: Any, other: Any) -> None:
    """Raise Failure unless two workers started alike: pixels of different GL renderers may not meet in one data set."""
    if other != first:
        raise Failure(
            f"render workers draw with different OpenGL renderers, {first} and {other}; choose one kind of GPU"
        )


def unwrap(message: tuple[str, Any]) -> Any:
    """Return the value of a worker's answer, or raise the error that it is."""
    kind, value = message
    if kind != "error":
        return value
    code, text = value
    raise (BadInput if code == BadInput.exit_code else Failure)(text)


def _serve(pipe: Connection, work: Any, environment: Mapping[str, str]) -> None:
    """Serve as a worker: start, then do one task after another until the pool ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.environ.update(environment)
    try:
        pipe.send(("started", work.start()))
        while True:
            method, task = pipe.recv()
            pipe.send(("done", getattr(work, method)(task, lambda n: pipe.send(("tick", n)))))
    except (EOFError, BrokenPipeError):
        return
    except DcignError as error:
        pipe.send(("error", (error.exit_code, str(error))))
    except MemoryError:
        pipe.send(("error", (Failure.exit_code, "a render worker ran out of memory; use fewer `workers`")))
