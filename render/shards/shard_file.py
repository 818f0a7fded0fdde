"""One shard: a stored, pickle-free `.npz` file of whole mini-batches of one factor. The contract between the stages.

A shard of B mini-batches of N images holds (all members stored uncompressed, written by `numpy.savez`)

    images                          uint8    (B, N, H, W)  grey, row 0 at the top
    azimuth, elevation, light, ...  float32  (B, N)        degrees; one for each factor of the manifest's `ranges`
    identity                        int64    (B, N)
    coefficients                    float32  (B, N, K) or (B, 1, K), faces only

Equal arrays give equal bytes, so a shard is known by its sha256. Plain numpy: both stages import this module.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import weakref
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assets.files import write_file
from render.errors import ShardError
from render.factors import EXTRINSIC

Arrays = Mapping[str, NDArray[Any]]

_TYPES = {"images": "uint8", "identity": "int64"}  # all others: float32
_AXES = {"images": 4, "coefficients": 3}  # all others: 2


def shard_name(factor: str, split: str, index: int) -> str:
    """Return the file name of a shard: `<factor>-<split>-<index:05d>.npz`."""
    return f"{factor}-{split}-{index:05d}.npz"


def write_shard(path: Path, arrays: Arrays) -> tuple[str, int]:
    """Write one shard atomically; returns its sha256 (hexadecimal) and its size in bytes."""
    buffer = io.BytesIO()
    ordered = [name for name in arrays if name not in ("images", "identity", "coefficients")]
    names = [n for n in ("images", *ordered, "identity", "coefficients") if n in arrays]
    members: dict[str, Any] = {name: np.ascontiguousarray(arrays[name]) for name in names}
    np.savez(buffer, **members)
    data = buffer.getvalue()
    write_file(path, data)
    return hashlib.sha256(data).hexdigest(), len(data)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return _hash(file.read)


class ShardFile:
    """A shard that is open: arrays are read from it when they are asked for, without the rest of the file.

    They are read and not mapped, because a mapped file that somebody shortens ends the process by a signal. After each
    reading the file has to be as it was when it was opened, in place, size and time of its last change; or else its
    content still has to have the hash `sha256`. So what another program writes meanwhile is never taken for the shard.

    path
    stamp    what tells whether the file has changed
    shapes   member -> shape
    labels   extrinsic factors and 'identity' -> (B, N), read when it was opened
    """

    def __init__(self, path: Path, values: Iterable[str] = EXTRINSIC, sha256: str | None = None) -> None:
        """Open the shard at `path`, whose extrinsic members are `values`.

        Checks, before any data is read, that the file is a zip of stored `.npy` members of the expected names, types
        and shapes, and that each member lies within the file. Raises ShardError naming the file otherwise.
        """
        self.path, self._sha256 = path, sha256
        required = ("images", *values, "identity")
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._handle)
            self.stamp = _stamp(self._handle)
            with open(self._handle, "rb", closefd=False) as file:
                self._members = _members(path, file, required)
        except FileNotFoundError:
            raise ShardError(f"{path}: expected a shard, found no such file") from None
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise ShardError(
                f"{path}: expected a whole .npz shard, found a damaged or foreign file ({error})"
            ) from None
        self.shapes = {name: member.shape for name, member in self._members.items()}
        _check_shapes(path, self.shapes)
        self.labels = {name: self.read(name) for name in required if name != "images"}

    def read(self, name: str) -> NDArray[Any]:
        """Read a whole member."""
        member = self._members[name]
        return self._read(np.empty(member.shape, member.dtype), member.start)

    def row(self, name: str, number: int, into: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read mini-batch `number` of a member, into an array of its shape and type if there is one."""
        member = self._members[name]
        row = np.empty(member.shape[1:], member.dtype) if into is None else into
        return self._read(row, member.start + number * row.nbytes)

    def hash(self) -> str:
        """Return the sha256 of the file, hexadecimal."""
        try:
            with open(os.dup(self._handle), "rb") as file:
                file.seek(0)
                return _hash(file.read)
        except OSError as error:
            raise ShardError(f"{self.path}: cannot be read: {error.strerror or error}") from None

    def check_unchanged(self, stamp: Stamp) -> None:
        """Raise ShardError unless the file is as `stamp` says, or has the content that it should have."""
        now = _stamp(self._handle)
        if now == stamp:
            return
        if now.size == stamp.size and self.hash() == self._sha256 and _stamp(self._handle) == now:
            self.stamp = now  # copied over itself, or touched
            return
        found = f"{now.size} bytes" if now.size != stamp.size else "other content"
        raise ShardError(
            f"{self.path}: expected the {stamp.size} bytes that were there when work began, found {found}: "
            "the file was changed meanwhile"
        )

    def _read(self, array: NDArray[Any], start: int) -> NDArray[Any]:
        while True:
            stamp = self.stamp
            whole = self._fill(array, start)
            if whole and _stamp(self._handle) == stamp:
                return array
            self.check_unchanged(stamp)
            if not whole and self.stamp == stamp:
                raise ShardError(f"{self.path}: expected {start + array.nbytes} bytes or more, found fewer")

    def _fill(self, array: NDArray[Any], start: int) -> bool:
        """Read into `array`, from `start` on; False if the file ends before it is full."""
        try:
            done = os.preadv(self._handle, [array.data], start)
            while done < array.nbytes:  # larger than one reading may be, or the file ends there
                rest = array.reshape(-1).view(np.uint8)[done:]
                count = os.preadv(self._handle, [rest.data], start + done)
                if count == 0:
                    return False
                done += count
        except OSError as error:
            raise ShardError(f"{self.path}: cannot be read: {error.strerror or error}") from None
        return True


