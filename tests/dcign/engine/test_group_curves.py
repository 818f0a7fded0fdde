"""Curves of two latents and more: circles, ellipses and arcs whose angles are known."""

import json

import numpy as np
import pytest

from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curve_fitting import fit
from dcign.errors import BadInput, RunError
from render.shards.labels import Label

TURN = (0.0, 360.0)
EACH = np.arange(5000)  # every image a mini-batch of its own


def circle(angle, start=0.0, squash=1.0, turned=0.0):
    """A circle that begins at `start`, squashed along its second axis, then turned: (..., 2)."""
    t, r = np.deg2rad(np.asarray(angle, float) + start), np.deg2rad(turned)
    flat = np.stack([np.cos(t), squash * np.sin(t)], -1)
    return flat @ np.array([[np.cos(r), np.sin(r)], [-np.sin(r), np.cos(r)]])


def angle_label(name, ends):
    return Label(name, *ends, circular=ends[1] - ends[0] >= 360)


AZIMUTH = angle_label("azimuth", TURN)


def fitted(function, count=3000, noise=0.0, ends=TURN, seed=0, name="azimuth"):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(*ends, count)
    latents = function(angle)
    return fit(angle_label(name, ends), angle, latents + rng.normal(0, noise, latents.shape), EACH[:count])


def apart(a, b):
    return np.abs((np.asarray(a) - b + 180) % 360 - 180)


def test_a_noisy_circle_is_followed_and_its_angle_is_read_back_as_well_as_the_noise_allows():
    curve = fitted(circle, noise=0.1)
    asked = np.linspace(-180, 540, 100)
    np.testing.assert_allclose(curve.to_latent(asked), circle(asked), atol=0.04)
    # an arc of 0.1 on a circle of radius 1; the seam at 0 degrees costs nothing, errors being taken the short way
    assert curve.residual == pytest.approx(np.rad2deg(0.1), rel=0.06)
    assert curve.explained == pytest.approx(1 - 2 * 0.1**2 / (1 + 2 * 0.1**2), abs=0.01)
    assert curve.circular
    assert curve.range == TURN
    assert (curve.images, curve.draws) == (3000, 3000)


