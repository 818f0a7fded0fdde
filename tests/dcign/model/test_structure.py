"""Structural dissimilarity against its formula, window by window, and what it asks of a picture."""

import numpy as np
import pytest
import torch

from dcign.model.structure import STRIDE, WINDOW, dissimilarity
from render.similarity import C1, C2
from render.similarity import ssim as gaussian_ssim


def by_hand(image, truth):
    """SSIM of two images (H, W) in 0..255: the mean over whole windows of equal weight."""
    found = []
    for top in range(0, image.shape[0] - WINDOW + 1, STRIDE):
        for left in range(0, image.shape[1] - WINDOW + 1, STRIDE):
            place = np.s_[top : top + WINDOW, left : left + WINDOW]
            x, y = image[place], truth[place]
            covariance = ((x - x.mean()) * (y - y.mean())).mean()
            luminance = (2 * x.mean() * y.mean() + C1) / (x.mean() ** 2 + y.mean() ** 2 + C1)
            found.append(luminance * (2 * covariance + C2) / (x.var() + y.var() + C2))
    return np.mean(found)


@pytest.mark.parametrize("size", [(32, 32), (54, 54), (45, 39)])
def test_it_is_the_formula_in_nats_for_each_pixel(size):
    torch.manual_seed(0)
    images, truths = torch.rand(3, 1, *size, dtype=torch.float64), torch.rand(3, 1, *size, dtype=torch.float64)
    truths = (truths + images) / 2
    expected = sum(1 - by_hand(255 * a[0].numpy(), 255 * b[0].numpy()) for a, b in zip(images, truths, strict=True))
    assert dissimilarity(images, truths).item() == pytest.approx(size[0] * size[1] * expected, rel=1e-9)


def test_equal_images_cost_nothing_and_pull_nowhere():
    torch.manual_seed(0)
    images = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    guess = images.clone().requires_grad_(True)
    cost = dissimilarity(guess, images)
    cost.backward()
    assert cost.item() == pytest.approx(0, abs=1e-9)
    assert guess.grad.abs().max() < 1e-9


def test_it_prefers_a_guess_of_full_contrast_where_the_squared_error_prefers_a_faint_one():
    """A guess that is half right: the least squares are at half its contrast, the likest structure near the whole."""
    torch.manual_seed(0)
    common, own, other = (torch.randn(1, 1, 64, 64, dtype=torch.float64) * 0.1 for _ in range(3))
    truth, guess = common + own, common + other
    shares = torch.linspace(0.05, 1.5, 30).tolist()
    squares = [float((share * guess - truth).square().sum()) for share in shares]
    costs = [float(dissimilarity(0.5 + share * guess, 0.5 + truth)) for share in shares]
    assert 0.4 < shares[int(np.argmin(squares))] < 0.6
    assert 0.8 < shares[int(np.argmin(costs))] < 1.2


def test_it_ranks_pictures_as_the_measure_of_reports_does():
    rows, columns = np.mgrid[0:64, 0:64]
    truth = np.uint8(127 + 60 * np.sin(rows / 3) * np.cos(columns / 5))
    rng = np.random.default_rng(0)
    worse = [np.uint8(np.clip(truth + rng.normal(0, deviation, truth.shape), 0, 255)) for deviation in (2, 8, 20, 50)]
    ours = [float(dissimilarity(*(torch.tensor(a / 255.0)[None, None] for a in (b, truth)))) / 64**2 for b in worse]
    reported = [1 - gaussian_ssim(b, truth) for b in worse]
    assert ours == sorted(ours)
    assert reported == sorted(reported)
    # Windows of equal weight are smaller, so that there is less contrast in them.
    np.testing.assert_allclose(ours, reported, rtol=0.5)
