"""The addresses of the page and what they answer: pictures as raw grey bytes, the rest as JSON, errors as one line.

Nothing is kept for a visitor but pictures under their ids (`session.Pictures`): all else stands in the address.

    GET  /, /explore.js, ...                        the page (pipelines/web)
    GET  /api/session                               runs, sliders, notes
    POST /api/pictures?name=NAME                    an image file as the body -> its id, and what is known of it
    POST /api/objects/NUMBER                        an unseen object, drawn or from shards -> the same
    GET  /api/pictures/ID/input                     what the first run sees
    GET  /api/pictures/ID/decoded?azimuth=30&...    decoded by each run, one after another
    GET  /api/pictures/ID/true?azimuth=30&...       drawn by the renderer
    GET  /api/pictures/ID/decoded.png, input.png    as files
    GET  /api/pictures/ID/sweep.gif?sweep-of=azimuth&sweep-steps=24&light=10&...
    GET  /api/pictures/ID/command?azimuth=30&...    the same by `dcign rerender`, a line for each run
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from PIL import Image
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dcign.engine.decoder_process import DecoderProcess
from dcign.engine.drawing import Row, Tile, draw_rows, png
from dcign.engine.variations import sliders_to_json
from dcign.errors import BadInput, DcignError, Failure
from pipelines.drawing.objects import UnseenObjects
from pipelines.drawing.unseen_images import UnseenImage
from pipelines.explore import uploads
from pipelines.explore.session import OpenRun, PictureGone, Pictures, UploadedPicture, compared, file_name, short_names
from pipelines.explore.settings import STEPS, command_line, fitted, read_integer, read_settings, recording, sweeps
from pipelines.explore.uploads import Stalled, TooLarge, Uploads
from pipelines.web import read_web_file

T = TypeVar("T")
WEB = {
    "/": ("explore.html", "text/html"),
    "/explore.js": ("explore.js", "text/javascript"),
    "/controls.js": ("controls.js", "text/javascript"),
    "/control.js": ("control.js", "text/javascript"),
    "/choice.js": ("choice.js", "text/javascript"),
    "/range.js": ("range.js", "text/javascript"),
    "/pixels.js": ("pixels.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
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


STATUS: tuple[tuple[type[DcignError], int], ...] = (
    (TooLarge, 413), (Stalled, 408), (PictureGone, 404), (BadInput, 400), (Failure, 500),
)  # fmt: skip


def make_app(explorer: Explorer, host: str) -> Starlette:
    """Make the application of a server that was told to listen on `host`."""
    routes = [
        *(Route(path, _file(*entry)) for path, entry in WEB.items()),
        Route("/api/session", explorer.session),
        Route("/api/pictures", explorer.upload, methods=["POST"]),
        Route("/api/objects/{number}", explorer.object, methods=["POST"]),
        Route("/api/pictures/{id}/input", explorer.input),
        Route("/api/pictures/{id}/input.png", explorer.input_file),
        Route("/api/pictures/{id}/decoded", explorer.decoded),
        Route("/api/pictures/{id}/decoded.png", explorer.decoded_file),
        Route("/api/pictures/{id}/true", explorer.true),
        Route("/api/pictures/{id}/sweep.gif", explorer.sweep),
        Route("/api/pictures/{id}/command", explorer.command),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, host=host)],
        exception_handlers={DcignError: _told},
        lifespan=explorer.lifespan,
    )


class Explorer:
    """Answers requests about one or two runs, with the renderer of the first where there is one.

    Without `objects`, which it draws, a visitor starts from `images`; `remarks` is what the page says of that.
    The network, the renderer and the reader of uploads have a thread each, and the decoder of uploads a process.
    """

    def __init__(
        self, runs: Sequence[OpenRun], objects: UnseenObjects | None, images: Sequence[UnseenImage] = (),
        remarks: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.runs, self.objects, self.pictures = tuple(runs), objects, Pictures()
        self.images, self.remarks = tuple(images), tuple(remarks)
        self.names = short_names(runs)
        self.network, self.renderer, self.reader = (ThreadPoolExecutor(1) for _ in range(3))
        self.uploads, self.decoder = Uploads(), DecoderProcess()

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        for threads in (self.network, self.renderer, self.reader):
            threads.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Leave off what would take long. To be called before the end is waited for."""
        self.decoder.stop()

    async def session(self, _: Request) -> Response:
        first = self.runs[0]
        return JSONResponse(
            {
                "object": first.run.object,
                "imported": first.run.imported,
                "runs": [
                    {"word": each.word, "name": name, "size": each.run.size, "step": each.run.step}
                    for each, name in zip(self.runs, self.names, strict=True)
                ],
                "sliders": sliders_to_json(first.sliders),
                "notes": [note for each in self.runs for note in each.notes],
                "remarks": self.remarks,
                "compared": compared(self.runs),
                "objects": self._starts,
                "most_bytes": uploads.MOST_BYTES,
            }
        )

    async def upload(self, request: Request) -> Response:
        name = file_name(request.query_params.get("name", ""))
        told = request.headers.get("content-length", "")
        if told.isascii() and told.isdigit() and int(told) > uploads.MOST_BYTES:
            raise uploads.too_large(name)

        async def use(content: bytearray) -> UploadedPicture:
            image = await _in(self.reader, lambda: self.decoder.decode(content, name))
            return await _in(self.reader, lambda: self._encoded(image, name))

        try:
            return self._kept(await self.uploads.take(request.stream(), name, use))
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody

    async def object(self, request: Request) -> Response:
        if self._starts == 0:
            raise BadInput("there is no renderer here to draw objects with")
        number = read_integer("object", request.path_params["number"], 0, self._starts - 1)
        objects, views = self.objects, None
        if objects is None:
            pixels, true = self.images[number].pixels, self.images[number].values
        else:
            views = drawn = objects.frontal(number)
            pixels = await _in(self.renderer, lambda: objects.draw(drawn, {}))
            true = {key: float(value[0]) for key, value in drawn.values.items()}
        image, name = Image.fromarray(pixels), f"test-{self.runs[0].run.object}-{number + 1}.png".replace(" ", "-")
        picture = await _in(self.reader, lambda: self._encoded(image, name))
        return self._kept(UploadedPicture(name, picture.encoded, {**true, **picture.start}, png(image), views))

    @property
    def _starts(self) -> int:
        """How many pictures there are to start from."""
        return len(self.images) if self.objects is None else len(self.objects)

    async def input(self, request: Request) -> Response:
        return _bytes(self._picture(request).encoded[0].pixels.tobytes())

    async def input_file(self, request: Request) -> Response:
        picture = self._picture(request)
        if picture.png is None:
            raise BadInput(f"{picture.name}: came from a file, and is not sent back")
        return _bytes(picture.png, "image/png")

    async def decoded(self, request: Request) -> Response:
        picture, settings = self._picture(request), self._settings(request)
        return _bytes(b"".join(image.tobytes() for image in await self._decode(picture, settings)))

    async def decoded_file(self, request: Request) -> Response:
        picture, settings = self._picture(request), self._settings(request)
        images = await self._decode(picture, settings)
        if len(images) == 1:
            return _bytes(png(Image.fromarray(images[0])), "image/png")
        tiles = [Tile(image / 255, name) for image, name in zip(images, self.names, strict=True)]
        return _bytes(png(draw_rows([Row(tiles)])), "image/png")

    async def true(self, request: Request) -> Response:
        picture, settings = self._picture(request), self._settings(request)
        objects, views = self.objects, picture.views
        if objects is None or views is None:
            raise BadInput(f"{picture.name}: its true pictures are not known")
        degrees = {name: value for name, value in settings.items() if name in views.values}
        image = await _in(self.renderer, lambda: objects.draw(views, degrees))
        return _bytes(image.tobytes())

    async def sweep(self, request: Request) -> Response:
        picture = self._picture(request)
        pairs = request.query_params.multi_items()
        recorded = {name: text for name, text in pairs if name in ("sweep-of", "sweep-steps")}  # no name of a factor
        settings = read_settings([pair for pair in pairs if pair[0] not in recorded], self.runs[0].sliders)
        slider = next((each for each in self.runs[0].sliders if each.name == recorded.get("sweep-of")), None)
        if slider is None:
            raise BadInput("sweep-of: expected the name of a slider")
        steps = read_integer("sweep-steps", recorded.get("sweep-steps", "24"), *STEPS)
        label = self.runs[0].run.labels.get(slider.name)
        pictures = [await self._decode(picture, each) for each in sweeps(slider, steps, settings)]
        return _bytes(await _in(self.reader, lambda: recording(slider, label, pictures, self.names)), "image/gif")

    async def command(self, request: Request) -> Response:
        picture, settings = self._picture(request), self._settings(request)
        lines = [command_line(each, picture.name, self._fitted(settings, each)) for each in self.runs]
        return PlainTextResponse("\n".join(filter(None, lines)))

    def _picture(self, request: Request) -> UploadedPicture:
        return self.pictures.get(request.path_params["id"])

    def _settings(self, request: Request) -> dict[str, float]:
        return read_settings(request.query_params.multi_items(), self.runs[0].sliders)

    async def _decode(self, picture: UploadedPicture, settings: dict[str, float]) -> list[Any]:
        """Decode (H, W) uint8 of each run."""

        def decode() -> list[Any]:
            pairs = zip(self.runs, picture.encoded, strict=True)
            return [each.picture(encoded.code, self._fitted(settings, each)) for each, encoded in pairs]

        return await _in(self.network, decode)

    def _fitted(self, settings: dict[str, float], open_run: OpenRun) -> dict[str, float]:
        return fitted(settings, self.runs[0].sliders, open_run.sliders)

    def _encoded(self, image: Image.Image, name: str) -> UploadedPicture:
        encoded = tuple(each.read(image, name) for each in self.runs)
        return UploadedPicture(name, encoded, self.runs[0].values(encoded[0].code))

    def _kept(self, picture: UploadedPicture) -> Response:
        several = len(self.runs) > 1
        warnings = [
            f"{name}: {encoded.warning}" if several else encoded.warning
            for name, encoded in zip(self.names, picture.encoded, strict=True)
            if encoded.warning
        ]
        return JSONResponse(
            {
                "id": self.pictures.add(picture), "name": picture.name, "start": picture.start, "warnings": warnings,
                "drawn": picture.views is not None, "kept": picture.png is not None,
            }
        )  # fmt: skip


async def _in(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def _file(name: str, kind: str) -> Callable[[Request], Any]:
    content = read_web_file(name)

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def _bytes(content: bytes, kind: str = "application/octet-stream") -> Response:
    return Response(content, media_type=kind)


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, DcignError)
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    headers = {"Connection": "close"} if status in (408, 413) else {}  # what else arrives is not read
    return PlainTextResponse(" ".join(str(error).split()), status, headers)


class Guard:
    """ASGI middleware that answers pages of this server only.

    A name that another site points at this machine (DNS rebinding) is refused, and so is what a page of another site
    sends. Every answer tells the browser to load nothing from elsewhere.

    host  what the server was told to listen on: a name or an address
    """

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
        """Say in one line why a request is not answered; None if it is."""
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
        """Tell whether a Host header names this machine. Any port will do: it may have been forwarded."""
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
