"""Stores to write shards to: a folder of this machine, or an address such as s3://bucket/faces.

A store knows what it holds already and what is half-written, and keeps other renders out. Addresses are reached through
fsspec (the extra `remote`).
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from assets.files import file_lock, make_output_folder
from render.errors import BadInput, DcignError, Failure, ShardError
from render.shards.manifest import (
    NAME,
    Entry,
    JobPart,
    Manifest,
    first_difference,
    is_part_file,
    is_part_manifest,
    read_manifest,
)
from render.shards.shard_file import hash_file

# Where an object appears once its upload is complete. Elsewhere it is uploaded under another name, and renamed.
WHOLE_PUTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"}


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
        """List the files in it; none if it does not exist yet."""
        try:
            return sorted(path.name for path in self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ShardError(f"{self.name}: expected a folder to write to: {error.strerror}") from error

    def holds(self, name: str, entry: Entry) -> bool:
        """Tell whether the shard is there, whole: its size and sha256 are those of the manifest."""
        path = self.folder / name
        try:
            return path.stat().st_size == entry.bytes and hash_file(path) == entry.sha256
        except OSError:  # it is not there, or goes while it is read
            return False

    def publish(self, name: str) -> None:
        """Hand over the file that was just written to `folder`."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    def room(self, shards: list[int], workers: int) -> tuple[int, int]:
        """Return the bytes that shards of these sizes need on this machine's disk, and the bytes free."""
        existing = next(path for path in (self.folder, *self.folder.absolute().parents) if path.is_dir())
        return sum(shards), shutil.disk_usage(existing).free

    def manifest(self, settings: dict[str, Any]) -> Manifest:
        """Open the manifest, new for an empty folder. Raises ShardError if another data set, or other files, lie there.

        The GL renderer is compared only if `settings["gl"]` is given: it is known once a worker has started.
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
            raise ShardError(f"{self.name}: holds another data set: {difference}; use another folder")
        return manifest

    def clear(self, shards: list[str] | None = None) -> None:
        """Remove what a killed render left half-written: everything, or of these shards alone."""
        for name in filter(_is_temporary, self.names()):
            if shards is None or name[1:].rsplit(".", 2)[0] in shards:
                self.remove(name)

    def parts(self) -> list[str]:
        """List the files in it that belong to parts of jobs."""
        return [name for name in self.names() if is_part_file(name)]

    def merge_parts(self, manifest: Manifest) -> None:
        """Write `manifest`, which has the shards of all parts, and remove the files of the parts."""
        manifest.write(self.folder)
        self.publish(NAME)
        for name in self.parts():
            self.remove(name)


@contextmanager
def locked(folder: Path, part: JobPart | None = None) -> Iterator[None]:
    """Make `folder` and lock it, or a part of it, for this process; raises ShardError if another render has it.

    BadInput if it cannot be made, or the folder above it is missing.

    A file system that cannot lock is trusted: two renders of one job write the same bytes.
    """
    make_output_folder(folder)
    with ExitStack() as locks:
        path = folder
        try:
            locks.enter_context(file_lock(folder, shared=part is not None))
            if part:
                path = folder / part.lock
                locks.enter_context(file_lock(path, create=True))
        except BlockingIOError:
            raise ShardError(
                f"{folder}: another `dcign render` is writing to it; wait for it, or use another folder"
            ) from None
        except OSError as error:
            raise ShardError(f"{path}: expected a folder to write to: {error.strerror}") from error
        yield


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def open_store(output: str) -> Store:
    """Open the store of this name: an address, or a folder of this machine (also as file://)."""
    if "://" not in output:
        return Store(Path(output))
    parts = urlsplit(output)
    return Store(Path(url2pathname(parts.path))) if parts.scheme == "file" else RemoteStore(output)


class RemoteStore(Store):
    """A folder behind an address. Workers write to a temporary folder, `publish` uploads and removes.

    Nothing locks it, and a shard there counts as whole if its size is right.
    """

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:  # no fsspec, no package for this protocol, no such protocol
            raise BadInput(f"{url}: cannot be opened: {error} (see `pip install 'dcign[remote]'`)") from None
        self._stage = tempfile.TemporaryDirectory(prefix="dcign-")
        super().__init__(Path(self._stage.name))
        self.name = url.rstrip("/")
        protocol = self._files.protocol
        self._whole_puts = not WHOLE_PUTS.isdisjoint((protocol,) if isinstance(protocol, str) else protocol)
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> Store:
        try:
            self._files.invalidate_cache()
            with suppress(FileNotFoundError):
                for found in self._files.ls(self._root, detail=True):
                    self._sizes[found["name"].rstrip("/").rsplit("/", 1)[-1]] = found["size"] or 0
            for name in self._sizes:
                if name == NAME or is_part_manifest(name):
                    (self.folder / name).write_bytes(self._files.cat_file(f"{self._root}/{name}"))
        except Exception as error:  # each kind of store has errors of its own
            self._stage.cleanup()
            raise Failure(f"{self.name}: cannot be read: {error or type(error).__name__}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stage.cleanup()
        if isinstance(error, DcignError) and str(self.folder) in str(error):
            raise type(error)(str(error).replace(str(self.folder), self.name)) from error

    def names(self) -> list[str]:
        return sorted(self._sizes)

    def holds(self, name: str, entry: Entry) -> bool:
        return self._sizes.get(name) == entry.bytes

    def publish(self, name: str) -> None:
        here, there = self.folder / name, f"{self._root}/{name}"
        try:
            if self._whole_puts:
                self._files.put_file(str(here), there)
            else:
                self._files.makedirs(self._root, exist_ok=True)
                temporary = f"{self._root}/.{name}.{secrets.token_hex(4)}.tmp"
                self._files.put_file(str(here), temporary)
                self._files.mv(temporary, there)
        except Exception as error:
            raise Failure(
                f"{self.name}/{name}: cannot be written: {error or type(error).__name__}; what was finished is kept"
            ) from error
        self._sizes[name] = here.stat().st_size
        if name != NAME and not is_part_manifest(name):
            here.unlink()

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{name}")
        self._sizes.pop(name, None)
        super().remove(name)

    def room(self, shards: list[int], workers: int) -> tuple[int, int]:
        """Return the bytes needed here, for each worker's shard and as many on their way, and the bytes free."""
        return 2 * workers * max(shards), super().room(shards, workers)[1]
