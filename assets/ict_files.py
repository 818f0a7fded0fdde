"""Where the files of an ICT-FaceKit lie: its folder, its repository, or an archive of either, read in place.

Archives are untrusted: nothing is unpacked to disk, links and odd members are passed over, and sizes are limited while
they are read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from assets.archives import BOMB_FLOOR, BOMB_RATIO, ZipLibrary
from assets.errors import AssetError

NEUTRAL = "generic_neutral_mesh.obj"
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
LARGEST_FILE = 64 * 2**20  # bytes; the published files have 3 MB
LARGEST_KIT = 2 * 2**30  # bytes, unpacked; the published kit has 400 MB
LARGEST_HEADER = 2**16  # bytes in front of one member
MOST_MEMBERS = 10_000
FIRST_MEMBERS = 500  # of a tar, among which the neutral mesh is looked for; the published repository has fewer files
BLOCK = 2**20  # bytes passed over at a time


class KitFile(NamedTuple):
    """One OBJ file of a kit: its name without folders, where it lies (for messages), and its bytes."""

    name: str
    where: str
    content: bytes


def is_archive(path: Path) -> bool:
    """Whether `path` is a file with the name of an archive."""
    return path.name.lower().endswith((".zip", *TAR_SUFFIXES)) and path.is_file()


def holds_kit(path: Path) -> bool:
    """Whether `path` is a folder or archive with the neutral mesh. A broken file is none."""
    try:
        return _archived_folder(path) is not None if is_archive(path) else _folder(path) is not None
    except (AssetError, OSError):
        return False


def kit_files(path: Path) -> Iterator[KitFile]:
    """The OBJ files beside the neutral mesh, it included, in the order in which they lie.

    Raises AssetError naming what is missing, too large, cut or damaged.
    """
    if is_archive(path):
        within = _archived_folder(path)
        if within is None:
            raise AssetError(f"{path}: expected an archive of ICT-FaceKit with {NEUTRAL}, found none")
        members = _zip_members if path.suffix.lower() == ".zip" else _tar_members
        for name, content in members(path, within):
            yield KitFile(name, f"{path}: {name}", content)
        return
    folder = _folder(path)
    if folder is None:
        raise AssetError(f"{path}: expected an ICT-FaceKit folder with {NEUTRAL}, found none")
    for file in sorted(folder.glob("*.obj")):
        if not file.name.startswith("."):
            yield KitFile(file.name, str(file), _content(file))


def _folder(path: Path) -> Path | None:
    return next((folder for folder in (path, path / "FaceXModel") if (folder / NEUTRAL).is_file()), None)


def _content(file: Path) -> bytes:
    try:
        _check_size(str(file), file.stat().st_size)
        return file.read_bytes()
    except OSError as error:
        raise AssetError(f"{file}: cannot be read: {error.strerror}") from error


def _check_size(where: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise AssetError(f"{where}: expected at most {LARGEST_FILE} bytes, found {size}")


def _archived_folder(path: Path) -> PurePosixPath | None:
    """The folder of the neutral mesh within an archive, None without one."""
    if path.suffix.lower() == ".zip":
        folders = [name.parent for name in map(PurePosixPath, ZipLibrary(path).names()) if name.name == NEUTRAL]
        return min(folders, key=lambda folder: (len(folder.parts), folder), default=None)
    with _open_tar(path) as (members, _):
        for member in islice(members, FIRST_MEMBERS):
            if PurePosixPath(member.name).name == NEUTRAL and _is_plain(member):
                return PurePosixPath(member.name).parent
    return None


def _zip_members(path: Path, folder: PurePosixPath) -> Iterator[tuple[str, bytes]]:
    library = ZipLibrary(path)
    names = [name for name in map(PurePosixPath, library.names()) if name.parent == folder and name.suffix == ".obj"]
    if len(names) > MOST_MEMBERS:
        raise AssetError(f"{path}: expected at most {MOST_MEMBERS} files, found {len(names)}")
    total = 0
    for name in names:
        try:
            content = library.read(str(name))
        except AssetError as error:
            raise AssetError(f"{path}: {error}") from error
        _check_size(f"{path}: {name}", len(content))
        total += len(content)
        if total > LARGEST_KIT:
            raise AssetError(f"{path}: expected at most {LARGEST_KIT} bytes, unpacked, found more")
        yield name.name, content


def _tar_members(path: Path, folder: PurePosixPath) -> Iterator[tuple[str, bytes]]:
    with _open_tar(path) as (members, unpacked):
        for member in members:
            name = PurePosixPath(member.name)
            if name.parent == folder and name.suffix == ".obj" and _is_plain(member):
                _check_size(f"{path}: {name}", member.size)
                yield name.name, unpacked.content(member.size)
        unpacked.finish()


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Whether a member is an ordinary, visible file."""
    return member.isreg() and not member.issparse() and not PurePosixPath(member.name).name.startswith(".")


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a tar, read once from the front to the back, and never beyond the limits.

    `tarfile` reads headers through it and seeks past what lies between them; `content` is for us.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._plain = _decompressed(packed)
        self._at = 0
        self.header = 0  # bytes of headers read for one member
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        self.header += size
        if size < 0 or self.header > LARGEST_HEADER:
            raise tarfile.ReadError("a header too large")
        self._last = self._next(size)
        return self._last

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position < self._at:
            raise tarfile.ReadError("a member before its place")
        while self._at < position:
            if not self._next(min(BLOCK, position - self._at)):
                raise EOFError("its end within a member")
        return self._at

    def tell(self) -> int:
        return self._at

    def content(self, size: int) -> bytes:
        """The next `size` bytes, those of the member whose header was just read."""
        content = self._next(size)
        if len(content) != size:
            raise EOFError("its end within a member")
        return content

    def finish(self) -> None:
        """Read on to the end, where checksums are compared. tarfile takes a damaged header for the end of all."""
        if not self._last or self._last.strip(b"\0"):
            raise EOFError("no end mark")
        while self._next(BLOCK):
            pass

    def _next(self, size: int) -> bytes:
        data = self._plain.read(size)
        self._at += len(data)
        ratio = self._at / max(self._packed.tell(), 1)
        if self._at > LARGEST_KIT:
            raise tarfile.ReadError(f"more than {LARGEST_KIT} bytes, unpacked")
        if self._at > BOMB_FLOOR and ratio > BOMB_RATIO:
            raise tarfile.ReadError(f"a compression ratio of {ratio:.0f}, more than {BOMB_RATIO}")
        return data


