"""Several GPUs and machines: `torchrun ... --no-python dcign train ...` starts one process a rank, and each takes its
share of the mini-batches of an update. Their gradients are summed, as one process that takes all of them would.

Rank 0 owns the run folder: it loads, saves and speaks; the others get the state from it. In a process on its own
everything here does nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from dcign.errors import Failure, RunError

Result = TypeVar("Result")

PATIENCE = timedelta(minutes=30)  # for a rank that measures or saves while the others wait


class Ranks:
    """The processes that train one run together: this is number `rank` of `count`, on `device`."""

    def __init__(self, device: torch.device, rank: int = 0, count: int = 1) -> None:
        self.device, self.rank, self.count = device, rank, count

    @property
    def first(self) -> bool:
        """True if this process owns the run folder."""
        return self.rank == 0

    def share(self, minibatches: int) -> range:
        """Return the numbers of this rank's mini-batches of an update."""
        return range(self.rank, minibatches, self.count)

    def sum(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks, in one exchange. Failure if another rank has gone."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self._talk(lambda: dist.all_reduce(flat))
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite each tensor by that of rank 0."""
        if self.count > 1:
            for tensor in tensors:
                whole = tensor.contiguous()
                self._talk(lambda whole=whole: dist.broadcast(whole, 0))  # type: ignore[misc]
                tensor.copy_(whole)

    def agree(self, what: str) -> None:
        """Raise RunError unless all ranks were asked for the same, `what`."""
        if self.count == 1:
            return
        digest = torch.frombuffer(bytearray(hashlib.sha256(what.encode()).digest()), dtype=torch.uint8).long()
        mine = digest.to(self.device)
        least = mine.clone()
        self._talk(lambda: dist.all_reduce(least, dist.ReduceOp.MIN))
        same = (mine == least).all().long()
        self._talk(lambda: dist.all_reduce(same, dist.ReduceOp.MIN))
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
            self._talk(lambda: dist.broadcast(answer, 0))
        if int(answer) < 0:
            raise Failure("rank 0 stopped before training began; its message says why")
        return int(answer)

    def _talk(self, exchange: Callable[[], Result]) -> Result:
        try:
            return exchange()
        except RuntimeError as error:  # torch has no narrower class for a peer that has gone
            raise RankLost(
                f"rank {self.rank} lost another of the {self.count} processes ({_short(error)}); "
                "what was saved is intact: run the same command again to resume"
            ) from None


class RankLost(Failure):
    """Another process of the run has died or cannot be reached."""


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
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise Failure(f"rank {rank} could not join the other {count - 1} processes: {_short(error)}") from None
    try:
        yield Ranks(device, rank, count)
    finally:
        dist.destroy_process_group()


def _short(error: Exception) -> str:
    return str(error).splitlines()[0].split("] ")[-1][:120] if str(error) else type(error).__name__
