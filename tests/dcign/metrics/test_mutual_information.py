import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from dcign.metrics import mutual_information, true_factors

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(400, 3))
LABELS = [RNG.integers(0, 4, 400), true_factors.classes(CODES[:, 1] + RNG.normal(size=400))]


def test_information_agrees_with_scikit_learn_on_bins():
    bins = mutual_information.latent_bins(CODES)
    oracle = [[mutual_info_score(label, latent) for label in LABELS] for latent in bins.T]
    np.testing.assert_allclose(mutual_information.compute(bins, LABELS), oracle, atol=1e-12)
    assert mutual_information.entropy(LABELS[0]) == pytest.approx(mutual_info_score(LABELS[0], LABELS[0]))


def test_weights_count_rows_as_often_as_copies_would():
    bins, rows = mutual_information.latent_bins(CODES), RNG.integers(0, 400, 400)
    weights = np.bincount(rows, minlength=400).astype(float)
    weighted = mutual_information.compute(bins, LABELS, weights)
    np.testing.assert_allclose(weighted, mutual_information.compute(bins[rows], [label[rows] for label in LABELS]))
    assert mutual_information.entropy(LABELS[0], weights) == pytest.approx(mutual_information.entropy(LABELS[0][rows]))


def test_a_constant_latent_knows_nothing():
    bins = mutual_information.latent_bins(np.full((400, 1), 2.5))
    np.testing.assert_allclose(mutual_information.compute(bins, LABELS), 0.0, atol=1e-12)


def test_neighbours_find_the_information_of_correlated_normals_and_of_classes():
    a = RNG.normal(size=3000)
    b = 0.8 * a + 0.6 * RNG.normal(size=3000)
    noise = RNG.normal(size=3000)
    known = mutual_information.nearest_neighbours(np.stack([a, noise], axis=1), b)
    assert known == pytest.approx([-0.5 * np.log(1 - 0.8**2), 0.0], abs=0.06)
    coin = RNG.integers(0, 2, 3000)
    assert mutual_information.nearest_neighbours((coin + 0.01 * noise)[:, None], coin)[0] == pytest.approx(
        np.log(2), abs=0.02
    )


def test_neighbours_see_an_angle_whichever_way_it_is_written():
    degrees = RNG.uniform(-180, 180, 2000)
    latent = (degrees / 50 + RNG.normal(size=2000))[:, None]
    around = mutual_information.nearest_neighbours(latent, true_factors.circle(degrees))
    assert around == pytest.approx(mutual_information.nearest_neighbours(latent, degrees), abs=0.02)
