import numpy as np
import pytest

from dcign.evaluation.metrics.angles import jump_at_zero


@pytest.fixture
def probes():
    rng = np.random.default_rng(0)
    degrees = rng.uniform(-90, 90, 2000)
    return degrees, np.repeat(np.arange(100), 20), rng.normal(size=2000)


@pytest.mark.parametrize("jump", [0.0, 1.5, -0.7])
def test_a_jump_between_two_slopes_is_found_exactly_and_its_interval_holds_it(probes, jump):
    degrees, identity, noise = probes
    latent = np.where(degrees < 0, 0.02 * degrees, -0.01 * degrees + jump)
    found = jump_at_zero(latent, degrees, identity)
    assert found["value"] == pytest.approx(jump / latent.std(), abs=1e-9)
    noisy = latent + 0.3 * noise
    found = jump_at_zero(noisy, degrees, identity)
    assert found["low"] < jump / noisy.std() < found["high"]
    assert found["high"] - found["low"] < 0.8


def test_a_line_has_no_jump_and_the_unit_of_the_latent_does_not_matter(probes):
    degrees, identity, noise = probes
    latent = 0.02 * degrees + noise
    found = jump_at_zero(latent, degrees, identity)
    assert found["low"] < 0 < found["high"]
    assert jump_at_zero(7 * latent + 3, degrees, identity)["value"] == pytest.approx(found["value"])


def test_on_a_circle_angles_just_below_a_full_turn_are_left_of_zero(probes):
    degrees, identity, _ = probes
    latent = np.where(degrees < 0, -1.0, 1.0)
    turned = jump_at_zero(latent, np.mod(degrees, 360.0), identity, circular=True)
    assert turned == jump_at_zero(latent, degrees, identity)
    assert turned["value"] == pytest.approx(2 / latent.std())


def test_there_is_no_test_without_both_sides_or_of_a_constant_latent(probes):
    degrees, identity, noise = probes
    nothing = {"value": None, "low": None, "high": None}
    assert jump_at_zero(noise, np.abs(degrees), identity) == nothing
    assert jump_at_zero(np.ones(2000), degrees, identity) == nothing
    assert jump_at_zero(noise, np.where(degrees < 0, -5.0, degrees), identity) == nothing
