import numpy as np
import pytest

from dcign.evaluation.metrics.disentanglement import (
    circle,
    classes,
    entropy,
    latent_bins,
    mig_gaps,
    mutual_information,
)

GRID = np.stack(np.meshgrid(np.arange(5), np.arange(4), np.arange(6)), axis=-1).reshape(-1, 3)
FACTORS = {"a": GRID[:, 0], "b": GRID[:, 1], "c": GRID[:, 2]}


def mig(codes, factors):
    labels = [classes(factor) for factor in factors.values()]
    information = mutual_information(latent_bins(codes), labels)
    return np.mean(mig_gaps(information, np.array([entropy(label) for label in labels])))


def test_the_factors_as_code_score_one_and_a_constant_code_zero():
    assert mig(GRID * 1.7, FACTORS) == pytest.approx(1.0)
    assert mig(np.ones((len(GRID), 3)), FACTORS) == pytest.approx(0.0)


def test_numbers_and_angles_are_known_by_a_latent_that_equals_them():
    rng = np.random.default_rng(0)
    number, angle = rng.uniform(-30, 30, 4000), rng.uniform(0, 360, 4000)
    factors = {"number": number, "angle": circle(angle)}
    assert mig(np.stack([number, angle], axis=1), factors) > 0.95
    assert mig(rng.normal(size=(4000, 2)), factors) < 0.02


def test_a_factor_that_two_latents_know_alike_has_no_gap():
    assert mig(GRID[:, [0, 0, 1, 2]] * 1.0, FACTORS) == pytest.approx(2 / 3)


def test_gaps_are_the_best_less_the_second_as_a_share_of_the_entropy():
    gaps = mig_gaps(np.array([[0.5, 0.2], [1.5, 0.1], [0.1, 0.2]]), np.array([2.0, 1.0]))
    assert gaps == pytest.approx([0.5, 0.0])
