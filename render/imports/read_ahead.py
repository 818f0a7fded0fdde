"""Reading ahead: threads work on the next few things while the last one is being used."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def read_ahead(read: Callable[[Thing], Result], things: Iterable[Thing]) -> Iterator[Result]:
    """Yield `read(thing)` of each thing, in their order; as many threads as there are cores read a few ahead.

    What `read` raises is raised where its result would have come.
    """
    threads = len(os.sched_getaffinity(0))
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for thing in things:
                waiting.append(pool.submit(read, thing))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
