import numpy as np
import pytest
from PIL import Image
from shard_fixtures import write_synthetic
from untrained_run import write_untrained

from dcign import calibration, manipulate
from dcign.calibration import Calibration
from dcign.curves import Curve, GroupCurve
from dcign.errors import BadInput
from dcign.images import load_grey
from dcign.run import load_run
from pipelines.rerender import parse_angles
from render.shards import open_data_set

SQUARE = ((30.0, 0.0), (0.0, 30.0), (-30.0, 0.0), (0.0, -30.0), (30.0, 0.0))


def curve(factor, low, high):
    return Curve(factor, (low, 0.0, high), (-60.0, 0.0, 40.0), False, 3.0, 0.9, 100, 100)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    curves = {"azimuth": curve("azimuth", -90.0, 90.0), "elevation": curve("elevation", -30.0, 30.0)}
    calibration.save(write_untrained(folder / "run", step=7), Calibration(curves, 7, {}))
    calibration.save(write_untrained(folder / "older", step=9), Calibration(curves, 7, {}))
    write_untrained(folder / "uncalibrated")
    square = GroupCurve("azimuth", (0.0, 90.0, 180.0, 270.0, 360.0), SQUARE, True, 3.0, 0.9, 100, 100)
    pair = write_untrained(folder / "pair", object="chair", code="azimuth:2,rest:8")
    calibration.save(pair, Calibration({"azimuth": square}, 7, {}))
    calibration.save(write_untrained(folder / "single", object="chair"), Calibration({"azimuth": square}, 7, {}))
    face = (
        open_data_set(write_synthetic(folder / "s", counts={"azimuth": 1}), "train").minibatch("azimuth", 0).images[0]
    )
    Image.fromarray(face).save(folder / "face.png")
    Image.fromarray(face).convert("RGB").resize((300, 200)).save(folder / "large.jpg")
    (folder / "cut.png").write_bytes((folder / "face.png").read_bytes()[:300])
    (folder / "text.png").write_text("hello")
    return folder


