"""The explorer's server without a browser: pictures in and out, refusals, several visitors at once."""

import http.client
import io
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explore_fixtures import SIZE, Client, Discs, serving
from mesh_fixtures import write_models
from PIL import Image
from shard_fixtures import synthetic_images
from untrained_run import write_calibrated, write_untrained

from dcign.errors import BadInput
from dcign.images import load_grey
from dcign.pictures import to_uint8
from dcign.rendering import write_rendering
from dcign.run import load_run
from pipelines.explore import app as explore_app
from pipelines.explore import command, held
from pipelines.explore.held import file_name
from pipelines.explore.opened import open_runs, short_names
from pipelines.explore.serve import listen
from pipelines.render import command as render_command
from pipelines.rerender import command as rerender_command
from pipelines.studio import NoStudio
from pipelines.true_objects import open_true_objects
from render.shards import open_data_set

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    write_calibrated(folder / "other", narrow=0.5, seed=1)
    write_calibrated(folder / "strict", reconstruction=tuple(k * 1e-8 for k in range(101)))
    write_untrained(folder / "uncalibrated", gain=300.0)
    write_untrained(folder / "chairs", object="chair")
    Image.fromarray(picture()).save(folder / "face.png")
    return folder


@pytest.fixture(scope="module")
def client(work):
    with serving(work / "run", true=Discs()) as found:
        yield found


def picture(identity=3, size=SIZE, azimuth=20.0, light=30.0):
    """(size, size) uint8."""
    angles = [np.array([angle]) for angle in (azimuth, 10.0, light)]
    return synthetic_images(*angles, np.array([identity]), size)[0]


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def face(**options):
    return file_of(Image.fromarray(picture(**options)))


def by_command(line, folder, monkeypatch):
    """The picture that a command line which the page showed leaves in its output folder."""
    words = shlex.split(line)
    assert words[:2] == ["dcign", "rerender"]
    monkeypatch.chdir(folder)
    rerender_command.main(words[2:], standalone_mode=False)
    (written,) = (folder / words[words.index("-o") + 1]).glob("*.png")
    with Image.open(written) as image:
        return np.asarray(image).copy()


def test_the_session_says_what_there_is_to_turn(client, work):
    session = client.get("/api/session").json
    sliders = {slider["name"]: (slider["low"], slider["high"], slider["unit"]) for slider in session["sliders"]}
    assert sliders == {
        "azimuth": (-90, 90, "°"), "elevation": (-30, 30, "°"), "light": (-80, 80, "°"),
        "direction-1": (-3, 3, "σ"), "direction-2": (-3, 3, "σ"),
    }  # fmt: skip
    assert session["runs"] == [{"word": str(work / "run"), "name": "run", "size": SIZE, "step": 7}]
    assert (session["object"], session["objects"], session["notes"]) == ("face", 3, [])


@pytest.mark.parametrize(
    "settings",
    [{"azimuth": 30}, {"azimuth": -90, "light": 12.5, "direction_1": -1.5}, {"direction_2": 0.1, "direction_1": 3}],
)
def test_a_decoded_picture_is_that_of_the_command_line_shown(client, tmp_path, work, monkeypatch, settings):
    name = "ann's face (1); $HOME.png"
    (tmp_path / name).write_bytes(face())
    uploaded = client.upload(face(), f"C:\\pictures\\{name}")
    assert uploaded.json["name"] == name
    line = client.of(uploaded, "command", **settings).text
    expected = by_command(line, tmp_path, monkeypatch)
    assert np.array_equal(client.of(uploaded, "decoded", **settings).grey()[0], expected)
    with Image.open(io.BytesIO(client.of(uploaded, "decoded.png", **settings).body)) as saved:
        assert np.array_equal(np.asarray(saved), expected)
    assert not np.array_equal(client.of(uploaded, "decoded").grey()[0], expected)


def test_no_slider_moved_has_no_command_line(client):
    assert client.of(client.upload(face()), "command").text == ""


def rotated():
    """A file whose EXIF data turn it upright, and what it then shows."""
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    return file_of(Image.fromarray(np.rot90(picture())), "PNG", exif=exif)


def large():
    """40 megapixels."""
    return file_of(Image.fromarray(picture(size=100)).resize((8000, 5000), Image.Resampling.NEAREST), compress_level=1)


