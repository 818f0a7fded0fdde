import json

import numpy as np
import pytest

from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.errors import BadInput, RunError

RANGE = (-90.0, 90.0)
EACH = np.arange(5000)  # every image a mini-batch of its own


def noisy(function, count=900, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(*RANGE, count)
    return angle, function(angle) + rng.normal(0, noise, count)


@pytest.mark.parametrize(
    "function",
    [lambda a: a / 30, lambda a: -a / 30 + 5, lambda a: np.tanh(a / 50), lambda a: -np.exp(a / 60), lambda a: a * 1e6],
    ids=["rising", "falling", "saturating", "convex", "large"],
)
def test_degrees_survive_the_way_to_the_latent_and_back(function):
    scale = np.ptp(function(np.array(RANGE)))
    angle, latent = noisy(function, noise=0.01 * scale)
    curve = calibration.fit("azimuth", angle, latent, EACH[: len(angle)], RANGE)
    asked = np.linspace(*RANGE, 37)
    np.testing.assert_allclose(curve.to_value(curve.to_latent(asked)), asked, atol=1e-6)
    np.testing.assert_allclose(curve.to_latent(asked), function(asked), atol=0.04 * scale)
    assert curve.residual < 12
    assert curve.explained > 0.95
    assert curve.range == RANGE


def test_the_curve_is_strictly_monotone_even_through_a_flat_stretch_and_a_jump():
    angle, latent = noisy(lambda a: np.where(a > 0, 1.0, -1.0))
    curve = calibration.fit("azimuth", angle, latent, EACH[: len(angle)], RANGE)
    assert np.all(np.diff(curve.latent) > 0)
    assert curve.to_latent(60) == pytest.approx(1.0, abs=0.05)
    assert curve.to_latent(-60) == pytest.approx(-1.0, abs=0.05)


def test_residual_is_the_error_of_the_angle_read_back():
    angle, latent = noisy(lambda a: a / 10, count=4000, noise=0.5)  # 0.5 latent = 5 degrees
    curve = calibration.fit("azimuth", angle, latent, EACH[: len(angle)], RANGE)
    assert curve.residual == pytest.approx(5.0, rel=0.05)


def test_twenty_images_that_share_an_angle_weigh_as_one():
    angle, latent = noisy(lambda a: a / 30, count=300)
    crowd = np.full(6000, 20.0)  # one mini-batch at 20 degrees, of an object that is read wrongly
    angles, latents = np.append(angle, crowd), np.append(latent, crowd * 0 - 3)
    minibatch = np.append(np.arange(300), np.full(6000, 300))
    curve = calibration.fit("azimuth", angles, latents, minibatch, RANGE)
    assert curve.draws == 301
    assert curve.images == 6300
    assert curve.to_latent(20) == pytest.approx(20 / 30, abs=0.25)


def test_latents_beyond_the_range_are_held_at_its_ends():
    angle, latent = noisy(lambda a: -a)
    curve = calibration.fit("azimuth", angle, latent, EACH[: len(angle)], RANGE)
    assert curve.to_value([-1000.0, 1000.0]).tolist() == [90.0, -90.0]


@pytest.mark.parametrize("angle", [-90.5, 91, np.nan, np.inf])
def test_an_angle_outside_the_range_is_refused_with_the_range(angle):
    curve = calibration.fit("azimuth", *noisy(lambda a: a), EACH[:900], RANGE)
    with pytest.raises(BadInput, match=r"azimuth.*-90 to 90"):
        curve.to_latent([0.0, angle])


def test_nothing_is_fitted_to_a_latent_an_angle_or_a_range_that_does_not_move_or_to_too_few():
    angle, latent = noisy(lambda a: a)
    assert calibration.fit("light", angle, np.ones(900), EACH[:900], RANGE) is None
    assert calibration.fit("light", np.ones(900), latent, EACH[:900], RANGE) is None
    assert calibration.fit("light", angle, latent, EACH[:900], (0.0, 0.0)) is None
    assert calibration.fit("light", angle[:6], latent[:6], EACH[:6], RANGE) is None


def test_noise_is_fitted_by_a_curve_that_explains_next_to_nothing():
    angle, latent = noisy(lambda a: 0 * a, noise=1.0)
    assert calibration.fit("light", angle, latent, EACH[:900], RANGE).explained < 0.05


def test_a_full_circle_gets_a_periodic_curve_without_a_way_back():
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 360, 1200)
    latent = np.sin(np.deg2rad(angle)) + rng.normal(0, 0.05, 1200)
    curve = calibration.fit("azimuth", angle, latent, EACH[:1200], (0.0, 360.0))
    asked = np.linspace(0, 360, 25)
    np.testing.assert_allclose(curve.to_latent(asked), np.sin(np.deg2rad(asked)), atol=0.05)
    np.testing.assert_allclose(curve.to_latent([-30, 725]), curve.to_latent([330, 5]))
    assert curve.circular
    assert curve.residual is None
    with pytest.raises(ValueError, match="circle"):
        curve.to_value(0.5)


