import numpy as np
import pytest

from dcign.evaluation.metrics.vae_scores import beta_vae_score, pairs

RNG = np.random.default_rng(0)
FACTORS = dict(zip("abc", RNG.integers(0, 5, (3, 1200)), strict=True))
CODE = np.stack(list(FACTORS.values()), axis=1) * [1.0, 2.0, -0.5]
TRAIN, TEST = np.arange(800), np.arange(800, 1200)


def score(codes, factors=FACTORS):
    return beta_vae_score(codes, factors, TRAIN, TEST, np.random.default_rng(0))


def test_the_factors_as_code_score_one_turned_or_not_and_constant_or_noise_codes_chance():
    assert score(CODE) == 1.0
    assert score(np.ones((1200, 3))) == pytest.approx(1 / 3, abs=0.03)
    assert score(RNG.normal(size=(1200, 6))) == pytest.approx(1 / 3, abs=0.06)


def test_a_pair_is_two_images_of_one_class_and_never_one_image_twice():
    label = np.repeat([3, 0, 2, 1], [2, 5, 1, 30])[RNG.permutation(38)]
    first, second = pairs(label, (4000,), np.random.default_rng(1))
    assert np.all(first != second)
    assert np.array_equal(label[first], label[second])
    assert not np.any(label[first] == 2)  # alone in its class
    partners = np.bincount(second[first == np.flatnonzero(label == 0)[0]], minlength=38)
    assert np.array_equal(np.flatnonzero(partners), np.flatnonzero(label == 0)[1:])


def test_one_factor_or_classes_of_one_image_have_no_value():
    assert score(CODE, {"a": FACTORS["a"]}) is None
    assert score(CODE, {"a": FACTORS["a"], "alone": np.arange(1200)}) is None
