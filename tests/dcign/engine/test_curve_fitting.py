"""Curves fitted to values that are known: lines, circles, grids and categories."""

import numpy as np
import pytest

from dcign.engine.curve_fitting import fit
from dcign.engine.curves import value_error
from dcign.errors import BadInput
from render.shards.labels import Label

RANGE = (-90.0, 90.0)
AZIMUTH, TURN = Label("azimuth", *RANGE), Label("azimuth", 0.0, 360.0, circular=True)
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
    curve = fit(AZIMUTH, angle, latent, EACH[: len(angle)])
    asked = np.linspace(*RANGE, 37)
    np.testing.assert_allclose(curve.to_value(curve.to_latent(asked)), asked, atol=1e-6)
    np.testing.assert_allclose(curve.to_latent(asked), function(asked), atol=0.04 * scale)
    assert curve.residual < 12
    assert curve.explained > 0.95
    assert curve.range == RANGE


def test_the_curve_is_strictly_monotone_even_through_a_flat_stretch_and_a_jump():
    angle, latent = noisy(lambda a: np.where(a > 0, 1.0, -1.0))
    curve = fit(AZIMUTH, angle, latent, EACH[: len(angle)])
    assert np.all(np.diff(curve.latent) > 0)
    assert curve.to_latent(60) == pytest.approx(1.0, abs=0.05)
    assert curve.to_latent(-60) == pytest.approx(-1.0, abs=0.05)


def test_residual_is_the_error_of_the_angle_read_back():
    angle, latent = noisy(lambda a: a / 10, count=4000, noise=0.5)  # 0.5 latent = 5 degrees
    curve = fit(AZIMUTH, angle, latent, EACH[: len(angle)])
    assert curve.residual == pytest.approx(5.0, rel=0.05)


def test_twenty_images_that_share_an_angle_weigh_as_one():
    angle, latent = noisy(lambda a: a / 30, count=300)
    crowd = np.full(6000, 20.0)  # one mini-batch at 20 degrees, of an object that is read wrongly
    angles, latents = np.append(angle, crowd), np.append(latent, crowd * 0 - 3)
    minibatch = np.append(np.arange(300), np.full(6000, 300))
    curve = fit(AZIMUTH, angles, latents, minibatch)
    assert curve.draws == 301
    assert curve.images == 6300
    assert curve.to_latent(20) == pytest.approx(20 / 30, abs=0.25)


def test_latents_beyond_the_range_are_held_at_its_ends():
    angle, latent = noisy(lambda a: -a)
    curve = fit(AZIMUTH, angle, latent, EACH[: len(angle)])
    assert curve.to_value([-1000.0, 1000.0]).tolist() == [90.0, -90.0]


@pytest.mark.parametrize("angle", [-90.5, 91, np.nan, np.inf])
def test_an_angle_outside_the_range_is_refused_with_the_range(angle):
    curve = fit(AZIMUTH, *noisy(lambda a: a), EACH[:900])
    with pytest.raises(BadInput, match=r"azimuth.*-90 to 90"):
        curve.to_latent([0.0, angle])


def test_nothing_is_fitted_to_a_latent_an_angle_or_a_range_that_does_not_move_or_to_too_few():
    angle, latent = noisy(lambda a: a)
    assert fit(AZIMUTH, angle, np.ones(900), EACH[:900]) is None
    assert fit(AZIMUTH, np.ones(900), latent, EACH[:900]) is None
    assert fit(Label("light", 0.0, 0.0), angle, latent, EACH[:900]) is None
    assert fit(AZIMUTH, angle[:6], latent[:6], EACH[:6]) is None


def test_noise_is_fitted_by_a_curve_that_explains_next_to_nothing():
    angle, latent = noisy(lambda a: 0 * a, noise=1.0)
    assert fit(AZIMUTH, angle, latent, EACH[:900]).explained < 0.05


def test_a_full_circle_gets_a_periodic_curve_without_a_way_back():
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 360, 1200)
    latent = np.sin(np.deg2rad(angle)) + rng.normal(0, 0.05, 1200)
    curve = fit(TURN, angle, latent, EACH[:1200])
    asked = np.linspace(0, 360, 25)
    np.testing.assert_allclose(curve.to_latent(asked), np.sin(np.deg2rad(asked)), atol=0.05)
    np.testing.assert_allclose(curve.to_latent([-30, 725]), curve.to_latent([330, 5]))
    assert curve.circular
    assert curve.residual is None
    with pytest.raises(ValueError, match="circle"):
        curve.to_value(0.5)


def test_a_sector_of_the_circle_without_data_takes_the_mean_latent():
    angle = np.random.default_rng(2).uniform(0, 180, 600)
    curve = fit(TURN, angle, np.cos(np.deg2rad(angle)) + 4, EACH[:600])
    assert np.isfinite(curve.latent).all()
    assert curve.to_latent(270) == pytest.approx(4, abs=0.2)


def spread(label, count=900, seed=0):
    """Values (count,) from all of a label's range, grid or categories."""
    rng = np.random.default_rng(seed)
    choices = label.values or tuple(range(len(label.categories)))
    return rng.choice(choices, count).astype(float) if choices else rng.uniform(label.low, label.high, count)


