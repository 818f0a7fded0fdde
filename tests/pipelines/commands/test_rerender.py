import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from shard_fixtures import write_synthetic
from untrained_run import write_calibrated_labelled, write_untrained

from dcign.engine import calibration
from dcign.engine import codes as manipulate
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve, GroupCurve
from dcign.engine.image_files import load_grey
from dcign.errors import RunError
from dcign.runs.run import load_run
from pipelines.rerender.plan import calibration_for
from pipelines.rerender.request import Request
from render.shards.data_set import open_data_set

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
    vivid = write_untrained(folder / "vivid", gain=1000.0)  # for what is about differences between images
    direction = tuple(float(k > 2) * (k % 3 - 1) for k in range(200))
    mean = tuple(0.1 * (k > 2) for k in range(200))
    calibration.save(vivid, Calibration(curves, 7, {}, directions=(direction,), mean_identity=mean))
    found = {"azimuth": (11,)}
    calibration.save(write_untrained(folder / "found"), Calibration({"azimuth": curves["azimuth"]}, 7, {}, found))
    percentiles = tuple(k * 1e-8 for k in range(101))
    calibration.save(write_untrained(folder / "measured"), Calibration(curves, 7, {}, reconstruction=percentiles))
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
    (folder / "plain").touch()
    (folder / "faces").mkdir()
    Image.fromarray(face).save(folder / "faces" / "a.png")
    Image.fromarray(255 - face[:, ::-1]).save(folder / "faces" / "b.png")
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


def test_a_fitted_code_is_turned_when_asked(dcign, work):
    words = ("rerender", "run", "face.png", "--azimuth", "30")
    assert dcign(*words, "--fit", "4", "-o", "fitted.png")[0] == 0
    expected = manipulate.encode(load_run(work / "run", fit=4), load_grey(work / "face.png", 54, 0.0)[None])
    expected[0, 0] = 40 / 3
    with Image.open(work / "fitted.png") as strip:
        frame = np.round(manipulate.decode(load_run(work / "run"), expected)[0] * 255).astype(np.uint8)
        assert tiles_in(strip.convert("L"), frame) == 1
    assert dcign(*words, "--fit", "-1", "-o", "x.png")[0] == 2


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


def frames_of(run, codes):
    return [np.round(image * 255).astype(np.uint8) for image in manipulate.decode(run, np.stack(codes))]


def code_of(run, path):
    return manipulate.encode(run, load_grey(path, 54, 0.0)[None])[0]


