import numpy as np
import pytest

from dcign.engine import variations
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Centroids, Curve, GroupCurve
from dcign.engine.variations import Setting
from dcign.errors import BadInput, RunError
from dcign.model.code import CodeLayout, named_latents
from render.shards.labels import Label

LAYOUT = CodeLayout.parse("azimuth:1,elevation:1,light:2,intrinsic:4")
KNOBS = named_latents(LAYOUT)
CODE, OTHER = np.arange(8, dtype=np.float32), np.arange(8, dtype=np.float32) + 100
CURVES = Calibration(
    {
        "azimuth": Curve("azimuth", (-90.0, 90.0), (-9.0, 9.0), False, 1.0, 0.9, 9, 9),
        "elevation": Curve("elevation", (-30.0, 30.0), (30.0, -30.0), False, 1.0, 0.9, 9, 9),
        "light": GroupCurve("light", (0.0, 10.0), ((0.0, 0.0), (1.0, 2.0)), False, 1.0, 0.9, 9, 9),
    },
    7,
    {},
)


def angle(name, *degrees):
    return variations.factor_setting(CURVES, KNOBS, name, np.array(degrees, float))


def test_an_angle_sets_its_latents_by_the_calibration_and_no_other():
    turned = variations.sweep(CODE, angle("azimuth", -90, 45))
    np.testing.assert_allclose(turned.codes[:, 0], [-9, 4.5])
    np.testing.assert_array_equal(turned.codes[:, 1:], [CODE[1:]] * 2)
    assert turned.captions == ("−90°", "45°")
    assert turned.keys == ("azimuth=-90", "azimuth=45")
    np.testing.assert_allclose(variations.sweep(CODE, angle("light", 5)).codes[0, 2:4], [0.5, 1])


@pytest.mark.parametrize(("name", "index"), [("5", 5), ("0", 0), ("azimuth", 0), ("elevation", 1)])
def test_a_latent_is_set_raw_by_number_or_name(name, index):
    setting = variations.latent_setting(LAYOUT, KNOBS, name, np.array([-3.0, 2.5]))
    expected = np.tile(CODE, (2, 1))
    expected[:, index] = [-3, 2.5]
    np.testing.assert_array_equal(variations.sweep(CODE, setting).codes, expected)


@pytest.mark.parametrize("name", ["8", "-1", "colour", "light", "intrinsic", "²", "9" * 5000])
def test_names_that_are_not_of_one_latent_are_refused(name):
    with pytest.raises(BadInput, match=f"^latent {name}: "):
        variations.latent_setting(LAYOUT, KNOBS, name, np.zeros(1))


def test_a_grid_has_the_first_sweep_across_the_second_down_and_single_values_everywhere():
    settings = [angle("azimuth", -90, 0, 90), angle("elevation", -30, 30), angle("light", 10)]
    variations.check_grid(settings)
    grid = variations.grid(CODE, settings)
    assert grid.columns == 3
    codes = grid.codes.reshape(2, 3, 8)
    np.testing.assert_allclose(codes[..., 0], [[-9, 0, 9]] * 2)
    np.testing.assert_allclose(codes[..., 1], [[30] * 3, [-30] * 3])
    np.testing.assert_allclose(codes[..., 2:4], np.broadcast_to([1, 2], (2, 3, 2)))
    np.testing.assert_array_equal(codes[..., 4:], np.broadcast_to(CODE[4:], (2, 3, 4)))
    assert grid.captions[2] == "90°, −30°"
    assert grid.keys[2] == "azimuth=90,elevation=-30,light=10"
    assert grid.heading == "azimuth, elevation, light 10°"


def test_a_grid_of_single_values_is_one_image():
    grid = variations.grid(CODE, [angle("azimuth", 90), angle("elevation", 30)])
    assert grid.codes.shape == (1, 8)
    np.testing.assert_allclose(grid.codes[0, :2], [9, -30])


def test_a_grid_refuses_three_sweeps_and_one_latent_twice():
    sweeps = [angle("azimuth", 0, 1), angle("elevation", 0, 1), angle("light", 0, 1)]
    with pytest.raises(BadInput, match="at most two sweeps, found azimuth, elevation, light"):
        variations.check_grid(sweeps)
    raw = Setting("latent 0", np.array([0]), np.ones((1, 1), np.float32), ("1",), ("latent-0=1",))
    with pytest.raises(BadInput, match="each latent once, found azimuth, latent 0"):
        variations.check_grid([sweeps[0], raw])


def test_transfer_takes_the_parts_asked_for_and_keeps_the_others():
    taken = variations.transfer(CODE, OTHER, KNOBS, ["light", "intrinsic"]).codes
    np.testing.assert_array_equal(taken, [[0, 1, *OTHER[2:]]])
    everything = variations.transfer(CODE, OTHER, KNOBS, ["azimuth", "elevation", "light", "intrinsic"]).codes
    np.testing.assert_array_equal(everything[0], OTHER)
    with pytest.raises(RunError, match="light: this run has no latents for it"):
        variations.transfer(CODE, OTHER, named_latents(CodeLayout.parse("azimuth:1,rest:7")), ["light"])


