import numpy as np
import pytest
from scipy import stats

from dcign.evaluation.metrics import inference as inference_metrics

EVEN = np.full((1, 2001), 1 / 2001)
NORMAL = stats.norm.ppf((np.arange(2001) + 0.5) / 2001)[None]


def test_draws_of_a_normal_have_its_mean_quantiles_and_ranks():
    draws = 3 + 2 * NORMAL
    assert inference_metrics.mean(draws, EVEN, False) == pytest.approx(3)
    assert inference_metrics.quantiles(draws, EVEN, False, [0.05, 0.5, 0.9])[0] == pytest.approx(
        stats.norm.ppf([0.05, 0.5, 0.9], 3, 2), abs=0.01
    )
    assert inference_metrics.rank(draws, EVEN, False, np.array([4.0])) == pytest.approx(stats.norm.cdf(0.5), abs=1e-3)


def test_the_score_of_a_normal_is_the_one_in_closed_form():
    # Gneiting and Raftery (2007), equation 5 of the normal
    for truth in (0.0, 1.3):
        exact = truth * (2 * stats.norm.cdf(truth) - 1) + 2 * stats.norm.pdf(truth) - 1 / np.sqrt(np.pi)
        found = inference_metrics.ranked_probability_score(NORMAL, EVEN, False, np.array([truth]))
        assert found == pytest.approx(exact, abs=2e-3)


def test_weights_count_as_that_many_draws():
    draws, weights = np.array([[5.0, 1.0, 2.0]]), np.array([[0.5, 0.25, 0.25]])
    repeated, even = np.array([[5.0, 5.0, 1.0, 2.0]]), np.full((1, 4), 0.25)
    truth = np.array([2.0])
    for function in (inference_metrics.rank, inference_metrics.ranked_probability_score):
        assert function(draws, weights, False, truth) == pytest.approx(function(repeated, even, False, truth))
    assert inference_metrics.rank(draws, weights, False, truth) == pytest.approx(0.375)


def test_the_score_of_a_single_value_is_its_error_also_the_short_way_round():
    one = np.ones((1, 1))
    score = inference_metrics.ranked_probability_score
    assert score(np.array([[350.0]]), one, True, np.array([10.0])) == pytest.approx(20)
    assert score(np.array([[350.0]]), one, False, np.array([10.0])) == pytest.approx(340)


def test_on_a_circle_nothing_depends_on_where_zero_is():
    draws, truth = 10 * NORMAL, np.array([12.0])
    ends = inference_metrics.quantiles(draws, EVEN, True, [0.05, 0.95])
    assert ends[0] == pytest.approx(stats.norm.ppf([0.05, 0.95], 0, 10), abs=0.1)
    for turn in (175.0, 200.0, -350.0):
        turned = np.mod(draws + turn, 360.0)
        middle = inference_metrics.mean(turned, EVEN, True)
        assert inference_metrics.difference(middle, np.array([turn]), True) == pytest.approx(0, abs=1e-9)
        moved = inference_metrics.quantiles(turned, EVEN, True, [0.05, 0.95])
        assert np.diff(moved[0]) == pytest.approx(np.diff(ends[0]))
        for function in (inference_metrics.rank, inference_metrics.ranked_probability_score):
            assert function(turned, EVEN, True, truth + turn) == pytest.approx(function(draws, EVEN, True, truth))


def test_where_the_circle_is_not_reached_it_agrees_with_the_line():
    draws, truth = 10 * NORMAL, np.array([-7.0])
    for function in (inference_metrics.rank, inference_metrics.ranked_probability_score):
        assert function(draws, EVEN, True, truth) == pytest.approx(function(draws, EVEN, False, truth))
