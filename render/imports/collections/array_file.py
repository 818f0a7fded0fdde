"""Large arrays in files of others, of which rows are read one by one: nothing but the row at hand is in memory.

A row is what one index of the first axis selects, here one image or what is known of it. A file that can be read
anywhere is read where the rows lie; one that is compressed is unpacked once, from its start to its end, where its
checksum is.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput

MOST_ROWS = 2**22  # the largest of the collections has 1,036,800
LARGEST_ROW = 2**22  # bytes; the largest of the collections has 49,152
LARGEST_WHOLE = 2**28  # bytes of an array that is read whole
BLOCK = 2**20  # bytes passed over at a time

# What a damaged stream raises, plain or compressed.
STREAM_ERRORS = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True, eq=False)
class ArrayFile:
    """An array that lies row after row in a file, in C order.

    where     the file, and what of it, for messages
    shape     (M, ...), M rows
    open      opens the file, or what it is unpacked to, from its start
    start     byte of that at which the first row begins
    seekable  whether it can be read anywhere at once; or else what is passed over has to be unpacked

    Raises BadInput naming `where` if it has too many rows, or rows that are too large.
    """

    where: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    open: Callable[[], BinaryIO]
    start: int
    seekable: bool

    def __post_init__(self) -> None:
        if not 1 <= self.shape[0] <= MOST_ROWS or not 1 <= self.row_bytes <= LARGEST_ROW:
            raise BadInput(
                f"{self.where}: expected 1 to {MOST_ROWS} rows of at most {LARGEST_ROW} bytes, "
                f"found an array of shape {self.shape}"
            )

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def whole(self) -> NDArray[np.generic]:
        """Read all of it. Raises BadInput if that is more than LARGEST_WHOLE bytes, or if it cannot be read."""
        size = self.shape[0] * self.row_bytes
        if size > LARGEST_WHOLE:
            raise BadInput(f"{self.where}: expected at most {LARGEST_WHOLE} bytes, found an array of {size}")
        try:
            with self.open() as stream:
                self._go(stream, self.start)
                data = _read(stream, size)
        except STREAM_ERRORS as error:
            raise self._unreadable(0, error) from error
        return np.frombuffer(data, self.dtype).reshape(self.shape)

    def rows(self, wanted: NDArray[np.int64]) -> Iterator[NDArray[np.generic]]:
        """Yield the rows `wanted`, which ascend; each has shape[1:].

        Raises BadInput naming the row that cannot be read, and after the last if the checksum of a file is wrong.
        """
        row, last, data = 0, -1, b""
        try:
            with self.open() as stream:
                for row in wanted.tolist():
                    if row != last:
                        self._go(stream, self.start + row * self.row_bytes)
                        last, data = row, _read(stream, self.row_bytes)
                    yield np.frombuffer(data, self.dtype).reshape(self.shape[1:])
                while not self.seekable and stream.read(BLOCK):
                    row = self.shape[0] - 1  # what is behind the last one wanted
        except STREAM_ERRORS as error:
            raise self._unreadable(row, error) from error

    def _go(self, stream: BinaryIO, byte: int) -> None:
        if self.seekable:
            stream.seek(byte)
            return
        left = byte - stream.tell()
        while left > 0:
            passed = len(stream.read(min(left, BLOCK)))
            if not passed:
                raise EOFError("the file ends before it")
            left -= passed

    def _unreadable(self, row: int, error: Exception) -> BadInput:
        why = getattr(error, "strerror", None) or error or type(error).__name__
        return BadInput(f"{self.where}: expected {self.shape[0]} rows, found row {row + 1} that cannot be read: {why}")


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    if len(data) < size:
        raise EOFError("the file ends before it")
    return data


def find_file(path: Path, pattern: str, what: str) -> Path:
    """Return `path`, or the one file in the folder `path` of names like `pattern`. BadInput for none or several."""
    if path.is_file():
        return path
    found = sorted(found for found in path.glob(pattern) if found.is_file()) if path.is_dir() else []
    if len(found) != 1:
        names = ", ".join(found.name for found in found) if found else "no such file"
        raise BadInput(f"{path}: expected {what}, found {names}{'; name one of them' if found else ''}")
    return found[0]
