import numpy as np
import pytest

from dcign.evaluation.metrics.angles import circular_r2
from dcign.evaluation.metrics.disentanglement import circle, sap, sap_scores

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(600, 3))
DEGREES = RNG.uniform(0, 360, 600)


def test_the_factors_as_code_score_near_one_and_constant_or_noise_codes_near_zero():
    factors = dict(zip("abc", NUMBERS.T, strict=True))
    assert sap(-2 * NUMBERS, factors) > 0.98
    assert sap(np.ones((600, 3)), factors) == 0.0
    assert sap(RNG.normal(size=(600, 3)), factors) < 0.02


def test_the_score_of_a_number_is_its_squared_correlation():
    codes = NUMBERS @ RNG.normal(size=(3, 4))
    found = sap_scores(codes, {"a": NUMBERS[:, 0]})[:, 0]
    assert found == pytest.approx([np.corrcoef(latent, NUMBERS[:, 0])[0, 1] ** 2 for latent in codes.T])


def test_the_score_of_an_angle_is_that_of_the_best_sinusoid():
    codes = np.stack([np.sin(np.deg2rad(DEGREES - 50)), DEGREES, RNG.normal(size=600)], axis=1)
    found = sap_scores(codes, {"angle": circle(DEGREES)})[:, 0]
    assert found == pytest.approx([circular_r2(latent, DEGREES) for latent in codes.T])
    assert found[0] == pytest.approx(1.0)


def test_the_score_of_classes_is_accuracy_on_the_rows_kept_back():
    label = RNG.integers(0, 2, 600)
    codes = np.stack([label * 2.0 - 1.0, RNG.normal(size=600)], axis=1)
    train, test = np.arange(400), np.arange(400, 600)
    known, noise = sap_scores(codes, {"a": label}, train, test)[:, 0]
    assert known == 1.0
    assert noise == pytest.approx(0.5, abs=0.1)


def test_a_single_latent_or_a_factor_that_does_not_vary_has_no_value():
    assert sap(NUMBERS[:, :1], {"a": DEGREES}) is None
    assert sap(NUMBERS, {"a": np.ones(600)}) is None
    assert sap(NUMBERS, {}) is None