def grey(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def test_a_grid_sets_two_angles_at_once(dcign, work):
    words = ("--azimuth", "-90:90:3", "--elevation", "-30:30:3", "--grid", "-o", "grid.png")
    code, out, err = dcign("rerender", "run", "face.png", *words)
    assert (code, err) == (0, "")
    assert "9 images" in out
    run = load_run(work / "run")
    corner = code_of(run, work / "face.png")
    corner[:2] = [-60, 40]
    sheet = grey(work / "grid.png")
    assert tiles_in(sheet, frames_of(run, [corner])[0]) == 1
    assert tiles_in(sheet, grey(work / "face.png")) == 1
    assert sheet.shape[0] > 3 * 54


def test_angles_and_directions_of_identity_are_set_together(dcign, work):
    words = ("--azimuth=90", "--direction", "1=-1.5", "--grid", "-o", "along")
    code, _, err = dcign("rerender", "vivid", "face.png", *words)
    assert (code, err) == (0, "")
    run = load_run(work / "vivid")
    moved = code_of(run, work / "face.png")
    moved[0] = 40
    moved[3:] += -1.5 * (np.arange(3, 200) % 3 - 1)
    (path,) = (work / "along").iterdir()
    assert path.name == "face-azimuth=90,direction-1=-1.5.png"
    np.testing.assert_array_equal(grey(path), frames_of(run, [moved])[0])


def test_a_folder_gets_one_plain_image_each_named_by_input_and_setting(dcign, work):
    code, out, err = dcign("rerender", "vivid", "face.png", "large.jpg", "--azimuth", "-90:90:3", "-o", "turned")
    assert (code, err) == (0, "")
    assert "6 images" in out
    expected = {f"{stem}-azimuth={angle}.png" for stem in ("face", "large") for angle in (-90, 0, 90)}
    assert {path.name for path in (work / "turned").iterdir()} == expected
    run = load_run(work / "vivid")
    turned = code_of(run, work / "large.jpg")
    turned[0] = 40
    np.testing.assert_array_equal(grey(work / "turned" / "large-azimuth=90.png"), frames_of(run, [turned])[0])


def test_a_folder_and_a_glob_name_many_images_and_each_gets_its_block(dcign, work):
    for number, words in enumerate((["faces"], ["faces/*.png"], ["faces/a.png", "faces/b.png"])):
        cropped = ("--azimuth", "0:90:4", "--box", "2,1,50")
        code, out, _ = dcign("rerender", "vivid", *words, *cropped, "-o", f"many-{number}.png")
        assert code == 0
        assert "8 images" in out
    sheets = [(work / f"many-{number}.png").read_bytes() for number in range(3)]
    assert sheets[0] == sheets[1] == sheets[2]


def test_blocks_of_several_images_stand_under_their_names(dcign, work):
    for name, words in (("two", ["faces"]), ("one", ["faces/a.png"])):
        assert dcign("rerender", "run", *words, "--azimuth", "0", "-o", f"{name}.png")[0] == 0
    one, two = grey(work / "one.png"), grey(work / "two.png")
    assert two.shape[0] > 2 * one.shape[0]
    assert two[6:20, :40].min() < 128  # the first name


def test_an_image_gives_the_same_alone_and_among_others(dcign, work):
    words = ("--azimuth", "0:90:4", "--random", "2")
    assert dcign("rerender", "vivid", "faces", *words, "-o", "all")[0] == 0
    assert dcign("rerender", "vivid", "faces/b.png", *words, "-o", "alone")[0] == 0
    for path in (work / "alone").iterdir():
        assert path.read_bytes() == (work / "all" / path.name).read_bytes()


@pytest.mark.parametrize(("run", "background"), [("run", 0), ("pair", 255)])
def test_transparent_pixels_show_the_background_of_the_object_of_the_run(dcign, work, run, background):
    opaque = np.full((54, 54), 100, np.uint8)
    alpha = np.zeros((54, 54), np.uint8)
    alpha[10:40, 10:40] = 255
    Image.merge("LA", [Image.fromarray(opaque), Image.fromarray(alpha)]).save(work / "clear.png")
    assert dcign("rerender", run, "clear.png", "--azimuth", "0", "-o", "cleared.png")[0] == 0
    assert tiles_in(grey(work / "cleared.png"), np.where(alpha == 255, opaque, background)) == 1


@pytest.mark.parametrize(
    ("limit", "words", "named"),
    [
        ("rerender.inputs.MOST_INPUTS", ["faces"], "IMAGE: expected at most 1 images at once, found 2"),
        ("console.MOST_PIPED", ["-"], "stdin: expected an image of at most 0 MiB"),
        ("rerender.pictures.MOST_PLACES", ["face.png"], "a sheet: 1 rows of up to 2 images are too many"),
    ],
)
def test_what_would_fill_the_memory_is_refused(dcign, work, monkeypatch, limit, words, named):
    monkeypatch.setattr(f"pipelines.{limit}", 1)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((work / "face.png").read_bytes())))
    code, _, err = dcign("rerender", "run", *words, "--azimuth", "0", "-o", "full.png")
    assert code == 2
    assert named in err
    assert not (work / "full.png").exists()


