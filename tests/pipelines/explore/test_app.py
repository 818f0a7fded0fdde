"""The explorer's server without a browser: pictures in and out, several visitors at once."""

import io
import shlex
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from explore_fixtures import SIZE, Discs, face, file_of, picture, serving
from PIL import Image
from untrained_run import write_calibrated, write_untrained

from dcign.engine.drawing import to_uint8
from dcign.engine.image_files import load_grey
from pipelines.commands.rerender import command as rerender_command
from pipelines.explore import session


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    write_calibrated(folder / "other", narrow=0.5, seed=1)
    write_calibrated(folder / "strict", reconstruction=tuple(k * 1e-8 for k in range(101)))
    write_untrained(folder / "uncalibrated", gain=300.0)
    Image.fromarray(picture()).save(folder / "face.png")
    return folder


@pytest.fixture(scope="module")
def client(work):
    with serving(work / "run", true=Discs()) as found:
        yield found


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


def test_a_fitted_picture_is_that_of_the_command_line_shown(client, tmp_path, work, monkeypatch):
    (tmp_path / "ann.png").write_bytes(face())
    with serving(work / "run", fit=5) as fitting:
        uploaded = fitting.upload(face(), "ann.png")
        shown = fitting.of(uploaded, "decoded", azimuth=30).grey()[0]
        line = fitting.of(uploaded, "command", azimuth=30).text
    assert "--fit=5" in line
    assert np.array_equal(shown, by_command(line, tmp_path, monkeypatch))


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


def test_an_angle_that_is_full_precision_is_taken_as_it_is(client):
    uploaded = client.upload(face())
    near, nearer = (client.of(uploaded, "decoded", azimuth=angle).grey() for angle in (30.0, 30.4))
    assert not np.array_equal(near, nearer)


def test_of_the_pictures_the_one_unused_for_longest_leaves(client, monkeypatch):
    monkeypatch.setattr(session, "MOST", 3)
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
    straight = picture(2, azimuth=0, elevation=0, light=0)
    assert np.array_equal(client.of(drawn, "input").grey()[0], straight)
    with Image.open(io.BytesIO(client.of(drawn, "input.png").body)) as saved:
        assert np.array_equal(np.asarray(saved), straight)
    turned = client.of(drawn, "true", azimuth=40, light=-20, direction_1=2).grey()[0]
    assert np.array_equal(turned, picture(2, azimuth=40, elevation=0, light=-20))
    for number in ("3", "-1", "x", "0" * 30):
        assert client.ask("POST", f"/api/objects/{number}").status == 400
    assert client.of(client.upload(face()), "true").status == 400


def test_knobs_start_where_the_image_has_its_angles(client, work):
    import dcign

    engine = dcign.load(work / "run", device="cpu")
    expected = {name: float(angle) for name, angle in engine.degrees(engine.encode(picture())).items()}
    assert client.upload(face()).json["start"] == pytest.approx(expected)


def test_a_sweep_is_recorded_there_and_back(client):
    uploaded = client.upload(face())
    recorded = client.of(uploaded, "sweep.gif", [("sweep-of", "azimuth"), ("sweep-steps", "5")], light=20)
    with Image.open(io.BytesIO(recorded.body)) as gif:
        assert (gif.format, gif.n_frames) == ("GIF", 8)
        for frame, angle in ((0, -90), (3, 45), (5, 45)):
            gif.seek(frame)
            shown = np.asarray(gif.convert("L"))
            decoded = client.of(uploaded, "decoded", azimuth=angle, light=20).grey()[0]
            windows = np.lib.stride_tricks.sliding_window_view(shown, (2 * SIZE, 2 * SIZE))[:, :, ::2, ::2]
            assert (windows == decoded).all(axis=(2, 3)).any()


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
        sweep = client.of(uploaded, "sweep.gif", [("sweep-of", "light"), ("sweep-steps", "2")])
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
