"""Two gloo processes train one run together: the same weights as one process that takes both mini-batches."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from forked import Forked, run_command
from shard_fixtures import write_synthetic
from training_fixtures import run_command_of_little_patience

from dcign.runs.checkpoint import list_checkpoints, load_checkpoint
from dcign.training import distributed
from dcign.training.distributed import RankLost, Ranks, finish

ROOT = Path(__file__).parents[3]
SETTINGS = [
    *("--widths", "6/5/4", "--code", "azimuth:1,elevation:1,light:1,intrinsic:5", "--ratio", "1:1:1:2"),
    *("--precision", "fp32", "--device", "cpu", "--checkpoint-every", "5", "--picture-every", "0"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "shards")


def start(shards, folder, steps, *options, rank=0, count=1, port=0, program=run_command):
    """`dcign train` as rank `rank` of `count`, by the environment variables that torchrun sets."""
    several = {"WORLD_SIZE": count, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    words = ["train", shards, "-o", folder, "--steps", steps, *SETTINGS, *options]
    return Forked(program, *words, **(several if count > 1 else {}))


def start_two(shards, folders, steps, options=((), ()), **how):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        start(shards, folders[rank], steps, *options[rank], rank=rank, count=2, port=port, **how) for rank in range(2)
    ]


def wait_for(path, process):
    deadline = time.monotonic() + 90
    while not path.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)


def ended(process):
    said, wrong = process.communicate(timeout=120)
    return process.returncode, said, wrong


@pytest.mark.parametrize(
    ("asked", "several"),
    [((), ("--accumulate", 2)), (("--accumulate", 6, "--images", 2),) * 2],
    ids=["a mini-batch each", "a few images of three each"],
)
def test_two_ranks_equal_one_process_that_accumulates(shards, tmp_path, asked, several):
    torchrun = Path(sys.executable).with_name("torchrun")
    words = ["train", shards, "-o", tmp_path / "two", "--steps", 8, *SETTINGS, *asked]
    done = subprocess.run(
        [torchrun, "--standalone", "--nproc-per-node", "2", "--no-python", sys.executable, "-m", "pipelines.cli"]
        + [str(word) for word in words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("two is trained: step 8 of 8") == 1  # one of them speaks
    one = start(shards, tmp_path / "one", 8, *several)
    assert ended(one)[0] == 0
    two, one = (load_checkpoint(list_checkpoints(tmp_path / name)[0]) for name in ("two", "one"))
    assert two.header.step == one.header.step == 8
    for name, value in one.model.items():
        torch.testing.assert_close(two.model[name], value, rtol=1e-6, atol=1e-6)

    # What two began, one goes on with; but only as what it is.
    code, _, wrong = ended(start(shards, tmp_path / "two", 10, *several[2:]))
    assert code == 2
    assert "--accumulate: the run in" in wrong
    assert ended(start(shards, tmp_path / "two", 10, *several))[0] == 0
    assert ended(start(shards, tmp_path / "one", 10, *several))[0] == 0
    two, one = (load_checkpoint(list_checkpoints(tmp_path / name)[0]) for name in ("two", "one"))
    assert two.header.step == 10
    for name, value in one.model.items():
        torch.testing.assert_close(two.model[name], value, rtol=1e-6, atol=1e-6)


def test_a_rank_that_dies_stops_the_other_which_saves_and_says_so(shards, tmp_path):
    folder = tmp_path / "run"
    first, second = start_two(shards, [folder, folder], 1_000_000)
    wait_for(folder / "checkpoint-00000010.safetensors", first)
    second.send_signal(signal.SIGKILL)
    code, _, wrong = ended(first)
    second.communicate()
    assert code == 1
    assert "rank 0 lost another of the 2 processes" in wrong
    assert "run the same command again to resume" in wrong
    assert "Traceback" not in wrong
    assert load_checkpoint(list_checkpoints(folder)[0]).header.step >= 10


def test_a_rank_that_is_told_to_stop_saves_before_it_waits_for_another_that_never_answers(shards, tmp_path):
    folder = tmp_path / "run"
    options = [("--checkpoint-every", 100_000)] * 2
    first, second = start_two(shards, [folder, folder], 1_000_000, options, program=run_command_of_little_patience)
    try:
        wait_for(folder / "stats.jsonl", first)  # 50 updates
        second.send_signal(signal.SIGSTOP)
        first.send_signal(signal.SIGTERM)
        while not list_checkpoints(folder):
            assert first.poll() is None  # it is saved while it waits
            time.sleep(0.02)
        step = load_checkpoint(list_checkpoints(folder)[0]).header.step
        assert step >= 50
        code, said, wrong = ended(first)  # and does not wait for ever
        assert code == 1
        assert f"Told to stop: step {step} is saved. The other processes have not answered yet." in said
        assert "rank 0 lost another of the 2 processes" in wrong
        assert "Traceback" not in wrong
        assert load_checkpoint(list_checkpoints(folder)[0]).header.step == step
    finally:
        first.kill()
        second.kill()
        second.communicate()


class Slow:
    """An exchange that is complete when it has been looked at `looks` times."""

    def __init__(self, looks, error=None):
        self.looks, self.error = looks, error

    def is_completed(self):
        self.looks -= 1
        return self.looks < 0

    def wait(self, timeout):
        if self.error:
            raise self.error


def test_who_waits_sees_to_other_things_now_and_then(monkeypatch):
    now, calls = [0.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: now.__setitem__(0, now[0] + 0.25))
    monkeypatch.setattr(distributed, "time", clock)
    finish(Slow(0), timedelta(seconds=60), lambda: calls.append(now[0]))
    assert calls == []
    finish(Slow(14), timedelta(seconds=60), lambda: calls.append(now[0]))
    assert calls == [1.25, 2.25, 3.25]
    with pytest.raises(TimeoutError, match="no answer in 66 seconds"):  # should the group not give up by itself
        finish(Slow(10_000), timedelta(seconds=60), lambda: None)


@pytest.mark.parametrize("exchange", [Slow(1, RuntimeError("Connection closed by peer")), Slow(10_000)])
def test_what_is_to_be_summed_is_as_it_was_when_a_rank_is_lost(monkeypatch, exchange):
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda flat, **_: flat.fill_(7.0) is None or exchange)
    monkeypatch.setattr(distributed, "PATIENCE", timedelta(seconds=0.1))
    value = torch.ones(3)
    with pytest.raises(RankLost, match="rank 1 lost another of the 2 processes"):
        Ranks(torch.device("cpu"), 1, 2).sum([value])
    assert value.tolist() == [1, 1, 1]


def test_ranks_that_were_asked_for_different_things_stop(shards, tmp_path):
    folders = [tmp_path / "run"] * 2
    results = [ended(process) for process in start_two(shards, folders, 4, [("--seed", 1), ("--seed", 2)])]
    assert [code for code, _, _ in results] == [2, 2]
    assert all("differ in settings or shards" in wrong for _, _, wrong in results)
    assert not (tmp_path / "run").exists()


def test_a_folder_refused_by_rank_0_stops_both(shards, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (code, _, wrong), (other, _, told) = [ended(p) for p in start_two(shards, [tmp_path, tmp_path], 4)]
    assert (code, other) == (2, 1)
    assert "expected a training run or an empty folder" in wrong
    assert "rank 0 stopped before training began" in told
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_process_on_its_own_takes_every_mini_batch_and_changes_nothing():
    ranks, values = Ranks(torch.device("cpu")), torch.arange(3.0)
    ranks.sum([values])
    ranks.agree("anything")
    ranks.copy_from_first([values])
    assert values.tolist() == [0, 1, 2]
    assert list(ranks.share(3)) == [0, 1, 2]
    assert ranks.on_first(lambda: 7) == 7


def test_the_shares_of_all_ranks_are_all_mini_batches():
    shares = [list(Ranks(torch.device("cpu"), rank, 3).share(6)) for rank in range(3)]
    assert sorted(number for share in shares for number in share) == list(range(6))
    assert [share[0] for share in shares] == [0, 1, 2]
