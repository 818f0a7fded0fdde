"""SIGTERM and Ctrl-C, noted while a step is finished and its checkpoint written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the list it gives, so that a step is finished first; a second one acts at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        received.append(number)
        for again in before:
            signal.signal(again, before[again])

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number in before:
            signal.signal(number, before[number])