def test_an_image_comes_from_standard_input(dcign, work, monkeypatch):
    for name in ("piped", "read"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((work / "face.png").read_bytes())))
        word = {"piped": "-", "read": "face.png"}[name]
        assert dcign("rerender", "run", word, "--azimuth", "30", "-o", f"{name}.png")[0] == 0
    assert (work / "piped.png").read_bytes() == (work / "read.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"<svg/>")))
    code, _, err = dcign("rerender", "run", "-", "--azimuth", "30", "-o", "x.png")
    assert (code, err) == (2, "Error: stdin: an SVG drawing, not an image of pixels; export it as PNG first\n")


def test_parts_of_another_image_are_taken_before_the_rest_is_done(dcign, work):
    words = ("--like", "faces/b.png", "--of", "elevation", "--of", "intrinsic")
    assert dcign("rerender", "vivid", "face.png", *words, "-o", "like")[0] == 0
    assert dcign("rerender", "vivid", "face.png", *words, "--azimuth", "0", "-o", "like")[0] == 0
    run = load_run(work / "vivid")
    own, other = code_of(run, work / "face.png"), code_of(run, work / "faces/b.png")
    taken = np.concatenate([own[:1], other[1:2], own[2:3], other[3:]])
    turned = np.concatenate([[np.float32(0)], taken[1:]])
    found = [grey(work / "like" / f"face-{key}.png") for key in ("like=elevation+intrinsic", "azimuth=0")]
    np.testing.assert_array_equal(found, [frames_of(run, [code])[0] for code in (taken, turned)])
    untouched = np.concatenate([[np.float32(0)], own[1:]])
    assert not np.array_equal(found[1], frames_of(run, [untouched])[0])


def test_an_interpolation_starts_at_the_image_and_ends_at_the_other(dcign, work):
    assert dcign("rerender", "vivid", "face.png", "--towards", "faces/b.png", "--steps", "3", "-o", "morph")[0] == 0
    run = load_run(work / "vivid")
    own, other = code_of(run, work / "face.png"), code_of(run, work / "faces/b.png")
    found = [grey(work / "morph" / f"face-towards={share}.png") for share in ("0", "0.5", "1")]
    np.testing.assert_array_equal(found, frames_of(run, [own, (own + other) / 2, other]))
    assert not np.array_equal(found[0], found[2])


def test_random_identities_follow_the_seed(dcign, work):
    for folder, seed in (("one", "1"), ("again", "1"), ("two", "2")):
        assert dcign("rerender", "vivid", "face.png", "--random", "3", "--seed", seed, "-o", folder)[0] == 0
    one, again, two = (
        [path.read_bytes() for path in sorted((work / name).iterdir())] for name in ("one", "again", "two")
    )
    assert len(set(one)) == 3
    assert one == again
    assert not set(one) & set(two)


def test_random_identities_that_nobody_measured_are_warned_of(dcign, work):
    words = ("face.png", "--random", "2")
    assert dcign("rerender", "vivid", *words, "-o", "known")[::2] == (0, "")
    code, _, err = dcign("rerender", "uncalibrated", *words, "-o", "drawn")
    assert (code, len(list((work / "drawn").iterdir()))) == (0, 2)
    assert err.startswith("Warning: how identities vary in uncalibrated was not measured")
    run = load_run(work / "vivid")
    mean, directions = calibration.load(run.folder).identities_of(run.layout)
    drawn = code_of(run, work / "face.png")
    drawn[3:] = (mean + np.random.default_rng(0).standard_normal((2, len(directions)))[1] @ directions)[3:]
    np.testing.assert_array_equal(grey(work / "known" / "face-random=2.png"), frames_of(run, [drawn])[0])


def test_what_needs_no_degrees_needs_no_calibration(dcign, work):
    words = ("--latent", "azimuth=-3:3:3", "--latent", "17=2", "--towards", "faces/b.png")
    code, _, err = dcign("rerender", "uncalibrated", "face.png", *words, "-o", "raw")
    assert (code, err) == (0, "")
    run = load_run(work / "uncalibrated")
    raw = code_of(run, work / "face.png")
    raw[17] = 2
    np.testing.assert_array_equal(grey(work / "raw" / "face-latent-17=2.png"), frames_of(run, [raw])[0])


def test_latents_that_training_gave_no_meaning_need_a_calibration(work):
    run = load_run(work / "uncalibrated")
    entangled = replace(run, config=replace(run.config, procedure="entangled"))
    nothing = Request({}, [], [], False, None, (), "face.png", 9, 0, 0)
    assert calibration_for(entangled, nothing).curves == {}
    for asked in ({"random": 1}, {"like": "face.png", "parts": ("light",)}, {"latents": [("azimuth", np.zeros(1))]}):
        assert calibration_for(run, replace(nothing, **asked)).curves == {}
        with pytest.raises(RunError, match="no calibration here"):
            calibration_for(entangled, replace(nothing, **asked))


def test_knobs_that_had_to_be_found_are_used(dcign, work):
    assert (
        dcign("rerender", "found", "face.png", "--azimuth", "90", "--latent", "azimuth=40", "-o", "found-out")[0] == 0
    )
    run = load_run(work / "found")
    turned = code_of(run, work / "face.png")
    turned[11] = 40
    for key in ("azimuth=90", "latent-azimuth=40"):
        np.testing.assert_array_equal(grey(work / "found-out" / f"face-{key}.png"), frames_of(run, [turned])[0])


def test_an_image_unlike_the_test_images_is_warned_of_by_name(dcign, work):
    code, _, err = dcign("rerender", "measured", "face.png", "--azimuth", "0", "-o", "far.png")
    assert code == 0
    assert err.startswith("Warning: face.png: its reconstruction error ")
    assert "above that of all test images (median 5e-07)" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["turn.GIF", "turn.webp", "turn.mp4"])
