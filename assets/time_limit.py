"""A limit on the time that one untrusted file may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from assets.errors import AssetError


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise AssetError in the body once this process has spent `seconds` of processor time in it.

    A timer signal interrupts whatever Python code is running, in our readers or in a library's; a single call into C
    ends first, and those are bounded by the limits on sizes. Processor time, not the clock's: whether a model is
    readable must not depend on how busy the machine is. Signals reach the main thread only, which is where workers
    read their models; in other threads, or where a profiler uses the same timer, there is no limit.
    """
    taken = signal.getsignal(signal.SIGPROF) != signal.SIG_DFL or signal.getitimer(signal.ITIMER_PROF)[0] > 0
    if taken or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssetError(f"expected a model that is read in {seconds:g} s, found it unfinished after that")

    signal.signal(signal.SIGPROF, stop)
    again = min(seconds, 1.0)  # should a library swallow the exception
    signal.setitimer(signal.ITIMER_PROF, seconds, again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
