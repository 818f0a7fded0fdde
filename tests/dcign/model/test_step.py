"""The whole step on a small real network, in float64, against plain autograd and finite differences."""

import dataclasses
import itertools
import math

import pytest
import torch

from dcign.config import TrainConfig
from dcign.model.optimisers import RMSPropAuthors
from dcign.model.paper_network import PaperDCIGN
from dcign.model.step import gradients, inactive_variance
from dcign.model.structure import dissimilarity

N, Z, SIZE = 3, 6, 54
ACTIVE = torch.tensor([True, False, False, True, False, False])
EVERYTHING = torch.ones(Z, dtype=torch.bool)
# a pull that shows beside the reconstruction's gradients
CLAMPED = {
    f"{clamp}-{gradient}": TrainConfig(clamp=clamp, inactive_gradient=gradient, invariance_strength=50.0)
    for clamp in ("mean", "first", "other")
    for gradient in ("invariance", "shared")
}
CONFIGS = {
    **CLAMPED,
    "entangled": TrainConfig(procedure="entangled"),
    "beta-vae": TrainConfig(procedure="beta-vae", beta=3.0),
    "group-vae": TrainConfig(procedure="group-vae"),
    "gaussian": TrainConfig(likelihood="gaussian"),
    "group-vae-gaussian": TrainConfig(procedure="group-vae", likelihood="gaussian"),
    "structure": TrainConfig(clamp="other", inactive_gradient="shared", structure=3.0),
}
NOISE = TrainConfig(clamp="other", inactive_gradient="shared", invariance_unit="noise", invariance_strength=5.0)
every_clamp = pytest.mark.parametrize("config", CLAMPED.values(), ids=CLAMPED.keys())
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


@pytest.fixture(autouse=True)
def _float64(monkeypatch):
    """The network casts to float32 on purpose; finite differences need more."""
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)
    threads = torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(threads)


@pytest.fixture
def network():
    """Weights large enough that every latent, and every difference between the images, matters."""
    torch.manual_seed(0)
    model = PaperDCIGN((2, 2, 2), Z, SIZE)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    return model


def minibatch(rows=N, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, 1, SIZE, SIZE, generator=generator), torch.randn(rows, Z, generator=generator)


def run(model, config, active=ACTIVE, batch=None):
    """One call of the step: terms, gradients of the parameters, and what it showed to the decoder and the heads got."""
    images, noise = batch or minibatch()
    seen = {}

    def heads(module, arguments, output):
        for name, head in zip(("mean", "logvar"), output, strict=True):
            head.retain_grad()
            seen[name] = head

    hooks = (
        model.encoder.register_forward_hook(heads),
        model.decoder.register_forward_pre_hook(lambda module, arguments: seen.update(z=arguments[0].detach())),
    )
    model.zero_grad()
    terms = gradients(model, images, active, noise, config)
    for hook in hooks:
        hook.remove()
    return terms, {name: p.grad.clone() for name, p in model.named_parameters()}, seen


def error_of(logits, images, config):
    p = 1 / (1 + torch.exp(-logits))
    if config.likelihood == "gaussian":
        s = 0.1
        return ((images - p) ** 2 / (2 * s**2) + math.log(s * math.sqrt(2 * math.pi))).sum()
    return -(images * p.log() + (1 - images) * (1 - p).log()).sum()


def kl_of(mean, logvar):
    """Of each value; from KL(N(m, s^2) || N(0, 1)) = log(1 / s) + (s^2 + m^2) / 2 - 1 / 2."""
    s = torch.exp(logvar / 2)
    return -s.log() + (s**2 + mean**2) / 2 - 0.5


def replacement(values, config):
    """Values (N, Z) -> what takes the place of the inactive ones: a row for all, or with 'other' one for each."""
    if config.clamp == "other":
        return torch.stack([values[row - 1] for row in range(len(values))])
    return values[0] if config.clamp == "first" else sum(values) / len(values)


