"""The uploads that are on their way: a bounded number and memory, in which a newcomer never waits for one that stalls.

Where there would be too many, the one that has stood still for longest gives way. It is told so, if it is still there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from dcign.errors import BadInput

T = TypeVar("T")
MOST_BYTES = 64 * 2**20  # of an upload
MOST_TOGETHER = 32  # uploads; a small part of the connections
MOST_HELD = 4 * MOST_BYTES  # bytes of them all
STEP = 2**16  # bytes, fewer of which are no progress
SILENCE = 15.0  # seconds without progress until an upload is given up
PATIENCE = 120.0  # seconds for an upload to arrive


class TooLarge(BadInput):
    """An upload of more bytes than are read."""


class Stalled(BadInput):
    """An upload did not arrive in time, or stood still while others came."""


class Upload:
    """One upload: what has arrived of it, and since when no more has."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.content = bytearray()
        self.since = asyncio.get_running_loop().time()
        self.task: asyncio.Task[object] | None = None
        self.displaced = False
        self._next = STEP

    def add(self, chunk: bytes) -> None:
        """Take what arrived. TooLarge for more bytes than are read."""
        self.content += chunk
        if len(self.content) > MOST_BYTES:
            raise too_large(self.name)
        if len(self.content) >= self._next:
            self._next = len(self.content) + STEP
            self.since = asyncio.get_running_loop().time()

    def give_way(self) -> None:
        """End it, so that another has its place."""
        self.displaced = True
        if self.task is not None:
            self.task.cancel()


class Uploads:
    """All uploads of a server. Each counts until what is made of it is done."""

    def __init__(self) -> None:
        self._open: list[Upload] = []

    async def take(self, chunks: AsyncIterator[bytes], name: str, use: Callable[[bytearray], Awaitable[T]]) -> T:
        """Read a body to its end and return what `use` makes of it.

        TooLarge beyond `MOST_BYTES`, Stalled if it does not arrive in time or gave way, BadInput if there is none.
        """
        upload = Upload(name)
        while len(self._open) >= MOST_TOGETHER:
            self._make_room(upload)
        self._open.append(upload)
        upload.task = task = asyncio.ensure_future(self._taken(upload, chunks, use))
        try:
            return await task
        except asyncio.CancelledError:
            if not upload.displaced:
                raise
            raise Stalled(f"{name}: the upload stood still and gave way to others; send it again") from None
        finally:
            task.cancel()
            self._close(upload)

    async def _taken(self, upload: Upload, chunks: AsyncIterator[bytes], use: Callable[[bytearray], Awaitable[T]]) -> T:
        reading = asyncio.ensure_future(self._read(upload, chunks))
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        try:
            while not reading.done():
                until = min(end, upload.since + SILENCE)
                if loop.time() >= until:
                    raise Stalled(f"{upload.name}: the upload did not arrive in time; send it again")
                await asyncio.wait([reading], timeout=until - loop.time())
            await reading
        finally:
            reading.cancel()
        return await use(upload.content)

    async def _read(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            upload.add(chunk)
            while sum(len(each.content) for each in self._open) > MOST_HELD:
                self._make_room(upload)
        if not upload.content:
            raise BadInput(f"{upload.name}: expected an image, found an empty file")

    def _make_room(self, newcomer: Upload) -> None:
        slowest = min((each for each in self._open if each is not newcomer), key=lambda each: each.since)
        slowest.give_way()
        self._close(slowest)

    def _close(self, upload: Upload) -> None:
        if upload in self._open:
            self._open.remove(upload)


def too_large(name: str) -> TooLarge:
    """Return the refusal of an upload beyond `MOST_BYTES`."""
    return TooLarge(f"{name}: expected an image file of at most {MOST_BYTES // 2**20} MiB, found more")
