"""Arrays in NumPy's `.npz` archives, stored or compressed, opened without unpickling and without unpacking.

The layout of `.npy` and `.npz` is stated by NumPy's documentation (numpy.lib.format). An archive holds one `.npy` file
an array; arrays of objects are pickles, and are never read.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from assets.archives import open_zip
from render.errors import AssetError, BadInput
from render.imports.collections.array_file import STREAM_ERRORS, ArrayFile
from render.shards.shard_file import member_start, read_array_header

LARGEST_HEADER = 4096  # bytes, of an array
ENCRYPTED = 1  # flag of a member


def open_npz_array(path: Path, name: str, dtype: str, shape: Sequence[int | None]) -> ArrayFile:
    """Open the array `name` of an archive, of this type and shape; None stands for any length.

    Raises BadInput naming the file, what was expected and what was found.
    """
    where, kind = f"{path} {name}", np.dtype(dtype)
    archive = _archive(path)
    entry = _entry(path, archive, name)
    try:
        with archive.open(entry) as member:
            header = io.BytesIO(member.read(LARGEST_HEADER))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a header that Python 2 wrote
            sizes, fortran, found_kind = read_array_header(header)
    except STREAM_ERRORS as error:
        raise BadInput(f"{where}: expected a plain array, found {error}") from error
    fits = len(sizes) == len(shape) and all(b in (None, a) for a, b in zip(sizes, shape, strict=True))
    if found_kind != kind or fortran or not fits:
        wanted = ", ".join("N" if length is None else str(length) for length in shape)
        found = "an object (pickle)" if found_kind.hasobject else f"{found_kind} {sizes}"
        raise BadInput(f"{where}: expected {kind} ({wanted}) in C order, found {found[:120]}")
    size = header.tell() + math.prod(sizes) * kind.itemsize
    if size != entry.file_size:
        raise BadInput(f"{where}: expected {size} bytes for its shape {sizes}, found {entry.file_size}")
    if entry.compress_type == zipfile.ZIP_STORED:
        start = _start(path, where, entry) + header.tell()
        return ArrayFile(where, kind, sizes, lambda: open(path, "rb"), start, seekable=True)
    unpacked = cast(Callable[[], BinaryIO], partial(archive.open, entry))
    return ArrayFile(where, kind, sizes, unpacked, header.tell(), seekable=False)


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return open_zip(path)
    except AssetError as error:
        raise BadInput(f"{error}".replace("a zip library", "a whole .npz archive", 1)) from None


def _entry(path: Path, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Find the one member of an array. BadInput for none or several, or if it is packed in another way."""
    entries = [entry for entry in archive.infolist() if entry.filename == f"{name}.npy"]
    if len(entries) != 1:
        found = ", ".join(sorted(entry.filename for entry in archive.infolist())[:8]) or "nothing"
        raise BadInput(f"{path}: expected an archive that holds {name}.npy once, found {found[:120]!a}")
    if entries[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entries[0].flag_bits & ENCRYPTED:
        raise BadInput(f"{path} {name}: expected a member that is stored or deflated, found another kind")
    return entries[0]


def _start(path: Path, where: str, entry: zipfile.ZipInfo) -> int:
    """Return the byte of the archive at which a stored member starts, all of which it has."""
    try:
        with open(path, "rb") as file:
            start = member_start(file, entry)
            size = file.seek(0, io.SEEK_END)
    except (OSError, ValueError) as error:
        raise BadInput(f"{where}: cannot be read: {error}") from error
    if start + entry.file_size > size:
        raise BadInput(f"{where}: expected {entry.file_size} bytes, found a truncated file")
    return start
