"""A training that is stopped, killed or asked for more goes on as if nothing had been, and touches no other."""

import dataclasses
import json
import os
import signal
import time

import numpy as np
import pytest
import torch
from forked import Forked, run_command
from shard_fixtures import write_synthetic
from training_fixtures import SMALL, go, go_as_a_process, newest, stats

from dcign.errors import RunError
from dcign.model.devices import resolve_precision
from dcign.model.optimisers import Optimiser
from dcign.runs.checkpoint import list_checkpoints
from dcign.runs.run import load_run

STARTED = []  # processes

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _none_outlives_its_test():
    yield
    while STARTED:
        STARTED.pop().kill()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "shards")


def start(shards, folder, steps):
    """The same training in another process."""
    process = Forked(go_as_a_process, shards, folder, dataclasses.replace(SMALL, steps=steps))
    STARTED.append(process)
    return process


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_the_learning_rate_falls_also_after_a_resumption(shards, tmp_path, monkeypatch):
    rates, step = [], Optimiser.step

    def recorded(self):
        rates.append(self.learning_rate)
        step(self)

    monkeypatch.setattr(Optimiser, "step", recorded)
    go(shards, tmp_path, steps=2, learning_rate=0.008)
    with pytest.raises(RunError, match=r"^learning_rate_fall: "):
        go(shards, tmp_path, steps=6, learning_rate=0.008, learning_rate_fall=4)
    go(shards, tmp_path / "falling", steps=4, learning_rate=0.008, learning_rate_fall=4)
    go(shards, tmp_path / "falling", steps=6, learning_rate=0.008, learning_rate_fall=4)
    np.testing.assert_allclose(rates, np.array([8, 8, 8, 6, 4, 2, 4, 2]) / 1000)


@pytest.mark.parametrize("changes", [{}, {"images": 2, "accumulate": 3}], ids=["", "a few of several"])
def test_stopping_and_resuming_changes_nothing_bit_for_bit(shards, tmp_path, changes):
    settings = {"weight_average": 0.9, **changes}
    go(shards, tmp_path / "whole", **settings)
    go(shards, tmp_path / "parts", steps=7, **settings)
    go(shards, tmp_path / "parts", steps=8, **settings)
    _, said = go(shards, tmp_path / "parts", **settings)
    assert "steps 8 to 24" in said
    assert newest(tmp_path / "parts") == newest(tmp_path / "whole")
    assert json.loads((tmp_path / "parts" / "config.json").read_text())["config"]["steps"] == 24


def test_kill_9_loses_nothing_but_time(shards, tmp_path):
    steps, folder = 60, tmp_path / "killed"
    process = start(shards, folder, steps)
    wait_for(lambda: (folder / "checkpoint-00000015.safetensors").exists())
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (folder / ".checkpoint-00000020.safetensors.tmp").write_bytes(b"half")  # what a kill mid-write leaves
    with open(folder / "stats.jsonl", "a") as file:
        file.write('{"step": 50, "factors": {}}\n{"step": 51, "fac')  # written after the last checkpoint
    _, said = go(shards, folder, steps=steps)
    assert "steps 0 to" not in said
    go(shards, tmp_path / "whole", steps=steps)
    assert newest(folder) == newest(tmp_path / "whole")
    assert [line["step"] for line in stats(folder)] == [50, 60]
    assert not list(folder.glob(".*"))


