"""Who may ask: pages of this server only. A name that another site points at this machine (DNS rebinding) is refused,
and so is what a page of another site sends. Every answer tells the browser to load nothing from elsewhere."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware. `host` is what the server was told to listen on: a name or an address."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        machine = socket.gethostname().lower()
        self.names = {"localhost", machine, f"{machine}.local", host.lower()}
        self.everywhere = host in ("0.0.0.0", "::")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = self._refusal(Headers(scope=scope), str(scope["path"]))
        app = self.app if reason is None else PlainTextResponse(reason, 403)
        await app(scope, receive, answer)

    def _refusal(self, headers: Headers, path: str) -> str | None:
        """Why a request is not answered, in one line; None if it is."""
        host = headers.get("host", "")
        if not self._own(host):
            return f"this server does not go by the name {host[:80]!r}; use the address that it printed"
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != host  # a browser sends no path
        # A link to the page may stand anywhere; what the page asks for comes from the page
        if foreign or (path != "/" and headers.get("sec-fetch-site", "none") not in ("same-origin", "none")):
            return "requests from pages of other sites are refused"
        return None

    def _own(self, host: str) -> bool:
        """Whether a Host header names this machine. Any port will do: it may have been forwarded."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.everywhere or address.is_loopback
