"""The training loop: it learns, logs, holds out, and says where its numbers went wrong."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from shard_fixtures import write_synthetic
from training_fixtures import SMALL, go, newest, stats

from dcign.config import TrainConfig
from dcign.errors import ArgumentError, BadInput, Failure, RunError
from dcign.model.devices import has_native_bf16, resolve_precision
from dcign.model.optimisers import RMSPropAuthors
from dcign.model.paper_network import PaperDCIGN
from dcign.model.step import gradients
from dcign.runs.checkpoint import list_checkpoints, load_checkpoint
from dcign.runs.run import load_run
from dcign.training import cuda_graph, loop
from dcign.training.loop import train
from render.shards.data_set import open_data_set

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "shards")


def without_config(content):
    """A checkpoint's tensors: the header records --steps, which differ on purpose."""
    length = int.from_bytes(content[:8], "little")
    return content[8 + length :]


def test_training_overfits_one_mini_batch(tmp_path):
    """The active latents learn what differs between the images: better than any one picture for all of them."""
    data = open_data_set(write_synthetic(tmp_path / "shards", size=86, counts={"azimuth": 1}))
    config = TrainConfig(steps=300, widths=(8, 8, 8), code="azimuth:2,rest:5", precision="fp32", seed=1, device="cpu")
    outcome = train(data, tmp_path / "run", config, say=lambda _: None, progress=False)
    assert (outcome.step, outcome.signal) == (300, None)
    errors = [line["factors"]["azimuth"]["reconstruction"] for line in stats(tmp_path / "run")]
    assert errors[-1] < 0.6 * errors[0]
    images = torch.from_numpy(data.minibatch("azimuth", 0).images / np.float32(255))[:, None]
    model = load_run(tmp_path / "run").model
    with torch.inference_mode():
        again = model.decode(model.encode(images)[0])
    assert (again - images).square().mean() < 0.5 * (images.mean(0) - images).square().mean()


def test_denormal_numbers_count_again_after_a_training(shards, tmp_path):
    """Where they do not, scipy's cKDTree splits points of which most have the least coordinate, 0, until it crashes."""
    go(shards, tmp_path, steps=1)
    points = np.repeat([[0.0], [1.0]], (60, 40), axis=0)
    assert np.nextafter(points, 1.0)[0, 0] * 1.0 > 0  # comes first: the next line would end the process
    assert cKDTree(points).query([0.9])[0] == pytest.approx(0.1)


def test_the_log_has_a_line_every_fifty_steps_and_one_at_the_end(shards, tmp_path):
    go(shards, tmp_path, steps=60)
    lines = stats(tmp_path)
    assert [(line["step"], line["images"]) for line in lines] == [(50, 300), (60, 360)]
    assert set(lines[0]["factors"]) == {"azimuth", "elevation", "light", "intrinsic"}
    assert sum(factor["minibatches"] for line in lines for factor in line["factors"].values()) == 60
    for line in lines:
        assert line["images_per_second"] > 0
        for factor in line["factors"].values():
            assert 0 < factor["reconstruction"] < 54 * 54
            assert factor["kl"] >= 0
            assert factor["inactive_variance"] > 0


def test_the_divergence_of_the_angles_latents_has_its_factor(shards, tmp_path):
    go(shards, tmp_path, steps=60, extrinsic_divergence=0.0)
    factors = stats(tmp_path)[-1]["factors"]
    assert all((entry["kl"] > 0) == (name == "intrinsic") for name, entry in factors.items())


def test_seeds_and_inactive_gradients_make_different_runs(shards, tmp_path):
    results = set()
    for number, changes in enumerate([{}, {"seed": 1}, {"inactive_gradient": "shared"}, {"invariance_strength": 10.0}]):
        go(shards, tmp_path / str(number), steps=3, **changes)
        results.add(without_config(newest(tmp_path / str(number))))
    assert len(results) == 4


