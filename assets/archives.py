"""Read-only views of the places where model files lie: a folder, or a zip library read in place.

Model files are untrusted. A reference inside one (`mtllib`, `map_Kd`, a glTF uri) is resolved here and nowhere else: it
never leaves the archive, nor the folder but by a symbolic link that lies there, and no file is unpacked to disk or read
beyond the size limits.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
import zipfile
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from assets.errors import AssetError

ZIP_SUFFIXES = (".zip", ".sh3f")
LARGEST_FILE = 256 * 2**20  # bytes, unpacked
LARGEST_MODEL = 512 * 2**20  # bytes of all the files of one model
LARGEST_DIRECTORY = 32 * 2**20  # bytes of a zip's list of members: about 300,000 of them
MOST_LINKS = 10_000  # to folders, that are followed
MANY_LINKS = "links"  # what is said to be closed when there are more
MOST_PARTS = 20  # of a path, that are looked for: those at its end
BOMB_RATIO = 200  # unpacked to packed bytes; OBJ text reaches about 20
BOMB_FLOOR = 16 * 2**20  # below this many bytes any ratio is harmless


class FileTree:
    """Files under '/'-separated relative names.

    where   the folder or archive, for messages
    closed  names in it that cannot be read, and why; complete once `names` has been called
    """

    where: str
    closed: dict[str, str]

    def names(self) -> list[str]:
        """List all file names, sorted; hidden files, and names that would leave the tree, are left out."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """Read the bytes of `name`, which came from `names` or `find`. Raises AssetError that starts with `name`."""
        raise NotImplementedError

    def _has(self, name: str) -> bool:
        """Tell whether there is a file called `name`, which does not leave the tree."""
        raise NotImplementedError

    def _alike(self, folder: str, wanted: str) -> list[str]:
        """List the files and folders in `folder` itself called `wanted` (lower case) in any letter case, sorted."""
        raise NotImplementedError

    def find(self, reference: str, beside: str) -> str | None:
        """Return the name of the file that the file `beside` calls `reference`, or None if the tree has no such file.

        Files written on other machines carry backslashes, absolute paths and other letter case. What does not resolve
        inside the tree is looked for by as much of its end as is found beside `beside` or in a folder above that, the
        last part alone only beside it.
        """
        reference = reference.strip().strip('"').replace("\\", "/")
        folder = posixpath.dirname(beside)
        if not reference or "\0" in reference:
            return None
        for spelling in dict.fromkeys((reference, unquote(reference))):
            name = posixpath.normpath(posixpath.join(folder, spelling))
            if _inside(name) and self._has(name):
                return name
            for below, parts in _candidates(name, spelling, folder):
                found = self._find_alike(below, parts)
                if found:
                    return found
        return None

    def _find_alike(self, folder: str, parts: list[str]) -> str | None:
        """Return the first file at `parts` below `folder`, in any letter case."""
        names = (posixpath.join(folder, name) for name in self._alike(folder, parts[0].lower()))
        if len(parts) == 1:
            return next((name for name in names if self._has(name)), None)
        return next((file for file in (self._find_alike(name, parts[1:]) for name in names) if file), None)


def _candidates(name: str, spelling: str, folder: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the folders, and the parts of a path below them, where the file `spelling` of `folder` may be."""
    seen = set()
    parts = [part for part in spelling.split("/") if part not in ("", ".") and not part.endswith(":")][-MOST_PARTS:]
    parts = parts[len(parts) - parts[::-1].index("..") :] if ".." in parts else parts
    above = [folder]
    while above[-1]:
        above.append(posixpath.dirname(above[-1]))
    places = [("", name.split("/"))] if _inside(name) else []
    places += [(place, parts[k:]) for k in range(len(parts) - 1) for place in above]
    places += [(folder, parts[-1:])] if parts else []
    for place, tail in places:
        if (place, *tail) not in seen:
            seen.add((place, *tail))
            yield place, tail


class Folder(FileTree):
    """The files under the folder `root`. Symbolic links are followed wherever they lead: the user put them there.

    A reference in a file cannot leave the folder but by such a link.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)
        self.closed = {}

    def names(self) -> list[str]:
        names: list[str] = []
        waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
        linked = 0
        while waiting:
            folder, above = waiting.pop()
            try:
                here = os.stat(self.root / folder)
                inside = above | {(here.st_dev, here.st_ino)}
                with os.scandir(self.root / folder) as entries:
                    found = [entry for entry in entries if _visible(entry.name)]
            except OSError as error:
                self.closed[folder or "."] = str(error.strerror)
                continue
            for entry in found:
                name = posixpath.join(folder, entry.name)
                try:
                    target = entry.stat()
                except OSError as error:
                    self.closed[name] = f"{'a symbolic link to nothing' if entry.is_symlink() else error.strerror}"
                    continue
                if not stat.S_ISDIR(target.st_mode):
                    names += [name] if stat.S_ISREG(target.st_mode) else []
                elif entry.is_symlink() and (target.st_dev, target.st_ino) in inside:
                    self.closed[name] = "a symbolic link to a folder that it lies in"
                elif entry.is_symlink() and linked >= MOST_LINKS:
                    self.closed.setdefault(MANY_LINKS, f"more than {MOST_LINKS} links to folders, such as {name}")
                else:
                    linked += entry.is_symlink()
                    waiting.append((name, inside))
        return sorted(names)

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

    def _has(self, name: str) -> bool:
        try:
            return _inside(name) and (self.root / name).is_file()
        except (OSError, RuntimeError, ValueError):  # a name too long, a loop of links
            return False

    def _alike(self, folder: str, wanted: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.root / folder) if name.lower() == wanted)
        except (OSError, ValueError):
            return []


class ZipLibrary(FileTree):
    """The members of a zip file, unpacked one by one in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)
        self._archive = open_zip(path)
        self.closed = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._archive.infolist():
            name = info.filename.replace("\\", "/")
            if stat.S_ISLNK(info.external_attr >> 16):
                self.closed[name] = "a symbolic link in an archive, which is not followed"
            elif not info.is_dir():
                self._members[name] = info

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
    def _by_spelling(self) -> dict[tuple[str, str], list[str]]:
        """(folder, last part in lower case) -> last parts of the members and their folders."""
        found: dict[tuple[str, str], list[str]] = {}
        seen = set()
        for name in self._members:
            while _inside(name) and name not in seen:
                seen.add(name)
                folder, base = posixpath.split(name)
                found.setdefault((folder, base.lower()), []).append(base)
                name = folder
        return found

    def _alike(self, folder: str, wanted: str) -> list[str]:
        return sorted(self._by_spelling.get((folder, wanted), []))


class CachedTree(FileTree):
    """Another tree whose files stay in memory once read, so that the bytes that were hashed are the bytes parsed."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree
        self.where, self.closed = tree.where, tree.closed
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


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip, whose list of members has a size limit. Raises AssetError naming the path if it is none."""
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