def tiles_in(picture, tile):
    """How often the grey `tile` stands in `picture`, pixel for pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(picture), tile.shape)
    return int((windows == tile).all(axis=(2, 3)).sum())


def test_a_strip_shows_the_input_and_each_angle_decoded_with_its_latent_set(dcign, work):
    code, out, err = dcign("rerender", "run", "face.png", "--azimuth", "-60:60:5", "-o", "strip.png")
    assert (code, err) == (0, "")
    assert "5 images" in out
    with Image.open(work / "strip.png") as strip:
        picture = np.asarray(strip.convert("L"))
    assert tiles_in(picture, np.asarray(Image.open(work / "face.png"))) == 1
    run = load_run(work / "run")
    face = load_grey(work / "face.png", 54, 0.0)
    code_of_face = manipulate.encode(run, face[None])[0]
    for angle, value in zip((-60, -30, 0, 30, 60), (-40, -20, 0, 40 / 3, 80 / 3), strict=True):
        expected = code_of_face.copy()
        expected[0] = value  # set to the calibration, not shifted
        frame = np.round(manipulate.decode(run, expected[None])[0] * 255).astype(np.uint8)
        assert tiles_in(picture, frame) >= 1, angle


def test_a_chair_turns_through_its_two_latents_together(dcign, work):
    code, out, err = dcign("rerender", "pair", "face.png", "--azimuth", "-180:150:12", "-o", "turn.png")
    assert (code, err) == (0, "")
    assert "12 images" in out
    with Image.open(work / "turn.png") as strip:
        picture = np.asarray(strip.convert("L"))
    run = load_run(work / "pair")
    own = manipulate.encode(run, load_grey(work / "face.png", 54, 1.0)[None])[0]
    for latents in ((-30, 0), (0, -30), (20, -10), (30, 0), (-20, 10)):  # at -180, -90, -30, 0 and 150 degrees
        expected = own.copy()
        expected[:2] = latents
        frame = np.round(manipulate.decode(run, expected[None])[0] * 255).astype(np.uint8)
        assert tiles_in(picture, frame) >= 1, latents


def test_several_factors_become_rows_and_one_angle_a_single_image(dcign, work):
    words = ("--azimuth", "-60:60:9", "--elevation", "-20", "-o", "rows.png")
    code, out, _ = dcign("rerender", "run", "large.jpg", *words)
    assert code == 0
    assert "10 images" in out
    assert dcign("rerender", "run", "large.jpg", "--azimuth", "-60:60:9", "-o", "one-row.png")[0] == 0
    with Image.open(work / "rows.png") as both, Image.open(work / "one-row.png") as one:
        assert both.height > 1.8 * one.height


def test_a_gif_has_a_frame_for_each_angle(dcign, work):
    assert dcign("rerender", "run", "face.png", "--elevation", "-30:30:7", "-o", "turn.GIF")[0] == 0
    with Image.open(work / "turn.GIF") as animation:
        assert animation.format == "GIF"
        assert animation.n_frames == 7


def test_weights_newer_than_the_calibration_are_pointed_out(dcign):
    code, _, err = dcign("rerender", "older", "face.png", "--azimuth", "0", "-o", "older.png")
    assert code == 0
    assert err.startswith("Warning: older was calibrated at step 7 and is at step 9")


def test_the_same_command_gives_the_same_bytes(dcign, work):
    contents = []
    for name in ("a.png", "b.png"):
        assert dcign("rerender", "run", "face.png", "--azimuth", "10", "-o", name)[0] == 0
        contents.append((work / name).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("text", "angles"),
    [("-60:60:5", [-60, -30, 0, 30, 60]), ("60:-60:3", [60, 0, -60]), ("-12.5", [-12.5]), ("0:1:2", [0, 1])],
)
def test_angles_are_read_with_both_ends(text, angles):
    assert parse_angles(text, "--azimuth").tolist() == angles


@pytest.mark.parametrize(
    "text", ["", "a", "1:2", "1:2:3:4", "0:10:1", "0:10:0", "0:10:-3", "0:10:2.5", "nan", "0:inf:3", "0:9:999"]
)
def test_ill_formed_angles_are_refused_by_option(text):
    with pytest.raises(BadInput, match="--light: expected"):
        parse_angles(text, "--light")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere", "face.png", "--azimuth", "0", "-o", "x.png"], "nowhere"),
        (
            ["uncalibrated", "face.png", "--azimuth", "0", "-o", "x.png"],
            "run `dcign evaluate uncalibrated SHARDS` first",
        ),
        (["run", "nothing.png", "--azimuth", "0", "-o", "x.png"], "nothing.png: no such file"),
        (["run", "text.png", "--azimuth", "0", "-o", "x.png"], "text.png: not an image"),
        (["run", "cut.png", "--azimuth", "0", "-o", "x.png"], "cut.png: damaged or truncated"),
        (["run", "s", "--azimuth", "0", "-o", "x.png"], "s: not a file"),
        (["run", "face.png", "-o", "x.png"], "at least one of --azimuth"),
        (
            ["run", "face.png", "--azimuth", "-95:0:5", "-o", "x.png"],
            "-95 degrees is outside the calibrated range -90 to 90",
        ),
        (["run", "face.png", "--light", "0", "-o", "x.png"], "light: this run has no calibration"),
        (["pair", "face.png", "--elevation", "0", "-o", "x.png"], "elevation: this run has no latents for it"),
        (
            ["single", "face.png", "--azimuth", "0", "-o", "x.png"],
            "azimuth: expected values of 1 latents, as many as the code of this run has for it, found values of 2",
        ),
        (["run", "face.png", "--azimuth", "1:2", "-o", "x.png"], "--azimuth: expected A:B:STEPS"),
        (["run", "face.png", "--azimuth", "0", "-o", "x.bmp"], ".png or .gif"),
        (["run", "face.png", "--azimuth", "0", "-o", "no/where/x.png"], "there is no folder no/where"),
        (["run", "face.png", "--azimuth", "0"], "-o"),
        (["run"], "IMAGE"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2_and_leaves_nothing(dcign, work, words, named):
    before = set(work.rglob("*"))
    code, out, err = dcign("rerender", *words)
    assert code == 2
    assert named in err
    assert len([line for line in err.strip().splitlines() if not line.startswith("Try")]) == 1
    assert out == ""
    assert set(work.rglob("*")) == before


def test_help_ends_in_an_example(dcign):
    code, out, _ = dcign("rerender", "--help")
    assert code == 0
    assert "--azimuth -60:60:9" in out
