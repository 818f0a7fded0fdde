"""SIGTERM, SIGHUP and Ctrl-C, noted while a step is finished and its checkpoint written."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECOND_THOUGHTS = 1.0  # seconds after which another Ctrl-C is one more wish, not the echo of the first


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect stop signals in the list it gives, so that a step is finished and saved first.

    A second Ctrl-C, more than SECOND_THOUGHTS later, acts at once. Others are only noted: launchers and terminals send
    the same one twice. A hang-up is left alone where it is ignored (nohup).
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]
    first = 0.0

    def note(number: int, frame: object) -> None:
        nonlocal first
        if number == signal.SIGINT and received and time.monotonic() - first > SECOND_THOUGHTS:
            raise KeyboardInterrupt
        first = first or time.monotonic()
        received.append(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