def test_interpolation_is_straight_and_has_both_ends():
    codes = variations.interpolate(CODE, OTHER, 5).codes
    assert codes.dtype == np.float32
    np.testing.assert_allclose(codes - CODE, np.outer([0, 25, 50, 75, 100], np.ones(8)))


def test_random_identities_keep_the_angles_lie_about_that_of_the_image_and_follow_the_seed():
    drawn = variations.random_identities(CODE, KNOBS, 4000, 3).codes
    np.testing.assert_array_equal(drawn[:, :4], [CODE[:4]] * 4000)
    np.testing.assert_allclose(drawn[:, 4:].mean(axis=0), CODE[4:], atol=0.08)
    np.testing.assert_allclose(drawn[:, 4:].std(axis=0), 1, rtol=0.06)
    few = variations.random_identities(CODE, KNOBS, 2, 3).codes
    np.testing.assert_array_equal(few, drawn[:2])  # more are those and others
    assert not np.array_equal(few, variations.random_identities(CODE, KNOBS, 2, 4).codes)


def test_random_identities_vary_as_those_that_were_measured():
    axes = np.pad(np.random.default_rng(0).standard_normal((2, 4)), ((0, 0), (4, 0)))
    mean = np.array([9, 9, 9, 9, 1, 2, 3, 4.0])
    drawn = variations.random_identities(CODE, KNOBS, 4000, 3, (mean, axes)).codes
    np.testing.assert_array_equal(drawn[:, :4], [CODE[:4]] * 4000)
    np.testing.assert_allclose(drawn[:, 4:].mean(axis=0), mean[4:], atol=0.1)
    np.testing.assert_allclose(np.cov(drawn[:, 4:].T), (axes.T @ axes)[4:, 4:], atol=0.15)
    few = variations.random_identities(CODE, KNOBS, 2, 3, (mean, axes)).codes
    np.testing.assert_array_equal(few, drawn[:2])


DIRECTED = Calibration(CURVES.curves, 7, {}, directions=((0, 0, 0, 0, 1, 2, 0, 0), (0, 0, 0, 0, 0, 0, 0, -4)))


def along(number, *deviations):
    return variations.direction_setting(DIRECTED, LAYOUT, number, np.array(deviations, float))


def test_a_direction_adds_to_the_code_in_standard_deviations():
    moved = variations.sweep(CODE, along(1, -1, 0, 0.5))
    np.testing.assert_allclose(moved.codes - CODE, np.outer([-1, 0, 0.5], [0, 0, 0, 0, 1, 2, 0, 0]))
    assert moved.captions == ("−1 σ", "0 σ", "0.5 σ")


def test_directions_of_a_grid_add_up_in_any_order():
    settings = [along(1, 2), along(2, 1), angle("azimuth", 90)]
    variations.check_grid(settings)
    one, other = variations.grid(CODE, settings), variations.grid(CODE, settings[::-1])
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_allclose(one.codes[0] - CODE, [9 - CODE[0], 0, 0, 0, 2, 4, 0, -4])


@pytest.mark.parametrize("number", [0, 3])
def test_a_direction_that_there_is_not_is_refused(number):
    with pytest.raises(BadInput, match=f"^direction {number}: expected a number from 1 to 2"):
        along(number, 1)


def test_a_calibration_without_directions_says_how_to_get_them():
    with pytest.raises(BadInput, match="run `dcign evaluate RUN SHARDS` again"):
        variations.direction_setting(CURVES, LAYOUT, 1, np.zeros(1))


def test_a_latent_and_a_direction_that_moves_it_are_refused_together():
    latent = variations.latent_setting(LAYOUT, KNOBS, "5", np.zeros(1))
    with pytest.raises(BadInput, match="each latent once"):
        variations.check_grid([latent, along(1, 1)])
    with pytest.raises(BadInput, match="each latent once"):
        variations.check_grid([along(1, 1), along(1, 2)])


def test_captions_and_keys_are_in_the_terms_of_the_label():
    names = ("red", "a/b", "..", "light blue")
    layout = CodeLayout.parse("kind:1,far:1,rest:2", ("kind", "far"))
    kind = Centroids(
        "kind", (0.0, 1.0, 2.0, 3.0), (0.0, 1.0, 2.0, 3.0), False, 0.0, 0.9, 9, 9,
        label=Label("kind", 0, 3, "", categories=names),
    )  # fmt: skip
    far = Curve("far", (-2.0, 2.0), (0.0, 1.0), False, 1.0, 0.9, 9, 9, label=Label("far", -2, 2, "cm"))
    curves, latents = Calibration({"kind": kind, "far": far}, 7, {}), named_latents(layout)
    setting = variations.factor_setting(curves, latents, "kind", np.arange(4.0))
    assert setting.captions == names
    assert setting.keys == ("kind=red", "kind=a_b-1", "kind=-2", "kind=light blue")
    setting = variations.factor_setting(curves, latents, "far", np.array([-1.25, -0.0]))
    assert setting.captions == ("−1.25 cm", "0 cm")
    assert setting.keys == ("far=-1.25", "far=0")
