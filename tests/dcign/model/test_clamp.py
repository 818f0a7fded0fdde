"""The paper's steps 4, 5 and 7 against independent oracles."""

import pytest
import torch

from dcign.model.clamp import clamp
from dcign.model.step import divergence, reconstruction, sample

N, Z = 6, 5
ACTIVE = torch.tensor([True, False, False, True, False])


def values(seed=0, rows=N):
    return torch.randn(rows, Z, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def decoder(z):
    """Some smooth scalar function of the code in which images and latents interact."""
    return (z.sin() * torch.arange(1, z.numel() + 1).view(z.shape)).sum() + (z.sum(1) ** 3).sum() / 7


def gradient_of(function, leaf):
    leaf = leaf.clone().requires_grad_()
    function(leaf).backward()
    return leaf.grad


def test_inactive_values_equal_their_mini_batch_mean_and_active_ones_are_untouched():
    v = values()
    out = clamp(v, ACTIVE)
    assert torch.equal(out[:, ACTIVE], v[:, ACTIVE])
    torch.testing.assert_close(out[:, ~ACTIVE], v[:, ~ACTIVE].mean(0).expand(N, -1))
    assert out[:, ~ACTIVE].var(0).max() == 0


def test_active_gradients_equal_those_of_a_graph_without_the_clamp():
    v = values()
    clamped = clamp(v, ACTIVE)
    plain = gradient_of(decoder, clamped)  # of the same values, fed to the decoder directly
    for shared in (False, True):
        found = gradient_of(lambda leaf, shared=shared: decoder(clamp(leaf, ACTIVE, 0.01, shared)), v)
        assert torch.equal(found[:, ACTIVE], plain[:, ACTIVE])


@pytest.mark.parametrize("strength", [0.0, 0.01, 10.0])
def test_inactive_gradients_are_the_difference_from_the_mean(strength):
    v = values()
    found = gradient_of(lambda leaf: decoder(clamp(leaf, ACTIVE, strength)), v)
    torch.testing.assert_close(found[:, ~ACTIVE], strength * (v - v.mean(0))[:, ~ACTIVE])


@pytest.mark.parametrize("strength", [0.0, 0.01, 10.0])
def test_shared_inactive_gradients_add_the_mean_of_the_incoming_ones(strength):
    v = values()
    incoming = gradient_of(decoder, clamp(v, ACTIVE))
    found = gradient_of(lambda leaf: decoder(clamp(leaf, ACTIVE, strength, True)), v)
    expected = strength * (v - v.mean(0)) + incoming.mean(0)
    torch.testing.assert_close(found[:, ~ACTIVE], expected[:, ~ACTIVE])


def test_first_replaces_inactive_values_by_the_first_image_s():
    v = values()
    out = clamp(v, ACTIVE, source="first")
    assert torch.equal(out[:, ACTIVE], v[:, ACTIVE])
    assert torch.equal(out[:, ~ACTIVE], v[:1, ~ACTIVE].expand(N, -1))


@pytest.mark.parametrize("strength", [0.0, 0.01, 10.0])
def test_first_pulls_towards_the_average_all_the_same(strength):
    v = values()
    found = gradient_of(lambda leaf: decoder(clamp(leaf, ACTIVE, strength, source="first")), v)
    torch.testing.assert_close(found[:, ~ACTIVE], strength * (v - v.mean(0))[:, ~ACTIVE])
    plain = gradient_of(decoder, clamp(v, ACTIVE, source="first"))
    assert torch.equal(found[:, ACTIVE], plain[:, ACTIVE])


def test_first_shared_gives_the_first_image_all_that_flows_back():
    v, strength = values(), 0.5
    incoming = gradient_of(decoder, clamp(v, ACTIVE, source="first"))
    found = gradient_of(lambda leaf: decoder(clamp(leaf, ACTIVE, strength, True, "first")), v)
    pull = strength * (v - v.mean(0))
    torch.testing.assert_close(found[1:, ~ACTIVE], pull[1:, ~ACTIVE])
    torch.testing.assert_close(found[0, ~ACTIVE], (pull[0] + incoming.sum(0))[~ACTIVE])


def test_other_gives_every_image_the_inactive_values_of_the_one_before_it():
    v = values()
    out = clamp(v, ACTIVE, source="other")
    assert torch.equal(out[:, ACTIVE], v[:, ACTIVE])
    for row in range(N):
        assert torch.equal(out[row, ~ACTIVE], v[row - 1, ~ACTIVE])


def test_other_shared_gives_every_image_what_flows_back_from_the_one_after_it():
    v, strength = values(), 0.5
    incoming = gradient_of(decoder, clamp(v, ACTIVE, source="other"))
    found = gradient_of(lambda leaf: decoder(clamp(leaf, ACTIVE, strength, True, "other")), v)
    pull = strength * (v - v.mean(0))
    for row in range(N):
        torch.testing.assert_close(found[row, ~ACTIVE], (pull[row] + incoming[(row + 1) % N])[~ACTIVE])


@pytest.mark.parametrize("source", ["mean", "first", "other"])
@pytest.mark.parametrize("shared", [False, True])
def test_finite_differences_agree(shared, source):
    """The modified gradient is the gradient of a scalar: objective + strength / 2 x sum (inactive - mean)^2.

    Without `shared`, the objective sees what replaces the inactive values as constants.
    """
    v, strength, step = values(), 0.3, 1e-6

    def common(leaf):
        return {"mean": leaf.mean(0), "first": leaf[0], "other": torch.cat([leaf[-1:], leaf[:-1]])}[source]

    constants = common(v)

    def scalar(leaf):
        means = common(leaf) if shared else constants
        invariance = (leaf - leaf.mean(0))[:, ~ACTIVE].square().sum()
        return decoder(torch.where(ACTIVE, leaf, means)) + strength / 2 * invariance

    expected = torch.zeros_like(v)
    for place in torch.cartesian_prod(torch.arange(N), torch.arange(Z)).tolist():
        nudge = torch.zeros_like(v)
        nudge[tuple(place)] = step
        expected[tuple(place)] = (scalar(v + nudge) - scalar(v - nudge)) / (2 * step)
    found = gradient_of(lambda leaf: decoder(clamp(leaf, ACTIVE, strength, shared, source)), v)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_descent_on_inactive_gradients_alone_shrinks_their_variance():
    torch.manual_seed(0)
    encoder = torch.nn.Linear(4, Z)
    images = torch.randn(N, 4)
    before = encoder(images).detach()
    nothing = torch.zeros(Z, dtype=torch.bool)
    clamp(encoder(images), nothing).mul(0).sum().backward()  # only the pull reaches the encoder
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter -= 0.1 * parameter.grad
    after = encoder(images).detach()
    assert (after.var(0) < before.var(0)).all()


@pytest.mark.parametrize("source", ["mean", "first", "other"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_batch_of_one_is_not_pulled(shared, source):
    v = values(rows=1)
    assert torch.equal(clamp(v, ACTIVE, 0.5, shared, source), v)
    found = gradient_of(lambda leaf: decoder(clamp(leaf, ACTIVE, 0.5, shared, source)), v)
    expected = gradient_of(decoder, v)
    assert torch.equal(found[:, ACTIVE], expected[:, ACTIVE])
    if shared:  # the mean is the value itself
        torch.testing.assert_close(found, expected)
    else:
        assert found[:, ~ACTIVE].abs().max() == 0


@pytest.mark.parametrize("source", ["mean", "first", "other"])
@pytest.mark.parametrize("shared", [False, True])
def test_with_all_latents_active_nothing_changes(shared, source):
    v, everything = values(), torch.ones(Z, dtype=torch.bool)
    assert torch.equal(clamp(v, everything, 0.5, shared, source), v)
    found = gradient_of(lambda leaf: decoder(clamp(leaf, everything, 0.5, shared, source)), v)
    assert torch.equal(found, gradient_of(decoder, v))


def test_kl_and_sampling_act_through_the_clamp_on_both_heads():
    """Whole objective: inactive latents of both heads get the pull and nothing else, active ones SGVB's gradients."""
    mean, logvar = values(1).requires_grad_(), values(2).requires_grad_()
    noise, weight = values(3), values(4)[:, None, :]
    images = torch.rand(N, 1, Z, dtype=torch.float64)
    strength = 0.01

    def objective(mean, logvar):
        logits = sample(mean, logvar, noise)[:, None, :] * weight
        return reconstruction(logits.float(), images.float()).sum() + divergence(mean, logvar, ACTIVE)

    objective(clamp(mean, ACTIVE, strength), clamp(logvar, ACTIVE, strength)).backward()
    for head, other in ((mean, logvar), (logvar, mean)):
        pull = strength * (head - head.mean(0)).detach()
        torch.testing.assert_close(head.grad[:, ~ACTIVE], pull[:, ~ACTIVE])
        leaf = clamp(head, ACTIVE).detach().requires_grad_()
        constant = clamp(other, ACTIVE).detach()
        (objective(leaf, constant) if head is mean else objective(constant, leaf)).backward()
        torch.testing.assert_close(head.grad[:, ACTIVE], leaf.grad[:, ACTIVE])
