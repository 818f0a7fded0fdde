"""`dcign bench train`: its two trainings are the same training, ours is `dcign train`, and its counts are right."""

import json
from itertools import islice

import forked
import numpy as np
import pytest
import threads
import torch
from click.testing import CliRunner
from shard_fixtures import write_synthetic
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from dcign.config import CHOICES, TrainConfig
from dcign.model.optimisers import make_optimiser
from dcign.model.paper_network import PaperDCIGN, UpConv
from dcign.model.step import gradients
from dcign.training.loop import train as train_run
from dcign.training.order import to_float
from pipelines.bench.inputs import write_discs
from pipelines.bench.plain_optimisers import make_plain_optimiser
from pipelines.bench.train import command, compare_curves, floor, layers, operations
from pipelines.bench.train_agreement import RecordChoices, RepeatChoices, curve, gradient_differences
from pipelines.bench.train_loops import PlainDCIGN, Setting, Training
from render.errors import BadInput
from render.shards.data_set import open_data_set

WIDTHS = (5, 4, 3)
ROUNDING = 5e-5  # of float32 in the gradients of a small network: in some biases the summands nearly cancel


@pytest.fixture(scope="module", autouse=True)
def one_thread_here_and_below():
    """Compute on one thread, and so in the processes that the command starts."""
    with pytest.MonkeyPatch.context() as patch, threads.one_thread():
        patch.setattr("pipelines.bench.measuring.get_context", forked.context)
        yield


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("bench") / "shards")


@pytest.fixture(scope="module")
def document(shards, tmp_path_factory):
    """What the command writes at a tiny size."""
    path = tmp_path_factory.mktemp("document") / "train.json"
    words = [shards, "--widths", "5/4/3", "--steps", 2, "--curve-steps", 12, "--curve-widths", "3/2/2"]
    words += ["--optimizer", "muon", "-o", path]
    done = CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "ours, fp32" in done.output
    return json.loads(path.read_text())


def test_the_document_holds_speed_floor_and_agreement(document):
    precisions = document["precisions"]
    assert set(document["programs"]) == {"plain", *precisions}
    plain = document["programs"]["plain"]
    for program, row in document["programs"].items():
        assert len(row["turns"]) == 3
        assert row["images_per_second"] == pytest.approx(6 / sorted(row["turns"])[1])
        assert row["ratio_to_plain"] == pytest.approx(plain["seconds_a_step"] / row["seconds_a_step"])
        assert row["seconds_for_12000_steps"] == pytest.approx(240_000 / row["images_per_second"])
        least = document["floors"]["fp32" if program == "plain" else program]
        assert row["share_of_floor"] == pytest.approx(least["seconds"] / row["seconds_a_step"])
        assert 0 <= row["input_wait"] < 1
    assert document["programs"]["fp32"]["asked"] == 2.3
    assert document["matrix_peak"]["fp32"] > 1e9
    assert document["bandwidth"] > 1e8


def test_the_document_holds_the_cost_of_an_update(document):
    assert document["optimizer"] == "muon"
    plain, ours = document["updates"]["plain"], document["updates"]["ours"]
    assert plain["operations"] > 10 * ours["operations"] > 0
    assert plain["seconds"] > 0 < ours["seconds"]


