"""Inference from a table of simulations, against a linear Gaussian model whose posterior is known."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from dcign.evaluation.metrics import inference as inference_metrics

MIXING = np.array([[1.0, 0.5], [-0.3, 1.2], [0.4, 0.4]])  # from 2 parameters to 3 statistics
NOISE = 0.3
POSTERIOR = np.linalg.inv(np.eye(2) + MIXING.T @ MIXING / NOISE**2)  # covariance: Bayes' rule, prior N(0, 1)


def simulate(rng, count):
    parameters = rng.normal(size=(count, 2))
    return parameters, parameters @ MIXING.T + rng.normal(0, NOISE, (count, 3))


def exact_mean(statistics):
    return statistics @ MIXING @ POSTERIOR / NOISE**2


def adjusted(parameters, table, observed, count, padding=0):
    """Draws and weights for each of the observed; `padding` statistics of noise are put beside the true ones."""
    rows, weights = inference_metrics.accept(inference_metrics.squared_distances(observed, table), count)
    rng = np.random.default_rng(9)
    table = np.hstack([table, rng.normal(size=(len(table), padding))])
    observed = np.hstack([observed, rng.normal(size=(len(observed), padding))])
    draws = [
        inference_metrics.adjust(parameters[own], table[own], one, weight)
        for own, one, weight in zip(rows, observed, weights, strict=True)
    ]
    return np.array(draws), weights


def moments(draws, weights):
    mean = np.einsum("oa,oaq->oq", weights, draws)
    return mean, np.sqrt(np.einsum("oa,oaq->oq", weights, (draws - mean[:, None]) ** 2))


def test_distances_of_grey_levels_are_exact_across_blocks():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (inference_metrics.BLOCK + 30, 500), dtype=np.uint8)
    observed = np.vstack([table[-1:], np.full((1, 500), 255, np.uint8), np.zeros((1, 500), np.uint8)])
    found = inference_metrics.squared_distances(observed, table)
    assert np.array_equal(found, np.rint(cdist(observed, table, "sqeuclidean")))
    assert found[0, -1] == 0


def test_the_nearest_are_accepted_with_weights_that_fall_to_the_farthest():
    rows, weights = inference_metrics.accept(np.array([[9.0, 0.0, 4.0, 1.0, 25.0]]), 4)
    assert rows.tolist() == [[1, 3, 2, 0]]
    assert weights[0] == pytest.approx(np.array([9, 8, 5, 0]) / 22)


def test_simulations_that_are_all_as_far_weigh_the_same():
    rows, weights = inference_metrics.accept(np.full((2, 6), 3.0), 3)
    assert rows.tolist() == [[0, 1, 2]] * 2
    assert weights == pytest.approx(np.full((2, 3), 1 / 3))


def test_adjusted_draws_have_the_mean_and_width_of_the_known_posterior():
    rng = np.random.default_rng(1)
    parameters, table = simulate(rng, 4000)
    _, observed = simulate(rng, 40)
    mean, width = moments(*adjusted(parameters, table, observed, 150))
    exact = np.sqrt(np.diag(POSTERIOR))
    assert np.all(np.sqrt(np.mean((mean - exact_mean(observed)) ** 2, axis=0)) < 0.3 * exact)
    assert np.mean(width, axis=0) == pytest.approx(exact, rel=0.1)


def test_with_more_statistics_than_simulations_the_width_stays_that_of_what_is_known():
    """The residuals of an ordinary fit would all be 0 here."""
    rng = np.random.default_rng(1)
    parameters, table = simulate(rng, 4000)
    _, observed = simulate(rng, 40)
    mean, width = moments(*adjusted(parameters, table, observed, 150, padding=200))
    exact = np.sqrt(np.diag(POSTERIOR))
    assert np.all(np.sqrt(np.mean((mean - exact_mean(observed)) ** 2, axis=0)) < 0.6 * exact)
    assert np.all(np.mean(width, axis=0) > exact)
    assert np.all(np.mean(width, axis=0) < 1.5 * exact)


def test_adjusting_brings_the_draws_nearer_to_the_known_posterior_than_rejection():
    rng = np.random.default_rng(2)
    parameters, table = simulate(rng, 1000)
    _, observed = simulate(rng, 40)
    rows, weights = inference_metrics.accept(inference_metrics.squared_distances(observed, table), 100)
    plain, moved = moments(parameters[rows], weights), moments(*adjusted(parameters, table, observed, 100))
    exact = exact_mean(observed)
    assert np.mean((moved[0] - exact) ** 2) < 0.5 * np.mean((plain[0] - exact) ** 2)
    assert np.all(np.mean(plain[1], axis=0) > np.sqrt(np.diag(POSTERIOR)))
    assert np.all(np.mean(moved[1], axis=0) < np.mean(plain[1], axis=0))


def test_statistics_that_never_move_leave_the_draws_where_they_are():
    quantities = np.random.default_rng(3).normal(size=(60, 2))
    moved = inference_metrics.adjust(quantities, np.ones((60, 5)), np.zeros(5), np.full(60, 1 / 60))
    left_out = (quantities - quantities.mean(axis=0)) * 60 / 59  # each from the mean of the others
    assert moved == pytest.approx(quantities.mean(axis=0) + left_out)


def test_a_quantity_that_is_a_line_in_the_statistics_is_found_without_width():
    rng = np.random.default_rng(4)
    statistics = rng.normal(size=(80, 3))
    line = np.array([[2.0], [-1.0], [0.5]])
    observed = np.array([3.0, 3.0, -2.0])  # outside of what was accepted
    moved = inference_metrics.adjust(
        statistics @ line + 7, statistics, observed, np.full(80, 1 / 80), penalties=np.array([0.0])
    )
    assert moved == pytest.approx(np.full((80, 1), (observed @ line)[0] + 7))


def test_without_penalty_and_weights_it_is_the_regression_of_the_package_sbi():
    inference = pytest.importorskip("sbi.inference")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    parameters, table = simulate(rng, 400)
    _, observed = simulate(rng, 1)
    # sbi asks for a prior and a simulator: of a table, rows and what they hold
    rows = torch.arange(400.0)[:, None]

    class Prior:
        def sample(self, shape):
            return torch.hstack([torch.tensor(parameters, dtype=torch.float32), rows])

    theirs = inference.MCABC(
        lambda theta: torch.tensor(table, dtype=torch.float32)[theta[:, 2].long()],
        Prior(),
        simulation_batch_size=400,
        show_progress_bars=False,
    )(torch.tensor(observed[0], dtype=torch.float32), 400, quantile=0.2, lra=True).numpy()[:, :2]
    accepted, _ = inference_metrics.accept(inference_metrics.squared_distances(observed, table), 80)
    own = table[accepted[0]]
    ours = inference_metrics.adjust(
        parameters[accepted[0]], own, observed[0], np.full(80, 1 / 80), penalties=np.array([0.0])
    )
    design = np.column_stack([np.ones(80), own])
    leverage = np.diag(design @ np.linalg.pinv(design))  # ours are residuals left out, theirs those of the fit
    expected = theirs.mean(axis=0)
    assert ours == pytest.approx(expected + (theirs - expected) / (1 - leverage)[:, None], abs=1e-4)
