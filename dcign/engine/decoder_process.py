"""Decodes untrusted images in a process of its own, which can be ended whatever a decoder is doing.

The process stays for the next image: the first costs a tenth of a second, any other what its bytes take through a pipe.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import weakref
from contextlib import suppress
from threading import Lock
from typing import IO

from PIL import Image

from assets.mesh import at_full_depth
from dcign.engine.image_decoder import BYTES, MAX_PIXELS
from dcign.errors import RunError

START = "import sys; sys.path[:] = sys.argv[1:]; from dcign.engine.image_decoder import serve; serve()"
LONGEST_LINE = 10_000  # bytes of an answer before its pixels


class DecoderProcess:
    """A process that decodes images under the limits of `image_decoder`, from the first on; for use from any thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # process that started it: one that was forked shares its pipes
        self._lock = Lock()
        self._stopped = False

    def decode(self, content: bytes | bytearray, name: str) -> Image.Image:
        """Decode the image in `content`, upright. RunError, naming it `name`, as `image_decoder.decode` says."""
        with self._lock:
            process = self._running(name)
            try:
                return _ask(process, content, name)
            except (EOFError, BrokenPipeError):
                self._process = None
                raise RunError(f"{name}: {self._fate(process)}") from None
            except RunError:
                raise
            except BaseException:  # Ctrl-C in the midst of an answer
                self._process = None
                _end(process, self._owner)
                raise

    def stop(self) -> None:
        """End the process for good, also in the midst of an image, whose `decode` raises RunError."""
        self._stopped = True
        process = self._process
        if process is not None and self._owner == os.getpid():
            process.kill()

    def _running(self, name: str) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, *sys.path],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self._owner = os.getpid()
            weakref.finalize(self, _end, self._process, self._owner)
        if self._stopped:
            _end(self._process, self._owner)
            raise RunError(f"{name}: not decoded: the program ends")
        return self._process

    def _fate(self, process: subprocess.Popen[bytes]) -> str:
        """Say why the process ended."""
        _end(process, self._owner)
        if self._stopped:
            return "not decoded: the program ends"
        if process.returncode == -signal.SIGPROF:
            return "takes far longer to decode than an image of its size should; save it anew with another program"
        return "damaged image: its decoder broke off"


class DecoderPool:
    """Decoding processes for several threads: one for each that asks at the same time, kept for the next image."""

    def __init__(self) -> None:
        self._idle: list[DecoderProcess] = []

    def decode(self, content: bytes, name: str) -> Image.Image:
        """Decode an image as `DecoderProcess.decode` does."""
        process = self._idle.pop() if self._idle else DecoderProcess()
        try:
            return process.decode(content, name)
        finally:
            self._idle.append(process)


def _ask(process: subprocess.Popen[bytes], content: bytes | bytearray, name: str) -> Image.Image:
    """Have one image decoded. RunError for what is none; EOFError or BrokenPipeError if the process has ended.

    The answer is not trusted either: a decoder may have been made to write what a file wants.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"%d\n" % len(content))
    process.stdin.write(content)
    process.stdin.flush()
    line = process.stdout.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise EOFError
    try:
        answer = json.loads(line)
        if "problem" in answer:
            raise RunError(f"{name}: {answer['problem']}")
        mode, (width, height), key, bits = (answer[name] for name in ("mode", "size", "transparency", "bits"))
        if not 0 < width * height <= MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels")
        image = Image.frombytes(mode, (width, height), _read(process.stdout, math.ceil(width * BYTES[mode]) * height))
    except (ValueError, KeyError, TypeError):
        raise EOFError from None
    if key is not None:
        image.info["transparency"] = key
    return at_full_depth(image, bits)


def _read(stream: IO[bytes], count: int) -> bytearray:
    content = bytearray(count)
    view, done = memoryview(content), 0
    while done < count:
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        done += got
    return content


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a process, unless it has ended or belongs to the process that this one was forked from."""
    if owner == os.getpid():
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            if pipe is not None:
                pipe.close()
