"""Parts of `scripts/gpu-check` that go wrong in every way."""

import os
import signal
import subprocess
import sys
import time


def good(room):
    print("said by a good part")
    room.note(figure=1.5)


def wrong(room):
    room.note(figure=2.5)
    room.check(False, "one is not two")
    room.note(later=True)


def raising(room):
    raise ValueError("no such thing\nmore lines")


def crashing(room):
    room.note(figure=3.5)
    os.kill(os.getpid(), signal.SIGSEGV)


def hanging(room):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    room.note(child=child.pid)
    time.sleep(60)
