"""The objective against the definitions and against torch.distributions."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from dcign.model.step import divergence, reconstruction, sample


def test_reconstruction_is_the_bernoulli_cross_entropy_summed_over_pixels():
    logits, images = torch.randn(3, 1, 4, 4, dtype=torch.float64), torch.rand(3, 1, 4, 4, dtype=torch.float64)
    p = torch.sigmoid(logits)
    expected = -(images * p.log() + (1 - images) * (1 - p).log()).sum((1, 2, 3))
    torch.testing.assert_close(reconstruction(logits, images).double(), expected, rtol=1e-6, atol=1e-6)
    ink = images.round()
    torch.testing.assert_close(
        reconstruction(logits, ink).double(),
        -Bernoulli(logits=logits).log_prob(ink).sum((1, 2, 3)),
        rtol=1e-6,
        atol=1e-6,
    )


def test_the_gaussian_reconstruction_is_that_of_torch_distributions(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)  # keep float64
    logits = torch.randn(3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    images = torch.rand(3, 1, 4, 4, dtype=torch.float64)
    found = reconstruction(logits, images, "gaussian")
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    expected = -Normal(torch.sigmoid(logits), 0.1).log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, *torch.autograd.grad(expected.sum(), logits), rtol=1e-10, atol=1e-12)


def test_a_gaussian_reconstruction_is_least_at_the_images_themselves():
    images = torch.tensor([[[[0.25, 0.75]]]])
    least = reconstruction(torch.logit(images), images, "gaussian")
    assert float(least) == pytest.approx(-float(Normal(0.0, 0.1).log_prob(torch.zeros(2)).sum()))
    for nudge in (-0.1, 0.1):
        assert reconstruction(torch.logit(images) + nudge, images, "gaussian") > least


def test_an_unknown_likelihood_is_an_error_that_names_it_and_those_known():
    with pytest.raises(ValueError, match="bernoulli, gaussian, found 'poisson'"):
        reconstruction(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), "poisson")


def test_a_share_of_the_divergence_scales_each_latent_s_part():
    mean, logvar, share = torch.randn(4, 6), torch.randn(4, 6), torch.tensor([0.0, 0.25, 0.5, 1.0, 2.0, 4.0])
    each = kl_divergence(Normal(mean, torch.exp(logvar / 2)), Normal(0.0, 1.0)).sum(0)
    torch.testing.assert_close(divergence(mean, logvar, share), (each * share).sum())


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_reconstruction_is_each_image_s_own(likelihood):
    logits, images = torch.randn(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    each = [reconstruction(logits[row : row + 1], images[row : row + 1], likelihood) for row in range(3)]
    torch.testing.assert_close(reconstruction(logits, images, likelihood), torch.cat(each))


def test_reconstruction_stays_finite_at_large_logits():
    logits = torch.tensor([[[[1e4, -1e4]]]])
    assert reconstruction(logits, torch.tensor([[[[0.0, 1.0]]]])) == 2e4


def test_divergence_is_the_gaussian_kl_of_active_latents():
    mean, logvar = torch.randn(4, 6), torch.randn(4, 6)
    active = torch.tensor([True, False, True, False, False, True])
    each = kl_divergence(Normal(mean, torch.exp(logvar / 2)), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, logvar, active), each[:, active].sum())
    torch.testing.assert_close(divergence(mean, logvar, torch.ones(6, dtype=torch.bool)), each.sum())


def test_divergence_never_touches_inactive_latents():
    mean, logvar = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    active = torch.tensor([False, True, False])
    divergence(mean, logvar, active).backward()
    for head in (mean, logvar):
        assert head.grad[:, ~active].abs().max() == 0
        assert head.grad[:, active].abs().min() > 0
    torch.testing.assert_close(mean.grad[:, 1], mean[:, 1].detach())


def test_samples_have_the_posterior_s_moments():
    generator = torch.Generator().manual_seed(0)
    mean, logvar = torch.tensor([[2.0, -1.0]]), torch.tensor([[0.0, 1.5]])
    z = sample(mean, logvar, torch.randn(100_000, 2, generator=generator))
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), logvar[0].exp(), atol=0.06, rtol=0)
