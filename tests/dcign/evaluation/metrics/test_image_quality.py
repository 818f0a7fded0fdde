import numpy as np
import pytest

from dcign.evaluation.metrics import image_quality
from render import similarity


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    truths = rng.integers(0, 256, (40, 24, 30), dtype=np.uint8)
    noise = rng.normal(0, 1, truths.shape) * np.linspace(0, 80, 40)[:, None, None]
    return np.clip(truths + noise, 0, 255).astype(np.uint8), truths


def test_ssim_of_many_pairs_is_that_of_each(pairs):
    images, truths = pairs
    alone = [similarity.ssim(a, b) for a, b in zip(images, truths, strict=True)]
    np.testing.assert_allclose(image_quality.ssim(images / 255.0, truths), alone, atol=1e-9)


def test_ssim_is_one_for_equal_images_and_falls_with_noise(pairs):
    images, truths = pairs
    values = image_quality.ssim(images / 255.0, truths)
    assert values[0] == pytest.approx(1)
    assert np.corrcoef(values, np.arange(40))[0, 1] < -0.9


def test_mse_is_the_mean_square_in_grey_values_of_one():
    truths = np.full((3, 4, 5), 51, np.uint8)  # 0.2
    images = np.stack([np.full((4, 5), value) for value in (0.2, 0.5, 1.0)]).astype(np.float32)
    np.testing.assert_allclose(image_quality.mse(images, truths), [0, 0.09, 0.64], atol=1e-7)


def test_psnr_is_ten_decibels_a_decade_and_finite_for_equal_images():
    np.testing.assert_allclose(image_quality.psnr(np.array([1.0, 0.1, 0.001])), [0, 10, 30])
    rounded = np.random.default_rng(1).uniform(size=(1, 300, 300))
    truths = np.round(rounded * 255).astype(np.uint8)
    cap = image_quality.psnr(np.zeros(1))
    assert cap == pytest.approx(image_quality.psnr(image_quality.mse(rounded, truths)), abs=0.1)


def test_no_pairs_give_no_values_and_other_shapes_are_refused():
    none = np.empty((0, 5, 5), np.uint8)
    assert image_quality.ssim(none / 255.0, none).shape == (0,)
    with pytest.raises(ValueError, match="one shape"):
        image_quality.mse(np.zeros((2, 5, 5)), np.zeros((2, 5, 6), np.uint8))


def test_errors_in_boxes_are_those_of_the_maps_inside(pairs):
    images, truths = pairs[0] / 255.0, pairs[1]
    whole = np.array([[0, 0, 30, 24]] * 40)
    mse, ssim = image_quality.in_boxes(images, truths, np.arange(40), whole)
    np.testing.assert_allclose(mse, image_quality.mse(images, truths))
    np.testing.assert_allclose(ssim, image_quality.ssim(images, truths))
    halves = np.array([[0, 0, 30, 6], [0, 6, 30, 24]] * 2)  # a quarter and the rest, of an image in each of two blocks
    mse, ssim = image_quality.in_boxes(images, truths, np.array([7, 7, 39, 39]), halves)
    for found, expected in ((mse, image_quality.mse(images, truths)), (ssim, image_quality.ssim(images, truths))):
        np.testing.assert_allclose((found * [0.25, 0.75, 0.25, 0.75]).reshape(2, 2).sum(axis=1), expected[[7, 39]])


def test_what_is_wrong_outside_a_box_does_not_count():
    truths = np.full((1, 40, 40), 100, np.uint8)
    images = truths / 255.0
    images[0, :10] = 1.0
    mse, ssim = image_quality.in_boxes(images, truths, np.zeros(2, int), np.array([[0, 20, 40, 40], [0, 0, 40, 10]]))
    assert mse == pytest.approx([0, (155 / 255) ** 2])
    assert ssim[0] == pytest.approx(1)
    assert ssim[1] < 0.9


def test_no_boxes_have_no_errors_and_other_shapes_are_refused():
    images, none = np.zeros((2, 5, 5)), np.empty((0, 4), int)
    mse, ssim = image_quality.in_boxes(images, images.astype(np.uint8), np.empty(0, int), none)
    assert mse.shape == ssim.shape == (0,)
    with pytest.raises(ValueError, match="one shape"):
        image_quality.in_boxes(images, np.zeros((2, 5, 6), np.uint8), np.empty(0, int), none)
