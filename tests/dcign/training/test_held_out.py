"""Measures on held-out mini-batches, against independent computations and a model that knows the answers."""

import json

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic
from torch.distributions import Bernoulli, Normal, kl_divergence

from dcign.errors import RunError
from dcign.evaluation.metrics.image_quality import ReconstructionSums, reconstruction_errors
from dcign.model.code import CodeLayout
from dcign.model.paper_network import PaperDCIGN
from dcign.training.held_out import diagnose, held_out_counts, held_out_minibatches
from render.shards.data_set import open_data_set

CPU = torch.device("cpu")
COUNTS = {"azimuth": 12, "elevation": 5, "light": 4, "intrinsic": 6}
HELD_OUT = {"azimuth": 3, "elevation": 2, "light": 2, "intrinsic": 4}
LAYOUT = CodeLayout.parse("azimuth:1,elevation:1,light:1,intrinsic:5")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return open_data_set(write_synthetic(tmp_path_factory.mktemp("faces"), counts=COUNTS))


@pytest.fixture
def model():
    """A small network whose codes and pictures vary visibly, its log-variances about -60: a sample is the mean."""
    torch.manual_seed(3)
    made = PaperDCIGN((4, 3, 2), LAYOUT.latents, 54)
    with torch.no_grad():
        made.encoder.mean.weight.mul_(30)
        made.decoder.linear.weight.mul_(30)
        made.encoder.logvar.bias.fill_(-60.0)
    return made


def look(model, data, held_out=HELD_OUT, layout=LAYOUT, **changes):
    options = {"likelihood": "bernoulli", "seed": 0, "precision": "fp32", "device": CPU, **changes}
    return diagnose(model, layout, data, held_out, **options)


def spread_out(model):
    """Log-variances about 0, so that the sample is not the mean."""
    with torch.no_grad():
        model.encoder.logvar.bias.fill_(0.0)
    return model


def last_minibatches(data, factor):
    return [data.minibatch(factor, COUNTS[factor] - 1 - back) for back in range(HELD_OUT[factor])]


def test_a_tenth_of_the_mini_batches_is_held_out_but_at_most_ten():
    counts = {"azimuth": 9, "elevation": 10, "light": 99, "intrinsic": 1000}
    assert held_out_counts(counts, None) == {"azimuth": 0, "elevation": 1, "light": 9, "intrinsic": 10}


def test_as_many_are_held_out_as_asked_while_one_is_left_to_train_on():
    assert held_out_counts({"azimuth": 5, "light": 6}, 4) == {"azimuth": 4, "light": 4}
    assert held_out_counts({"azimuth": 5, "light": 6}, 0) == {"azimuth": 0, "light": 0}
    for asked in (5, -1):
        with pytest.raises(RunError, match=f"^held_out: expected 0 to 4 .* 5 of azimuth .* found {asked}"):
            held_out_counts({"light": 6, "azimuth": 5}, asked)


def test_the_last_mini_batches_of_each_factor_are_held_out(faces):
    found = [
        (minibatch.factor, minibatch.index) for minibatch in held_out_minibatches(faces, {"light": 2, "azimuth": 1})
    ]
    assert found == [("azimuth", 11), ("light", 2), ("light", 3)]


def test_nothing_held_out_is_nothing_measured(faces, model):
    assert look(model, faces, dict.fromkeys(COUNTS, 0)) is None
    assert look(model, faces, {}) is None


def test_measures_agree_with_torch_distributions_and_numpy(faces, model):
    found = look(model, faces)
    sums = ReconstructionSums()
    bounds = []
    for factor in HELD_OUT:
        errors, divergences, variances = [], [], []
        for minibatch in last_minibatches(faces, factor):
            images = torch.from_numpy(minibatch.images / np.float32(255))[:, None]
            with torch.no_grad():
                mean, logvar = model.encode(images)
                decoded = model.decode(mean)
            sums.add(np.asarray(minibatch.images), decoded[:, 0].numpy())
            likelihood = Bernoulli(probs=decoded, validate_args=False).log_prob(images)
            errors.append(-likelihood.sum((1, 2, 3)))
            divergences.append(kl_divergence(Normal(mean, torch.exp(logvar / 2)), Normal(0.0, 1.0)).sum(1))
            variances.append(mean.numpy()[:, ~LAYOUT.active(factor)].var(axis=0).mean())
        entry = found["factors"][factor]
        assert entry["reconstruction"] == pytest.approx(float(torch.cat(errors).mean()), rel=1e-5)
        assert entry["kl"] == pytest.approx(float(torch.cat(divergences).mean()), rel=1e-5)
        assert entry["inactive_variance"] == pytest.approx(float(np.mean(variances)), rel=1e-4)
        bounds.append(torch.cat(errors) + torch.cat(divergences))
    assert found["bound"] == pytest.approx(float(torch.cat(bounds).mean()), rel=1e-5)
    assert found["mse"] == pytest.approx(reconstruction_errors(sums)["mse"], rel=1e-5)
    assert found["mean_image_mse"] == pytest.approx(reconstruction_errors(sums)["mean_image_mse"], rel=1e-5)
    assert found["images"] == 6 * sum(HELD_OUT.values())


