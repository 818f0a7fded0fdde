import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from dcign.evaluation.metrics.disentanglement import (
    circle,
    classes,
    entropy,
    latent_bins,
    mutual_information,
    nearest_neighbours,
)

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(400, 3))
LABELS = [RNG.integers(0, 4, 400), classes(CODES[:, 1] + RNG.normal(size=400))]


def test_information_agrees_with_scikit_learn_on_bins():
    bins = latent_bins(CODES)
    oracle = [[mutual_info_score(label, latent) for label in LABELS] for latent in bins.T]
    np.testing.assert_allclose(mutual_information(bins, LABELS), oracle, atol=1e-12)
    assert entropy(LABELS[0]) == pytest.approx(mutual_info_score(LABELS[0], LABELS[0]))


def test_weights_count_rows_as_often_as_copies_would():
    bins, rows = latent_bins(CODES), RNG.integers(0, 400, 400)
    weights = np.bincount(rows, minlength=400).astype(float)
    weighted = mutual_information(bins, LABELS, weights)
    np.testing.assert_allclose(weighted, mutual_information(bins[rows], [label[rows] for label in LABELS]))
    assert entropy(LABELS[0], weights) == pytest.approx(entropy(LABELS[0][rows]))


def test_a_constant_latent_knows_nothing():
    bins = latent_bins(np.full((400, 1), 2.5))
    np.testing.assert_allclose(mutual_information(bins, LABELS), 0.0, atol=1e-12)


def test_neighbours_find_the_information_of_correlated_normals_and_of_classes():
    a = RNG.normal(size=3000)
    b = 0.8 * a + 0.6 * RNG.normal(size=3000)
    noise = RNG.normal(size=3000)
    known = nearest_neighbours(np.stack([a, noise], axis=1), b)
    assert known == pytest.approx([-0.5 * np.log(1 - 0.8**2), 0.0], abs=0.06)
    coin = RNG.integers(0, 2, 3000)
    assert nearest_neighbours((coin + 0.01 * noise)[:, None], coin)[0] == pytest.approx(np.log(2), abs=0.02)


def test_neighbours_see_an_angle_whichever_way_it_is_written():
    degrees = RNG.uniform(-180, 180, 2000)
    latent = (degrees / 50 + RNG.normal(size=2000))[:, None]
    around = nearest_neighbours(latent, circle(degrees))
    assert around == pytest.approx(nearest_neighbours(latent, degrees), abs=0.02)
