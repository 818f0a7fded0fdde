import numpy as np
import pytest
from sklearn.metrics import roc_curve

from dcign.evaluation.metrics import recognition


def rates(similarity, own, identity, weight=None):
    pairs = recognition.receiver(similarity, own, identity)
    return pairs.curve(np.ones(len(np.unique(identity))) if weight is None else weight)


def eer(similarity, own, identity=None):
    return recognition.equal_error_rate(*rates(similarity, own, own if identity is None else identity))


def noise(probes=300, gallery=20, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(probes, gallery)), rng.integers(0, gallery, probes)


def test_cosine_agrees_with_hand_made_angles_and_is_zero_with_nothing():
    gallery = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
    found = recognition.cosine(np.array([[3.0, 0.0], [-1.0, 0.0]]), gallery)
    assert found == pytest.approx(np.array([[1, 0, np.sqrt(0.5), 0], [-1, 0, -np.sqrt(0.5), 0]]))


def test_cosine_does_not_depend_on_the_length_of_codes():
    rng = np.random.default_rng(0)
    probes, gallery = rng.normal(size=(30, 8)), rng.normal(size=(5, 8))
    scaled = probes * rng.uniform(0.1, 10, (30, 1))
    assert np.array_equal(recognition.cosine(scaled, gallery * 7), recognition.cosine(probes, gallery))


def test_a_probe_finds_its_own_column_whatever_the_order_of_the_gallery():
    assert recognition.own_column(np.array([7, 2, 7]), np.array([2, 9, 7])).tolist() == [2, 0, 2]
    with pytest.raises(ValueError, match="not in the gallery"):
        recognition.own_column(np.array([3]), np.array([2, 9, 7]))
    with pytest.raises(ValueError, match="not in the gallery"):
        recognition.own_column(np.array([10]), np.array([2, 9, 7]))
    with pytest.raises(ValueError, match="one image of each"):
        recognition.own_column(np.array([2]), np.array([2, 2]))


def test_hits_count_who_is_nearer():
    similarity = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.9, 0.1, 0.5]])
    own = np.array([0, 1, 2])
    assert recognition.hits(similarity, own, 1).tolist() == [1, 0, 0]
    assert recognition.hits(similarity, own, 2).tolist() == [1, 0, 1]
    assert recognition.hits(similarity, own, 3).tolist() == [1, 1, 1]


def test_ties_get_what_guessing_gets():
    same = np.zeros((10, 8))
    assert recognition.hits(same, np.arange(10) % 8, 1) == pytest.approx(1 / 8)
    assert recognition.hits(same, np.arange(10) % 8, 5) == pytest.approx(5 / 8)
    assert eer(same, np.arange(10) % 8) == pytest.approx(0.5)


def test_perfect_scores_and_their_opposite():
    own = np.repeat(np.arange(6), 4)
    perfect = np.eye(6)[own]
    assert recognition.hits(perfect, own, 1).mean() == 1.0
    assert eer(perfect, own) == 0.0
    assert eer(-perfect, own) == 1.0


def test_noise_is_near_chance():
    similarity, own = noise(3000)
    assert recognition.hits(similarity, own, 1).mean() == pytest.approx(1 / 20, abs=0.015)
    assert recognition.hits(similarity, own, 5).mean() == pytest.approx(5 / 20, abs=0.03)
    assert eer(similarity, own) == pytest.approx(0.5, abs=0.02)


def test_equal_error_rate_of_hand_made_scores():
    # same: 0.9 0.8 0.4; other: 0.5 0.3 0.2. At any threshold in (0.4, 0.5] one of three fails either way.
    similarity = np.array([[0.9, 0.5], [0.3, 0.8], [0.4, 0.2]])
    assert eer(similarity, np.array([0, 1, 0])) == pytest.approx(1 / 3)


def test_the_curve_is_that_of_scikit_learn():
    similarity, own = noise()
    similarity[np.arange(300), own] += 1.0
    similarity = np.round(similarity, 1)  # ties
    false, true = rates(similarity, own, own)
    mask = np.arange(20) == own[:, None]
    oracle_false, oracle_true, _ = roc_curve(mask.ravel(), similarity.ravel(), drop_intermediate=False)
    at = np.linspace(0.01, 1, 40)
    assert np.interp(at, false, true) == pytest.approx(np.interp(at, oracle_false, oracle_true), abs=1e-9)
    oracle_eer = np.interp(0, oracle_false + oracle_true - 1, oracle_false)
    assert recognition.equal_error_rate(false, true) == pytest.approx(oracle_eer, abs=1e-9)
    assert recognition.true_positive_rates(false, true, at) == pytest.approx(np.interp(at, oracle_false, oracle_true))


def test_weights_of_identities_do_what_repeating_their_probes_does():
    similarity, own = noise(60, 6)
    similarity[np.arange(60), own] += 1.0
    weight = np.array([0, 1, 2, 0, 3, 1])
    rows = np.concatenate([np.repeat(np.flatnonzero(own == i), weight[i]) for i in range(6)])
    weighted = recognition.equal_error_rate(*rates(similarity, own, own, weight))
    assert weighted == pytest.approx(eer(similarity[rows], own[rows]))


def test_rates_at_a_vertical_step_are_the_upper_ones():
    false, true = np.array([0, 0, 0.5, 0.5, 1]), np.array([0, 0.4, 0.4, 0.8, 1])
    assert recognition.true_positive_rates(false, true, np.array([0.25, 0.5, 1.0])) == pytest.approx([0.4, 0.8, 1.0])


def test_a_gallery_of_one_cannot_verify():
    with pytest.raises(ValueError, match="two objects"):
        recognition.receiver(np.zeros((3, 1)), np.zeros(3, int), np.zeros(3, int))
