import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from dcign.evaluation.metrics.dci import completeness, dci_scores, disentanglement, split
from dcign.evaluation.metrics.disentanglement import circle

RNG = np.random.default_rng(0)
IDENTITY = np.repeat(np.arange(30), 20)
TRAIN, TEST = split(IDENTITY)
NUMBERS = RNG.uniform(-1, 1, (600, 3))
FACTORS = dict(zip("abc", NUMBERS.T, strict=True))


def test_no_identity_is_on_both_sides_of_the_split_and_a_third_is_kept_back():
    assert not set(IDENTITY[TRAIN]) & set(IDENTITY[TEST])
    assert len(set(IDENTITY[TEST])) == 10
    assert sorted([*TRAIN, *TEST]) == list(range(600))
    assert len(split(np.array([4, 9]))[1]) == 1
    with pytest.raises(ValueError, match="two identities"):
        split(np.zeros(5, int))


def test_the_factors_as_code_score_near_one_and_a_constant_code_zero():
    good = dci_scores(NUMBERS * [3, -1, 0.1], FACTORS, TRAIN, TEST)
    assert min(good.disentanglement, good.completeness, good.informativeness) > 0.98
    assert good.importance.argmax(axis=0).tolist() == [0, 1, 2]
    still = dci_scores(np.ones((600, 3)), FACTORS, TRAIN, TEST)
    assert (still.disentanglement, still.completeness) == (0.0, 0.0)
    assert still.informativeness < 0.01


def test_noise_predicts_nothing_and_serves_all_factors():
    noise = dci_scores(RNG.normal(size=(600, 3)), FACTORS, TRAIN, TEST)
    assert noise.informativeness < 0.05
    assert max(noise.disentanglement, noise.completeness) < 0.1


def test_trees_over_bins_agree_with_exact_ones():
    codes = np.tanh(NUMBERS @ RNG.normal(size=(3, 5))) + 0.1 * RNG.normal(size=(600, 5))
    found = dci_scores(codes, FACTORS, TRAIN, TEST)
    for column, target in enumerate(NUMBERS.T):
        exact = GradientBoostingRegressor(random_state=0).fit(codes[TRAIN], target[TRAIN])
        np.testing.assert_allclose(found.importance[:, column], exact.feature_importances_, atol=0.03)
        assert found.per_factor[column] == pytest.approx(exact.score(codes[TEST], target[TEST]), abs=0.03)


def test_an_angle_is_one_factor_of_two_columns():
    degrees = RNG.uniform(0, 360, 600)
    factors = {"angle": circle(degrees), "a": NUMBERS[:, 0]}
    good = dci_scores(np.stack([degrees, NUMBERS[:, 0]], axis=1), factors, TRAIN, TEST)
    assert good.per_factor[0] > 0.98
    assert good.importance[:, 0] == pytest.approx([1.0, 0.0], abs=0.01)


def test_disentanglement_and_completeness_of_known_importances():
    one_each, alike = np.eye(4)[:, :3], np.full((4, 3), 0.25)
    assert (disentanglement(one_each), completeness(one_each)) == pytest.approx((1.0, 1.0))
    assert (disentanglement(alike), completeness(alike)) == pytest.approx((0.0, 0.0))
    twice = np.array([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert (disentanglement(twice), completeness(twice)) == pytest.approx((1.0, 0.75))


def test_too_little_of_anything_has_no_value():
    assert dci_scores(NUMBERS[:, :1], FACTORS, TRAIN, TEST) is None
    assert dci_scores(NUMBERS, {"a": NUMBERS[:, 0]}, TRAIN, TEST) is None
    assert dci_scores(NUMBERS, FACTORS | {"d": np.ones(600)}, TRAIN, TEST) is None
    assert dci_scores(NUMBERS, FACTORS, TRAIN, TEST[:0]) is None