def test_a_sector_of_the_circle_without_data_takes_the_mean_latent():
    angle = np.random.default_rng(2).uniform(0, 180, 600)
    curve = calibration.fit("azimuth", angle, np.cos(np.deg2rad(angle)) + 4, EACH[:600], (0.0, 360.0))
    assert np.isfinite(curve.latent).all()
    assert curve.to_latent(270) == pytest.approx(4, abs=0.2)


@pytest.fixture
def stored(tmp_path):
    curve = calibration.fit("azimuth", *noisy(lambda a: -a), EACH[:900], RANGE)
    source = {"folder": "shards", "split": "test", "fingerprint": "abc"}
    errors = tuple(np.linspace(0.001, 0.02, 101).tolist())
    saved = Calibration({"azimuth": curve}, 1200, source, {"azimuth": (4,)}, errors, ((0.0, 7.5), (0.25, 1.0)))
    calibration.save(tmp_path, saved)
    return tmp_path, saved


def test_a_stored_calibration_is_read_back_as_it_was(stored):
    folder, saved = stored
    assert calibration.load(folder) == saved
    assert [path.name for path in folder.iterdir()] == ["calibration.json"]


def test_a_factor_without_a_curve_is_named(stored):
    with pytest.raises(BadInput, match="light: this run has no calibration for it \\(it has azimuth\\)"):
        calibration.load(stored[0]).curve("light")


def test_a_missing_calibration_says_what_to_run(tmp_path):
    with pytest.raises(RunError, match=r"dcign evaluate .* SHARDS` first"):
        calibration.load(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"format": 1', '"format": 9'),
        lambda text: text.replace('"circular": false', '"circular": "x"').replace('"degrees"', '"other"'),
        lambda text: text.replace("-90.0", "NaN"),
        lambda text: text.replace("-90.0", "95.0"),
        lambda text: text.replace("0.001,", "NaN,"),
        lambda text: text.replace("0.001,", ""),
        lambda text: text.replace("   4\n", '   "z"\n'),
        lambda text: text.replace("7.5", "NaN"),
        lambda text: text.replace("7.5", "0.0"),
        lambda text: text.replace("7.5", "7.5, 1.0"),
    ],
    ids=[
        "truncated",
        "list",
        "format",
        "keys",
        "nan",
        "order",
        "percentile",
        "percentiles",
        "found",
        "infinite",
        "zeros",
        "widths",
    ],
)
def test_a_damaged_calibration_is_refused_by_name(stored, damage):
    path = stored[0] / "calibration.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(RunError, match=r"calibration\.json"):
        calibration.load(stored[0])


def test_the_file_is_strict_json(stored):
    def refuse(name):
        raise AssertionError(name)

    content = json.loads((stored[0] / "calibration.json").read_text(), parse_constant=refuse)
    assert content["curves"]["azimuth"]["draws"] == 900
