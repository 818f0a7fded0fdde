"""A pool of processes, each with a GL context of its own, that render shards. A worker that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from render.errors import BadInput, DcignError, Failure

ATTEMPTS = 3  # times a task may take its worker down before the job gives up

# A software-GL worker is quickest with one thread, and so is its small linear algebra: processes fill the cores. And no
# pixel may depend on the order of sums, which changes with the number of threads.
THREADS = {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: Any = None


@dataclass
class Pool:
    """Runs `work` (a picklable object with `start() -> info` and `run(task, tick) -> result`) in `count` processes."""

    work: Any
    count: int
    _workers: list[_Worker] = field(default_factory=list)

    def __enter__(self) -> Pool:
        os.environ.update(THREADS)  # inherited by the children, too late to matter here
        self._workers = [self._spawn() for _ in range(self.count)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()

    def _spawn(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # GL and fork do not mix
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.work), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def first_info(self) -> Any:
        """What `work.start()` returned in the first worker."""
        try:
            return _unwrap(self._workers[0].pipe.recv())
        except EOFError:
            raise Failure("a render worker died while it opened OpenGL; run `dcign doctor`") from None

    def run(self, tasks: Sequence[Any], finished: Callable[[Any, Any], None], tick: Callable[[int], None]) -> None:
        """Run all tasks; call `finished(task, result)` here for each, and `tick(n)` as n more mini-batches are done."""
        waiting, left = list(reversed(tasks)), len(tasks)
        attempts: dict[Any, int] = {}
        for worker in self._workers:
            self._give(worker, waiting)
        while left:
            for pipe in wait([worker.pipe for worker in self._workers]):
                worker = next(worker for worker in self._workers if worker.pipe is pipe)
                try:
                    kind, value = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    attempts[worker.task] = attempts.get(worker.task, 0) + 1
                    if attempts[worker.task] >= ATTEMPTS:
                        raise Failure(
                            f"a render worker died {ATTEMPTS} times at {worker.task}; see `dcign doctor`"
                        ) from None
                    worker.pipe.close()
                    worker.process.join()
                    replacement = self._spawn()
                    self._workers[self._workers.index(worker)] = replacement
                    if worker.task is not None:
                        waiting.append(worker.task)
                    self._give(replacement, waiting)
                    continue
                if kind == "tick":
                    tick(value)
                elif kind == "done":
                    left -= 1
                    finished(worker.task, value)
                    self._give(worker, waiting)
                else:
                    _unwrap((kind, value))  # another worker that started, or an error

    @staticmethod
    def _give(worker: _Worker, waiting: list[Any]) -> None:
        worker.task = waiting.pop() if waiting else None
        if worker.task is not None:
            worker.pipe.send(worker.task)


def _unwrap(message: tuple[str, Any]) -> Any:
    kind, value = message
    if kind == "started":
        return value
    code, text = value
    raise (BadInput if code == BadInput.exit_code else Failure)(text)


def _serve(pipe: Connection, work: Any) -> None:
    """A worker's life: start, then one task after another until the pool ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        pipe.send(("started", work.start()))
        while True:
            task = pipe.recv()
            pipe.send(("done", work.run(task, lambda n: pipe.send(("tick", n)))))
    except (EOFError, BrokenPipeError):
        return
    except DcignError as error:
        pipe.send(("error", (error.exit_code, str(error))))
    except MemoryError:
        pipe.send(("error", (Failure.exit_code, "a render worker ran out of memory; use fewer --workers")))