class Stamp(NamedTuple):
    """Signs of a change of a file: where it lies, its size in bytes, and the time of its last change in nanoseconds."""

    device: int
    inode: int
    size: int
    changed: int


def _stamp(handle: int) -> Stamp:
    found = os.fstat(handle)
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _hash(read: Callable[[int], bytes]) -> str:
    digest = hashlib.sha256()
    while block := read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


class _Member(NamedTuple):
    """Place of an array's elements in the file, their kind and their shape."""

    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _members(path: Path, file: BinaryIO, required: Sequence[str]) -> dict[str, _Member]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    size = file.seek(0, os.SEEK_END)
    members = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name not in required and name != "coefficients":
            raise ShardError(f"{path}: expected members {', '.join(required)}, found {entry.filename!r}")
        members[name] = _member(path, file, size, entry, name)
    missing = [name for name in required if name not in members]
    if missing:
        raise ShardError(f"{path}: expected members {', '.join(required)}, found no {', '.join(missing)}")
    return members


def _member(path: Path, file: BinaryIO, size: int, entry: zipfile.ZipInfo, name: str) -> _Member:
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ShardError(f"{path}: expected stored members, found {entry.filename} compressed")
    try:
        start = member_start(file, entry)
    except ValueError as error:
        raise ShardError(f"{path}: {error}") from None
    if start + entry.file_size > size:
        raise ShardError(f"{path}: expected {entry.file_size} bytes of {entry.filename}, found a truncated file")
    file.seek(start)
    header = io.BytesIO(file.read(min(entry.file_size, 4096)))
    try:
        shape, fortran, dtype = read_array_header(header)
    except ValueError as error:
        raise ShardError(f"{path}: expected a plain array in {entry.filename}, found {error}") from None
    wanted, axes = np.dtype(_TYPES.get(name, "float32")), _AXES.get(name, 2)
    if dtype != wanted or fortran or len(shape) != axes:
        raise ShardError(
            f"{path}: expected {name} as {wanted} with {axes} axes in C order, "
            f"found {'an object (pickle)' if dtype.hasobject else dtype} of shape {shape}"
        )
    if header.tell() + math.prod(shape) * wanted.itemsize != entry.file_size:  # Python integers: none overflows
        raise ShardError(f"{path}: expected {name} of shape {shape} to fill its member, found {entry.file_size} bytes")
    return _Member(start + header.tell(), wanted, shape)


def member_start(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Return the byte of a zip at which the content of a member starts. ValueError if it has no header there."""
    file.seek(entry.header_offset)
    local = file.read(30)
    if local[:4] != b"PK\x03\x04":
        raise ValueError(f"expected a zip header for {entry.filename}, found other bytes")
    # The name and extra lengths of the local header: the central directory lacks the ZIP64 extra.
    return entry.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")


def read_array_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an `.npy` array up to its first element: shape, whether in Fortran order, type.

    Raises ValueError, in one line, for anything but a header of version 1.0, which `numpy.save` writes.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"npy version {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as error:  # of Python's parser
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"an array header that cannot be read ({why:.100})") from None
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"an array of shape {shape!s:.60}")
    return shape, bool(fortran), dtype


def _check_shapes(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    batches, count = shapes["images"][:2]
    if 0 in shapes["images"]:
        raise ShardError(f"{path}: expected images, found shape {shapes['images']}")
    for name, shape in shapes.items():
        if name != "coefficients" and shape[:2] != (batches, count):
            raise ShardError(f"{path}: expected {name} of shape ({batches}, {count}), found {shape}")
    if "coefficients" in shapes:
        shape = shapes["coefficients"]
        if shape[0] != batches or shape[1] not in (1, count):
            raise ShardError(f"{path}: expected coefficients of shape ({batches}, 1 or {count}, K), found {shape}")
