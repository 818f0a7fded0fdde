import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from labelled_shards import LABELS, OBJECT
from PIL import Image
from untrained_run import write_calibrated, write_calibrated_labelled, write_untrained

import dcign
from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve, GroupCurve
from dcign.errors import BadInput, RunError
from dcign.runs.run import load_run

SQUARE = ((30.0, 0.0), (0.0, 30.0), (-30.0, 0.0), (0.0, -30.0), (30.0, 0.0))


def curve(factor, low, high):
    return Curve(factor, (low, 0.0, high), (-60.0, 0.0, 40.0), False, 3.0, 0.9, 100, 100)


def circle(factor):
    return Curve(factor, (0.0, 90.0, 180.0, 270.0, 360.0), (0.0, 9.0, 0.0, -9.0, 0.0), True, None, 0.9, 100, 100)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    curves = {"azimuth": curve("azimuth", -90.0, 90.0), "light": curve("light", -80.0, 80.0)}
    directions = (tuple(float(k == 5) for k in range(200)), tuple(0.5 * (k > 2) for k in range(200)))
    calibration.save(write_untrained(folder / "run"), Calibration(curves, 7, {}, directions=directions))
    calibration.save(write_untrained(folder / "older", step=9), Calibration(curves, 7, {}))
    write_untrained(folder / "uncalibrated", code="azimuth:1,rest:5")
    square = GroupCurve("azimuth", (0.0, 90.0, 180.0, 270.0, 360.0), SQUARE, True, 3.0, 0.9, 100, 100)
    pair = write_untrained(folder / "pair", object="chair", code="light:1,azimuth:2,rest:5")
    calibration.save(pair, Calibration({"azimuth": square, "light": circle("light")}, 7, {}))
    other = write_untrained(folder / "other", object="chair", code="light:1,azimuth:1,rest:5")
    calibration.save(other, Calibration({"azimuth": square}, 7, {}, directions=((1.0,) * 9,)))
    found = write_untrained(folder / "found")
    calibration.save(found, Calibration({"azimuth": curves["azimuth"]}, 7, {}, {"azimuth": (42,)}))
    return folder


@pytest.fixture(scope="module")
def engine(work):
    return dcign.load(work / "run", "cpu")


@pytest.fixture(scope="module")
def face():
    return np.random.default_rng(0).integers(0, 256, (54, 54), np.uint8)


