"""The procedures that the paper's is compared with, against numpy and torch.distributions."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from dcign.config import TrainConfig
from dcign.model.paper_network import PaperDCIGN
from dcign.model.step import divergence, gradients, multiply, posterior

N, Z, SIZE = 4, 5, 54
ACTIVE = torch.tensor([True, False, False, True, False])
EVERYTHING = torch.ones(Z, dtype=torch.bool)
GROUP = TrainConfig(procedure="group-vae")
ENTANGLED = TrainConfig(procedure="entangled")

pytestmark = pytest.mark.usefixtures("one_thread")


def codes(rows=N, seed=0):
    """Mean, logvar and noise (rows, Z), float64; deviations from 0.2 to 3."""
    generator = torch.Generator().manual_seed(seed)
    mean, logvar, noise = (torch.randn(rows, Z, generator=generator, dtype=torch.float64) for _ in range(3))
    return 2 * mean, logvar, noise


def network():
    torch.manual_seed(0)
    model = PaperDCIGN((3, 2, 2), Z, SIZE)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    return model


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_in_units_of_the_noise_the_pull_is_the_gradient_of_a_divergence_and_shrinking_the_code_does_not_evade_it(scale):
    config = TrainConfig(invariance_unit="noise", invariance_strength=7.0)
    mean, logvar, noise = codes()
    mean, logvar = (
        1e-3 * scale * mean,
        np.log(scale**2) + 1e-3 * logvar,
    )  # so near to each other that second order will do
    mean, logvar = mean.requires_grad_(), logvar.requires_grad_()
    posterior(mean, logvar, noise, ACTIVE, config).mean.sum().backward()
    posterior(mean, logvar, noise, ACTIVE, config).logvar.sum().backward()
    average = Normal(mean.detach().mean(0), (logvar.detach().mean(0) / 2).exp())
    other_mean, other_logvar = mean.detach().requires_grad_(), logvar.detach().requires_grad_()
    pull = 7.0 * kl_divergence(Normal(other_mean, (other_logvar / 2).exp()), average).sum()
    pull.backward()
    assert torch.allclose(mean.grad[:, ~ACTIVE], other_mean.grad[:, ~ACTIVE], rtol=1e-2)
    assert torch.allclose(logvar.grad[:, ~ACTIVE], other_logvar.grad[:, ~ACTIVE], rtol=1e-2, atol=1e-6)
    assert bool((mean.grad[:, ACTIVE] == 1).all())


def ink(rows=N):
    """Black and white images, so that a Bernoulli likelihood means what it says, and noise."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(rows, 1, SIZE, SIZE, generator=generator).round(), torch.randn(rows, Z, generator=generator)


def result(config, active, batch):
    """Terms and all gradients, flat, of one step of the same network."""
    model = network()
    terms = gradients(model, batch[0], active, batch[1], config)
    return terms, torch.cat([p.grad.flatten() for p in model.parameters()])


def by_hand(mean, logvar, noise, images, model):
    """The textbook VAE (Kingma and Welling, 2014) in torch.distributions, of given posteriors and noise."""
    z = mean + noise * (logvar / 2).exp()
    error = -Bernoulli(logits=model.decode_logits(z)).log_prob(images).sum()
    return error, kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0))


