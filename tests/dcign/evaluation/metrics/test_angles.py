import numpy as np
import pytest
from scipy import stats

from dcign.evaluation.metrics.angles import (
    circular_r2,
    group_circular_r2,
    largest_leak,
    own_values,
    spearman,
    total_variance,
    within_variance,
)
from dcign.evaluation.metrics.image_quality import ReconstructionSums, reconstruction_errors

RNG = np.random.default_rng(0)
ONE_EACH = np.arange(400)  # every image a mini-batch of its own


def test_spearman_of_a_latent_equal_to_its_factor_is_one_and_of_an_independent_one_near_zero():
    azimuth, light = RNG.uniform(-90, 90, 400), RNG.uniform(-80, 80, 400)
    latents = {"azimuth": azimuth, "light": -np.exp(light / 40)}
    result = spearman(latents, {"azimuth": azimuth, "light": light}, ONE_EACH)
    assert own_values(result.table) == {"azimuth": pytest.approx(1.0), "light": pytest.approx(1.0)}
    leak = largest_leak(result.table)
    assert leak["value"] < 0.15
    assert leak["latent"] != leak["factor"]
    assert result.warnings == []


def test_spearman_agrees_with_correlation_of_mean_ranks_under_ties():
    factor = np.repeat(RNG.uniform(-30, 30, 20), 20)
    code = factor + RNG.normal(0, 30, 400)
    result = spearman({"elevation": code}, {"elevation": factor}, np.repeat(np.arange(20), 20))
    oracle = abs(np.corrcoef(stats.rankdata(code), stats.rankdata(factor))[0, 1])
    assert result.table["elevation"]["elevation"] == pytest.approx(oracle)
    assert result.draws == {"elevation": 20}


def test_largest_leak_names_the_latent_and_the_other_factor():
    table = {"azimuth": {"azimuth": 0.9, "light": 0.2, "elevation": None}, "light": {"azimuth": 0.4, "light": 1.0}}
    assert largest_leak(table) == {"latent": "light", "factor": "azimuth", "value": 0.4}
    assert largest_leak({"azimuth": {"azimuth": 1.0}}) is None


@pytest.mark.parametrize(
    ("factor", "minibatch", "message"),
    [
        (np.full(400, 3.0), ONE_EACH, "is the same in all 400 images"),
        (np.repeat([1.0, 2.0, 3.0, 4.0], 100), np.repeat(np.arange(4), 100), "only 4 independent values"),
    ],
)
def test_a_constant_or_hardly_varied_factor_gives_no_value_but_a_warning(factor, minibatch, message):
    result = spearman({"light": RNG.normal(size=400)}, {"light": factor}, minibatch)
    assert result.table == {"light": {"light": None}}
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("light")
    assert message in result.warnings[0]


def test_a_constant_latent_gives_no_value_but_a_warning():
    result = spearman({"light": np.zeros(400)}, {"light": RNG.uniform(size=400)}, ONE_EACH)
    assert result.table == {"light": {"light": None}}
    assert "z_light is the same" in result.warnings[0]


def test_a_designed_grid_of_two_values_counts_its_mini_batches():
    grid = np.repeat(np.tile([20.0, 30.0], 15), 20)
    result = spearman({"azimuth": grid}, {"elevation": grid}, np.repeat(np.arange(30), 20))
    assert result.draws == {"elevation": 30}
    assert result.table["azimuth"]["elevation"] == pytest.approx(1.0)


def test_circular_association_of_a_sinusoid_is_one_wherever_it_starts_and_of_noise_near_zero():
    angle = RNG.uniform(0, 360, 500)
    assert circular_r2(2 + 3 * np.cos(np.deg2rad(angle - 77)), angle) == pytest.approx(1.0)
    assert circular_r2(RNG.normal(size=500), angle) < 0.03
    assert circular_r2(np.ones(500), angle) is None
    assert circular_r2(angle, np.ones(500)) is None


def test_circular_association_agrees_with_mardias_formula():
    angle = RNG.uniform(0, 2 * np.pi, 300)
    code = np.sin(angle) + RNG.normal(0, 0.7, 300)

    def r(a, b):
        return np.corrcoef(a, b)[0, 1]

    xc, xs, cs = r(code, np.cos(angle)), r(code, np.sin(angle)), r(np.cos(angle), np.sin(angle))
    oracle = (xc**2 + xs**2 - 2 * xc * xs * cs) / (1 - cs**2)
    assert circular_r2(code, np.rad2deg(angle)) == pytest.approx(oracle)


def plane(angle):
    return np.stack([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))], axis=1)