KINDS = {
    "plain.png": face,
    "wide.jpg": lambda: file_of(Image.fromarray(picture(size=90)).convert("RGB").resize((200, 90)), "JPEG"),
    "deep.png": lambda: file_of(Image.fromarray(picture(size=80).astype(np.uint16) * 257)),
    "cmyk.jpg": lambda: file_of(Image.fromarray(picture(size=80)).convert("RGB").convert("CMYK"), "JPEG"),
    "rotated.png": rotated,
    "large.png": large,
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_image_is_read_as_the_command_line_reads_it(client, tmp_path, name):
    content = KINDS[name]()
    (tmp_path / name).write_bytes(content)
    uploaded = client.upload(content, name)
    assert uploaded.status == 200
    expected = to_uint8(load_grey(tmp_path / name, SIZE, 0.0))
    assert np.array_equal(client.of(uploaded, "input").grey()[0], expected)
    assert expected.std() > 10


def test_a_rotated_file_stands_upright(client):
    assert np.array_equal(client.of(client.upload(rotated()), "input").grey()[0], picture())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "a.png: not an image that can be read"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "a.png: an SVG drawing"),
        (b"", "a.png: expected an image, found an empty file"),
        (face()[:300], "a.png: damaged or truncated image"),
        (file_of(Image.new("1", (20_000, 20_000))), "a.png: too many pixels"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line_and_the_server_lives_on(client, content, said):
    refused = client.upload(content, "a.png")
    assert refused.status == 400
    assert refused.text.startswith(said)
    assert "\n" not in refused.text
    assert client.upload(face()).status == 200


def test_an_upload_beyond_the_limit_is_refused_unread(client, monkeypatch):
    monkeypatch.setattr(explore_app, "MOST_BYTES", 2**20)
    told = client.ask("POST", "/api/pictures?name=big.png", headers={"Content-Length": str(2**20 + 1)})
    assert (told.status, told.text) == (413, "big.png: expected an image file of at most 1 MiB, found more")
    assert client.upload(face()).status == 200


def test_an_upload_of_unknown_length_is_read_no_further_than_the_limit(monkeypatch):
    import asyncio

    from starlette.requests import Request

    monkeypatch.setattr(explore_app, "MOST_BYTES", 10_000)
    read = []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": bytes(1000), "more_body": True}

    request = Request({"type": "http", "headers": [], "method": "POST"}, receive)
    with pytest.raises(explore_app.TooLarge):
        asyncio.run(explore_app._body(request, "endless.png"))
    assert len(read) == 11


@pytest.mark.parametrize(
    ("what", "query", "said"),
    [
        ("decoded", "azimuth=91", "azimuth: expected a number from -90 to 90, found '91'"),
        ("decoded", "azimuth=nan", "azimuth: expected a number"),
        ("decoded", "azimuth=inf", "azimuth: expected a number"),
        ("decoded", "azimuth=", None),
        ("decoded", "azimuth=1&azimuth=2", "azimuth: expected one value"),
        ("decoded", "yaw=1", "'yaw': expected the name of a slider"),
        ("decoded", "direction-9=1", "'direction-9'"),
        ("decoded", "direction-1=3.01", "direction-1: expected a number from -3 to 3"),
        ("decoded", f"{'x' * 500}=1", "'xxx"),
        ("decoded.png", "light=a%0Ab", "light: expected a number"),
        ("true", "azimuth=1e999", "azimuth: expected a number"),
        ("command", "of=azimuth", "'of'"),
        ("sweep.gif", "steps=24", "of: expected the name of a slider"),
        ("sweep.gif", "of=azimuth&steps=1", "steps: expected a whole number from 2 to 72, found '1'"),
        ("sweep.gif", "of=azimuth&steps=9999999999999", "steps: expected"),
        ("sweep.gif", "of=azimuth&steps=2.5", "steps: expected"),
        ("sweep.gif", "of=azimuth&elevation=31", "elevation: expected"),
    ],
)
def test_a_parameter_out_of_bounds_is_refused_in_one_line(client, what, query, said):
    uploaded = client.upload(face())
    answer = client.ask("GET", f"/api/pictures/{uploaded.json['id']}/{what}?{query}")
    if said is None:
        assert answer.status == 400
        return
    assert (answer.status, answer.text[: len(said)]) == (400, said)
    assert "\n" not in answer.text
    assert len(answer.text) < 250


def test_an_angle_that_is_full_precision_is_taken_as_it_is(client):
    uploaded = client.upload(face())
    near, nearer = (client.of(uploaded, "decoded", azimuth=angle).grey() for angle in (30.0, 30.4))
    assert not np.array_equal(near, nearer)


def test_of_the_pictures_the_one_unused_for_longest_leaves(client, monkeypatch):
    monkeypatch.setattr(held, "MOST", 3)
    first, second, third = (client.upload(face(identity=k)) for k in range(3))
    assert client.of(first, "decoded").status == 200
    fourth = client.upload(face(identity=4))
    assert [client.of(each, "decoded").status for each in (first, third, fourth)] == [200] * 3
    gone = client.of(second, "decoded")
    assert gone.status == 404
    assert "load it again" in gone.text
    assert client.get("/api/pictures/nonsense/decoded").status == 404


def test_visitors_at_once_do_not_disturb_each_other(client):
    uploads = [client.upload(face(identity=k, azimuth=10.0 * k)) for k in range(6)]
    angles = [-60 + 20 * k for k in range(6)]
    alone = [client.of(each, "decoded", azimuth=angle).body for each, angle in zip(uploads, angles, strict=True)]
    assert len(set(alone)) == 6
    asked = [(k, turn) for turn in range(8) for k in range(6)]
    with ThreadPoolExecutor(12) as visitors:
        found = list(visitors.map(lambda each: client.of(uploads[each[0]], "decoded", azimuth=angles[each[0]]), asked))
    assert [answer.body for answer in found] == [alone[k] for k, _ in asked]


def test_a_test_object_is_drawn_in_the_pose_and_light_of_the_sliders(client):
    drawn = client.ask("POST", "/api/objects/2")
    assert (drawn.json["name"], drawn.json["drawn"]) == ("test-face-3.png", True)
    straight = picture_of(2)
    assert np.array_equal(client.of(drawn, "input").grey()[0], straight)
    with Image.open(io.BytesIO(client.of(drawn, "input.png").body)) as saved:
        assert np.array_equal(np.asarray(saved), straight)
    turned = client.of(drawn, "true", azimuth=40, light=-20, direction_1=2).grey()[0]
    assert np.array_equal(turned, picture_of(2, azimuth=40, light=-20))
    for number in ("3", "-1", "x", "0" * 30):
        assert client.ask("POST", f"/api/objects/{number}").status == 400
    assert client.of(client.upload(face()), "true").status == 400


def picture_of(identity, azimuth=0, elevation=0, light=0):
    angles = [np.full(1, float(angle)) for angle in (azimuth, elevation, light)]
    return synthetic_images(*angles, np.array([identity]), SIZE)[0]


def test_knobs_start_where_the_image_has_its_angles(client, work):
    import dcign

    engine = dcign.load(work / "run", device="cpu")
    expected = {name: float(angle) for name, angle in engine.degrees(engine.encode(picture())).items()}
    assert client.upload(face()).json["start"] == pytest.approx(expected)


def test_a_sweep_is_recorded_there_and_back(client):
    uploaded = client.upload(face())
    recorded = client.of(uploaded, "sweep.gif", [("of", "azimuth"), ("steps", "5")], light=20)
    with Image.open(io.BytesIO(recorded.body)) as gif:
        assert (gif.format, gif.n_frames) == ("GIF", 8)
        for frame, angle in ((0, -90), (3, 45), (5, 45)):
            gif.seek(frame)
            shown = np.asarray(gif.convert("L"))
            decoded = client.of(uploaded, "decoded", azimuth=angle, light=20).grey()[0]
            windows = np.lib.stride_tricks.sliding_window_view(shown, (2 * SIZE, 2 * SIZE))[:, :, ::2, ::2]
            assert (windows == decoded).all(axis=(2, 3)).any()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {"Host": "evil.example"}, 403),
        ("GET", "/api/session", {"Host": "evil.example:8150"}, 403),
        ("GET", "/", {"Host": "10.1.2.3"}, 403),
        ("GET", "/", {"Host": "127.0.0.1.evil.example"}, 403),
        ("GET", "/", {"Host": "["}, 403),
        ("GET", "/", {"Host": "localhost:9000"}, 200),
        ("GET", "/", {"Host": "[::1]:9000"}, 200),
        ("POST", "/api/pictures", {"Origin": "http://evil.example"}, 403),
        ("POST", "/api/pictures", {"Origin": "null"}, 403),
        ("POST", "/api/pictures", {"Origin": "http://[evil"}, 403),
        ("POST", "/api/pictures", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/api/session", {"Sec-Fetch-Site": "same-site"}, 403),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site"}, 200),
        ("GET", "/api/nothing", {}, 404),
        ("GET", "/../cli.py", {}, 404),
        ("GET", "/%2e%2e/cli.py", {}, 404),
        ("PUT", "/api/pictures", {}, 405),
    ],
)
def test_only_its_own_pages_are_answered_and_nothing_from_elsewhere_is_allowed_in(
    client, method, path, headers, status
):
    answer = client.ask(method, path, face() if method == "POST" else None, headers)
    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "access-control-allow-origin" not in answer.headers


