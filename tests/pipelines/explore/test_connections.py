"""Whoever keeps the explorer's server waiting shuts nobody else out: idle, half-sent and stalled, a bounded number."""

import asyncio
import socket
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest
from explore_fixtures import face, serving
from image_file_fixtures import jpeg_of_scans
from untrained_run import write_calibrated

from pipelines.explore import connections, uploads
from pipelines.explore.uploads import Stalled, TooLarge, Uploads

HALF = b"GET /api/session HTTP/1.1\r\nHost: localhost\r\n"
STALLED = b"POST /api/pictures?name=s.png HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\nabc"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    run = tmp_path_factory.mktemp("work") / "run"
    write_calibrated(run)
    with serving(run) as found:
        yield found


@contextmanager
def connected(client, sent, count):
    """So many sockets that have sent this and nothing more."""
    host, port = client.host.split(":")
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection((host, int(port)), 20)) for _ in range(count)]
        for each in sockets:
            each.sendall(sent)
        yield sockets


def ended(connection):
    """What a connection still says until the server ends it."""
    connection.settimeout(20)
    said = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(4096):
            said += chunk
    return said


@pytest.mark.parametrize("sent", [b"", HALF, b"G"], ids=["idle", "half-sent", "a letter"])
def test_220_connections_that_wait_shut_nobody_out(client, sent):
    with connected(client, sent, 220):
        started = time.monotonic()
        assert client.get("/api/session").status == 200
        assert client.upload(face()).status == 200
        assert time.monotonic() - started < 8


def test_connections_rest_no_longer_than_a_limit(client, monkeypatch):
    monkeypatch.setattr(connections, "SECONDS_FOR_REQUEST", 0.2)
    with connected(client, b"", 1) as idle, connected(client, HALF, 1) as half:
        assert [ended(each) for each in (*idle, *half)] == [b"", b""]
    with connected(client, HALF + b"\r\n", 1) as (second,):
        assert second.recv(10_000).startswith(b"HTTP/1.1 200 OK")
        second.sendall(HALF)
        assert b"HTTP" not in ended(second)


@pytest.mark.parametrize("count", [4, 60])
def test_uploads_that_stall_block_nobody(client, count):
    with connected(client, STALLED, count):
        started = time.monotonic()
        assert client.upload(face()).status == 200
        assert client.get("/api/session").status == 200
        assert time.monotonic() - started < 8


def test_an_upload_that_stands_still_is_told_so(client, monkeypatch):
    monkeypatch.setattr(uploads, "SILENCE", 0.2)
    with connected(client, STALLED, 1) as stalled:
        said = ended(stalled[0])
    assert said.startswith(b"HTTP/1.1 408")
    assert said.endswith(b"s.png: the upload did not arrive in time; send it again")


def test_a_slow_jpeg_is_refused_in_one_line_and_the_next_picture_read(client):
    refused = client.upload(jpeg_of_scans(1000, 4000, 4000), "slow.jpg")
    assert (refused.status, refused.text[:42]) == (400, "slow.jpg: a JPEG of at least 101 scans; ex")
    assert "\n" not in refused.text
    assert client.upload(face()).status == 200


async def body(*chunks, then=0.0):
    for chunk in chunks:
        yield chunk
    await asyncio.sleep(then)


async def kept(content):
    return bytes(content)


def test_an_upload_is_read_no_further_than_the_limit(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 10_000)
    read = []

    async def endless():
        while True:
            read.append(1)
            yield bytes(1000)

    with pytest.raises(TooLarge, match=r"endless\.png: expected an image file of at most"):
        asyncio.run(Uploads().take(endless(), "endless.png", kept))
    assert len(read) == 11


def test_the_upload_that_stood_still_for_longest_gives_way_to_a_newcomer(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_TOGETHER", 2)

    async def three():
        taken = Uploads()
        first = asyncio.ensure_future(taken.take(body(b"1", then=30), "first.png", kept))
        await asyncio.sleep(0.01)
        second = asyncio.ensure_future(taken.take(body(b"2", then=0.05), "second.png", kept))
        await asyncio.sleep(0.01)
        third = asyncio.ensure_future(taken.take(body(b"3"), "third.png", kept))
        return await asyncio.gather(first, second, third, return_exceptions=True)

    first, *others = asyncio.run(three())
    assert isinstance(first, Stalled)
    assert str(first) == "first.png: the upload stood still and gave way to others; send it again"
    assert others == [b"2", b"3"]


def test_an_upload_gives_way_to_the_bytes_of_others_and_a_trickle_is_no_progress(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_HELD", 300_000)

    async def trickle():
        for _ in range(3000):
            yield b"x" * 20
            await asyncio.sleep(0.01)

    async def two():
        taken = Uploads()
        slow = asyncio.ensure_future(taken.take(trickle(), "slow.png", kept))
        await asyncio.sleep(0.05)
        large = asyncio.ensure_future(taken.take(body(*[bytes(1000)] * 299, b"x" * 990), "large.png", kept))
        return await asyncio.gather(slow, large, return_exceptions=True)

    slow, large = asyncio.run(two())
    assert isinstance(slow, Stalled)
    assert len(large) == 299_990
