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
import mmap
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

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
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def map_shard(path: Path, values: Iterable[str] = EXTRINSIC) -> dict[str, NDArray[Any]]:
    """Map the members of a shard from disk as read-only arrays, without a copy; `values` names its extrinsic ones.

    Checks, before any data is touched, that the file is a zip of stored `.npy` members of the expected names, types
    and shapes, and that each member lies within the file. Raises ShardError naming the file otherwise.
    """
    try:
        with open(path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except FileNotFoundError:
        raise ShardError(f"{path}: expected a shard, found no such file") from None
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ShardError(f"{path}: expected a whole .npz shard, found a damaged or foreign file ({error})") from None
    required = ("images", *values, "identity")
    arrays = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name not in required and name != "coefficients":
            raise ShardError(f"{path}: expected members {', '.join(required)}, found {entry.filename!r}")
        arrays[name] = _map_member(path, mapped, entry, name)
    missing = [name for name in required if name not in arrays]
    if missing:
        raise ShardError(f"{path}: expected members {', '.join(required)}, found no {', '.join(missing)}")
    _check_shapes(path, arrays)
    return arrays


def _map_member(path: Path, mapped: mmap.mmap, entry: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ShardError(f"{path}: expected stored members, found {entry.filename} compressed")
    local = mapped[entry.header_offset : entry.header_offset + 30]
    if local[:4] != b"PK\x03\x04":
        raise ShardError(f"{path}: expected a zip header for {entry.filename}, found other bytes")
    # The name and extra lengths of the local header: the central directory lacks the ZIP64 extra.
    start = entry.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    if start + entry.file_size > len(mapped):
        raise ShardError(f"{path}: expected {entry.file_size} bytes of {entry.filename}, found a truncated file")
    header = io.BytesIO(mapped[start : start + min(entry.file_size, 4096)])
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
    count = 1
    for length in shape:  # Python integers: a hostile shape cannot overflow
        count *= int(length)
    if header.tell() + count * wanted.itemsize != entry.file_size:
        raise ShardError(f"{path}: expected {name} of shape {shape} to fill its member, found {entry.file_size} bytes")
    flat = np.frombuffer(mapped, dtype=wanted, count=count, offset=start + header.tell())
    return flat.reshape(shape)


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


def _check_shapes(path: Path, arrays: Arrays) -> None:
    batches, count = arrays["images"].shape[:2]
    if 0 in arrays["images"].shape:
        raise ShardError(f"{path}: expected images, found shape {arrays['images'].shape}")
    for name in arrays:
        if name != "coefficients" and arrays[name].shape[:2] != (batches, count):
            raise ShardError(f"{path}: expected {name} of shape ({batches}, {count}), found {arrays[name].shape}")
    if "coefficients" in arrays:
        shape = arrays["coefficients"].shape
        if shape[0] != batches or shape[1] not in (1, count):
            raise ShardError(f"{path}: expected coefficients of shape ({batches}, 1 or {count}, K), found {shape}")