def test_a_movie_has_a_frame_for_each_setting_with_all_images_in_it(dcign, work, name):
    if name.endswith("mp4"):
        ffmpeg = pytest.importorskip("imageio_ffmpeg")
    words = ("--azimuth", "0:90:3", "--elevation", "0:30:2", "--grid")
    code, out, _ = dcign("rerender", "vivid", "face.png", "faces/b.png", *words, "-o", name)
    assert code == 0
    assert "12 images" in out
    if name.endswith("mp4"):
        frames, _ = ffmpeg.count_frames_and_secs(str(work / name))
        assert frames == 6
        return
    with Image.open(work / name) as animation:
        assert animation.n_frames == 6
        animation.seek(5)
        page = np.asarray(animation.convert("L"))
    assert tiles_in(page, grey(work / "face.png")) == 1
    run = load_run(work / "vivid")
    for path in ("face.png", "faces/b.png"):
        turned = code_of(run, work / path)
        turned[:2] = [40, 40]
        assert tiles_in(page, frames_of(run, [turned])[0]) >= 1


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
        (["run", "s", "--azimuth", "0", "-o", "x.png"], "s: expected images in this folder"),
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
        (["run", "face.png", "--azimuth", "0", "-o", "x.bmp"], ".png, .jpg, .gif, .webp or .mp4, or a folder"),
        (["run", "face.png", "--azimuth", "0", "-o", "no/where/x.png"], "there is no folder no/where"),
        (["run", "face.png", "--azimuth", "0", "-o", "no/where"], "there is no folder no; make it first"),
        (["run", "face.png", "--azimuth", "0"], "-o"),
        (["run", "face.png", "--azimuth", "0", "-o", "plain"], "-o plain: expected a folder, found a file"),
        (["run", "face.png", "cut.png", "--azimuth", "0", "-o", "out"], "cut.png: damaged or truncated"),
        (["run", "faces/*.bmp", "--azimuth", "0", "-o", "x.png"], "faces/*.bmp: expected images"),
        (["run", "face.png", "--azimuth", "0", "-o", "./face.png"], "expected another file than the images"),
        (["run", "-", "-", "--azimuth", "0", "-o", "x.png"], "expected standard input once"),
        (["run", "face.png", "--azimuth", "0", "--box", "0,0,55", "-o", "x.png"], "face.png: expected a box within"),
        (["run", "face.png", "--azimuth", "0", "--box", "0,0", "-o", "x.png"], "--box: expected LEFT,TOP,SIZE"),
        (["run", "face.png", "--latent", "200=0", "-o", "x.png"], "--latent 200: expected a number from 0 to 199"),
        (["run", "face.png", "--latent", "intrinsic=0", "-o", "x.png"], "name one by its number: 3"),
        (["pair", "face.png", "--latent", "azimuth=0", "-o", "x.png"], "it has 2 latents"),
        (["run", "face.png", "--like", "large.jpg", "-o", "x.png"], "--like and --of"),
        (["run", "face.png", "--of", "light", "--azimuth", "0", "-o", "x.png"], "--like and --of"),
        (
            ["pair", "face.png", "--like", "large.jpg", "--of", "light", "-o", "x.png"],
            "--of light: expected one of azimuth, intrinsic",
        ),
        (["run", "face.png", "--like", "cut.png", "--of", "light", "-o", "x.png"], "cut.png: damaged or truncated"),
        (["run", "face.png", "--grid", "--random", "3", "-o", "x.png"], "--grid: expected sweeps to combine"),
        (["run", "face.png", "--grid", "--azimuth", "0", "--latent", "0=1", "-o", "x.png"], "each latent once"),
        (
            ["run", "face.png", "--azimuth", "0:9:50", "--elevation", "0:9:50", "--grid", "-o", "out"],
            "expected at most 2000 images together, found 2500",
        ),
        (["run", "face.png", "--direction", "1=0", "-o", "x.png"], "--direction 1: expected a run that has directions"),
        (["vivid", "face.png", "--direction", "2=0", "-o", "x.png"], "expected a number from 1 to 1"),
        (["run", "--azimuth", "0", "-o", "x.png"], "IMAGE...: expected images"),
        (["pair", "face.png", "--azimuth", "0", "--cut-out", "-o", "x.png"], "--cut-out: expected a run on faces"),
        (["run", "--assets", "built-in", "--cut-out", "--azimuth", "0", "-o", "x.png"], "--cut-out: is for images"),
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


