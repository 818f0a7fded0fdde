"""Render workers on a Ray cluster (the extra `ray`): long-lived actors with a GL context each.

An actor returns the bytes of its shard and this process writes them, so the machines need no folder in common.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from assets.files import write_file
from render.errors import BadInput, DcignError, Failure
from render.jobs.devices import WORKERS_PER_GPU, gpus
from render.jobs.pool import THREADS, Schedule, check_same, unwrap


class Cluster:
    """Runs a `render.jobs.job.Job` on a Ray cluster, as `render.jobs.pool.Pool` does on this machine.

    address  of the cluster, or "local" for one on this machine that ends with the job
    workers  actors; None: one for each core of the cluster or, where it has GPUs, up to WORKERS_PER_GPU for each
    most     actors that there is work for
    """

    def __init__(self, job: Any, address: str, workers: int | None, most: int) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise BadInput("`ray`: expected the package ray, found none; pip install 'dcign[ray]'") from None
        where = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {"address": address}
        try:
            if ":" in address:  # Ray itself tries for minutes
                host, port = address.rsplit("/", 1)[-1].rsplit(":", 1)
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            raise BadInput(f"`ray={address}`: expected a Ray cluster that answers, found {error}") from None
        self._ray, self._info = ray, None
        has = ray.cluster_resources()
        cores, devices = int(has.get("CPU", 1)), int(has.get("GPU", 0))
        self.count = min(workers or min(cores, devices * WORKERS_PER_GPU or cores), most)
        self._actor: Any = ray.remote(
            num_cpus=1, num_gpus=1 / WORKERS_PER_GPU if devices else 0, runtime_env={"env_vars": THREADS}
        )(_Actor)
        self._job = ray.put(job)
        self._starting: dict[Any, Any] = {}  # call -> actor
        self._idle: list[Any] = []

    def __enter__(self) -> Cluster:
        for _ in range(self.count):
            self._spawn()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def _spawn(self) -> None:
        actor: Any = self._actor.remote(self._job)
        self._starting[actor.start.remote()] = actor

    def first_info(self) -> Any:
        """Return what `job.start()` returned in the first actor."""
        if self._info is None:
            self.run([], lambda order, result: None, lambda n: None)
        return self._info

    def run(
        self,
        tasks: Sequence[Any],
        finished: Callable[[Any, Any], None],
        tick: Callable[[int], None],
        method: str = "run",
    ) -> None:
        """Do all tasks by `method` of the job; a shard is written to the folder of its order before `finished`."""
        schedule = Schedule(tasks)
        busy: dict[Any, tuple[Any, Any]] = {}  # call -> actor, order
        while schedule.left or self._info is None:
            while schedule.waiting and self._idle:
                actor, order = self._idle.pop(), schedule.next()
                busy[getattr(actor, method).remote(order)] = actor, order
            call = self._ray.wait([*busy, *self._starting], num_returns=1)[0][0]
            actor, order = busy.pop(call) if call in busy else (self._starting.pop(call), None)
            try:
                value = unwrap(self._ray.get(call))
            except (self._ray.exceptions.RayActorError, self._ray.exceptions.OutOfMemoryError) as error:
                schedule.lost(order, f": {error}")
                self._spawn()
                continue
            self._idle.append(actor)
            if order is None:
                self._info = self._info or value
                check_same(self._info, value)
                continue
            schedule.left -= 1
            data, result, ticks = value
            if data is not None:
                _write_shard(order, data, result)
            tick(ticks)
            finished(order, result)


def _write_shard(order: tuple[Path, Any], data: bytes, result: tuple[str, int]) -> None:
    folder, task = order
    if hashlib.sha256(data).hexdigest() != result[0]:
        raise Failure(f"{folder / task.name}: damaged on its way from a render worker; run the same command again")
    write_file(folder / task.name, data)


class _Actor:
    """A worker, which answers as those of `render.jobs.pool` do: ("done", value), or ("error", (exit code, text))."""

    def __init__(self, job: Any) -> None:
        self.job = job

    def start(self) -> tuple[str, Any]:
        try:
            found = gpus()  # Ray shows an actor its own GPU only
            if found:
                os.environ["EGL_DEVICE_ID"] = str(found[0])
            return "done", self.job.start()
        except DcignError as error:
            return "error", (error.exit_code, str(error))

    def probe(self, tasks: tuple[Any, ...]) -> tuple[str, Any]:
        return self._answer(lambda tick: (None, self.job.probe(tasks, tick)))

    def run(self, order: tuple[Path, Any]) -> tuple[str, Any]:
        def shard(tick: Callable[[int], None]) -> tuple[bytes, tuple[str, int]]:
            with tempfile.TemporaryDirectory() as folder:
                result = self.job.run((Path(folder), order[1]), tick)
                return (Path(folder) / order[1].name).read_bytes(), result

        return self._answer(shard)

    def _answer(self, work: Callable[[Callable[[int], None]], tuple[Any, Any]]) -> tuple[str, Any]:
        ticks: list[int] = []
        try:
            return "done", (*work(ticks.append), sum(ticks))
        except DcignError as error:
            return "error", (error.exit_code, str(error))
