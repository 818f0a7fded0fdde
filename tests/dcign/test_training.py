"""The training loop: it learns, resumes exactly, survives kill -9, and refuses other people's folders."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic

from dcign import graphs, training
from dcign.checkpoint import list_checkpoints, load_checkpoint
from dcign.config import TrainConfig
from dcign.errors import Failure, RunError
from dcign.networks import DCIGN
from dcign.optim import Optimiser, RMSPropAuthors
from dcign.precision import has_native_bf16, resolve_precision
from dcign.run import load_run
from dcign.step import gradients
from dcign.training import train
from render.shards import open_data_set

ROOT = Path(__file__).parents[2]
CODE = "azimuth:1,elevation:1,light:1,intrinsic:5"
SMALL = TrainConfig(steps=24, widths=(6, 5, 4), code=CODE, ratio=(1, 1, 1, 2), precision="fp32", checkpoint_every=5)


STARTED = []  # processes, so that none outlives its test


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    while STARTED:
        STARTED.pop().kill()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "shards")


def go(shards, folder, config=SMALL, **changes):
    said = []
    outcome = train(
        open_data_set(shards), folder, dataclasses.replace(config, **changes), say=said.append, progress=False
    )
    return outcome, "\n".join(said)


def stats(folder):
    return [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]


def newest(folder):
    return list_checkpoints(folder)[0].read_bytes()


def without_config(content):
    """A checkpoint's tensors: the header records --steps, which differ on purpose."""
    length = int.from_bytes(content[:8], "little")
    return content[8 + length :]


def test_training_overfits_one_mini_batch(tmp_path):
    """The active latents learn what differs between the images: better than any one picture for all of them."""
    data = open_data_set(write_synthetic(tmp_path / "shards", size=86, counts={"azimuth": 1}))
    config = TrainConfig(steps=300, widths=(8, 8, 8), code="azimuth:2,rest:5", precision="fp32", seed=1)
    outcome = train(data, tmp_path / "run", config, say=lambda _: None, progress=False)
    assert (outcome.step, outcome.signal) == (300, None)
    errors = [line["factors"]["azimuth"]["reconstruction"] for line in stats(tmp_path / "run")]
    assert errors[-1] < 0.6 * errors[0]
    images = torch.from_numpy(data.minibatch("azimuth", 0).images / np.float32(255))[:, None]
    model = load_run(tmp_path / "run").model
    with torch.inference_mode():
        again = model.decode(model.encode(images)[0])
    assert (again - images).square().mean() < 0.5 * (images.mean(0) - images).square().mean()


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


def test_the_learning_rate_falls_also_after_a_resumption(shards, tmp_path, monkeypatch):
    rates, step = [], Optimiser.step

    def recorded(self):
        rates.append(self.learning_rate)
        step(self)

    monkeypatch.setattr(Optimiser, "step", recorded)
    go(shards, tmp_path, steps=2, learning_rate=0.008)
    with pytest.raises(RunError, match="learning-rate-fall"):
        go(shards, tmp_path, steps=6, learning_rate=0.008, learning_rate_fall=4)
    go(shards, tmp_path / "falling", steps=4, learning_rate=0.008, learning_rate_fall=4)
    go(shards, tmp_path / "falling", steps=6, learning_rate=0.008, learning_rate_fall=4)
    np.testing.assert_allclose(rates, np.array([8, 8, 8, 6, 4, 2, 4, 2]) / 1000)


def test_stopping_and_resuming_changes_nothing_bit_for_bit(shards, tmp_path):
    go(shards, tmp_path / "whole", weight_average=0.9)
    go(shards, tmp_path / "parts", steps=7, weight_average=0.9)
    go(shards, tmp_path / "parts", steps=8, weight_average=0.9)
    _, said = go(shards, tmp_path / "parts", weight_average=0.9)
    assert "steps 8 to 24" in said
    assert newest(tmp_path / "parts") == newest(tmp_path / "whole")
    assert json.loads((tmp_path / "parts" / "config.json").read_text())["config"]["steps"] == 24


def test_seeds_and_inactive_gradients_make_different_runs(shards, tmp_path):
    results = set()
    for number, changes in enumerate([{}, {"seed": 1}, {"inactive_gradient": "shared"}, {"invariance_strength": 10.0}]):
        go(shards, tmp_path / str(number), steps=3, **changes)
        results.add(without_config(newest(tmp_path / str(number))))
    assert len(results) == 4


