"""Several GPUs and machines: `torchrun ... --no-python dcign train ...` starts one process a rank, and each takes its
share of the mini-batches of an update. Their gradients are summed, as one process that takes all of them would.

Rank 0 owns the run folder: it loads, saves and speaks; the others get the state from it. In a process on its own
everything here does nothing.

Whoever waits for the others waits here, in Python, where signals are heard and a rank that does not answer can be given
up while the state is whole: on the host in C++ neither is possible, and NCCL's own watchdog ends the process instead.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from dcign.errors import Failure, RunError

PATIENCE = timedelta(minutes=5)  # with a rank that makes its share of an update
LONG_PATIENCE = timedelta(minutes=30)  # with one that starts, measures or saves
MEANWHILE_EVERY = 1.0  # seconds of waiting after which, again and again, other things are seen to
LONGEST_NAP = 0.01  # seconds between two looks whether the others have answered


class Exchange(Protocol):
    """A collective operation under way; a `torch.distributed.Work`."""

    def is_completed(self) -> bool: ...

    def wait(self, timeout: timedelta) -> object: ...


class Ranks:
    """The processes that train one run together: this is number `rank` of `count`, on `device`.

    updates  the same processes, as a group that exchanges with PATIENCE; by default all is done with LONG_PATIENCE
    """

    def __init__(
        self, device: torch.device, rank: int = 0, count: int = 1, updates: dist.ProcessGroup | None = None
    ) -> None:
        self.device, self.rank, self.count, self._updates = device, rank, count, updates

    @property
    def first(self) -> bool:
        """True if this process owns the run folder."""
        return self.rank == 0

    def share(self, minibatches: int) -> range:
        """Return the numbers of this rank's mini-batches of an update."""
        return range(self.rank, minibatches, self.count)

    def sum(
        self, tensors: list[Tensor], meanwhile: Callable[[], object] = lambda: None, patiently: bool = False
    ) -> None:
        """Replace each tensor by its sum over all ranks, in one exchange.

        meanwhile  is called every MEANWHILE_EVERY seconds of waiting for the others
        patiently  wait for them for LONG_PATIENCE, not just PATIENCE

        RankLost, with the tensors as they were, if another rank has gone or does not answer.
        """
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        group, patience = (None, LONG_PATIENCE) if patiently else (self._updates, PATIENCE)
        self._talk(lambda: dist.all_reduce(flat, group=group, async_op=True), patience, meanwhile)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite each tensor by that of rank 0."""
        if self.count > 1:
            for tensor in tensors:
                whole = tensor.contiguous()
                self._talk(lambda whole=whole: dist.broadcast(whole, 0, async_op=True))  # type: ignore[misc]
                tensor.copy_(whole)

    def agree(self, what: str) -> None:
        """Raise RunError unless all ranks were asked for the same, `what`."""
        if self.count == 1:
            return
        digest = torch.frombuffer(bytearray(hashlib.sha256(what.encode()).digest()), dtype=torch.uint8).long()
        mine = digest.to(self.device)
        least = mine.clone()
        self._talk(lambda: dist.all_reduce(least, dist.ReduceOp.MIN, async_op=True))
        same = (mine == least).all().long()
        self._talk(lambda: dist.all_reduce(same, dist.ReduceOp.MIN, async_op=True))
        if not int(same):
            raise RunError("the processes of this run differ in settings or shards: start all by one command line")

    def on_first(self, work: Callable[[], int]) -> int:
        """Do `work` on rank 0, return its result on every rank. If it fails there, the others stop with a Failure."""
        if self.count == 1:
            return work()
        answer = torch.full((1,), -1, dtype=torch.int64, device=self.device)
        try:
            if self.first:
                answer.fill_(work())
        finally:
            self._talk(lambda: dist.broadcast(answer, 0, async_op=True))
        if int(answer) < 0:
            raise Failure("rank 0 stopped before training began; its message says why")
        return int(answer)

    def _talk(
        self, begin: Callable[[], Exchange], patience: timedelta = LONG_PATIENCE,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        try:
            finish(begin(), patience, meanwhile)
        except (RuntimeError, TimeoutError) as error:  # torch has no narrower class for a peer that has gone
            raise RankLost(
                f"rank {self.rank} lost another of the {self.count} processes ({_short(error)}); "
                "what was saved is intact: run the same command again to resume"
            ) from None


class RankLost(Failure):
    """Another process of the run has died, has stopped or cannot be reached."""


def finish(exchange: Exchange, patience: timedelta, meanwhile: Callable[[], object]) -> None:
    """Wait for an exchange, and see to other things meanwhile.

    Until it is complete nothing is queued behind it on the device, so the state of the run can be read and saved.
    Raises what went wrong, or TimeoutError after `patience` and a tenth: the group itself should have given up before.
    """
    started = time.monotonic()
    called = 0
    while not exchange.is_completed():
        waited = time.monotonic() - started
        if waited > 1.1 * patience.total_seconds():
            raise TimeoutError(f"no answer in {waited:.0f} seconds")
        if waited > (called + 1) * MEANWHILE_EVERY:
            called += 1
            meanwhile()
        time.sleep(min(LONGEST_NAP, waited / 20))
    exchange.wait(patience)  # with a limit, NCCL raises its errors here; without one it would only queue a wait


@contextmanager
def open_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that torchrun started, as its environment variables say; or just this one."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(device)
        return
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        if name not in os.environ:
            raise RunError(f"WORLD_SIZE is {count}, but {name} is not set: start the processes with torchrun")
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise RunError(f"torchrun: {local + 1} processes on a machine with {torch.cuda.device_count()} GPUs")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
        os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")  # `finish` raises; the watchdog would end us
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=LONG_PATIENCE)
        updates = dist.new_group(timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise Failure(f"rank {rank} could not join the other {count - 1} processes: {_short(error)}") from None
    try:
        yield Ranks(device, rank, count, updates)
    finally:
        with suppress(RuntimeError):  # of the lost rank, which has been reported
            dist.destroy_process_group()


def _short(error: Exception) -> str:
    return str(error).splitlines()[0].split("] ")[-1][:120] if str(error) else type(error).__name__