def test_a_folder_of_other_things_is_refused_untouched(shards, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="expected a training run or an empty folder"):
        go(shards, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(RunError, match="found a file"):
        go(shards, tmp_path / "thesis.txt")
    with pytest.raises(BadInput, match=r"thesis\.txt is a file"):
        go(shards, tmp_path / "thesis.txt" / "run")
    with pytest.raises(BadInput, match=r"run: there is no folder .*nowhere; make it first"):
        go(shards, tmp_path / "nowhere" / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{broken")
    with pytest.raises(RunError, match=r"config\.json"):
        go(shards, tmp_path / "run")


def test_measures_of_held_out_mini_batches_come_with_checkpoints(tmp_path):
    shards = write_synthetic(tmp_path / "shards")
    go(shards, tmp_path / "run", held_out=1, checkpoint_every=8, steps=24, weight_average=0.9)
    lines = [line for line in stats(tmp_path / "run") if "held_out" in line]
    assert [line["step"] for line in lines] == [8, 16, 24]
    bounds = {line["step"]: line["held_out"]["bound"] for line in lines}
    assert set(lines[0]["held_out"]["factors"]) == {"azimuth", "elevation", "light", "intrinsic"}
    best = load_run(tmp_path / "run" / "best.safetensors")
    assert best.step == min(bounds, key=bounds.get)
    assert load_checkpoint(list_checkpoints(tmp_path / "run")[0]).header.bound == bounds[24]
    assert "progress.png" in [path.name for path in (tmp_path / "run").iterdir()]


def test_held_out_mini_batches_are_never_trained_on(tmp_path, monkeypatch):
    shards = write_synthetic(tmp_path / "shards")
    seen = set()
    opened = loop.open_feed

    def watched(data, places, *rest, **more):
        places = list(places)
        seen.update(places)
        return opened(data, places, *rest, **more)

    monkeypatch.setattr(loop, "open_feed", watched)
    go(shards, tmp_path / "run", held_out=1, steps=60)
    assert {index for _, index in seen} == {0, 1, 2}
    with pytest.raises(RunError, match=r"^held_out: expected 0 to 3"):
        go(shards, tmp_path / "other", held_out=4)


@pytest.mark.parametrize("procedure", ["clamped", "entangled", "beta-vae", "group-vae"])
@pytest.mark.parametrize("optimizer", ["rmsprop-authors", "rmsprop", "muon"])
def test_every_procedure_and_optimiser_trains_and_is_opened(shards, tmp_path, procedure, optimizer):
    go(shards, tmp_path, steps=3, procedure=procedure, optimizer=optimizer, clamp="first", likelihood="gaussian")
    run = load_run(tmp_path)
    assert (run.config.procedure, run.config.optimizer) == (procedure, optimizer)


def test_a_gradient_that_is_not_finite_is_blamed_on_its_own_step(shards, tmp_path, monkeypatch):
    calls = []

    def breaks(model, *arguments):
        calls.append(1)
        terms = gradients(model, *arguments)
        if len(calls) == 3:
            next(model.parameters()).grad.view(-1)[0] = float("inf")
        return terms

    monkeypatch.setattr(cuda_graph, "gradients", breaks)
    with pytest.raises(Failure, match=r"NaN or infinite at step 3, mini-batch"):
        go(shards, tmp_path, steps=9)
    assert not list_checkpoints(tmp_path)


@pytest.mark.parametrize("device_checks_rarely", [False, True])
def test_nan_stops_naming_step_and_mini_batch_and_leaves_the_last_checkpoint(
    shards, tmp_path, monkeypatch, device_checks_rarely
):
    go(shards, tmp_path, steps=5)
    good = newest(tmp_path)
    calls = []

    def breaks(*arguments):
        calls.append(1)
        terms = gradients(*arguments)
        return terms * float("nan") if len(calls) == 3 else terms

    monkeypatch.setattr(cuda_graph, "gradients", breaks)
    if device_checks_rarely:  # as on a GPU, where the check comes with the next status or checkpoint
        check = loop.Status.check_finite
        monkeypatch.setattr(loop.Status, "check_finite", lambda self: len(calls) == 5 and check(self))
    with pytest.raises(Failure, match=r"NaN or infinite at step 8, mini-batch \d+ of \w+ \(.*train.*npz\)"):
        go(shards, tmp_path)
    assert newest(tmp_path) == good
    assert len(calls) == (5 if device_checks_rarely else 3)


def test_any_subset_of_factors_trains(tmp_path):
    for number, counts in enumerate([{"azimuth": 2}, {"light": 1, "intrinsic": 2}]):
        shards = write_synthetic(tmp_path / f"s{number}", counts=counts)
        assert go(shards, tmp_path / f"r{number}", steps=3)[0].step == 3


def test_chairs_take_the_chair_code(tmp_path):
    shards = write_synthetic(tmp_path / "s", object="chair", counts={"azimuth": 1, "intrinsic": 1})
    go(shards, tmp_path / "r", steps=2, code=None)
    run = load_run(tmp_path / "r")
    assert str(run.layout) == "azimuth:1,rest:199"
    assert run.object == "chair"


def test_no_more_images_are_taken_of_a_mini_batch_than_it_has(shards, tmp_path):
    with pytest.raises(ArgumentError, match=r"^images: expected at most 6, the images of a mini-batch, found 7"):
        go(shards, tmp_path / "r", images=7)
    assert not (tmp_path / "r").exists()
    go(shards, tmp_path / "r", images=5, steps=2)
    assert stats(tmp_path / "r")[-1]["images"] == 10


def test_images_the_network_cannot_draw_are_refused(tmp_path):
    shards = write_synthetic(tmp_path / "s", size=60, counts={"azimuth": 1})
    with pytest.raises(RunError, match="images of 60 x 60"):
        go(shards, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_bf16_follows_fp32(shards, tmp_path):
    images = torch.from_numpy(open_data_set(shards).minibatch("azimuth", 0).images / np.float32(255))[:, None]
    active = torch.tensor([True, *[False] * 7])
    results = []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        model = PaperDCIGN((4, 3, 2), latents=8, size=54)
        optimiser = RMSPropAuthors(model.named_parameters(), learning_rate=2e-3)
        for _ in range(30):
            optimiser.zero_grad()
            terms = gradients(model, images, active, torch.zeros(6, 8), SMALL, precision)
            optimiser.step()
        results.append(float(terms[0]))
    assert results[1] == pytest.approx(results[0], rel=0.05)


def test_auto_precision_follows_the_hardware():
    device = torch.device("cpu")
    assert resolve_precision("auto", device) == ("bf16" if has_native_bf16(device) else "fp32")
    assert resolve_precision("fp32", device) == "fp32"
