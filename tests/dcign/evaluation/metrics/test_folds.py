"""Verdicts on latents that are known to follow their angle, to fold, to shift or to carry nothing."""

import numpy as np
import pytest

from dcign.evaluation.metrics.folds import FEWEST, course, words
from render.shards.labels import labels_of

LABELS = labels_of({"ranges": {"azimuth": (-90, 90), "elevation": (-30, 30), "light": (-80, 80)}})
BATCHES, IMAGES = 12, 20
RNG = np.random.default_rng(5)
MINIBATCH = np.repeat(np.arange(BATCHES), IMAGES)
ELEVATION = RNG.uniform(-30, 30, BATCHES * IMAGES)
AZIMUTH = np.repeat(np.linspace(-80, 80, BATCHES), IMAGES)
LIGHT = np.repeat(RNG.permutation(np.linspace(-70, 70, BATCHES)), IMAGES)
OTHERS = {"azimuth": AZIMUTH, "light": LIGHT}


def judge(latent, overall=1.0, angle=ELEVATION):
    return course(latent, angle, MINIBATCH, OTHERS, overall)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_latent_that_runs_with_its_angle_follows_it_whatever_its_sign(sign):
    found = judge(sign * ELEVATION**3 + 5)
    assert (found.state, found.inside, found.against, found.minibatches) == ("follows", pytest.approx(1), 0, BATCHES)
    assert words("elevation", found, LABELS) is None


def test_a_nod_read_as_a_turn_in_the_picture_is_folded_and_the_azimuth_is_named():
    found = judge(ELEVATION * np.sign(AZIMUTH - 30))
    assert found.state == "folded"
    assert found.against == pytest.approx(4 / 12)  # azimuths above 30
    name, most, few = found.where
    assert (name, most < 30 < few) == ("azimuth", True)
    assert "33% of the mini-batches" in words("elevation", found, LABELS)
    assert "azimuth" in words("elevation", found, LABELS)


def test_a_fold_that_no_other_angle_explains_names_none():
    signs = np.repeat(np.where(np.arange(BATCHES) % 2, 1, -1), IMAGES)
    found = course(ELEVATION * signs, ELEVATION, MINIBATCH, {"azimuth": AZIMUTH}, 0.0)
    assert (found.state, found.where) == ("folded", None)


def test_a_latent_that_takes_every_value_twice_inside_a_mini_batch_is_folded():
    found = judge(np.abs(ELEVATION))
    assert found.state == "folded"
    assert "twice" in words("elevation", found, LABELS)


def test_noise_and_a_constant_are_not_found():
    for latent in (RNG.normal(size=len(ELEVATION)), np.ones(len(ELEVATION))):
        found = judge(latent, overall=None)
        assert found.state == "not found"
        assert "not been found" in words("elevation", found, LABELS)


def test_a_latent_that_is_right_in_each_mini_batch_but_not_between_them_is_shifted():
    found = judge(ELEVATION + 3 * LIGHT, overall=0.4)
    assert found.state == "shifted"
    assert "depends on" in words("elevation", found, LABELS)


def test_nothing_is_said_of_a_few_mini_batches_or_of_an_angle_that_holds_still():
    few = MINIBATCH < FEWEST - 1
    assert course(ELEVATION[few], ELEVATION[few], MINIBATCH[few], {}, None) is None
    assert judge(ELEVATION, angle=AZIMUTH) is None
