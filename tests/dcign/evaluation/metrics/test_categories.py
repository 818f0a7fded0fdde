import numpy as np
import pytest

from dcign.evaluation.metrics.categories import read_categories

RNG = np.random.default_rng(0)
IDENTITY = np.repeat(np.arange(12), 30)
CATEGORY = RNG.integers(0, 3, len(IDENTITY))


def shares(latents, category=CATEGORY, identity=IDENTITY, read_back=None):
    found = read_categories(latents, category, identity, read_back)
    return {name: float(right.mean()) for name, right in found.right.items()}, found


def test_latents_that_say_which_category_it_is_are_read_right():
    found, reads = shares(np.eye(3)[CATEGORY][:, :2] + 0.05 * RNG.normal(size=(len(CATEGORY), 2)))
    assert found == {"linear": 1.0, "nearest": 1.0}
    assert reads.categories == 3
    assert reads.chance == pytest.approx(np.bincount(CATEGORY).max() / len(CATEGORY))


def test_noise_is_read_no_better_than_by_chance():
    found, reads = shares(RNG.normal(size=(len(CATEGORY), 2)))
    assert found["linear"] == pytest.approx(reads.chance, abs=0.08)
    assert found["nearest"] == pytest.approx(1 / 3, abs=0.08)


def test_what_only_the_identity_tells_is_not_read():
    own = RNG.integers(0, 3, 12)  # each identity has a category of its own, and latents that name the identity
    found, _ = shares(np.eye(12)[IDENTITY] + 0.01 * RNG.normal(size=(len(IDENTITY), 12)), own[IDENTITY])
    assert found["linear"] < 0.6
    assert found["nearest"] < 0.6


def test_a_middle_category_is_found_by_the_nearest_mean_where_no_line_tells_it():
    found, _ = shares(CATEGORY[:, None] + 0.05 * RNG.normal(size=(len(CATEGORY), 1)))
    assert found["nearest"] == 1.0
    assert found["linear"] < 0.8  # one latent: the middle of three is never the largest of the lines


def test_a_category_of_a_single_identity_is_never_guessed_for_it():
    category = np.where(IDENTITY == 0, 3, CATEGORY)
    _, reads = shares(np.eye(4)[category], category)
    assert not reads.right["nearest"][IDENTITY == 0].any()
    assert reads.right["nearest"][IDENTITY != 0].all()


def test_what_the_calibration_says_is_counted_and_two_identities_give_nothing_else():
    few = IDENTITY < 2
    found, _ = shares(np.eye(3)[CATEGORY[few]], CATEGORY[few], IDENTITY[few], np.zeros(few.sum(), int))
    assert found == {"read_back": pytest.approx(np.mean(CATEGORY[few] == 0))}
