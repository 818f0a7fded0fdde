"""Read-only views of where model files lie: a folder, or a zip library read in place.

Model files are untrusted. A reference inside one (`mtllib`, `map_Kd`, a glTF uri) is resolved here and nowhere else: it
never leaves the folder or the archive, and no file is unpacked to disk or read beyond the size limits.
"""

from __future__ import annotations

import os
import posixpath
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from assets.errors import AssetError

ZIP_SUFFIXES = (".zip", ".sh3f")
LARGEST_FILE = 512 * 2**20  # bytes, unpacked
BOMB_RATIO = 200  # unpacked to packed bytes; OBJ text reaches about 20
BOMB_FLOOR = 16 * 2**20  # below this many bytes any ratio is harmless


class FileTree:
    """Files under '/'-separated relative names. `where` is the folder or archive, for messages."""

    where: str

    def names(self) -> list[str]:
        """All file names, sorted; hidden files, and names that would leave the tree, are left out."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """The bytes of `name`, which came from `names` or `find`. Raises AssetError that starts with `name`."""
        raise NotImplementedError

    def _has(self, name: str) -> bool:
        raise NotImplementedError

    def _siblings(self, folder: str) -> list[str]:
        """The names of the files directly in `folder`."""
        raise NotImplementedError

    def find(self, reference: str, beside: str) -> str | None:
        """The name of the file that the file `beside` calls `reference`, or None where the tree has no such file.

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
                for sibling in self._siblings(within):
                    if posixpath.basename(sibling).lower() == wanted:
                        return sibling
        return None


class Folder(FileTree):
    """The files under the folder `root`. Symbolic links that leave it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)
        self._real = root.resolve()

    def names(self) -> list[str]:
        names = []
        for folder, below, files in os.walk(self.root):  # does not enter linked folders
            below[:] = [name for name in below if _visible(name)]
            within = Path(folder).relative_to(self.root)
            names += [(within / name).as_posix() for name in files if _visible(name)]
        return sorted(name for name in names if not (self.root / name).is_symlink() or self._has(name))

    def read(self, name: str) -> bytes:
        path = self.root / name
        if not self._has(name):
            raise AssetError(f"{name}: expected a file inside {self.root}, found none")
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise AssetError(f"{name}: expected at most {LARGEST_FILE} bytes, found {path.stat().st_size}")
            return path.read_bytes()
        except OSError as error:
            raise AssetError(f"{name}: cannot be read: {error.strerror}") from error

    def _has(self, name: str) -> bool:
        try:
            real = (self.root / name).resolve()
            return real.is_relative_to(self._real) and real.is_file()
        except (OSError, RuntimeError, ValueError):  # a name too long, a loop of links
            return False

    def _siblings(self, folder: str) -> list[str]:
        try:
            names = sorted(entry.name for entry in (self.root / folder).iterdir())
        except (OSError, ValueError):
            return []
        return [name for name in (posixpath.join(folder, name) for name in names) if self._has(name)]


class ZipLibrary(FileTree):
    """The members of a zip file, unpacked one by one in memory; the file is open only while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)
        self._members = {
            info.filename.replace("\\", "/"): info.filename
            for info in self._open().infolist()
            if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
        }

    def names(self) -> list[str]:
        return sorted(name for name in self._members if _visible(name) and _inside(name))

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise AssetError(f"{name}: expected a member of the archive, found none")
        with self._open() as archive:
            info = archive.getinfo(self._members[name])
            if info.file_size > LARGEST_FILE:
                raise AssetError(f"{name}: expected at most {LARGEST_FILE} bytes, found {info.file_size}")
            ratio = info.file_size / max(info.compress_size, 1)
            if info.file_size > BOMB_FLOOR and ratio > BOMB_RATIO:
                raise AssetError(f"{name}: expected a compression ratio below {BOMB_RATIO}, found {ratio:.0f}")
            try:
                with archive.open(info) as member:
                    data = member.read(info.file_size + 1)  # zipfile checks the CRC at the end
            except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
                raise AssetError(f"{name}: cannot be unpacked: {error}") from error
        if len(data) != info.file_size:
            raise AssetError(f"{name}: expected {info.file_size} bytes, found {len(data)}")
        return data

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise AssetError(f"{self.path}: expected a zip library, found: {error}") from error

    def _has(self, name: str) -> bool:
        return name in self._members

    def _siblings(self, folder: str) -> list[str]:
        return [name for name in self._members if posixpath.dirname(name) == folder and _inside(name)]


def _inside(name: str) -> bool:
    """Whether a relative name stays below the root of its tree, on any operating system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and ":" not in parts[0]


def _visible(name: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