def test_the_bound_is_of_a_sample_and_the_likelihood_asked_for(faces, model):
    sharp = look(model, faces)
    assert look(spread_out(model), faces)["factors"]["light"]["reconstruction"] != pytest.approx(
        sharp["factors"]["light"]["reconstruction"], rel=1e-3
    )
    assert look(model, faces, likelihood="gaussian")["bound"] != pytest.approx(look(model, faces)["bound"], rel=1e-2)
    assert look(model, faces)["mse"] == pytest.approx(sharp["mse"], rel=1e-6)  # of the means, whatever the variance


def test_the_noise_follows_from_the_seed_alone_and_no_generator_is_touched(faces, model):
    spread_out(model)
    before = torch.get_rng_state()
    first = look(model, faces)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert look(model, faces) == first
    assert look(model, faces, seed=1)["bound"] != first["bound"]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(faces, model, training):
    model.train(training)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    look(model, faces)
    assert model.training is training
    assert all(module.training is training for module in model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(p.requires_grad and bool((p.grad == 2.0).all()) for p in model.parameters())
    images = torch.zeros(2, 1, 54, 54)
    assert model.decode_logits(model.encode(images)[0]).requires_grad  # gradients are recorded again


class Reader(torch.nn.Module):
    """Looks each image up in the data set: its latents are the true angles, light mirrored, and zeros.

    folded  whether the light's latent runs the other way where heads are turned to the left
    """

    def __init__(self, data, folded=False):
        super().__init__()
        self.known = {}
        for minibatch in held_out_minibatches(data, COUNTS):
            light = -minibatch.values["light"] * (np.sign(minibatch.values["azimuth"]) if folded else 1)
            rows = np.stack([minibatch.values["azimuth"], minibatch.values["elevation"], light], 1)
            self.known |= {image.tobytes(): row for image, row in zip(minibatch.images, rows, strict=True)}

    def encode(self, images):
        keys = [row.tobytes() for row in (images[:, 0].numpy() * 255).round().astype(np.uint8)]
        angles = torch.tensor(np.stack([self.known[key] for key in keys])) / 90
        return torch.cat([angles, torch.zeros(len(keys), 5)], 1), torch.zeros(len(keys), 8)

    def decode_logits(self, z):
        return torch.zeros(len(z), 1, 54, 54)

    def decode(self, z):
        return torch.sigmoid(self.decode_logits(z))


def test_latents_that_are_the_angles_follow_them_and_only_them(faces):
    found = look(Reader(faces), faces, COUNTS)
    assert found["spearman"] == pytest.approx({"azimuth": 1.0, "elevation": 1.0, "light": 1.0})
    assert 0 < found["leak"] < 0.5  # 27 mini-batches: chance alone
    assert found["factors"]["intrinsic"]["inactive_variance"] == pytest.approx(0, abs=1e-9)
    assert found["factors"]["azimuth"]["reconstruction"] == pytest.approx(54 * 54 * np.log(2), rel=1e-6)


def test_how_latents_run_with_their_angles_is_told_from_mini_batches_of_each(faces):
    courses = look(Reader(faces), faces, COUNTS)["course"]
    assert {name: found["state"] for name, found in courses.items()} == dict.fromkeys(
        ("azimuth", "elevation", "light"), "follows"
    )
    courses = look(Reader(faces, folded=True), faces, COUNTS)["course"]
    assert (courses["light"]["state"], courses["elevation"]["state"]) == ("folded", "follows")
    assert courses["light"]["inside"] == pytest.approx(1.0)
    assert look(Reader(faces), faces, {"light": 3})["course"] == {}  # too few to tell


def test_a_factor_with_two_latents_or_too_few_images_has_no_correlation(faces, model):
    wide = CodeLayout.parse("azimuth:2,light:1,rest:5")
    assert look(model, faces, COUNTS, layout=wide)["spearman"].keys() == {"light"}
    few = look(model, faces, {"elevation": 1})
    assert few["spearman"] == {"azimuth": None, "elevation": None, "light": None}
    assert few["leak"] is None
    assert few["factors"].keys() == {"elevation"}


def test_where_all_latents_are_active_no_inactive_variance_is_defined(faces, model):
    found = look(model, faces, layout=CodeLayout.parse("everything:8"))
    assert (found["spearman"], found["leak"]) == ({}, None)
    assert {entry["inactive_variance"] for entry in found["factors"].values()} == {None}


def test_a_diverged_model_gives_none_and_never_nan(faces, model):
    with torch.no_grad():
        model.encoder.mean.bias.fill_(float("nan"))
    found = look(model, faces, COUNTS)
    json.dumps(found, allow_nan=False)
    assert (found["bound"], found["mse"], found["leak"], found["course"]) == (None, None, None, {})
    assert set(found["spearman"].values()) == {None}
