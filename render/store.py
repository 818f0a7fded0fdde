"""The folder that shards are written to: what it holds already, what is half-written, and who else writes to it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from render.errors import ShardError
from render.manifest import NAME, Entry, Manifest, first_difference, read_manifest
from render.parts import Part, is_part_file, is_part_manifest
from render.shard_file import hash_file


class Store:
    """A folder of this machine: shards stay where workers write them.

    folder  that workers write to
    name    of the folder, in messages
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def names(self) -> list[str]:
        """The files in it; none where it does not exist yet."""
        try:
            return sorted(path.name for path in self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ShardError(f"{self.name}: expected a folder to write to: {error.strerror}") from error

    def holds(self, name: str, entry: Entry) -> bool:
        """Whether the shard is there, whole: its size and sha256 are those of the manifest."""
        path = self.folder / name
        return path.is_file() and path.stat().st_size == entry.bytes and hash_file(path) == entry.sha256

    def keep(self, name: str) -> None:
        """Take the file that was just written to `folder`."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    def room(self, shards: list[int], workers: int) -> tuple[int, int]:
        """Bytes needed and bytes free on this machine's disk, for shards of these sizes from so many workers."""
        existing = next(path for path in (self.folder, *self.folder.absolute().parents) if path.is_dir())
        return sum(shards), shutil.disk_usage(existing).free

    def manifest(self, settings: dict[str, Any]) -> Manifest:
        """What it holds of the data set of `settings`. Raises ShardError if it holds another one, or other files.

        The GL renderer is compared only where `settings["gl"]` is given: it is known once a worker has started.
        """
        names = self.names()
        if not any(name == NAME or is_part_manifest(name) for name in names):
            others = [name for name in names if not (_is_temporary(name) or is_part_file(name))]
            if others:
                raise ShardError(f"{self.name}: expected an empty folder or one with {NAME}, found {others[0]!r}")
            return Manifest(settings)
        manifest = read_manifest(self.folder)
        difference = first_difference(manifest.settings, settings)
        if difference:
            raise ShardError(f"{self.name}: holds another data set: {difference}; use another -o")
        return manifest

    def clear(self, shards: list[str] | None = None) -> None:
        """Remove what a render that was killed left half-written: everything, or of these shards alone."""
        for name in filter(_is_temporary, self.names()):
            if shards is None or name[1:].rsplit(".", 2)[0] in shards:
                self.remove(name)

    def parts(self) -> list[str]:
        """The files in it that belong to parts of jobs."""
        return [name for name in self.names() if is_part_file(name)]

    def take_over(self, manifest: Manifest) -> None:
        """Write `manifest`, which has the shards of all parts, and remove the files of the parts."""
        manifest.write(self.folder)
        self.keep(NAME)
        for name in self.parts():
            self.remove(name)


@contextmanager
def locked(folder: Path, part: Part | None = None) -> Iterator[None]:
    """Make `folder` and hold it, or a part of it, for this process; raises ShardError when another render does.

    A file system that cannot lock is trusted: two renders of one job write the same bytes.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ShardError(f"{folder}: expected a folder to write to: {error.strerror}") from error
    with ExitStack() as held:
        try:
            held.enter_context(_flock(folder, os.O_RDONLY, fcntl.LOCK_SH if part else fcntl.LOCK_EX))
            if part:
                held.enter_context(_flock(folder / part.lock, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX))
        except BlockingIOError:
            raise ShardError(
                f"{folder}: another `dcign render` is writing to it; wait for it, or use another -o"
            ) from None
        yield


@contextmanager
def _flock(path: Path, flags: int, kind: int) -> Iterator[None]:
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        raise ShardError(f"{path}: expected a folder to write to: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # no locks here
            pass
        yield
    finally:
        os.close(handle)


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")