@pytest.mark.parametrize("ends", [TURN, (-180.0, 180.0)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_a_rotated_squashed_shifted_circle_is_read_back(scale, ends):
    def ellipse(angle):
        return scale * np.add(circle(angle, start=77, squash=0.4, turned=30), [5, -2])

    curve = fitted(ellipse, ends=ends)
    asked = np.linspace(*ends, 145)
    read = curve.to_value(ellipse(asked))
    assert apart(read, asked).max() < 1.5  # a polygon of 24 sides
    assert apart(curve.to_value(curve.to_latent(asked)), asked).max() < 1e-6
    assert read.min() >= ends[0]
    assert read.max() <= ends[1]
    assert curve.residual < 1


def test_the_nearest_point_is_that_of_a_dense_search():
    curve = fitted(lambda a: np.concatenate([circle(a), circle(2 * a, squash=0.3)], -1), noise=0.05)
    points = np.random.default_rng(3).normal(size=(6, 5, 4))
    dense = np.linspace(0, 360, 36001)
    distance = np.linalg.norm(points[..., None, :] - curve.to_latent(dense), axis=-1)
    read = curve.to_value(points)
    assert read.shape == (6, 5)
    assert apart(read, dense[distance.argmin(-1)]).max() < 0.02


def test_part_of_a_turn_has_ends():
    ends = (-30.0, 30.0)
    curve = fitted(lambda a: np.concatenate([circle(a), 0 * a[:, None] + 7], -1), ends=ends, noise=0.01)
    assert not curve.circular
    asked = np.linspace(*ends, 25)
    np.testing.assert_allclose(curve.to_value(curve.to_latent(asked)), asked, atol=1e-6)
    np.testing.assert_allclose(curve.to_latent(asked)[:, 2], 7, atol=0.01)
    np.testing.assert_allclose(curve.to_latent(asked)[:, :2], circle(asked), atol=0.02)
    assert curve.to_value(np.append(circle(80), 7)) == pytest.approx(30)
    assert curve.residual == pytest.approx(np.rad2deg(0.01), rel=0.1)
    for angle in (31, np.nan):
        with pytest.raises(BadInput, match=r"azimuth.*-30 to 30"):
            curve.to_latent([0.0, angle])


def test_two_latents_that_say_the_same_show_in_the_error():
    curve = fitted(lambda a: np.stack([np.cos(np.deg2rad(a)), 2 * np.cos(np.deg2rad(a))], -1), noise=0.01)
    assert curve.explained > 0.99
    assert curve.residual > 45


def test_a_group_that_knows_nothing_explains_next_to_nothing_and_guesses():
    curve = fitted(lambda a: np.zeros((len(a), 2)), noise=1.0)
    assert curve.explained < 0.03
    assert curve.residual == pytest.approx(360 / np.sqrt(12), rel=0.05)


def test_twenty_images_that_share_an_angle_weigh_as_one():
    rng = np.random.default_rng(0)
    angle = rng.uniform(*TURN, 300)
    latents = np.concatenate([circle(angle), np.tile([[-1.0, 0.0]], (6000, 1))])  # at 20 degrees, read wrongly
    angles, minibatch = np.append(angle, np.full(6000, 20.0)), np.append(np.arange(300), np.full(6000, 300))
    curve = fit(AZIMUTH, angles, latents, minibatch)
    assert curve.draws == 301
    np.testing.assert_allclose(curve.to_latent(20), circle(20), atol=0.25)


def test_nothing_is_fitted_to_latents_an_angle_or_a_range_that_does_not_move_or_to_too_few():
    angle = np.linspace(0, 359, 900)
    codes = circle(angle)
    assert fit(AZIMUTH, angle, np.ones((900, 2)), EACH[:900]) is None
    assert fit(AZIMUTH, np.ones(900), codes, EACH[:900]) is None
    assert fit(angle_label("azimuth", (5.0, 5.0)), angle, codes, EACH[:900]) is None
    assert fit(AZIMUTH, angle[:6], codes[:6], EACH[:6]) is None


@pytest.fixture
def stored(tmp_path):
    part = fitted(circle, ends=(0.0, 30.0), name="elevation")
    curves = {"azimuth": fitted(circle, count=400), "elevation": part}
    saved = Calibration(curves, 1200, {"folder": "shards", "split": "test", "fingerprint": "abc"})
    calibration.save(tmp_path, saved)
    return tmp_path, saved


def test_stored_curves_of_groups_are_read_back_as_they_were_under_a_format_of_their_own(stored):
    folder, saved = stored
    assert calibration.load(folder) == saved
    assert json.loads((folder / "calibration.json").read_text())["format"] == 2


def test_files_of_single_latents_keep_their_first_format(tmp_path):
    entry = {
        "factor": "azimuth",
        "degrees": [-90.0, 0.0, 90.0],
        "latent": [-1.0, 0.5, 2.0],
        "circular": False,
        "residual_degrees": 3.5,
        "explained": 0.9,
        "images": 100,
        "draws": 80,
    }
    text = json.dumps({"format": 1, "step": 7, "data_set": {}, "curves": {"azimuth": entry}}, indent=1) + "\n"
    (tmp_path / "calibration.json").write_text(text)
    known = calibration.load(tmp_path)
    assert known.curve("azimuth").to_latent(45) == pytest.approx(1.25)
    calibration.save(tmp_path, known)
    assert (tmp_path / "calibration.json").read_text() == text


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows[:-1],
        lambda rows: [rows[0][:1], *rows[1:]],
        lambda rows: [row[:1] for row in rows],
        lambda rows: [[*rows[0][:1], float("nan")], *rows[1:]],
        lambda rows: [[rows[0][0], "far"], *rows[1:]],
        lambda rows: [[row] for row in rows],
    ],
    ids=["missing", "ragged", "narrow", "nan", "text", "deep"],
)
def test_a_damaged_curve_of_a_group_is_refused_by_name(stored, damage):
    path = stored[0] / "calibration.json"
    content = json.loads(path.read_text())
    content["curves"]["azimuth"]["latent"] = damage(content["curves"]["azimuth"]["latent"])
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"calibration\.json"):
        calibration.load(stored[0])
