"""The objective against the definitions and against torch.distributions."""

import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from dcign.objective import divergence, reconstruction, sample


def test_reconstruction_is_the_summed_bernoulli_cross_entropy():
    logits, images = torch.randn(3, 1, 4, 4, dtype=torch.float64), torch.rand(3, 1, 4, 4, dtype=torch.float64)
    p = torch.sigmoid(logits)
    expected = -(images * p.log() + (1 - images) * (1 - p).log()).sum()
    torch.testing.assert_close(reconstruction(logits, images).double(), expected, rtol=1e-6, atol=1e-6)
    ink = images.round()
    torch.testing.assert_close(
        reconstruction(logits, ink).double(), -Bernoulli(logits=logits).log_prob(ink).sum(), rtol=1e-6, atol=1e-6
    )


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
