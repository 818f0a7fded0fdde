"""Reads arrays of numbers from MATLAB files of versions 5 to 7 (MathWorks, MAT-File Level 5 File Format).

In place of scipy.io.loadmat, which some damaged files make crash the whole process. Reads numeric arrays and structs of
them, nothing else; never believes a size, and skips variables that were not asked for.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from assets.errors import AssetError

Array = NDArray[Any]
Value = Array | dict[str, Array]

HEADER = 128  # bytes
LARGEST_VARIABLE = 2**31  # bytes, unpacked
FEW = 4096  # bytes that hold the head of a variable: its class, size and name
BLOCK = 2**18  # bytes unpacked at a time
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by type
INT32, UINT32, MATRIX, COMPRESSED = 5, 6, 14, 15  # types of data
STRUCT, NUMERIC = 2, range(6, 16)  # classes of arrays
COMPLEX = 0x800


def read_matlab(path: Path, names: tuple[str, ...], largest: int = LARGEST_VARIABLE) -> dict[str, Value]:
    """Read the variables called `names` that the file has: arrays of numbers, and structs of such as dictionaries.

    Other kinds of variables are left out. None may have more than `largest` bytes, and a little for its head. Raises
    AssetError naming the file, what was expected and what was found.
    """
    try:
        with path.open("rb") as file:
            order = _byte_order(file.read(HEADER))
            return dict(_variables(file, order, names, path.stat().st_size, largest + FEW))
    except (OSError, ValueError, struct.error, zlib.error, MemoryError) as error:
        raise AssetError(f"{path}: expected a whole MATLAB file of version 5 to 7, found {error}") from error


def _byte_order(header: bytes) -> str:
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None:
        raise ValueError("another kind of file")
    (version,) = struct.unpack(order + "H", header[124:126])
    if version == 0x200:  # HDF5 in MATLAB's own layout
        raise ValueError("version 7.3; save(..., '-v7') writes one that is read")
    return order


def _variables(
    file: BinaryIO, order: str, names: tuple[str, ...], size: int, largest: int
) -> Iterator[tuple[str, Value]]:
    at = HEADER
    while at < size:
        file.seek(at)
        kind, length = struct.unpack(order + "II", file.read(8))
        at += 8 + length  # variables are not padded
        if at > size:
            raise ValueError(f"its end at byte {size} instead of {at} or later")
        if kind not in (COMPRESSED, MATRIX):
            raise ValueError(f"data of type {kind} in place of a variable")
        start = file.tell()
        name = _head(memoryview(_content(file, kind, length, order, LARGEST_VARIABLE, FEW)), order)[2]
        if name not in names:
            continue
        file.seek(start)
        value = _value(memoryview(_content(file, kind, length, order, largest, largest)), order, nested=False)
        if value is not None:
            yield name, value


def _content(file: BinaryIO, kind: int, length: int, order: str, largest: int, most: int) -> bytes | bytearray:
    """Read the matrix of up to `largest` bytes stored in the next `length` bytes, or no more than its first `most`."""
    if kind == MATRIX:
        if most > FEW and length > largest:
            raise ValueError(f"{length} bytes in a variable")
        return file.read(min(length, most))
    stream, end = zlib.decompressobj(), file.tell() + length
    tag = stream.decompress(file.read(min(length, BLOCK)), 8)
    kind, unpacked = struct.unpack(order + "II", tag)
    if kind != MATRIX or unpacked > largest:
        raise ValueError(f"{unpacked} bytes of type {kind} in a compressed variable")
    content = bytearray(min(unpacked, most))
    filled = 0
    while filled < len(content):
        packed = stream.unconsumed_tail or file.read(min(end - file.tell(), BLOCK))
        piece = stream.decompress(packed, len(content) - filled)
        if not packed or (stream.eof and not piece):
            raise ValueError(f"{filled} bytes of {len(content)} in a compressed variable")
        content[filled : filled + len(piece)] = piece
        filled += len(piece)
    return content


def _element(view: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Return (type, content, start of the next) of the element at byte `at`; up to 4 bytes stand in the tag itself."""
    (kind,) = struct.unpack_from(order + "I", view, at)
    if kind >> 16:
        kind, length, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if length > 4:
            raise ValueError(f"{length} bytes in a small element")
    else:
        (length,) = struct.unpack_from(order + "I", view, at + 4)
        start = at + 8
        following = start + length + -length % 8
    if start + length > len(view):
        raise ValueError(f"{len(view)} bytes in place of {start + length}")
    return kind, view[start : start + length], following


def _head(view: memoryview, order: str) -> tuple[int, tuple[int, ...], str, int]:
    """Return (class, shape, name, start of the content) of a matrix; class 0 for complex ones, which are not read."""
    kind, flags, at = _element(view, 0, order)
    if kind != UINT32 or len(flags) != 8:
        raise ValueError("no array flags")
    (flag, _) = struct.unpack(order + "II", flags)
    kind, sizes, at = _element(view, at, order)
    if kind != INT32 or len(sizes) % 4 or not 2 <= len(sizes) // 4 <= 32:
        raise ValueError("no array sizes")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if min(shape) < 0:
        raise ValueError(f"the array sizes {shape}")
    _, name, at = _element(view, at, order)
    return (0 if flag & COMPLEX else flag & 0xFF), shape, bytes(name).decode("latin-1"), at


def _value(view: memoryview, order: str, nested: bool) -> Value | None:
    """Return the array that a matrix holds, or the arrays of the fields of a struct; None for anything else."""
    array_class, shape, _, at = _head(view, order)
    if array_class in NUMERIC:
        kind, content, _ = _element(view, at, order)
        if kind not in NUMBERS:
            raise ValueError(f"data of type {kind} in an array of numbers")
        dtype = np.dtype(order + NUMBERS[kind])
        if math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"{len(content)} bytes in an array {shape} of {dtype}")
        return np.frombuffer(content, dtype).reshape(shape, order="F")
    if array_class != STRUCT or nested or math.prod(shape) != 1:
        return None
    _, width, at = _element(view, at, order)
    (longest,) = struct.unpack(order + "i", width)
    _, text, at = _element(view, at, order)
    if longest < 1:
        raise ValueError(f"field names of length {longest}")
    fields: dict[str, Array] = {}
    for start in range(0, len(text), longest):
        kind, content, at = _element(view, at, order)
        name = bytes(text[start : start + longest]).split(b"\0")[0].decode("latin-1")
        value = _value(content, order, nested=True) if kind == MATRIX and len(content) else None
        if isinstance(value, np.ndarray):
            fields[name] = value
    return fields
