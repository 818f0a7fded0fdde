"""A training that begins with the weights of another one: with these weights and nothing else of it."""

import dataclasses
import json
import shutil
from contextlib import ExitStack

import pytest
import torch
from shard_fixtures import write_synthetic
from training_fixtures import SMALL, go, newest

from dcign.errors import RunError
from dcign.model.optimisers import make_optimiser
from dcign.runs.checkpoint import Header, list_checkpoints, load_checkpoint
from dcign.runs.run import load_run
from dcign.runs.starting_weights import recorded_start
from dcign.training.loop import describe, graphics_code, resume
from dcign.training.updates import initial_model
from render.shards.data_set import open_data_set

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def first(shards, tmp_path_factory):
    """A short training whose average differs from its last weights."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    go(shards, folder, steps=9, weight_average=0.9)
    checkpoint = load_checkpoint(list_checkpoints(folder)[0])
    assert not all(torch.equal(checkpoint.model[name], checkpoint.trained[name]) for name in checkpoint.model)
    return folder


def trained(folder):
    return load_checkpoint(list_checkpoints(folder)[0]).trained


def begun(shards, folder, start, **settings):
    """Model and optimiser of a new run before its first update."""
    data = open_data_set(shards)
    config = dataclasses.replace(SMALL, start_from=recorded_start(start, folder), **settings)
    header = Header(0, config, graphics_code(data, config.code), data.size, describe(data))
    model = initial_model(header, torch.device("cpu"))
    optimiser = make_optimiser(model.named_parameters(), config)
    with ExitStack() as locks:
        assert resume(folder, data, header, model, optimiser, locks, lambda line: None) == 0
    return model, optimiser


@pytest.mark.parametrize("optimizer", ["rmsprop-authors", "muon"])
def test_a_run_begins_with_the_weights_to_use_and_a_fresh_optimiser(shards, first, tmp_path, optimizer):
    start = str(first)
    model, optimiser = begun(shards, tmp_path / "run", start, optimizer=optimizer, weight_average=0.5, seed=3)
    expected = trained(first)
    assert optimiser.updates == 0
    for name, value in optimiser.state().items():
        buffer, _, parameter = name.partition(".")
        wanted = expected[parameter] if buffer == "average" else torch.zeros_like(value)
        assert torch.equal(value, wanted), name
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_the_first_update_leaves_the_weights_where_the_learning_rate_is_next_to_nothing(shards, first, tmp_path):
    changes = {"start_from": str(first), "steps": 1, "learning_rate": 1e-30, "weight_average": 0.9, "seed": 8}
    _, said = go(shards, tmp_path / "run", **changes)
    assert f"Starting from the weights of {first}, step 9." in said
    assert f"Training {tmp_path / 'run'}" in said
    assert "steps 0 to 1" in said
    found = load_checkpoint(list_checkpoints(tmp_path / "run")[0])
    for name, value in trained(first).items():
        assert torch.equal(found.model[name], value)
        assert torch.equal(found.trained[name], value)


def test_a_checkpoint_and_weights_of_another_data_set_do_too(shards, first, tmp_path):
    others = write_synthetic(tmp_path / "others", seed=1, counts={"azimuth": 3})
    go(others, tmp_path / "run", start_from=str(list_checkpoints(first)[0]), steps=2, ratio=())
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (tmp_path / "run" / config["start_from"]).resolve() == list_checkpoints(first)[0].resolve()
    assert load_run(tmp_path / "run").step == 2


def test_resuming_changes_nothing_though_the_other_run_is_gone_and_all_has_moved(shards, first, tmp_path, monkeypatch):
    for place in ("whole", "parts"):
        shutil.copytree(first, tmp_path / place / "first")
    monkeypatch.chdir(tmp_path)
    settings = {"weight_average": 0.9, "seed": 4, "steps": 9}
    go(shards, tmp_path / "whole" / "run", start_from="whole/first", **settings)
    go(shards, tmp_path / "parts" / "run", start_from="parts/first", **{**settings, "steps": 6})
    shutil.rmtree(tmp_path / "parts" / "first")
    shutil.move(tmp_path / "parts", tmp_path / "moved")
    monkeypatch.chdir("/")
    start = str(tmp_path / "moved" / "first")
    _, said = go(shards, tmp_path / "moved" / "run", start_from=start, **settings)
    assert "steps 6 to 9" in said
    assert "Starting from" not in said
    assert newest(tmp_path / "moved" / "run") == newest(tmp_path / "whole" / "run")


def test_a_run_without_is_what_it_was(shards, tmp_path):
    go(shards, tmp_path / "run", steps=1)
    assert "start_from" not in (tmp_path / "run" / "config.json").read_text()


def test_another_start_is_refused(shards, first, tmp_path):
    go(shards, tmp_path / "run", steps=1, start_from=str(first))
    go(shards, tmp_path / "plain", steps=1)
    for name, start, message in (
        ("run", str(first.parent / "second"), f"has {first}, but {first.parent / 'second'} is asked for"),
        ("run", None, f"has {first}, but none is asked for"),
        ("plain", "faces", "has none, but faces is asked for"),
    ):
        before = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        with pytest.raises(RunError, match=r"^start_from: ") as refused:
            go(shards, tmp_path / name, steps=2, start_from=start)
        assert message in str(refused.value)
        assert {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (6, 6, 4)}, r"first: network paper 6/5/4, but this run has paper 6/6/4"),
        ({"code": "azimuth:1,rest:7"}, r"first: graphics code azimuth:1,.*, but this run has azimuth:1,rest:7"),
        ({"start_from": "faces"}, r"^faces: network modulated .*, but this run has paper 6/5/4"),
        ({"start_from": "nowhere"}, r"^\S*nowhere: expected a folder written by `dcign train`"),
        ({"start_from": ""}, r"^start_from: expected a run, .*, found nothing"),
    ],
)
def test_what_does_not_fit_leaves_no_folder_behind(shards, first, tmp_path, changes, message):
    with pytest.raises(RunError, match=message):
        go(shards, tmp_path / "run", **{"start_from": str(first), **changes})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("optimizer", ["rmsprop-authors", "muon"])
def test_an_encoder_can_stay_as_it_is_while_a_deeper_decoder_learns(shards, tmp_path, optimizer):
    network = {"network": "modulated", "widths": (4, 4, 4, 4, 8)}
    go(shards, tmp_path / "shallow", steps=3, weight_average=0.9, **network)
    changes = {"start_from": str(tmp_path / "shallow"), "depth": 2, "freeze_encoder": True, "optimizer": optimizer}
    go(shards, tmp_path / "deep", steps=4, weight_average=0.9, **network, **changes)
    before, after = trained(tmp_path / "shallow"), load_checkpoint(list_checkpoints(tmp_path / "deep")[0])
    for name in after.model:
        learns = name.startswith("decoder.")
        for weights in (after.model, after.trained):
            assert name not in before or torch.equal(weights[name], before[name]) != learns, name
    assert any(name.startswith("decoder.further.") and value.any() for name, value in after.trained.items())
    misfit = "network modulated 4/4/4/4/8, depth 2, but this run has modulated 4/4/4/4/8; ask for .* and `depth=2`"
    with pytest.raises(RunError, match=misfit):  # a decoder does not become less deep
        go(shards, tmp_path / "back", steps=3, start_from=str(tmp_path / "deep"), **network)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start_from": None}, "freeze_encoder: expected `start_from`, whose encoder it is, found none"),
        ({"erase": True}, "erase: expected an encoder that learns, found `freeze_encoder`"),
        ({"optimizer": "rmsprop"}, "optimizer: expected one without weight decay for `freeze_encoder`, found rmsprop"),
    ],
)
def test_what_would_change_an_encoder_that_stays_is_refused(settings, message):
    with pytest.raises(RunError) as refused:
        dataclasses.replace(SMALL, **{"start_from": "faces", "freeze_encoder": True, **settings})
    assert str(refused.value) == message
