import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score, r2_score

from dcign.evaluation.metrics import groups as group_metrics

RNG = np.random.default_rng(0)


def test_r2_is_that_of_scikit_learn_and_never_negative():
    target = RNG.normal(size=(200, 1))
    prediction = target + 0.5 * RNG.normal(size=(200, 1))
    assert group_metrics.r2(target, prediction) == pytest.approx(r2_score(target, prediction))
    assert group_metrics.r2(target, -prediction) == 0.0
    assert group_metrics.r2(np.ones((5, 1)), np.zeros((5, 1))) is None


def test_r2_of_a_circle_does_not_depend_on_where_zero_lies():
    angle = RNG.uniform(0, 2 * np.pi, 300)
    guess = angle + 0.3 * RNG.normal(size=300)

    def value(turn):
        a, b = angle + turn, guess + turn
        return group_metrics.r2(np.stack([np.cos(a), np.sin(a)], 1), np.stack([np.cos(b), np.sin(b)], 1))

    assert value(0.0) == pytest.approx(value(1.0))


def test_the_identity_matrix_is_best_and_an_even_one_worst():
    assert group_metrics.disentanglement(np.eye(4)) == pytest.approx(np.ones(4))
    assert group_metrics.completeness(np.eye(4)) == pytest.approx(np.ones(4))
    for worst in (np.ones((4, 4)), np.zeros((4, 4))):
        assert group_metrics.disentanglement(worst) == pytest.approx(np.zeros(4))
        assert group_metrics.overall(group_metrics.disentanglement(worst), worst.sum(axis=1)) == pytest.approx(0.0)


def test_disentanglement_is_one_minus_entropy_of_rows_and_completeness_of_columns():
    matrix = RNG.uniform(size=(3, 5))
    by_row = [1 - stats.entropy(row, base=5) for row in matrix]
    by_column = [1 - stats.entropy(column, base=3) for column in matrix.T]
    assert group_metrics.disentanglement(matrix) == pytest.approx(by_row)
    assert group_metrics.completeness(matrix) == pytest.approx(by_column)
    assert group_metrics.disentanglement(matrix * 0.1) == pytest.approx(by_row)


def test_overall_ignores_groups_that_know_nothing():
    assert group_metrics.overall(np.array([1.0, 0.0]), np.array([0.7, 0.0])) == 1.0


def test_the_gap_is_own_minus_best_other_and_negative_for_a_swapped_code():
    matrix = np.array([[0.9, 0.2], [0.1, 0.5], [0.3, 0.4]])
    assert group_metrics.gaps(matrix, np.array([0, 1])) == pytest.approx([0.6, 0.1])
    assert group_metrics.gaps(matrix[[1, 0]], np.array([0, 1])) == pytest.approx([-0.8, -0.3])
    with pytest.raises(ValueError, match="two groups"):
        group_metrics.gaps(matrix[:1], np.array([0, 0]))


def test_information_gap_agrees_with_scikit_learn():
    factor = RNG.integers(0, 10, 500)
    predictions = np.stack([factor, (factor + RNG.integers(0, 3, 500)) % 20, RNG.integers(0, 20, 500)])
    entropy = stats.entropy(np.bincount(factor))
    first, second = (mutual_info_score(factor, prediction) for prediction in predictions[:2])
    assert group_metrics.information_gap(factor, predictions) == pytest.approx((first - second) / entropy)


def test_information_gap_is_one_for_the_factor_beside_nothing_and_zero_beside_itself():
    factor, nothing = RNG.integers(0, 10, 500), np.full(500, 3)
    assert group_metrics.information_gap(factor, np.stack([factor, nothing])) == pytest.approx(1.0)
    assert group_metrics.information_gap(factor, np.stack([factor, factor])) == pytest.approx(0.0)
    assert group_metrics.information_gap(nothing, np.stack([factor, factor])) is None
    assert group_metrics.information_gap(factor, factor[None]) is None


def test_bins_are_even_and_take_what_lies_outside():
    values = np.array([-5.0, 0.0, 0.99, 1.0, 9.99, 10.0, 50.0])
    assert group_metrics.binned(values, (0.0, 10.0), 10).tolist() == [0, 0, 0, 1, 9, 9, 9]


def test_predictions_near_the_mean_share_a_bin():
    near = np.array([0.31, 0.32, 0.33])
    assert len(set(group_metrics.binned(near, (-3.0, 3.0), group_metrics.PREDICTION_BINS))) == 1
