import numpy as np
import pytest

from dcign.evaluation.metrics.vae_scores import VOTE_IMAGES, factor_vae_score, majority, vote_draws

RNG = np.random.default_rng(0)
FACTORS = dict(zip("abc", RNG.integers(0, 5, (3, 1200)), strict=True))
CODE = np.stack(list(FACTORS.values()), axis=1) * [1.0, 10.0, -0.3]
IDENTITY = np.repeat(np.arange(60), 20)
TRAIN, TEST = np.arange(800), np.arange(800, 1200)


def score(codes, factors=FACTORS):
    return factor_vae_score(codes, factors, TRAIN, TEST, np.random.default_rng(0))


def test_the_factors_as_code_score_one_whatever_their_scale_and_constant_or_noise_codes_chance():
    assert score(CODE) == 1.0
    assert score(np.ones((1200, 3))) == pytest.approx(1 / 3)
    assert score(RNG.normal(size=(1200, 6))) == pytest.approx(1 / 3, abs=0.06)


def test_noise_over_few_images_of_each_identity_is_not_learnt_by_heart():
    assert score(RNG.normal(size=(1200, 30)), FACTORS | {"identity": IDENTITY}) == pytest.approx(1 / 4, abs=0.06)


def test_a_collapsed_latent_does_not_vote():
    hidden = np.concatenate([CODE, 1e-3 * CODE[:, :1] + 7], axis=1)
    assert score(hidden) == score(CODE)


def test_the_images_of_a_vote_share_their_class_and_are_drawn_from_all_of_it():
    labels = list(FACTORS.values())
    held, rows = vote_draws(labels, 3000, np.random.default_rng(1))
    assert rows.shape == (3000, VOTE_IMAGES)
    for factor, label in enumerate(labels):
        shared = label[rows[held == factor]]
        assert np.all(shared == shared[:, :1])
    assert len(np.unique(rows)) == 1200
    assert np.bincount(held) == pytest.approx([1000, 1000, 1000], abs=100)


def test_the_majority_decides_on_other_votes():
    train, test = np.array([[9, 1, 0], [1, 9, 5]]), np.array([[6, 2, 1], [0, 8, 3]])
    assert majority(train, test) == pytest.approx((6 + 8 + 3) / 20)


def test_one_factor_has_no_value():
    assert score(CODE, {"a": FACTORS["a"]}) is None