def start(shards, folder, steps):
    """The same training in another process."""
    program = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path; from dcign.config import TrainConfig; from dcign.training import train\n"
        "from render.shards import open_data_set\n"
        f"config = TrainConfig.from_json({dataclasses.replace(SMALL, steps=steps).to_json()!r})\n"
        "outcome = train(open_data_set(Path(sys.argv[1])), Path(sys.argv[2]), config, progress=False)\n"
        "sys.exit(128 + outcome.signal if outcome.signal else 0)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(shards), str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    STARTED.append(process)
    return process


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


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


def test_a_finished_run_finishes_at_once_and_goes_on_when_asked(shards, tmp_path):
    go(shards, tmp_path, steps=4)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    outcome, said = go(shards, tmp_path, steps=4)
    assert outcome.step == 4
    assert "is trained: step 4 of 4" in said
    go(shards, tmp_path, steps=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert go(shards, tmp_path, steps=6, checkpoint_every=3, device="cpu")[0].step == 6


def test_a_truncated_newest_checkpoint_falls_back_and_says_so(shards, tmp_path):
    go(shards, tmp_path / "whole")
    go(shards, tmp_path / "run", steps=12)
    path = list_checkpoints(tmp_path / "run")[0]
    path.write_bytes(path.read_bytes()[:-100])
    _, said = go(shards, tmp_path / "run")
    assert f"{path}: damaged" in said
    assert "going back to the checkpoint of step 10" in said
    assert newest(tmp_path / "run") == newest(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (6, 6, 4)}, r"--widths: the run in .* has 6/5/4, this command asks for 6/6/4"),
        ({"ratio": (1, 1, 1, 1)}, "--ratio: the run in .* has 1:1:1:2, .* 1:1:1:1"),
        ({"seed": 5}, "--seed: .* has 0, .* 5"),
        ({"inactive_gradient": "shared"}, "--inactive-gradient: .* has invariance"),
        ({"learning_rate": 0.1}, "--learning-rate"),
        ({"precision": "bf16"}, "--precision"),
        ({"code": "azimuth:1,rest:9"}, "--code"),
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
    with pytest.raises(RunError, match=r"--widths: .* has 5/5/4"):
        go(shards, tmp_path / "a", steps=9)


def test_another_data_set_is_refused(shards, tmp_path):
    other = write_synthetic(tmp_path / "other", seed=1)
    go(shards, tmp_path / "run", steps=3)
    with pytest.raises(RunError, match="another data set"):
        go(other, tmp_path / "run", steps=6)


def test_a_folder_of_other_things_is_refused_untouched(shards, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="expected a training run or an empty folder"):
        go(shards, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(RunError, match="found a file"):
        go(shards, tmp_path / "thesis.txt")
    with pytest.raises(RunError, match=r"-o .*cannot be made"):
        go(shards, tmp_path / "thesis.txt" / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{broken")
    with pytest.raises(RunError, match=r"config\.json"):
        go(shards, tmp_path / "run")


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


def test_an_error_that_is_not_of_the_training_saves_the_last_update(shards, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dcign.monitor.append_stats", full)
    with pytest.raises(OSError, match="No space left"):
        go(shards, tmp_path / "run", steps=60, checkpoint_every=1000)
    assert load_run(tmp_path / "run").step == 50  # where the first line was due
    monkeypatch.undo()
    go(shards, tmp_path / "run", steps=60, checkpoint_every=1000)
    go(shards, tmp_path / "whole", steps=60, checkpoint_every=1000)
    assert newest(tmp_path / "run") == newest(tmp_path / "whole")


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
    opened = training.open_feed

    def watched(data, places, *rest, **more):
        places = list(places)
        seen.update(places)
        return opened(data, places, *rest, **more)

    monkeypatch.setattr(training, "open_feed", watched)
    go(shards, tmp_path / "run", held_out=1, steps=60)
    assert {index for _, index in seen} == {0, 1, 2}
    with pytest.raises(RunError, match="--held-out: expected 0 to 3"):
        go(shards, tmp_path / "other", held_out=4)


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


@pytest.mark.parametrize("procedure", ["clamped", "entangled", "beta-vae", "group-vae"])
@pytest.mark.parametrize("optimizer", ["rmsprop-authors", "rmsprop"])
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

    monkeypatch.setattr(graphs, "gradients", breaks)
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

    monkeypatch.setattr(graphs, "gradients", breaks)
    if device_checks_rarely:  # as on a GPU, where the check comes with the next status or checkpoint
        check = training.Status.check_finite
        monkeypatch.setattr(training.Status, "check_finite", lambda self: len(calls) == 5 and check(self))
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
        model = DCIGN((4, 3, 2), latents=8, size=54)
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
