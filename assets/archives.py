"""Read-only views of the places where model files lie: a folder, or a zip library read in place.

Model files are untrusted. A reference inside one (`mtllib`, `map_Kd`, a glTF uri) is resolved here and nowhere else: it
never leaves the folder or the archive, and no file is unpacked to disk or read beyond the size limits.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
import zipfile
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from assets.errors import AssetError

ZIP_SUFFIXES = (".zip", ".sh3f")
LARGEST_FILE = 256 * 2**20  # bytes, unpacked
LARGEST_MODEL = 512 * 2**20  # bytes of all the files of one model
LARGEST_DIRECTORY = 32 * 2**20  # bytes of a zip's list of members: about 300,000 of them
BOMB_RATIO = 200  # unpacked to packed bytes; OBJ text reaches about 20
BOMB_FLOOR = 16 * 2**20  # below this many bytes any ratio is harmless


class FileTree:
    """Files under '/'-separated relative names. `where` is the folder or archive, for messages."""

    where: str

    def names(self) -> list[str]:
        """List all file names, sorted; hidden files, and names that would leave the tree, are left out."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """Read the bytes of `name`, which came from `names` or `find`. Raises AssetError that starts with `name`."""
        raise NotImplementedError

    def _has(self, name: str) -> bool:
        raise NotImplementedError

    def _sibling(self, folder: str, wanted: str) -> str | None:
        """Return the first file in `folder` itself whose last part is `wanted` (lower case) in any letter case."""
        raise NotImplementedError

    def find(self, reference: str, beside: str) -> str | None:
        """Return the name of the file that the file `beside` calls `reference`, or None if the tree has no such file.

        Files written on other machines carry backslashes, absolute paths and other letter case: what does not resolve
        inside the tree is looked for by its last part in the folder of `beside`.
        """
        reference = reference.strip().strip('"').replace("\\", "/")
        folder = posixpath.dirname(beside)
        if not reference or "\0" in reference:
            return None
        for spelling in dict.fromkeys((reference, unquote(reference))):
            name = posixpath.normpath(posixpath.join(folder, spelling))
            if _inside(name) and self._has(name):
                return name
            wanted = posixpath.basename(spelling).lower()
            for within in dict.fromkeys((posixpath.dirname(name) if _inside(name) else folder, folder)):
                sibling = self._sibling(within, wanted)
                if sibling is not None:
                    return sibling
        return None


class Folder(FileTree):
    """The files under the folder `root`. Symbolic links that leave it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)
        self.closed: dict[str, str] = {}  # folders that `names` could not list, and why
        try:
            self._real = root.resolve()
        except (OSError, RuntimeError) as error:  # a loop of links
            raise AssetError(f"{root}: expected a folder, found: {error}") from None

    def names(self) -> list[str]:
        names = []
        for folder, below, files in os.walk(self.root, onerror=self._note):  # does not enter linked folders
            below[:] = [name for name in below if _visible(name)]
            within = Path(folder).relative_to(self.root)
            names += [(within / name).as_posix() for name in files if _visible(name)]
        return sorted(name for name in names if not (self.root / name).is_symlink() or self._has(name))

    def read(self, name: str) -> bytes:
        if not self._has(name):
            raise AssetError(f"{name}: expected a file inside {self.root}, found none")
        try:
            with (self.root / name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > LARGEST_FILE:
                    raise AssetError(f"{name}: expected at most {LARGEST_FILE} bytes, found {size}")
                return file.read(LARGEST_FILE)
        except OSError as error:
            raise AssetError(f"{name}: cannot be read: {error.strerror}") from error

    def _note(self, error: OSError) -> None:
        self.closed[Path(os.fsdecode(error.filename)).relative_to(self.root).as_posix()] = str(error.strerror)

    def _has(self, name: str) -> bool:
        try:
            real = (self.root / name).resolve()
            return real.is_relative_to(self._real) and real.is_file()
        except (OSError, RuntimeError, ValueError):  # a name too long, a loop of links
            return False

    def _sibling(self, folder: str, wanted: str) -> str | None:
        try:
            names = sorted(name for name in os.listdir(self.root / folder) if name.lower() == wanted)
        except (OSError, ValueError):
            return None
        return next((name for name in (posixpath.join(folder, name) for name in names) if self._has(name)), None)


class ZipLibrary(FileTree):
    """The members of a zip file, unpacked one by one in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)
        self._archive = _opened(path)
        self._members = {
            info.filename.replace("\\", "/"): info
            for info in self._archive.infolist()
            if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
        }

    def names(self) -> list[str]:
        return sorted(name for name in self._members if _visible(name) and _inside(name))

    def read(self, name: str) -> bytes:
        info = self._members.get(name)
        if info is None:
            raise AssetError(f"{name}: expected a member of the archive, found none")
        if info.file_size > LARGEST_FILE:
            raise AssetError(f"{name}: expected at most {LARGEST_FILE} bytes, found {info.file_size}")
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > BOMB_FLOOR and ratio > BOMB_RATIO:
            raise AssetError(f"{name}: expected a compression ratio below {BOMB_RATIO}, found {ratio:.0f}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise AssetError(f"{name}: expected a stored or deflated member, found method {info.compress_type}")
        try:
            with self._archive.open(info) as member:
                data = member.read(info.file_size + 1)  # zipfile checks the CRC at the end
        except Exception as error:  # BadZipFile, zlib.error, RuntimeError, EOFError, ...: the archive is untrusted
            raise AssetError(f"{name}: cannot be unpacked: {error}") from error
        if len(data) != info.file_size:
            raise AssetError(f"{name}: expected {info.file_size} bytes, found {len(data)}")
        return data

    def _has(self, name: str) -> bool:
        return name in self._members

    @cached_property
    def _by_spelling(self) -> dict[tuple[str, str], str]:
        """(folder, last part in lower case) -> name."""
        found: dict[tuple[str, str], str] = {}
        for name in self._members:
            if _inside(name):
                folder, base = posixpath.split(name)
                found.setdefault((folder, base.lower()), name)
        return found

    def _sibling(self, folder: str, wanted: str) -> str | None:
        return self._by_spelling.get((folder, wanted))


class CachedTree(FileTree):
    """Another tree whose files stay in memory once read, so that the bytes that were hashed are the bytes parsed."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree
        self.where = tree.where
        self._data: dict[str, bytes] = {}
        self._found: dict[tuple[str, str], str | None] = {}

    def names(self) -> list[str]:
        return self._tree.names()

    def read(self, name: str) -> bytes:
        if name not in self._data:
            self._data[name] = self._tree.read(name)
            size = sum(map(len, self._data.values()))
            if size > LARGEST_MODEL:
                raise AssetError(
                    f"{name}: expected at most {LARGEST_MODEL} bytes with the model's others, found {size}"
                )
        return self._data[name]

    def find(self, reference: str, beside: str) -> str | None:
        key = (reference, beside)
        if key not in self._found:
            self._found[key] = self._tree.find(reference, beside)
        return self._found[key]


def open_library(path: Path) -> ZipLibrary:
    """Open the zip library at `path`; its list of members is read again only after the file has changed."""
    try:
        now = path.stat()
    except OSError as error:
        raise AssetError(f"{path}: expected a zip library, found: {error.strerror}") from error
    return _library(path, now.st_mtime_ns, now.st_size, now.st_ino)


@lru_cache(maxsize=8)
def _library(path: Path, mtime: int, size: int, inode: int) -> ZipLibrary:
    return ZipLibrary(path)


class _Bounded(io.FileIO):
    """A file that refuses large reads while `bounded`: zipfile reads a list of members whole, whatever its size."""

    bounded = True

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.bounded:
            return super().read(size)  # type: ignore[return-value]
        most = LARGEST_DIRECTORY + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        if len(data) == most:  # type: ignore[arg-type]
            raise AssetError(f"a list of members of more than {LARGEST_DIRECTORY} bytes")
        return data  # type: ignore[return-value]


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        file = _Bounded(path)
        archive = zipfile.ZipFile(file)
        file.bounded = False
        return archive
    except Exception as error:  # the file is untrusted: any way it breaks zipfile is its fault
        raise AssetError(f"{path}: expected a zip library, found: {error}") from error


def _inside(name: str) -> bool:
    """Tell whether a relative name stays below the root of its tree, on any operating system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and ":" not in parts[0]


def _visible(name: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
