"""The server of the explorer, started and ended cleanly: the socket, the worker of the renderer, the signals."""

from __future__ import annotations

import errno
import ipaddress
import logging
import signal
import socket
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import uvicorn

from dcign.errors import BadInput
from pipelines.drawing.objects import UnseenObjects, open_unseen_objects
from pipelines.drawing.renderer import CannotDraw
from pipelines.drawing.unseen_images import UnseenImage, open_unseen_images
from pipelines.explore import connections
from pipelines.explore.app import Explorer, make_app
from pipelines.explore.connections import Connection
from pipelines.explore.session import OpenRun, open_runs

SECONDS_TO_END = 1  # for answers that are on their way


def explore(
    run: Path, other: Path | None, assets: Path | None, shards: Path | None, port: int, host: str, show: bool,
    fit: int, device: str,
) -> None:  # fmt: skip
    """Open the runs, print the address and serve the page; returns on Ctrl-C or SIGTERM."""
    if assets is not None and shards is not None:
        raise BadInput("--shards: expected without --assets; the page starts from images of shards or draws objects")
    with ExitStack() as things:
        listening = things.enter_context(listen(host, port))  # before what takes long
        runs = open_runs([run] if other is None else [run, other], device, fit)
        for note in (note for each in runs for note in each.notes):
            click.echo(f"Note: {note}")
        objects, images = _starts(runs[0], assets, shards)
        if objects is not None:
            things.enter_context(objects)
        remarks = [not_drawn(images)] if objects is None and runs[0].run.imported else []
        address = address_of(listening, host)
        click.echo(f"{address}  (Ctrl-C ends it)")
        if show:
            webbrowser.open(address)
        serve(Explorer(runs, objects, images, remarks), host, listening)


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. BadInput for a host that is not this machine, and for a port in use or forbidden."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, socket.IPPROTO_TCP)[0]
    except (OSError, UnicodeError) as error:
        raise BadInput(f"--host {host}: expected a name or address of this machine ({error})") from None
    if not ipaddress.ip_address(str(place[0]).split("%")[0]).is_loopback:
        click.echo(f"Warning: --host {host}: everybody who can reach this machine can use this page.", err=True)
    listening = socket.socket(family, kind, protocol)  # asyncio sends small answers at once only if told it is TCP
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise BadInput(f"--port {port}: in use by another program; --port 0 picks a free one") from None
        if error.errno == errno.EACCES:
            raise BadInput(f"--port {port}: not allowed to this user; take one above 1023") from None
        raise BadInput(f"--host {host}: expected an address of this machine ({error.strerror})") from None
    return listening


def address_of(listening: socket.socket, host: str) -> str:
    """Return the address for a browser; by the machine's name if it listens on all addresses of the machine."""
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listening.getsockname()[1]}/"


def serve(explorer: Explorer, host: str, listening: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the server raises them again once it has ended, which is no failure
    Server(explorer, host).run([listening])


class Server(uvicorn.Server):
    """The server of an explorer. It logs failures only, and ends within moments whatever is going on."""

    def __init__(self, explorer: Explorer, host: str) -> None:
        self.explorer = explorer
        super().__init__(
            uvicorn.Config(
                make_app(explorer, host), http=Connection, ws="none", lifespan="on", log_level="error",
                access_log=False, proxy_headers=False, server_header=False, limit_concurrency=connections.MOST,
                timeout_graceful_shutdown=SECONDS_TO_END,
            )
        )  # fmt: skip

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut off what has not arrived, let answers that are on their way leave, and end."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what is cut off now is no failure
        self.explorer.stop()
        await super().shutdown(sockets)


def not_drawn(images: Sequence[UnseenImage]) -> str:
    """Say what the page of a run has whose images were not rendered, so that none can be drawn of them."""
    begin = "Start from a test image, or bring your own." if images else "Bring an image of your own to start from."
    return f"The training images were not rendered by dcign, so no true picture stands beside the decoded one. {begin}"


def _starts(
    open_run: OpenRun, assets: Path | None, shards: Path | None
) -> tuple[UnseenObjects | None, tuple[UnseenImage, ...]]:
    """Open what the page starts from: objects to draw, or else images of the test split, if there are any."""
    run = open_run.run
    if shards is not None:
        return None, open_unseen_images(run, shards)
    try:
        return open_unseen_objects(run, assets), ()
    except CannotDraw as reason:
        images = open_unseen_images(run)
        if images:
            begin = f"the page starts from {len(images)} test images of {run.data['folder']}"
            click.echo(f"Note: no true pictures: {reason}; {begin}")
        else:
            click.echo(f"Note: no test {run.object}s and no true pictures: {reason}")
        return None, images