def test_a_sheet_may_be_a_jpeg_and_one_image_is_one(dcign, work):
    assert dcign("rerender", "run", "face.png", "--azimuth", "0", "-o", "one.JPG") == (0, "one.JPG: 1 image\n", "")
    assert dcign("rerender", "run", "face.png", "--azimuth", "0", "-o", "one.png")[0] == 0
    with Image.open(work / "one.JPG") as sheet, Image.open(work / "one.png") as exact:
        assert sheet.format == "JPEG"
        assert np.abs(np.asarray(sheet, float) - np.asarray(exact.convert(sheet.mode), float)).mean() < 2


def test_help_ends_in_an_example(dcign):
    code, out, _ = dcign("rerender", "--help")
    assert code == 0
    assert "--azimuth -60:60:9" in out


@pytest.fixture(scope="module")
def spots(work):
    write_calibrated_labelled(work / "spots")
    return load_run(work / "spots")


def test_any_factor_is_set_by_its_name_and_unit(dcign, work, spots):
    words = ("--set", "colour=blue,red", "--set", "distance=20:60:2", "--azimuth", "90")
    assert dcign("rerender", "spots", "face.png", *words, "-o", "set")[0] == 0
    names = ["azimuth=90", "colour=blue", "colour=red", "distance=20", "distance=60"]
    assert sorted(path.name for path in (work / "set").iterdir()) == [f"face-{name}.png" for name in names]
    code = code_of(spots, work / "face.png")
    code[3:5] = 5
    np.testing.assert_array_equal(grey(work / "set" / "face-colour=blue.png"), frames_of(spots, [code])[0])


def test_any_factor_is_taken_from_another_image(dcign, work, spots):
    words = ("--like", "face.png", "--of", "colour", "--of", "intrinsic", "--set", "tilt=0", "-o", "taken.png")
    assert dcign("rerender", "spots", "face.png", *words)[0] == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--set", "colour=purple"), "--set colour: expected one of red, green, blue, or several, found 'purple'"),
        (("--set", "distance=10:60:3"), "distance: 10 cm is outside the calibrated range 20 to 60"),
        (("--set", "hue=3"), "hue: this run has no latents for it; it has them for azimuth, distance, colour, tilt"),
        (("--light", "3"), "light: this run has no latents for it; it has them for azimuth, distance, colour, tilt"),
        (
            ("--like", "face.png", "--of", "nose"),
            "--of nose: expected one of azimuth, distance, colour, tilt, intrinsic",
        ),
        (("--set", "tilt"), "--set: expected NAME="),
        (("--set", "tilt=0", "--set", "tilt=1"), "--set: expected each factor once, found tilt twice"),
        (("--latent", "colour=1"), "--latent colour: it has 2 latents; name one by its number: 3"),
    ],
)
def test_what_a_run_of_other_factors_cannot_do_is_one_line(dcign, work, spots, words, found):
    code, _, err = dcign("rerender", "spots", "face.png", *words, "-o", "never.png")
    assert code == 2
    assert found in err
    assert err.count("\n") == 1
    assert not (work / "never.png").exists()


def test_no_true_pictures_are_drawn_beside_images_taken_elsewhere(dcign, spots):
    code, _, err = dcign("rerender", "spots", "--assets", "built-in", "--set", "tilt=0", "-o", "never.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "--assets built-in: expected a run on rendered images, found spots, on images taken elsewhere" in err