def test_the_package_stays_light_until_it_is_used():
    code = (
        "import sys, dcign; assert {'load', 'Engine'} <= set(dir(dcign)); "
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    with pytest.raises(AttributeError, match="no attribute 'open'"):
        _ = dcign.open


def test_a_run_tells_what_it_is(work, engine):
    assert (engine.object, engine.size, engine.step, engine.fingerprint) == ("face", 54, 7, "none")
    assert engine.folder == work / "run"
    assert engine.factors == ("azimuth", "light")
    assert engine.ranges == {"azimuth": (-90.0, 90.0), "light": (-80.0, 80.0)}
    assert engine.latents[:4] == ("z_azimuth", "z_elevation", "z_light", "z_intrinsic_0")
    assert len(set(engine.latents)) == 200
    assert dcign.load(work / "pair", "cpu").latents[:4] == ("z_light", "z_azimuth_0", "z_azimuth_1", "z_rest_0")


def test_a_checkpoint_opens_as_its_run_does(work, engine, face):
    by_file = dcign.load(str(work / "run" / "checkpoint-00000007.safetensors"), "cpu")
    np.testing.assert_array_equal(by_file.encode(face), engine.encode(face))
    assert by_file.factors == engine.factors


def test_codes_are_the_means_of_the_network_however_many_images(work, engine):
    images = np.random.default_rng(1).uniform(size=(70, 54, 54))
    with torch.inference_mode():
        model = load_run(work / "run").model
        means = model.encode(torch.tensor(images, dtype=torch.float32)[:, None])[0].numpy()
        pictures = model.decode(torch.tensor(means))[:, 0].numpy()
    codes = engine.encode(images)
    assert codes.dtype == np.float32
    np.testing.assert_allclose(codes, means, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(engine.decode(means), pictures, atol=1e-5)


def test_one_image_gives_one_code_and_one_code_one_image(engine, face):
    code = engine.encode(face)
    assert code.shape == (200,)
    image = engine.decode(code)
    assert (image.shape, image.dtype) == ((54, 54), np.float32)
    assert image.min() >= 0
    assert image.max() <= 1
    assert engine.encode([face]).shape == (1, 200)
    assert engine.encode([]).shape == (0, 200)
    assert engine.decode(engine.encode([])).shape == (0, 54, 54)
    assert engine.decode(np.zeros((2, 3, 200))).shape == (2, 3, 54, 54)
    assert engine.decode(code.tolist()).shape == (54, 54)


def test_an_image_is_the_same_in_whatever_form_it_comes(engine, face, tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(face).save(path)
    expected = engine.encode(face)
    with Image.open(path) as opened:
        forms = [face / 255, (face / 255).astype(np.float32), Image.fromarray(face), opened, path, str(path)]
        for form in forms:
            np.testing.assert_allclose(engine.encode(form), expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(engine.encode(forms), [expected] * 6, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(engine.encode(tmp_path.glob("*.png")), [expected], rtol=1e-4, atol=1e-4)


def test_pictures_of_any_size_and_mode_are_squared_greyed_and_turned_upright(work, engine):
    grey = np.repeat(np.repeat(np.random.default_rng(2).integers(0, 256, (54, 54), np.uint8), 2, 0), 2, 1)
    wide = np.pad(grey, ((0, 0), (30, 30)))
    for mode in ("L", "RGB", "RGBA"):
        picture = Image.fromarray(wide).convert(mode)
        np.testing.assert_allclose(engine.encode(picture), engine.encode(Image.fromarray(grey)), atol=0.02)
    turned = Image.fromarray(grey).transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    np.testing.assert_allclose(engine.encode(turned), engine.encode(Image.fromarray(grey)), atol=1e-4)
    clear = Image.new("RGBA", (54, 54), (200, 0, 0, 0))
    for run, background in (("run", 0), ("pair", 255)):  # faces stand before black, chairs before white
        opened = dcign.load(work / run, "cpu")
        np.testing.assert_allclose(
            opened.encode(clear), opened.encode(np.full((54, 54), background, np.uint8)), atol=1e-4
        )


def test_an_image_unlike_the_test_images_is_warned_of_once_and_by_name(tmp_path, face):
    near, far = (dcign.load(write_calibrated(tmp_path / f"{error}", reconstruction=(error,) * 101)) for error in (9, 0))
    path = tmp_path / "me.png"
    Image.fromarray(face).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        near.encode([path, face])
        near.rerender(path, azimuth=10)
        assert near.encode_and_judge(face)[1] == {}
    text = "its reconstruction error .* is above that of all test images"
    for given, name in ((path, f"{path}: "), (face, "image: "), ([face, path], r"image 0 \(and 1 more of 2\): ")):
        for use in (far.encode, lambda image: far.rerender(image, azimuth=10)):
            with pytest.warns(UserWarning, match=f"{name}{text}") as warned:
                use(given)
            assert len(warned) == 1
            assert warned[0].filename == __file__
    codes, unlike = far.encode_and_judge([face] * 40)
    assert (codes.shape, list(unlike)) == ((40, 200), list(range(40)))


def test_angles_are_set_by_name_or_as_a_mapping(engine, face):
    code = engine.encode(face)
    expected = engine.set_degrees(code, {"azimuth": 30, "light": [-60, 0]})
    np.testing.assert_array_equal(engine.set_degrees(code, azimuth=30, light=[-60, 0]), expected)
    np.testing.assert_array_equal(engine.set_degrees(code, {"azimuth": 30}, light=[-60, 0]), expected)
    np.testing.assert_array_equal(engine.set_degrees(code), code)
    with pytest.raises(BadInput, match="azimuth: expected its value once"):
        engine.set_degrees(code, {"azimuth": 30}, azimuth=20)
    with pytest.raises(BadInput, match="values: expected factor -> value, such as azimuth=30, found int"):
        engine.set_degrees(code, 30)


def test_an_angle_sets_its_latent_to_the_calibration_and_nothing_else(engine, face):
    code = engine.encode(face)
    expected = np.repeat(code[None], 3, 0)
    expected[:, 0], expected[:, 2] = 40 / 3, (-45, 0, 30)
    np.testing.assert_allclose(engine.set_degrees(code, {"azimuth": 30, "light": [-60, 0, 60]}), expected, rtol=1e-6)
    turned = engine.rerender(face, azimuth=30, light=[-60, 0, 60])
    assert turned.shape == (3, 54, 54)
    np.testing.assert_allclose(turned, engine.decode(expected), atol=1e-5)
    np.testing.assert_allclose(engine.rerender(face), engine.decode(code), atol=1e-5)


def test_angles_broadcast_as_arrays_do(engine, face):
    one = engine.rerender(face, azimuth=-30.0)
    assert one.shape == (54, 54)
    pairs = engine.rerender(face, azimuth=[-30, 0, 30], light=[-60, 0, 60])
    grid = engine.rerender(face, azimuth=np.reshape([-30, 0, 30], (-1, 1)), light=[-60, 0, 60])
    assert pairs.shape == (3, 54, 54)
    assert grid.shape == (3, 3, 54, 54)
    np.testing.assert_allclose(grid[[0, 1, 2], [0, 1, 2]], pairs, atol=1e-5)
    assert np.abs(grid[0, 1] - grid[0, 2]).max() > 1e-3
    two = engine.rerender([face, 255 - face], azimuth=-30)
    np.testing.assert_allclose(two, [one, engine.rerender(255 - face, azimuth=-30)], atol=1e-5)


def test_degrees_are_read_back_as_they_were_set(engine):
    codes = np.random.default_rng(3).normal(size=(5, 200)).astype(np.float32)
    asked = {"azimuth": np.linspace(-90, 90, 5), "light": 12.5}
    read = engine.degrees(engine.set_degrees(codes, asked))
    assert set(read) == {"azimuth", "light"}
    np.testing.assert_allclose(read["azimuth"], asked["azimuth"], atol=1e-4)
    np.testing.assert_allclose(read["light"], [12.5] * 5, atol=1e-4)
    assert np.ndim(engine.degrees(codes[0])["light"]) == 0


def test_two_latents_go_round_a_circle_together_and_one_cannot_be_read_back(work):
    engine = dcign.load(work / "pair", "cpu")
    posed = engine.set_degrees(np.zeros(8), {"azimuth": [45, -90], "light": 90})
    np.testing.assert_allclose(posed[:, :3], [[9, 15, 15], [9, 0, -30]], atol=1e-5)
    assert not posed[:, 3:].any()
    read = engine.degrees(posed)
    assert set(read) == {"azimuth"}
    np.testing.assert_allclose(read["azimuth"], [45, 270], atol=1e-4)


def test_latents_that_had_to_be_found_are_the_ones_set(work):
    posed = dcign.load(work / "found", "cpu").set_degrees(np.zeros(200), {"azimuth": 90})
    assert posed[42] == 40
    assert not np.delete(posed, 42).any()


def test_a_run_without_calibration_encodes_and_decodes_but_knows_no_degrees(work, face):
    engine = dcign.load(work / "uncalibrated", "cpu")
    assert engine.factors == ()
    assert engine.ranges == {}
    assert engine.directions.shape == (0, 6)
    assert engine.rerender(face).shape == engine.decode(engine.encode(face)).shape == (54, 54)
    for ask in (lambda: engine.rerender(face, azimuth=0), lambda: engine.degrees(np.zeros(6))):
        with pytest.raises(RunError, match="no calibration here; run `dcign evaluate"):
            ask()


def test_directions_of_identity_add_to_codes(engine, face):
    assert engine.directions.shape == (2, 200)
    moved = engine.encode(face) + 2 * engine.directions[0]
    np.testing.assert_allclose(moved - engine.encode(face), 2 * (np.arange(200) == 5), atol=1e-5)
    assert engine.decode(moved).shape == (54, 54)


def test_weights_newer_than_the_calibration_are_pointed_out(work, face):
    with pytest.warns(UserWarning, match="calibrated at step 7 and is at step 9"):
        dcign.load(work / "older", "cpu").rerender(face, azimuth=0)


def test_a_calibration_of_another_code_is_refused(work, face):
    with pytest.raises(RunError, match=r"azimuth: expected a calibration of 1 latents.* found one of 2"):
        dcign.load(work / "other", "cpu").rerender(face, azimuth=0)
    with pytest.raises(RunError, match=r"expected directions of 7 latents.* found 9"):
        _ = dcign.load(work / "other", "cpu").directions


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((54, 54, 3), np.uint8), r"expected shape \(54, 54\) or \(N, 54, 54\), found \(54, 54, 3\)"),
        (np.zeros((60, 60)), r"found \(60, 60\)"),
        (np.zeros(54), r"found \(54,\)"),
        ([np.zeros((54, 54)), np.zeros((53, 54))], r"image 1: expected shape \(54, 54\), found \(53, 54\)"),
        (np.zeros((54, 54), np.int64), "expected uint8, or floats .* found int64"),
        (np.zeros((54, 54), bool), "found bool"),
        (np.full((54, 54), 255.0), "found 255 to 255"),
        (np.full((54, 54), -0.01), r"expected floats in \[0, 1\]"),
        (np.full((54, 54), np.nan), "found nan to nan"),
        ([np.zeros((54, 54)), 3], "image 1: expected an array, a PIL image or a path, found int"),
        (7, "images: expected an array, a PIL image, a path or several, found int"),
        ("nowhere.png", "nowhere.png: no such file"),
    ],
)
def test_what_is_no_image_of_the_run_is_refused(engine, images, message):
    with pytest.raises(BadInput, match=message):
        engine.encode(images)


def test_a_cut_pil_image_is_refused_by_its_number(engine, face, tmp_path):
    Image.fromarray(face).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:300])
    with Image.open(tmp_path / "cut.png") as cut, pytest.raises(RunError, match="image 1: damaged or truncated"):
        engine.encode([face, cut])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros(199), r"expected shape \(N, 200\) or \(200,\), found \(199,\)"),
        (1.0, r"found \(\)"),
        ([[0.0] * 200, [0.0]], "expected numbers"),
        (["a"] * 200, "expected numbers"),
        ([np.nan] * 200, "expected finite numbers"),
        ([1e300] * 200, "expected finite numbers"),
        ([3e38] * 200, "as `encode` gives them, found up to 3e\\+38"),
    ],
)
def test_what_is_no_code_of_the_run_is_refused(engine, codes, message):
    with pytest.raises(BadInput, match=message):
        engine.decode(codes)