def test_its_own_page_may_post(client):
    for headers in ({"Origin": f"http://{client.host}", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert client.ask("POST", "/api/pictures", face(), headers).status == 200


def test_the_page_loads_all_that_it_names_from_the_server_itself(client):
    page = client.get("/").text
    for name in ("explore.js", "page.css", "icon.svg"):
        assert f'"{name}"' in page
    for name in ("", "explore.js", "controls.js", "pixels.js", "page.css", "icon.svg"):
        answer = client.get(f"/{name}")
        assert answer.status == 200
        assert "<script>" not in answer.text
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_an_image_unlike_the_training_data_gets_the_warning_of_the_command_line(work, tmp_path, capsys):
    with serving(work / "strict") as client:
        (warning,) = client.upload(face(), "face.png").json["warnings"]
    words = [work / "strict", work / "face.png", "--azimuth", "0", "-o", tmp_path / "out.png"]
    rerender_command.main([str(word) for word in words], standalone_mode=False)
    assert capsys.readouterr().err == f"Warning: {work / 'face.png'}: {warning}\n"


def test_without_calibration_the_page_says_so_and_raw_latents_turn(work, tmp_path, monkeypatch):
    (tmp_path / "face.png").write_bytes(face())
    with serving(work / "uncalibrated") as client:
        session = client.get("/api/session").json
        (note,) = session["notes"]
        assert "is not calibrated" in note
        assert "dcign evaluate" in note
        assert [slider["name"] for slider in session["sliders"]] == [
            "latent-azimuth", "latent-elevation", "latent-light",
        ]  # fmt: skip
        uploaded = client.upload(face())
        line = client.of(uploaded, "command", latent_azimuth=-4.5, latent_light=2).text
        expected = by_command(line, tmp_path, monkeypatch)
        found = client.of(uploaded, "decoded", latent_azimuth=-4.5, latent_light=2).grey()[0]
    assert np.array_equal(found, expected)


def test_a_second_run_is_decoded_under_the_same_sliders_within_its_ranges(work, tmp_path, monkeypatch):
    (tmp_path / "face.png").write_bytes(face())
    with serving(work / "run", work / "other") as client:
        session = client.get("/api/session").json
        assert any("holds azimuth at -45 to 45" in note for note in session["compared"])
        assert [run["name"] for run in session["runs"]] == ["run", "other"]
        uploaded = client.upload(face())
        both = client.of(uploaded, "decoded", azimuth=80, direction_1=1).grey(2)
        lines = client.of(uploaded, "command", azimuth=80, direction_1=1).text.split("\n")
        saved = client.of(uploaded, "decoded.png", azimuth=80)
        sweep = client.of(uploaded, "sweep.gif", [("of", "light"), ("steps", "2")])
    for shown, line, turned in zip(both, lines, ("--azimuth=80", "--azimuth=45"), strict=True):
        assert turned in line
        folder = tmp_path / turned
        folder.mkdir()
        (folder / "face.png").write_bytes(face())
        assert np.array_equal(shown, by_command(line, folder, monkeypatch))
    assert not np.array_equal(*both)
    for answer in (saved, sweep):
        with Image.open(io.BytesIO(answer.body)) as image:
            assert image.width > 2 * SIZE


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


def test_without_its_packages_the_extra_is_named(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(BadInput, match=r"pip install 'dcign\[explore\]'"):
        command.main([str(work / "run")], standalone_mode=False)


def test_without_its_training_data_a_run_has_no_true_objects(work):
    with pytest.raises(NoStudio, match="not known how its training data were drawn"):
        open_true_objects(load_run(work / "run"), None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\x\\a b.png", "a b.png"), ("a\n\x1bb.png", "ab.png"), ("", "image"),
        ("..", "image"), ("x/", "image"), ("é ü.png", "é ü.png"), ("a" * 400 + ".png", "a" * 247 + "aaaa.png"),
        ("a" * 251 + ".png", "a" * 251 + ".png"), ("at 9.41\u202fAM\u3000.png", "at 9.41\u202fAM\u3000.png"),
        ("می\u200cخواهم.png", "می\u200cخواهم.png"), ("a\u202egnp.png", "agnp.png"), ("a\u2028b.png", "ab.png"),
    ],
)  # fmt: skip
def test_a_client_names_its_file_for_people_only(given, kept):
    assert file_name(given) == kept


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
    """A process of `dcign explore` on a free port: (process, client)."""
    code = "from pipelines.explore import command; command.main(standalone_mode=False)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    try:
        yield process, Client(next(line.split()[0] for line in process.stdout if line.startswith("http")))
    finally:
        process.kill()
        process.communicate()


def ended(process, number):
    """What it printed as errors, once the signal has ended it."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    return errors


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


def test_small_answers_leave_at_once(client):
    """Not 40 ms late, as where TCP waits for more to send."""
    connection = http.client.HTTPConnection(client.host, timeout=30)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        connection.request("GET", "/page.css")
        connection.getresponse().read()
        times.append(time.perf_counter() - start)
    connection.close()
    assert np.median(times) < 0.03
