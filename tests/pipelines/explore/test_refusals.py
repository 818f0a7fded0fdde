"""What the explorer's server does not do: read what is no image, take what is out of bounds, answer strangers."""

import pytest
from explore_fixtures import Discs, face, file_of, serving
from PIL import Image
from untrained_run import write_calibrated

from pipelines.explore import uploads
from pipelines.explore.session import file_name


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    run = tmp_path_factory.mktemp("work") / "run"
    write_calibrated(run)
    with serving(run, true=Discs()) as found:
        yield found


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
    monkeypatch.setattr(uploads, "MOST_BYTES", 2**20)
    told = client.ask("POST", "/api/pictures?name=big.png", headers={"Content-Length": str(2**20 + 1)})
    assert (told.status, told.text) == (413, "big.png: expected an image file of at most 1 MiB, found more")
    assert client.upload(face()).status == 200


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
        ("sweep.gif", "sweep-steps=24", "sweep-of: expected the name of a slider"),
        ("sweep.gif", "sweep-of=azimuth&sweep-steps=1", "sweep-steps: expected a whole number from 2 to 72, found '1'"),
        ("sweep.gif", "sweep-of=azimuth&sweep-steps=9999999999999", "sweep-steps: expected"),
        ("sweep.gif", "sweep-of=azimuth&sweep-steps=2.5", "sweep-steps: expected"),
        ("sweep.gif", "sweep-of=azimuth&elevation=31", "elevation: expected"),
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
