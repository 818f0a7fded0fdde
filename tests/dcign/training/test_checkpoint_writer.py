"""Checkpoints written beside the training hold what the weights were, and what goes wrong with them is heard of."""

import threading

import pytest
import torch

from dcign.config import TrainConfig
from dcign.errors import Failure
from dcign.model.code import CodeLayout
from dcign.model.optimisers import make_optimiser
from dcign.runs.checkpoint import Header, list_checkpoints, load_checkpoint
from dcign.training import checkpoint_writer
from dcign.training.checkpoint_writer import CheckpointWriter

CONFIG = TrainConfig(widths=(2, 2, 2))


def header(step):
    return Header(step, CONFIG, CodeLayout.parse("azimuth:1,rest:3"), 54, {"object": "chair", "fingerprint": "f" * 64})


@pytest.fixture
def state():
    model = header(1).build_model()
    return model, make_optimiser(model.named_parameters(), CONFIG)


@pytest.fixture
def disk(monkeypatch):
    """A disk on which nothing is written before `disk.set()`, and a Failure comes if `disk.full`."""
    save, disk = checkpoint_writer.save_checkpoint, threading.Event()
    disk.full = False

    def wait_and_save(*words):
        assert disk.wait(10)
        if disk.full:
            raise Failure("no space left")
        return save(*words)

    monkeypatch.setattr(checkpoint_writer, "save_checkpoint", wait_and_save)
    return disk


def test_weights_may_change_while_they_are_written(tmp_path, state, disk):
    model, optimiser = state
    writer = CheckpointWriter(tmp_path, 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    writer.begin(header(1), model.state_dict(), optimiser.state())
    with torch.no_grad():
        for parameter in [*model.parameters(), *optimiser.buffers["mean"]]:
            parameter.add_(1.0)
    assert writer.saved == 0
    assert not list_checkpoints(tmp_path)
    writer.check()
    disk.set()
    writer.begin(header(2), model.state_dict(), optimiser.state())
    writer.finish()
    writer.close()
    assert writer.saved == 2
    second, first = map(load_checkpoint, list_checkpoints(tmp_path))
    for name, value in before.items():
        assert torch.equal(first.model[name], value)
        assert torch.equal(second.model[name], model.state_dict()[name])
        assert not first.optimiser[f"mean.{name}"].any()


def test_a_write_that_failed_is_told_once_and_a_newer_one_takes_its_place(tmp_path, state, disk):
    model, optimiser = state
    writer = CheckpointWriter(tmp_path, 0)
    disk.full = True
    for raising in (writer.finish, lambda: writer.begin(header(2), {}, {})):
        writer.begin(header(1), model.state_dict(), optimiser.state())
        disk.set()
        with pytest.raises(Failure, match="no space left"):
            raising()
        writer.check()
    writer.begin(header(1), model.state_dict(), optimiser.state())
    disk.full = False
    writer.settle()
    writer.write(header(3), model.state_dict(), optimiser.state())
    writer.close()
    assert writer.saved == 3


def test_a_write_that_failed_is_told_at_the_next_line_of_the_log(tmp_path, state, disk):
    model, optimiser = state
    writer = CheckpointWriter(tmp_path, 0)
    disk.full = True
    writer.begin(header(1), model.state_dict(), optimiser.state())
    disk.set()
    writer.close()
    with pytest.raises(Failure, match="no space left"):
        writer.check()