def _decompressed(packed: IO[bytes]) -> IO[bytes]:
    magic = packed.read(6)
    packed.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    if magic.startswith(b"BZh"):
        return cast(IO[bytes], bz2.BZ2File(packed))
    if magic == b"\xfd7zXZ\0":
        return cast(IO[bytes], lzma.LZMAFile(packed))
    return packed


def _members(archive: tarfile.TarFile, unpacked: _Unpacked) -> Iterator[tarfile.TarInfo]:
    """The members in their order, each forgotten before the next one is read."""
    for _ in range(MOST_MEMBERS):
        member = archive.next()
        if member is None:
            return
        unpacked.header = 0
        archive.members = []  # type: ignore[attr-defined]
        archive.pax_headers = {}
        yield member
    raise tarfile.ReadError(f"more than {MOST_MEMBERS} members")


@contextmanager
def _open_tar(path: Path) -> Iterator[tuple[Iterator[tarfile.TarInfo], _Unpacked]]:
    try:
        with path.open("rb") as packed:
            unpacked = _Unpacked(packed)
            with tarfile.open(fileobj=cast(IO[bytes], unpacked), mode="r:") as archive:
                yield _members(archive, unpacked), unpacked
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, OverflowError,
            MemoryError, RecursionError) as error:  # fmt: skip
        raise AssetError(f"{path}: expected a whole archive, found: {error}") from error
