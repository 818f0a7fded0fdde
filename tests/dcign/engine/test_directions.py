import numpy as np
import pytest

from dcign.engine.directions import leading_directions, mean_identity

REST = np.arange(1, 9)


def codes_of(rng, axes, batches=30, images=20, pose=50.0):
    """Mini-batches (M, 9) at poses far apart, within which people differ along `axes` (A, 8)."""
    people = rng.standard_normal((batches * images, len(axes))) @ axes
    at = np.repeat(rng.standard_normal((batches, 9)) * pose, images, axis=0)
    codes = at + np.pad(people, ((0, 0), (1, 0))) + 1e-3 * rng.standard_normal((batches * images, 9))
    return codes, np.repeat(np.arange(batches), images)


def test_directions_are_those_of_identity_whatever_the_poses_and_one_unit_is_one_deviation():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((8, 2)))[0].T * [[3.0], [1.0]]
    codes, minibatch = codes_of(rng, axes)
    found = leading_directions(codes, np.full(len(codes), "intrinsic"), minibatch, REST)
    assert np.all(found[:, 0] == 0)
    np.testing.assert_allclose(np.linalg.norm(found[:2], axis=1), [3, 1], rtol=0.1)
    cosines = np.sum(found[:2, 1:] * axes, axis=1) / np.linalg.norm(found[:2], axis=1) / [3, 1]
    np.testing.assert_allclose(np.abs(cosines), 1, atol=0.01)


def test_directions_are_the_components_of_scikit_learn_and_have_a_fixed_sign():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(1)
    codes, minibatch = codes_of(rng, rng.standard_normal((8, 8)), batches=1)
    found = leading_directions(codes, np.full(len(codes), "shape"), minibatch, REST)
    pca = PCA().fit(codes[:, 1:])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.sqrt(pca.explained_variance_), rtol=1e-4)
    np.testing.assert_allclose(
        np.abs(found[:, 1:] @ pca.components_.T), np.diag(np.linalg.norm(found, axis=1)), atol=2e-3
    )
    assert np.all(found.max(axis=1) == np.abs(found).max(axis=1))


def test_mini_batches_of_angles_say_nothing_of_identity():
    rng = np.random.default_rng(2)
    codes, minibatch = codes_of(rng, rng.standard_normal((2, 8)))
    kinds = np.where(minibatch % 2 == 0, "intrinsic", "azimuth")
    wild = np.where((kinds == "azimuth")[:, None], codes + rng.standard_normal(codes.shape) * 100, codes)
    np.testing.assert_array_equal(
        leading_directions(codes, kinds, minibatch, REST), leading_directions(wild, kinds, minibatch, REST)
    )


def test_the_mean_identity_is_that_of_mini_batches_in_which_identity_varies_and_of_its_latents_alone():
    codes = np.random.default_rng(3).standard_normal((60, 9))
    kinds = np.repeat(["intrinsic", "azimuth", "shape"], 20)
    found = mean_identity(codes, kinds, REST)
    np.testing.assert_allclose(found[1:], codes[kinds != "azimuth", 1:].mean(axis=0), rtol=1e-5)
    assert found[0] == 0


@pytest.mark.parametrize("kind", ["azimuth", "intrinsic"])
def test_without_variation_there_are_no_directions(kind):
    codes = np.ones((40, 9))
    assert leading_directions(codes, np.full(40, kind), np.repeat([0, 1], 20), REST).shape == (0, 9)
    assert leading_directions(codes[:2], np.full(2, kind), np.arange(2), REST).shape == (0, 9)