@pytest.mark.parametrize(
    ("angles", "message"),
    [
        ({"azimuth": 91}, "azimuth: 91 degrees is outside the calibrated range -90 to 90"),
        ({"azimuth": [0, np.nan]}, "azimuth: expected finite degrees"),
        ({"light": "left"}, "light: expected degrees, one or several, found 'left'"),
        ({"azimuth": [1, 2], "light": [1, 2, 3]}, r"found azimuth \(2,\), light \(3,\)"),
        ({"elevation": 5}, "elevation: this run has no calibration for it"),
        ({"azimut": 5}, "azimut: this run has no latents for it; it has them for azimuth, elevation, light"),
    ],
)
def test_angles_that_cannot_be_set_are_refused_by_name(engine, face, angles, message):
    with pytest.raises(BadInput, match=message):
        engine.rerender(face, **angles)


def test_what_is_no_run_is_refused(work):
    with pytest.raises(RunError, match="nowhere: expected a folder written by `dcign train`"):
        dcign.load(work / "nowhere", "cpu")
    with pytest.raises(BadInput, match="device: expected one of auto, cpu, cuda, found 'gpu'"):
        dcign.load(work / "run", "gpu")


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    """An engine of images that no renderer drew."""
    return dcign.load(write_calibrated_labelled(tmp_path_factory.mktemp("spots") / "run"), "cpu")


