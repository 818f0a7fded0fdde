"""The explorer's server on a free port of this process, and objects that are drawn without a renderer."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
from PIL import Image
from shard_fixtures import synthetic_images

from pipelines.drawing.unseen_images import open_unseen_images
from pipelines.explore.app import Explorer
from pipelines.explore.server import Server, address_of, listen, not_drawn
from pipelines.explore.session import open_runs
from render.jobs.views import Views

SIZE = 54


class Discs:
    """Stands in for `TrueObjects`: discs of numpy."""

    def __init__(self, count=3):
        self.count, self.drawn = count, 0

    def __len__(self):
        return self.count

    def frontal(self, number):
        values = {name: np.zeros(1, np.float32) for name in ("azimuth", "elevation", "light")}
        return Views(np.array([number]), None, values)

    def draw(self, views, degrees):
        self.drawn += 1
        angles = [np.full(1, degrees.get(name, 0.0)) for name in ("azimuth", "elevation", "light")]
        return synthetic_images(*angles, views.identity, SIZE)[0]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def grey(self, count=1):
        return np.frombuffer(self.body, np.uint8).reshape(count, SIZE, SIZE)


class Client:
    """Talks to a server as a browser would; each request is a connection of its own."""

    def __init__(self, address):
        self.address = address
        self.host = address.split("/")[2]

    def ask(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()})
        finally:
            connection.close()

    def get(self, path, query=(), **settings):
        pairs = [*query, *((name.replace("_", "-"), value) for name, value in settings.items())]
        return self.ask("GET", f"{path}?{urlencode(pairs)}")

    def upload(self, content, name="face.png"):
        return self.ask("POST", f"/api/pictures?{urlencode({'name': name})}", content)

    def of(self, picture, what, query=(), **settings):
        """An answer about a picture that was uploaded or drawn."""
        return self.get(f"/api/pictures/{picture.json['id']}/{what}", query, **settings)


@contextmanager
def serving(*runs, true=None, shards=None, fit=0):
    """A `Client` of a server of `runs`, in a thread: with objects to draw, or test images of shards to start from."""
    with listen("127.0.0.1", 0) as listening:
        opened = open_runs(runs, "cpu", fit)
        images = () if shards is None else open_unseen_images(opened[0].run, shards)
        remarks = [not_drawn(images)] if opened[0].run.imported else []
        server = Server(Explorer(opened, true, images, remarks), "127.0.0.1")
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield Client(address_of(listening, "127.0.0.1"))
        finally:
            server.should_exit = True
            thread.join()


def picture(identity=3, size=SIZE, azimuth=20.0, elevation=10.0, light=30.0):
    """(size, size) uint8."""
    angles = [np.array([angle]) for angle in (azimuth, elevation, light)]
    return synthetic_images(*angles, np.array([identity]), size)[0]


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def face(**options):
    return file_of(Image.fromarray(picture(**options)))