def test_a_shard_cut_short_meanwhile_saves_the_last_update_and_ends_in_one_line(tmp_path):
    shards, folder = write_synthetic(tmp_path / "shards"), tmp_path / "run"
    settings = f"--steps 100000 --widths 6/5/4 --code {SMALL.code} --precision fp32 --checkpoint-every 7".split()
    process = Forked(run_command, "train", shards, "-o", folder, *settings)
    STARTED.append(process)
    wait_for(lambda: (folder / "checkpoint-00000007.safetensors").exists())
    cut = shards / "intrinsic-train-00000.npz"
    whole = cut.read_bytes()
    os.truncate(cut, 1000)
    said, complained = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complained.splitlines()[-1].startswith(f"Error: {cut}: expected the {len(whole)} bytes")
    assert complained.splitlines()[-1].endswith("found 1000 bytes: the file was changed meanwhile")
    assert "Traceback" not in complained
    step = load_run(folder).step
    assert step >= 7
    assert f"Saved step {step} in {folder}" in said
    cut.write_bytes(whole)
    more = dataclasses.replace(SMALL, checkpoint_every=7, ratio=(1, 1, 1, 10))
    assert f"steps {step} to {step + 2}" in go(shards, folder, more, steps=step + 2)[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_how_to_resume(shards, tmp_path, number):
    process = start(shards, tmp_path / "run", 100_000)
    wait_for(lambda: (tmp_path / "run" / "checkpoint-00000005.safetensors").exists())
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    step = load_run(tmp_path / "run").step
    assert f"Stopped at step {step} of 100000" in said
    assert "Run the same command again to resume" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_echo_of_a_signal_does_not_kill(shards, tmp_path, number):
    process = start(shards, tmp_path / "run", 100_000)
    wait_for(lambda: (tmp_path / "run" / "checkpoint-00000005.safetensors").exists())
    for again in (number, signal.SIGTERM, signal.SIGINT, number):
        process.send_signal(again)
    process.communicate(timeout=60)
    assert process.returncode in (128 + number, 128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert load_run(tmp_path / "run").step >= 5


def test_a_folder_is_trained_by_one_process_at_a_time(shards, tmp_path):
    process = start(shards, tmp_path / "run", 100_000)
    wait_for(lambda: (tmp_path / "run" / "checkpoint-00000005.safetensors").exists())
    temporary = tmp_path / "run" / ".something.tmp"
    temporary.write_text("of the other")
    with pytest.raises(RunError, match="another process is training this run"):
        go(shards, tmp_path / "run", steps=100_000)
    assert temporary.exists()
    process.kill()
    process.communicate()
    step = load_run(tmp_path / "run").step
    assert go(shards, tmp_path / "run", steps=step + 1)[0].step == step + 1
    assert not temporary.exists()


def test_a_finished_run_finishes_at_once_and_goes_on_when_asked(shards, tmp_path):
    go(shards, tmp_path, steps=4)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    outcome, said = go(shards, tmp_path, steps=4)
    assert outcome.step == 4
    assert "is trained: step 4 of 4" in said
    go(shards, tmp_path, steps=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert go(shards, tmp_path, steps=6, checkpoint_every=3, device="auto")[0].step == 6


def test_a_truncated_newest_checkpoint_falls_back_and_says_so(shards, tmp_path):
    go(shards, tmp_path / "whole")
    go(shards, tmp_path / "run", steps=12)
    path = list_checkpoints(tmp_path / "run")[0]
    path.write_bytes(path.read_bytes()[:-100])
    _, said = go(shards, tmp_path / "run")
    assert f"{path}: damaged" in said
    assert "going back to the checkpoint of step 10" in said
    assert newest(tmp_path / "run") == newest(tmp_path / "whole")


def test_an_error_that_is_not_of_the_training_saves_the_last_update(shards, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dcign.training.monitor.append_stats", full)
    with pytest.raises(OSError, match="No space left"):
        go(shards, tmp_path / "run", steps=60, checkpoint_every=1000)
    assert load_run(tmp_path / "run").step == 50  # where the first line was due
    monkeypatch.undo()
    go(shards, tmp_path / "run", steps=60, checkpoint_every=1000)
    go(shards, tmp_path / "whole", steps=60, checkpoint_every=1000)
    assert newest(tmp_path / "run") == newest(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (6, 6, 4)}, r"^widths: the run in .* has 6/5/4, but 6/6/4 is asked for"),
        ({"ratio": (1, 1, 1, 1)}, r"^ratio: the run in .* has 1:1:1:2, .* 1:1:1:1"),
        ({"seed": 5}, r"^seed: .* has 0, .* 5"),
        ({"inactive_gradient": "shared"}, r"^inactive_gradient: .* has invariance"),
        ({"learning_rate": 0.1}, r"^learning_rate"),
        ({"precision": "bf16"}, r"^precision"),
        ({"code": "azimuth:1,rest:9"}, r"^code"),
    ],
)
def test_a_run_with_other_settings_is_refused(shards, tmp_path, changes, message):
    go(shards, tmp_path, steps=3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RunError, match=message):
        go(shards, tmp_path, steps=6, **changes)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_checkpoint_moved_in_from_another_run_is_refused(shards, tmp_path):
    go(shards, tmp_path / "a", steps=3)
    go(shards, tmp_path / "b", steps=6, widths=(5, 5, 4))
    foreign = list_checkpoints(tmp_path / "b")[0]
    (tmp_path / "a" / foreign.name).write_bytes(foreign.read_bytes())
    with pytest.raises(RunError, match=r"widths: .* has 5/5/4"):
        go(shards, tmp_path / "a", steps=9)


def test_another_data_set_is_refused(shards, tmp_path):
    other = write_synthetic(tmp_path / "other", seed=1)
    go(shards, tmp_path / "run", steps=3)
    with pytest.raises(RunError, match="another data set"):
        go(other, tmp_path / "run", steps=6)


def test_shards_that_have_become_fewer_are_refused(tmp_path):
    shards = write_synthetic(tmp_path / "s", counts={"azimuth": 4, "light": 2})
    go(shards, tmp_path / "run", steps=3)
    fewer = write_synthetic(tmp_path / "fewer", counts={"azimuth": 3, "light": 2})
    with pytest.raises(RunError, match="expected the 4 mini-batches of azimuth"):
        go(fewer, tmp_path / "run", steps=6)
    more = write_synthetic(tmp_path / "more", counts={"azimuth": 5, "light": 2})
    _, said = go(more, tmp_path / "run", steps=6)
    assert "now holds {'azimuth': 5, 'light': 2} mini-batches" in said


def test_a_run_keeps_the_precision_it_began_with(shards, tmp_path):
    go(shards, tmp_path / "run", steps=2, precision="auto")
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert config["precision"] == resolve_precision("auto", torch.device("cpu"))