def test_a_rotated_squashed_shifted_circle_tells_all_of_the_angle_and_noise_nothing():
    angle = RNG.uniform(0, 360, 500)
    mixed = plane(angle - 77) @ np.array([[2.0, -1e-5], [0.3, 1e-6]]) + [1e3, -3]
    assert group_circular_r2(mixed, angle) == pytest.approx(1.0)
    assert group_circular_r2(RNG.normal(size=(500, 2)), angle) < 0.03


def test_one_axis_of_the_circle_tells_half_of_the_angle_however_often_it_is_there():
    angle = np.arange(0, 360, 0.5)
    cosine = plane(angle)[:, :1]
    for latents in (cosine, np.hstack([cosine, -3 * cosine]), np.hstack([cosine, np.ones_like(cosine)])):
        assert group_circular_r2(latents, angle) == pytest.approx(0.5)
    noisy = cosine[:, 0] + RNG.normal(0, 0.5, len(angle))
    assert group_circular_r2(noisy[:, None], angle) == pytest.approx(circular_r2(noisy, angle) / 2)


def test_noise_takes_the_share_from_a_circle_that_the_theory_of_errors_in_variables_says():
    angle = np.arange(0, 360, 0.05)
    noisy = plane(angle) + RNG.normal(0, 0.5, (len(angle), 2))  # each axis: variance 1/2, noise 1/4
    assert group_circular_r2(noisy, angle) == pytest.approx(0.5 / (0.5 + 0.25), abs=0.02)


def test_an_angle_on_part_of_a_circle_is_told_by_a_straight_line():
    angle = RNG.uniform(-30, 30, 500)
    latents = np.stack([angle, RNG.normal(size=500)], axis=1)
    assert group_circular_r2(latents, angle) > 0.97


def test_a_group_or_angle_that_never_moves_or_too_few_images_have_no_circular_share():
    angle = RNG.uniform(0, 360, 50)
    assert group_circular_r2(np.ones((50, 2)), angle) is None
    assert group_circular_r2(plane(angle), np.ones(50)) is None
    assert group_circular_r2(plane(angle)[:3], angle[:3]) is None
    assert group_circular_r2(plane(angle)[:4], angle[:4]) == pytest.approx(1.0)


def test_streamed_errors_equal_those_of_the_whole_array():
    images = RNG.integers(0, 256, (37, 8, 8), dtype=np.uint8)
    guesses = RNG.uniform(size=(37, 8, 8)).astype(np.float32)
    sums = ReconstructionSums()
    for start in range(0, 37, 10):
        sums.add(images[start : start + 10], guesses[start : start + 10])
    result = reconstruction_errors(sums)
    truth = images / 255.0
    assert result["mse"] == pytest.approx(np.mean((truth - guesses) ** 2), rel=1e-9)
    assert result["mean_image_mse"] == pytest.approx(np.mean((truth - truth.mean(0)) ** 2), rel=1e-12)
    assert result["ratio"] == pytest.approx(result["mse"] / result["mean_image_mse"])


def test_equal_images_have_no_ratio_and_exactly_no_variance():
    sums = ReconstructionSums()
    sums.add(np.full((5, 4, 4), 77, np.uint8), np.zeros((5, 4, 4)))
    result = reconstruction_errors(sums)
    assert result["mean_image_mse"] == 0.0
    assert result["ratio"] is None


def test_invariance_is_the_mean_of_the_variances_within_mini_batches():
    codes = RNG.normal(size=(60, 5)) * [1, 2, 3, 4, 5] + np.repeat(RNG.normal(size=(6, 5)) * 10, 10, axis=0)
    minibatch = np.repeat(np.arange(6), 10)
    result = within_variance(codes, minibatch, [1, 3])
    oracle = np.mean([[np.var(codes[minibatch == b, z], ddof=1) for z in (1, 3)] for b in range(6)])
    assert result == {"within": pytest.approx(oracle), "latents": 2, "minibatches": 6}
    assert total_variance(codes, [1, 3]) == pytest.approx(codes[:, [1, 3]].var(0, ddof=1).mean())
    assert result["within"] < total_variance(codes, [1, 3])


def test_latents_that_hold_still_have_no_variance_within():
    codes = np.repeat(RNG.normal(size=(6, 5)), 10, axis=0)
    assert within_variance(codes, np.repeat(np.arange(6), 10), [0, 4])["within"] < 1e-20


def test_mini_batches_of_one_image_have_no_variance_to_report():
    assert within_variance(np.ones((4, 3)), np.arange(4), [0])["within"] is None
    assert within_variance(np.ones((4, 3)), np.zeros(4), [])["within"] is None
    assert total_variance(np.ones((1, 3)), [0]) is None
