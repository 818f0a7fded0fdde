"""Shards behind an address such as s3://bucket/faces, through fsspec (the extra `remote`)."""

from __future__ import annotations

import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit
from urllib.request import url2pathname

from render.errors import BadInput, DcignError, Failure
from render.manifest import NAME, Entry
from render.parts import is_part_manifest
from render.store import Store

# Where an object appears once its upload is complete. Elsewhere it is uploaded under another name, and renamed.
WHOLE_PUTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"}


def open_store(output: str) -> Store:
    """The store that `-o OUTPUT` names: an address, or a folder of this machine (also as file://)."""
    if "://" not in output:
        return Store(Path(output))
    parts = urlsplit(output)
    return Store(Path(url2pathname(parts.path))) if parts.scheme == "file" else RemoteStore(output)


class RemoteStore(Store):
    """A folder behind an address. Workers write to a temporary folder, `keep` uploads and removes.

    Nothing locks it, and a shard there counts as whole when its size is right.
    """

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:  # no fsspec, no package for this protocol, no such protocol
            raise BadInput(f"-o {url}: cannot be opened: {error} (see `pip install 'dcign[remote]'`)") from None
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

    def keep(self, name: str) -> None:
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
        """Bytes needed and bytes free here: each worker's shard, and as many on their way."""
        return 2 * workers * max(shards), super().room(shards, workers)[1]
