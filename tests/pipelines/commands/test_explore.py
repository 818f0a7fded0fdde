"""`dcign explore` as a command: what it refuses to start with, how it starts and how it ends."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest
from explore_fixtures import SIZE, Client
from forked import Forked, run_command_in_a_group
from image_file_fixtures import jpeg_of_scans
from mesh_fixtures import write_models
from untrained_run import write_calibrated, write_untrained

from dcign.errors import BadInput
from dcign.runs.run import load_run
from dcign.runs.training_data import write_rendering
from pipelines.commands.explore import command
from pipelines.commands.render import command as render_command
from pipelines.drawing.objects import open_unseen_objects
from pipelines.drawing.renderer import CannotDraw
from pipelines.explore.server import listen
from pipelines.explore.session import open_runs, short_names
from render.shards.data_set import open_data_set


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    write_untrained(folder / "chairs", object="chair")
    return folder


@pytest.fixture(scope="module")
def drawn_run(tmp_path_factory):
    """A run whose training data, chairs of the user, can be drawn again; and the models."""
    folder = tmp_path_factory.mktemp("drawn")
    models = write_models(folder / "chairs", 14)
    words = ("--object", "chair", "--assets", models, "--n", 4, "--size", SIZE, "--batch-size", 4, "--workers", 1)
    render_command.main([str(word) for word in (*words, "-o", folder / "shards")], standalone_mode=False)
    data = open_data_set(folder / "shards")
    run = write_untrained(folder / "run", object="chair", fingerprint=data.fingerprint)
    write_rendering(run, data)
    return run, models


def alive(group):
    """What still runs in a process group: `ps` lines, without those that have ended and wait to be collected."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [row for row in rows if int(row[0]) == group and not row[1].startswith("Z")]


@contextmanager
def started(*words):
    """A process of `dcign explore` on a free port, a group of its own: (process, client)."""
    process = Forked(run_command_in_a_group, "explore", *words, "--port", 0)
    try:
        end = time.monotonic() + 60
        while not (lines := [line for line in process.printed() if line.startswith("http")]):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield process, Client(lines[0].split()[0])
    finally:
        process.kill()
        process.communicate()


def ended(process, number):
    """What it printed as errors, once the signal has ended it."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    return errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "chairs"], "expected two runs of one kind of object, found faces and chairs"),
        (["nowhere"], "nowhere: expected a folder written by `dcign train`"),
        (["run", "--host", "no.such.host.invalid"], "--host no.such.host.invalid: expected a name or address"),
        (["run", "--host", "192.0.2.1"], "--host 192.0.2.1: expected an address of this machine"),
        (["run", "--assets", "nothing"], "not known how its training data were drawn"),
    ],
)
def test_what_cannot_be_explored_is_said_in_one_line(work, monkeypatch, words, said):
    monkeypatch.chdir(work)
    with pytest.raises(BadInput) as caught:
        command.main([*words, "--port", "0"] if "--port" not in words else words, standalone_mode=False)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_port_in_use_is_named(work):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"--port {port}: in use by another program; --port 0 picks a free one"):
            command.main([str(work / "run"), "--port", str(port)], standalone_mode=False)


def test_listening_to_other_machines_is_warned_of(capsys):
    listen("0.0.0.0", 0).close()
    assert capsys.readouterr().err.count("Warning: --host 0.0.0.0") == 1
    listen("127.0.0.1", 0).close()
    assert capsys.readouterr().err == ""


def test_small_answers_leave_at_once():
    """Else TCP waits 40 ms for more to send; asyncio tells it not to if the socket says that it is TCP."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_without_its_packages_the_extra_is_named(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(BadInput, match=r"pip install 'dcign\[explore\]'"):
        command.main([str(work / "run")], standalone_mode=False)


def test_without_its_training_data_a_run_has_no_true_objects(work):
    with pytest.raises(CannotDraw, match="not known how its training data were drawn"):
        open_unseen_objects(load_run(work / "run"), None)


def test_runs_are_told_apart_by_as_little_of_their_paths_as_it_takes(work):
    (run,) = open_runs([work / "run"], "cpu")
    for words, names in (
        (["a/run", "b/run"], ["a/run", "b/run"]),
        (["/x/faces", "chairs"], ["faces", "chairs"]),
        (["x/a/run", "y/a/run"], ["x/a/run", "y/a/run"]),
        (["a", "a"], ["a", "a"]),
        ([".", "b"], [".", "b"]),
    ):
        assert short_names([replace(run, word=word) for word in words]) == names


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed")
def test_unseen_objects_are_served_until_sigterm_ends_the_command_and_its_worker(drawn_run):
    run, models = drawn_run
    with started(run, "--assets", models) as (process, client):
        drawn = client.ask("POST", "/api/objects/0")
        assert drawn.status == 200
        seen = client.of(drawn, "true").grey()[0]
        assert np.array_equal(seen, client.of(drawn, "input").grey()[0])
        assert 0 < np.count_nonzero(seen < 250) < seen.size
        assert "Traceback" not in ended(process, signal.SIGTERM)
        assert process.returncode == 0
        end = time.monotonic() + 10
        while alive(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert alive(process.pid) == []


def test_ctrl_c_is_no_failure_and_a_missing_renderer_none_either(work):
    with started(work / "run") as (process, client):
        assert client.get("/api/session").json["objects"] == 0
        assert ended(process, signal.SIGINT) == ""
        assert process.returncode == 0


def test_ctrl_c_ends_it_without_a_word_whatever_is_going_on(work):
    """A decoder at work, uploads and requests that do not arrive, connections at rest."""
    stalled = b"POST /api/pictures?name=s.png HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nabc"
    slow = jpeg_of_scans(100, 10_000, 10_000)
    sent = stalled.replace(b" 900", b" %d" % len(slow)).replace(b"abc", slow)
    with started(work / "run") as (process, client), ExitStack() as open_sockets:
        host, port = client.host.split(":")
        client.get("/")
        for content in (sent, *[stalled] * 6, *[b"GET / HT"] * 3, *[b""] * 3):
            each = open_sockets.enter_context(socket.create_connection((host, int(port)), 20))
            each.sendall(content)
        time.sleep(0.4)
        begun = time.monotonic()
        assert ended(process, signal.SIGINT) == ""
        assert process.returncode == 0
        assert time.monotonic() - begun < 8  # less than 1 where nothing else runs