def oracle(model, config, active=ACTIVE, batch=None, held=None):
    """The objective whose gradient the step is, as one scalar, and its reconstruction and KL.

    Inactive values replaced by the paper count as constants: `held` gives those of both heads at the weights where the
    gradient is taken.
    """
    images, noise = batch or minibatch()
    heads = list(model.encode(images))
    pull = torch.zeros(())
    if config.procedure == "clamped":
        for number, values in enumerate(heads):
            common = replacement(values, config)
            if config.inactive_gradient == "invariance":
                common = common.detach() if held is None else held[number]
            centre = sum(values) / len(values)
            pull = pull + config.invariance_strength / 2 * ((values - centre) ** 2 * ~active).sum()
            heads[number] = torch.where(active, values, common.expand_as(values))
    elif config.procedure == "group-vae":
        precision = torch.exp(-heads[1])
        common = (precision * heads[0]).sum(0) / precision.sum(0), -precision.sum(0).log()
        noise = torch.where(active, noise, noise[0])
        heads = [torch.where(active, v, c.expand_as(v)) for v, c in zip(heads, common, strict=True)]
    mean, logvar = heads
    logits = model.decode_logits(mean + torch.exp(logvar / 2) * noise)
    error = error_of(logits, images, config)
    each = kl_of(mean, logvar)
    if config.procedure == "clamped":
        kl = each[:, active].sum()
    elif config.procedure == "group-vae":
        kl = each[:, active].sum() + each[0, ~active].sum()
    else:
        kl = each.sum()
    weight = config.beta if config.procedure == "beta-vae" else 1.0
    if config.structure:
        pull = pull + config.structure * dissimilarity(torch.sigmoid(logits), images)
    return error + weight * kl + pull, error.detach(), kl.detach()


def oracle_gradients(model, config, **changes):
    named = dict(model.named_parameters())
    return dict(zip(named, torch.autograd.grad(oracle(model, config, **changes)[0], list(named.values())), strict=True))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: name + text)


@every_config
def test_terms_and_gradients_equal_plain_autograd(network, config):
    terms, found, seen = run(network, config)
    _, error, kl = oracle(network, config)
    spread = seen["mean"].detach()[:, ~ACTIVE].var(0, unbiased=False).mean()
    torch.testing.assert_close(terms, torch.stack((error, kl, spread)), rtol=1e-10, atol=0)
    assert_same(found, oracle_gradients(network, config))
    assert all(gradient.abs().max() > 1e-3 for gradient in found.values())  # nothing agrees by being zero


@every_config
def test_finite_differences_of_one_scalar_agree_for_encoder_and_decoder(network, config):
    """Along a random direction in all the parameters of each: what autograd cannot see cannot hide here."""
    _, found, seen = run(network, config)
    held = [replacement(seen[name].detach(), config) for name in ("mean", "logvar")]
    step = 1e-7
    for part, parameters in (("encoder", network.encoder), ("decoder", network.decoder)):
        direction = {f"{part}.{name}": torch.randn_like(p) for name, p in parameters.named_parameters()}
        values = []
        with torch.no_grad():
            for sign in (step, -2 * step, step):
                for parameter, towards in zip(parameters.parameters(), direction.values(), strict=True):
                    parameter += sign * towards
                if sign == -2 * step or not values:
                    values.append(float(oracle(network, config, held=held)[0]))
        slope = float(sum((found[name] * towards).sum() for name, towards in direction.items()))
        assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5), part


@every_clamp
def test_the_decoder_sees_what_takes_the_place_of_inactive_latents(network, config):
    images, noise = minibatch()
    _, _, still = run(network, config, batch=(images, torch.zeros_like(noise)))
    mean, logvar = still["mean"].detach(), still["logvar"].detach()
    common = replacement(mean, config)
    torch.testing.assert_close(still["z"][:, ~ACTIVE], common.expand(N, -1)[:, ~ACTIVE])
    assert torch.equal(still["z"][:, ACTIVE], mean[:, ACTIVE])
    _, _, noisy = run(network, config, batch=(images, noise))
    deviation = torch.exp(torch.where(ACTIVE, logvar, replacement(logvar, config)) / 2)
    torch.testing.assert_close(noisy["z"] - still["z"], deviation * noise)