def test_the_product_of_gaussians_is_the_one_normalised_on_a_grid():
    mean, logvar, _ = codes()
    found_mean, found_logvar = (value[0].numpy() for value in multiply(mean, logvar))
    grid = np.linspace(-20, 20, 40_001)
    for latent in range(Z):
        log_density = sum(
            -((grid - m) ** 2) / (2 * np.exp(v))
            for m, v in zip(mean[:, latent].tolist(), logvar[:, latent].tolist(), strict=True)
        )
        weight = np.exp(log_density - log_density.max())
        weight /= weight.sum()
        centre = (weight * grid).sum()
        assert found_mean[latent] == pytest.approx(centre, abs=1e-9)
        assert np.exp(found_logvar[latent]) == pytest.approx((weight * (grid - centre) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_the_product_of_gaussians_equals_a_loop(rows):
    mean, logvar, _ = codes(rows)
    found_mean, found_logvar = multiply(mean, logvar)
    for latent in range(Z):
        m, v = float(mean[0, latent]), float(np.exp(logvar[0, latent].item()))
        for row in range(1, rows):  # two at a time, as in a Kalman filter
            other, spread = float(mean[row, latent]), float(np.exp(logvar[row, latent].item()))
            gain = v / (v + spread)
            m, v = m + gain * (other - m), v * spread / (v + spread)
        assert float(found_mean[0, latent]) == pytest.approx(m, rel=1e-9)
        assert float(found_logvar[0, latent]) == pytest.approx(np.log(v), rel=1e-9, abs=1e-12)


def test_products_of_far_apart_precisions_stay_finite():
    mean = torch.tensor([[1.0], [2.0]])
    found = multiply(mean, torch.tensor([[200.0], [-200.0]]))
    torch.testing.assert_close(torch.cat(found, 1), torch.tensor([[2.0, -200.0]]))


def test_a_group_shares_posterior_and_sample_of_its_inactive_latents():
    mean, logvar, noise = codes()
    seen = posterior(mean, logvar, noise, ACTIVE, GROUP)
    for value, own in ((seen.mean, mean), (seen.logvar, logvar), (seen.noise, noise)):
        assert torch.equal(value[:, ACTIVE], own[:, ACTIVE])
        assert torch.equal(value[:, ~ACTIVE], value[:1, ~ACTIVE].expand(N, -1))


@pytest.mark.parametrize("rows", [1, N])
def test_a_group_pays_once_for_what_it_shares(rows):
    mean, logvar, noise = codes(rows)
    seen = posterior(mean, logvar, noise, ACTIVE, GROUP)
    prior = Normal(0.0, 1.0)
    own = kl_divergence(Normal(mean, (logvar / 2).exp()), prior)[:, ACTIVE].sum()
    common_mean, common_logvar = multiply(mean, logvar)
    common = kl_divergence(Normal(common_mean, (common_logvar / 2).exp()), prior)[:, ~ACTIVE].sum()
    torch.testing.assert_close(divergence(seen.mean, seen.logvar, seen.share), own + common, rtol=1e-6, atol=0)


@pytest.mark.parametrize("rows", [1, N])
def test_the_objective_of_group_vae(rows):
    images, noise = ink(rows)
    terms, found = result(GROUP, ACTIVE, (images, noise))
    model = network()
    mean, logvar = model.encode(images)
    precision = (-logvar).exp()
    common = (precision * mean).sum(0) / precision.sum(0), -precision.sum(0).log()
    shared = [torch.where(ACTIVE, value, other) for value, other in zip((mean, logvar), common, strict=True)]
    error, each = by_hand(*shared, torch.where(ACTIVE, noise, noise[0]), images, model)
    kl = each[:, ACTIVE].sum() + each[0, ~ACTIVE].sum()
    torch.testing.assert_close(terms[:2], torch.stack((error, kl)).detach(), rtol=1e-5, atol=1e-5)
    (error + kl).backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_entangled_is_a_textbook_vae():
    images, noise = ink()
    terms, found = result(ENTANGLED, ACTIVE, (images, noise))
    model = network()
    error, each = by_hand(*model.encode(images), noise, images, model)
    torch.testing.assert_close(terms[:2], torch.stack((error, each.sum())).detach(), rtol=1e-5, atol=1e-5)
    (error + each.sum()).backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("procedure", ["entangled", "beta-vae"])
def test_without_clamp_or_group_the_factor_changes_only_what_is_measured(procedure):
    config = TrainConfig(procedure=procedure)
    (terms, one), (others, two) = (result(config, active, ink()) for active in (ACTIVE, ~ACTIVE))
    assert torch.equal(one, two)
    assert torch.equal(terms[:2], others[:2])
    assert terms[2] != others[2]


def test_beta_multiplies_the_divergence_and_beta_1_is_entangled():
    batch = ink()
    terms, found = result(ENTANGLED, ACTIVE, batch)
    by_beta = {beta: result(TrainConfig(procedure="beta-vae", beta=beta), ACTIVE, batch) for beta in (0.0, 1.0, 4.0)}
    assert all(torch.equal(by_beta[beta][0], terms) for beta in by_beta)  # the divergence is reported as it is
    assert torch.equal(by_beta[1.0][1], found)
    reconstruction, four = by_beta[0.0][1], by_beta[4.0][1]
    assert not torch.allclose(four, found)
    expected = reconstruction + 4 * (found - reconstruction)
    torch.testing.assert_close(four, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("procedure", ["clamped", "group-vae"])
def test_with_all_latents_active_every_procedure_is_entangled(procedure):
    """To rounding: the clamp's own backward adds up in another order."""
    config = dataclasses.replace(ENTANGLED, procedure=procedure)
    (terms, found), (expected_terms, expected) = (result(c, EVERYTHING, ink()) for c in (config, ENTANGLED))
    torch.testing.assert_close(terms, expected_terms)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
