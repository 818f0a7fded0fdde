"""Connections of the explorer's server: those that wait for a request wait for a limited time, and give way to others.

uvicorn limits how long a connection may rest between requests (`timeout_keep_alive`), not how long the first, or the
rest of one, may take to arrive; and it refuses whoever comes once there are many, not those who do nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 200  # connections
SECONDS_FOR_REQUEST = 10.0  # until its head has arrived; its body has limits of its own (`uploads`)


class Connection(H11Protocol):
    """One connection. It is closed if a request takes too long; where there are many, the longest idle one is."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self.since = 0.0  # when it began to wait for a request
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let the connection that has waited longest go if there are too many, and begin to wait for a request."""
        idle = [each for each in self.connections if isinstance(each, Connection) and each.is_waiting]
        if len(self.connections) >= MOST - 1 and idle:
            min(idle, key=lambda each: each.since).close()
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what arrived, which may be less than a request, or more."""
        super().data_received(data)
        if not self.is_waiting:
            self._stop_waiting()
        elif self._deadline is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request; how long nothing at all may arrive is uvicorn's."""
        self.since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End it with the server: at once if its request has not arrived in full, after its answer otherwise."""
        if self.is_waiting or self.cycle.more_body:
            self.close()
        else:
            super().shutdown()

    def close(self) -> None:
        """Close it at once, whatever has been sent or not."""
        self.connections.discard(self)
        self.transport.abort()

    @property
    def is_waiting(self) -> bool:
        """True while no request is being read or answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self.since = self.loop.time()
        self._deadline = self.loop.call_later(SECONDS_FOR_REQUEST, self.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