def test_a_run_tells_the_units_of_its_factors(spots):
    assert (spots.object, spots.factors, spots.labels) == (OBJECT, tuple(LABELS), LABELS)
    assert spots.ranges == {"azimuth": (0, 360), "distance": (20, 60), "colour": (0, 2), "tilt": (-1, 1)}
    assert spots.latents[:7] == (
        *("z_azimuth_0", "z_azimuth_1", "z_distance", "z_colour_0", "z_colour_1", "z_tilt", "z_intrinsic_0"),
    )


def test_values_of_any_unit_and_names_of_categories_are_set_and_read_back(spots):
    posed = spots.set_factors(np.zeros(12), {"colour": ["red", "blue", "green"]}, distance=50, azimuth=-60, tilt=0.5)
    np.testing.assert_allclose(posed[:, 2:6], [[-4.5, 9, 0, 10], [-4.5, 5, 5, 10], [-4.5, 0, 9, 10]], atol=1e-5)
    read = spots.read_factors(posed)
    assert list(read) == list(LABELS)
    assert read["colour"].tolist() == ["red", "blue", "green"]
    np.testing.assert_allclose(read["distance"], [50] * 3, atol=1e-4)
    np.testing.assert_allclose(read["azimuth"], [300] * 3, atol=1e-4)
    np.testing.assert_allclose(spots.set_factors(np.zeros(12), read), posed, atol=1e-4)
    assert spots.read_factors(posed[0])["colour"] == "red"
    assert set(spots.degrees(posed)) == {"azimuth"}