@every_clamp
def test_active_gradients_are_those_of_the_same_decoder_input_without_a_clamp(network, config):
    images, noise = minibatch()
    _, _, seen = run(network, config)
    leaves = [
        torch.where(ACTIVE, head.detach(), replacement(head.detach(), config)).requires_grad_()
        for head in (seen["mean"], seen["logvar"])
    ]
    z = leaves[0] + torch.exp(leaves[1] / 2) * noise
    torch.testing.assert_close(z.detach(), seen["z"])
    (error_of(network.decode_logits(z), images, config) + kl_of(*leaves).sum()).backward()
    for leaf, head in zip(leaves, (seen["mean"], seen["logvar"]), strict=True):
        assert leaf.grad[:, ACTIVE].abs().min() > 1e-6
        torch.testing.assert_close(head.grad[:, ACTIVE], leaf.grad[:, ACTIVE], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("strength", [0.0, 0.01, 7.0])
@pytest.mark.parametrize("clamp", ["mean", "first", "other"])
def test_inactive_gradients_are_the_difference_from_the_mean_on_both_heads(network, clamp, strength):
    _, _, seen = run(network, TrainConfig(clamp=clamp, invariance_strength=strength))
    for head in (seen["mean"], seen["logvar"]):
        pull = strength * (head - head.mean(0)).detach()
        torch.testing.assert_close(head.grad[:, ~ACTIVE], pull[:, ~ACTIVE], rtol=1e-12, atol=0)
        assert strength == 0 or pull[:, ~ACTIVE].abs().max() > 1e-6


@every_clamp
def test_kl_touches_active_latents_only(network, config):
    """A decoder that ignores its code and no pull leave KL alone to act on the encoder."""
    config = dataclasses.replace(config, invariance_strength=0.0)
    before, _, _ = run(network, config)
    with torch.no_grad():
        for head in (network.encoder.mean, network.encoder.logvar):
            head.weight[~ACTIVE] += torch.randn(int((~ACTIVE).sum()), head.in_features)
    after, _, _ = run(network, config)
    assert after[1] == before[1]
    assert abs(after[0] - before[0]) > 1
    with torch.no_grad():
        network.decoder.linear.weight.zero_()
    _, _, seen = run(network, config)
    mean, logvar = seen["mean"], seen["logvar"]
    assert mean.grad[:, ~ACTIVE].abs().max() == 0
    assert logvar.grad[:, ~ACTIVE].abs().max() == 0
    torch.testing.assert_close(mean.grad[:, ACTIVE], mean.detach()[:, ACTIVE])
    torch.testing.assert_close(logvar.grad[:, ACTIVE], (logvar.detach().exp() / 2 - 0.5)[:, ACTIVE])


@every_config
def test_the_divergence_of_each_latent_has_its_weight(network, config):
    batch, noise = minibatch()
    plain = gradients(network, batch, ACTIVE, noise, config)
    weighted = gradients(network, batch, ACTIVE, noise, config, weights=torch.full((Z,), 3.0))
    torch.testing.assert_close(weighted[1], 3 * plain[1])
    unweighted = gradients(network, batch, ACTIVE, noise, config, weights=(~ACTIVE).float())
    assert (unweighted[1] == 0) == (config.procedure == "clamped")  # inactive latents pay nothing there
    torch.testing.assert_close(unweighted[0], plain[0])


@every_config
def test_two_calls_add_their_gradients(network, config):
    batches = minibatch(seed=3), minibatch(rows=2, seed=4)
    parts = [run(network, config, batch=batch)[1] for batch in batches]
    network.zero_grad()
    for images, noise in batches:
        gradients(network, images, ACTIVE, noise, config)
    found = {name: p.grad for name, p in network.named_parameters()}
    assert_same(found, {name: parts[0][name] + parts[1][name] for name in found})


@pytest.mark.parametrize("config", [*CONFIGS.values(), NOISE], ids=[*CONFIGS, "noise"])
def test_mini_batches_that_go_through_together_are_each_clamped_for_themselves(network, config):
    batches = [minibatch(seed=seed) for seed in (3, 4, 5)]
    actives = [ACTIVE, ~ACTIVE, torch.arange(Z) == 2]
    parts = [run(network, config, active, batch) for active, batch in zip(actives, batches, strict=True)]
    images, noise = (torch.cat(values) for values in zip(*batches, strict=True))
    terms, found, _ = run(network, config, torch.stack(actives), (images, noise))
    torch.testing.assert_close(terms, torch.stack([part[0] for part in parts]))
    assert_same(found, {name: sum(part[1][name] for part in parts) for name in found})


@every_config
def test_a_batch_of_one_equals_plain_autograd_and_has_no_variance(network, config):
    batch = minibatch(rows=1)
    terms, found, seen = run(network, config, batch=batch)
    assert terms[2] == 0
    assert_same(found, oracle_gradients(network, config, batch=batch))
    if config.procedure == "clamped" and config.inactive_gradient == "invariance":
        assert seen["mean"].grad[:, ~ACTIVE].abs().max() == 0
    else:
        assert seen["mean"].grad[:, ~ACTIVE].abs().min() > 0


@pytest.mark.parametrize("config", [*CLAMPED.values(), CONFIGS["group-vae"]])
def test_with_all_latents_active_it_is_an_entangled_vae(network, config):
    terms, found, _ = run(network, config, EVERYTHING)
    expected_terms, expected, _ = run(network, CONFIGS["entangled"], EVERYTHING)
    torch.testing.assert_close(terms, expected_terms, rtol=1e-12, atol=0)
    assert terms[2] == 0
    assert_same(found, expected)


@pytest.mark.parametrize("strength", [1e-6, 50.0])
def test_clamp_first_ignores_the_other_images_inactive_values(network, strength):
    """In the authors' reading only the first image says what is common; in the paper's all of them do."""
    images, noise = minibatch()
    others = images.clone()
    others[1:] = minibatch(seed=9)[0][1:]
    for clamp, same in (("first", True), ("mean", False)):
        config = TrainConfig(clamp=clamp, invariance_strength=strength)
        inactive = [run(network, config, batch=(x, noise))[2]["z"][:, ~ACTIVE] for x in (images, others)]
        assert torch.equal(*inactive) is same


def test_variance_is_that_of_the_inactive_latents():
    mean = torch.randn(4, Z)
    expected = mean.numpy()[:, ~ACTIVE.numpy()].var(axis=0).mean()
    assert float(inactive_variance(mean, ACTIVE)) == pytest.approx(expected, rel=1e-12)
    assert inactive_variance(mean, EVERYTHING) == 0


@pytest.mark.parametrize("clamp", ["mean", "first", "other"])
def test_updates_by_inactive_gradients_alone_shrink_their_variance(network, clamp):
    """The whole step, with nothing to reconstruct: only the pull of step 7 reaches the encoder."""
    images, noise = minibatch()
    network.decoder.requires_grad_(False)
    config = TrainConfig(clamp=clamp, invariance_strength=1.0)
    optimiser = RMSPropAuthors(network.encoder.named_parameters(), learning_rate=1e-4)
    spreads = []
    for _ in range(5):
        optimiser.zero_grad()
        spreads.append(float(gradients(network, images, ~EVERYTHING, 0 * noise, config)[2]))
        optimiser.step()
    assert all(after < before for before, after in itertools.pairwise(spreads))