@pytest.mark.parametrize("grid", [(20.0, 40.0, 60.0), (1.0, 2.0, 4.0, 8.0, 16.0, 32.0), tuple(map(float, range(40)))])
def test_the_knots_of_a_grid_are_values_of_the_grid(grid):
    label = Label("distance", grid[0], grid[-1], "cm", values=grid)
    values = spread(label)
    curve = fit(label, values, np.log(values + 10), EACH[:900])
    assert set(curve.values) <= set(grid)
    assert curve.range == (grid[0], grid[-1])
    assert len(curve.values) == min(len(grid), 13)
    np.testing.assert_allclose(curve.to_latent(curve.values), np.log(np.array(curve.values) + 10), atol=0.05)
    np.testing.assert_allclose(curve.to_value(curve.to_latent(grid)), grid, atol=1e-6)
    group = fit(label, values, np.stack([np.log(values + 10), values**0.5], 1), EACH[:900])
    np.testing.assert_allclose(group.to_value(group.to_latent(grid)), grid, atol=0.2)


def test_a_grid_reaches_as_far_as_there_are_images():
    label = Label("distance", 20, 80, "cm", values=(20.0, 40.0, 60.0, 80.0))
    values = np.random.default_rng(0).choice([40.0, 60.0], 300)
    curve = fit(label, values, values, EACH[:300])
    assert curve.values == (40, 60)
    with pytest.raises(BadInput, match=r"distance: 80 cm is outside the calibrated range 40 to 60 .* values within it"):
        curve.to_latent(80)
    assert fit(label, np.where(values > 50, 60.001, 60.0), values, EACH[:300]) is None  # one value of the grid


@pytest.mark.parametrize("grid", [(), (0.0, 0.25, 0.5, 0.75), (0.0, 0.1, 0.3, 0.6, 0.8, 1.0)])
def test_a_circle_may_have_any_period(grid):
    """A hue: 1 is 0 again."""
    label = Label("hue", 0.0, 1.0, "", circular=True, values=grid)
    values = spread(label, 2000)
    around = np.stack([np.cos(2 * np.pi * values), np.sin(2 * np.pi * values)], 1)
    curve = fit(label, values, around, EACH[:2000])
    asked = np.array(curve.values)
    assert curve.circular
    assert curve.range == (0, 1)
    np.testing.assert_allclose(curve.to_latent(asked + 3), curve.to_latent(asked), atol=1e-9)
    np.testing.assert_allclose(np.cos(2 * np.pi * (curve.to_value(curve.to_latent(asked)) - asked)), 1, atol=1e-6)
    assert curve.residual < 0.02
    single = fit(label, values, around[:, 0], EACH[:2000])
    assert single.residual is None
    np.testing.assert_allclose(single.to_latent(curve.values), np.cos(2 * np.pi * asked), atol=0.02)


COLOURS = Label("colour", 0, 2, "", categories=("red", "green", "blue"))
CENTRES = np.array([[0.0, 5.0], [4.0, 0.0], [-4.0, 0.0]])


def test_categories_are_read_as_the_nearest_centroid():
    values = spread(COLOURS)
    curve = fit(COLOURS, values, CENTRES[values.astype(int)] + noise(900, 2), EACH[:900])
    np.testing.assert_allclose(curve.to_latent([0, 1, 2]), CENTRES, atol=0.1)
    assert curve.to_value([[0.5, 4], [9, -9]]).tolist() == [0, 1]
    assert curve.to_value([-4, 1]).shape == ()
    assert curve.residual == 0
    assert curve.explained > 0.95
    assert curve.names == ("red", "green", "blue")


def noise(*shape, scale=0.3, seed=1):
    return np.random.default_rng(seed).normal(0, scale, shape)


def test_the_residual_of_categories_is_the_share_read_as_another():
    values = spread(COLOURS, 4000)
    curve = fit(COLOURS, values, noise(4000, 2), EACH[:4000])
    assert curve.residual == pytest.approx(2 / 3, abs=0.05)
    assert curve.explained < 0.01
    values[:] = np.arange(4000) % 2
    code = values + noise(4000, scale=0.5)  # of one latent; half a step is one deviation
    assert fit(COLOURS, values, code, EACH[:4000]).residual == pytest.approx(0.159, abs=0.02)


def test_a_category_without_images_is_not_offered():
    values = spread(COLOURS)
    kept = values != 1
    curve = fit(COLOURS, values[kept], CENTRES[values[kept].astype(int)], EACH[: kept.sum()])
    assert curve.values == (0, 2)
    for asked, found in ((1, "green"), (7, "7"), (0.5, "0.5")):
        with pytest.raises(BadInput, match=f"colour: expected one of red, blue, which .* tested on, found {found}$"):
            curve.to_latent([0, asked])


def test_values_within_the_tolerance_of_one_mini_batch_weigh_as_one():
    label = Label("elevation", 0, 60, tolerance=3.0)
    values = np.concatenate([np.linspace(0, 60, 300), 30 + noise(6000, scale=0.2)])
    minibatch = np.append(np.arange(300), np.full(6000, 300))
    curve = fit(label, values, np.append(values[:300], np.full(6000, -50.0)), minibatch)
    assert curve.draws == 301
    assert curve.to_latent(30) == pytest.approx(30, abs=8)


def test_errors_go_the_short_way_round_and_count_wrong_categories():
    hue = Label("hue", 0.0, 1.0, "", circular=True)
    np.testing.assert_allclose(value_error(np.array([0.95, 0.1]), np.array([0.05, 0.3]), hue), [-0.1, -0.2])
    assert value_error(np.array([350.0]), np.array([10.0]), TURN).tolist() == [-20]
    assert value_error(np.array([350.0]), np.array([10.0]), AZIMUTH).tolist() == [340]
    assert value_error(np.array([0.0, 2.0]), np.array([0.0, 1.0]), COLOURS).tolist() == [0, 1]