def test_names_and_values_broadcast(spots, face):
    grid = spots.rerender(face, colour=np.reshape(["red", "blue"], (2, 1)), distance=[20, 40, 60])
    assert grid.shape == (2, 3, 54, 54)
    np.testing.assert_allclose(grid[1, 0], spots.rerender(face, colour="blue", distance=20.0), atol=1e-5)
    np.testing.assert_array_equal(spots.rerender(face, colour=2, tilt=None), spots.rerender(face, colour="blue"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": "purple"}, "^colour: expected one of red, green, blue, found 'purple'$"),
        ({"colour": ["red", "Red"]}, "^colour: expected one of red, green, blue, found 'Red'$"),
        ({"colour": 3}, "^colour: expected one of red, green, blue, which the model was tested on, found 3$"),
        ({"distance": 70}, "^distance: 70 cm is outside the calibrated range 20 to 60"),
        ({"distance": "far"}, "^distance: expected cm, one or several, found 'far'$"),
        ({"tilt": -1.5}, "^tilt: -1.5 is outside the calibrated range -1 to 1"),
        ({"tilt": [0, np.inf]}, "^tilt: expected finite numbers"),
        ({"light": 5}, "^light: this run has no latents for it; it has them for azimuth, distance, colour, tilt$"),
    ],
)
def test_values_that_a_label_has_not_are_refused_in_its_terms(spots, values, message):
    with pytest.raises(BadInput, match=message):
        spots.set_factors(np.zeros(12), values)


def test_transparent_pixels_get_the_background_of_the_training_images(tmp_path):
    path = write_untrained(tmp_path, object=OBJECT, labels=LABELS, background=0.5, gain=300.0)
    engine, solid = dcign.load(path, "cpu"), np.random.default_rng(0).random((54, 54)) < 0.5
    picture = Image.fromarray(np.stack([np.full((54, 54), 255), solid * 255], -1).astype(np.uint8), "LA")
    expected = engine.encode(np.where(solid, 1.0, 0.5))
    np.testing.assert_allclose(engine.encode(picture), expected, atol=1e-4)
    assert np.abs(engine.encode(np.where(solid, 1.0, 0.0)) - expected).max() > 0.1