@pytest.mark.parametrize("optimizer", CHOICES["optimizer"])
def test_fifty_updates_of_the_plain_optimisers_are_ours(optimizer):
    config = TrainConfig(optimizer=optimizer, learning_rate=1e-3)
    ours, plain = (PaperDCIGN(WIDTHS, 7, 54).to(memory_format=torch.channels_last) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    start = [parameter.detach().clone() for parameter in ours.parameters()]
    optimisers = make_optimiser(ours.named_parameters(), config), make_plain_optimiser(plain.parameters(), config)
    for step in range(50):
        torch.manual_seed(step)
        for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
            mine.grad = torch.randn_like(mine) * 10.0 ** (step % 5)
            theirs.grad = mine.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for mine, theirs, before in zip(ours.parameters(), plain.parameters(), start, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
        if mine.numel() > 1:  # Muon moves a single value by as many steps up as down, as it happens
            assert (mine - before).abs().max() > 1e-3


def test_the_document_compares_gradients_and_losses(document):
    gradients, curves = document["agreement"]["gradients"], document["agreement"]["curves"]
    names = {name for name, _ in PaperDCIGN(WIDTHS, 200, 54).named_parameters()}
    narrow = [gradients["narrow"][pair] for pair in ("ours to plain", "plain to float64", "ours to float64")]
    for each in (gradients["ours to plain"], gradients["with turned"], *narrow):
        assert set(each) == names
        assert np.median(list(each.values())) < gradients["asked"] == 1e-5
    assert curves["widths"] == [3, 2, 2]
    assert len(curves["plain"]) == len(curves["ours"]) == curves["steps"] == 12
    assert curves["largest"] < curves["asked"] == 0.01
    assert curves["plain"][-1] < curves["plain"][0]


@pytest.mark.parametrize("factor", ["azimuth", "intrinsic"])
def test_gradients_of_the_plain_program_are_ours(shards, factor, monkeypatch):
    monkeypatch.setattr("pipelines.bench.train_loops.MiniBatchOrder.at", lambda self, step: (factor, 1))
    found = gradient_differences(Setting(shards, "cpu", WIDTHS), exact=True)
    for pair in ("ours to plain", "plain to float64", "ours to float64"):
        assert max(found[pair].values()) < ROUNDING
    assert np.median(list(found["ours to plain"].values())) < 2e-6
    assert max(found["ours to float64"].values()) > 0  # they are not one program


def test_a_wrong_clamp_would_be_seen(shards, monkeypatch):
    monkeypatch.setattr("pipelines.bench.train_loops.clamp", lambda values, active, strength: (values, 0.0))
    assert max(gradient_differences(Setting(shards, "cpu", WIDTHS))["ours to plain"].values()) > 0.1


def test_choices_at_kinks_are_repeated_and_those_that_differ_counted():
    images, weight = torch.rand(2, 3, 8, 8) - 0.5, torch.ones(1, requires_grad=True)

    def network(x):
        return functional.relu(functional.max_pool2d(weight * x, 2))

    with RecordChoices() as recorded:
        output = network(images)
    assert torch.equal(output, network(images))
    with RepeatChoices(recorded) as same:
        assert torch.equal(network(images), output)
    assert same.turned == 0
    with RepeatChoices(recorded) as negated:
        repeated = network(-images)
    assert torch.equal(repeated, -output)  # what was largest and positive passes, now smallest and negative
    assert negated.turned > 0
    repeated.sum().backward()
    assert weight.grad.item() == pytest.approx(-output.sum().item(), rel=1e-5)


def test_losses_of_the_plain_program_are_ours(shards):
    setting = Setting(shards, "cpu", WIDTHS)
    assert curve(setting, "fp32", 25) == pytest.approx(curve(setting, "plain", 25), rel=1e-4)


def test_our_loop_is_that_of_dcign_train(shards, tmp_path):
    config = TrainConfig(steps=15, widths=WIDTHS, held_out=0, precision="fp32", device="cpu", picture_every=0)
    data = open_data_set(shards)
    train_run(data, tmp_path, config, say=lambda line: None, progress=False)
    found = json.loads((tmp_path / "stats.jsonl").read_text().splitlines()[-1])["factors"]
    sums = sum(islice(Training(Setting(shards, "cpu", WIDTHS)).steps("fp32"), config.steps))
    for (error, kl, _), factor in zip(sums.tolist(), data.factors, strict=True):
        images = found[factor]["minibatches"] * data.batch_size
        assert [error / images, kl / images] == pytest.approx(
            [found[factor]["reconstruction"], found[factor]["kl"]], rel=1e-6
        )


@pytest.mark.parametrize(("widths", "latents", "size"), [((5, 4, 3), 7, 54), ((6, 2, 8), 20, 70)])
@pytest.mark.parametrize("four_phase", [True, False])
def test_operations_are_those_that_pytorch_counts(widths, latents, size, four_phase):
    images = torch.rand(3, 1, size, size)
    active, noise = torch.arange(latents) < 1, torch.randn(3, latents)
    model = (PaperDCIGN if four_phase else PlainDCIGN)(widths, latents, size)
    with FlopCounterMode(display=False) as counter:
        if four_phase:
            gradients(model, images, active, noise, TrainConfig())
        else:
            sum(model(images, active, noise, 0.01)).backward()
    assert operations(layers(widths, latents, size, four_phase), 3) == counter.get_total_flops()


def test_layers_have_the_shapes_of_the_network():
    model, seen = PaperDCIGN((5, 4, 3), 7, 54), []
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear | UpConv):
            module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0].numel()))
    model.decode(model.encode(torch.rand(1, 1, 54, 54))[0])
    found = layers((5, 4, 3), 7, 54, four_phase=True)
    assert [layer.activations for layer in found] == seen
    assert sum(layer.weights for layer in found) == sum(parameter.numel() for parameter in model.parameters())


def test_the_paper_takes_about_12_and_26_billion_operations_an_image():
    forms = [operations(layers((96, 64, 32), 200, 150, four_phase), 20) / 20 for four_phase in (True, False)]
    assert forms == pytest.approx([11.65e9, 25.55e9], rel=1e-3)


def test_the_floor_is_the_larger_of_arithmetic_and_copying():
    machine = {"matrix_peak": {"fp32": 1e12}, "bandwidth": 1e30}
    arithmetic = floor((96, 64, 32), 200, 150, 20, "fp32", machine)
    assert arithmetic["seconds"] == arithmetic["operations"] / 1e12
    copying = floor((96, 64, 32), 200, 150, 20, "fp32", {"matrix_peak": {"fp32": 1e30}, "bandwidth": 1e9})
    assert copying["seconds"] == copying["bytes"] / 1e9


def test_curves_differ_by_their_worst_step_and_by_averages_of_ten():
    plain, ours = [100.0] * 20, [100.0] * 20
    ours[3], ours[13] = 101.0, 98.0
    found = compare_curves(plain, ours)
    assert found["largest"] == pytest.approx(0.02)
    assert found["largest_of_tens"] == pytest.approx(0.002)


def test_disc_shards_vary_one_factor_a_minibatch(tmp_path):
    write_discs(tmp_path, 2, size=54, images=5)
    data = open_data_set(tmp_path)
    for factor in data.factors:
        minibatch = data.minibatch(factor, 1)
        known = {**minibatch.values, "intrinsic": minibatch.identity}
        varying = [name for name, values in known.items() if len(np.unique(values)) > 1]
        assert varying == [factor]
        assert len(np.unique(minibatch.images, axis=0)) == 5
        assert to_float(torch.from_numpy(minibatch.images.copy())).std() > 0.05


def test_bad_options_are_refused_before_anything_is_measured(shards, tmp_path):
    for words in ([str(shards), "--widths", "0/3/2"], [str(shards), "--curve-widths", "3/0/2"], [str(tmp_path)]):
        done = CliRunner().invoke(command, words)
        assert isinstance(done.exception, BadInput), done.exception
        assert done.output == ""
