"""Two gloo processes train one run together: the same weights as one process that takes both mini-batches."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from shard_fixtures import write_synthetic

from dcign.runs.checkpoint import list_checkpoints, load_checkpoint
from dcign.training.distributed import Ranks

ROOT = Path(__file__).parents[3]
SETTINGS = [
    *("--widths", "6/5/4", "--code", "azimuth:1,elevation:1,light:1,intrinsic:5", "--ratio", "1:1:1:2"),
    *("--precision", "fp32", "--device", "cpu", "--checkpoint-every", "5", "--picture-every", "0"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "shards")


def start(shards, folder, steps, *options, rank=0, count=1, port=0):
    """`dcign train` as rank `rank` of `count`, by the environment variables that torchrun sets."""
    several = {"WORLD_SIZE": count, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    words = ["train", shards, "-o", folder, "--steps", steps, *SETTINGS, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *map(str, words)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", **({k: str(v) for k, v in several.items()} if count > 1 else {})},
    )


def start_two(shards, folders, steps, options=((), ())):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [start(shards, folders[rank], steps, *options[rank], rank=rank, count=2, port=port) for rank in range(2)]


def ended(process):
    said, wrong = process.communicate(timeout=120)
    return process.returncode, said, wrong


def test_two_ranks_equal_one_process_that_accumulates(shards, tmp_path):
    torchrun = Path(sys.executable).with_name("torchrun")
    words = ["train", shards, "-o", tmp_path / "two", "--steps", 8, *SETTINGS]
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
    one = start(shards, tmp_path / "one", 8, "--accumulate", 2)
    assert ended(one)[0] == 0
    two, one = (load_checkpoint(list_checkpoints(tmp_path / name)[0]) for name in ("two", "one"))
    assert two.header.step == one.header.step == 8
    for name, value in one.model.items():
        torch.testing.assert_close(two.model[name], value, rtol=1e-6, atol=1e-6)

    # What two began, one goes on with; but only as what it is.
    code, _, wrong = ended(start(shards, tmp_path / "two", 10))
    assert code == 2
    assert "--accumulate: the run in" in wrong
    assert ended(start(shards, tmp_path / "two", 10, "--accumulate", 2))[0] == 0
    assert ended(start(shards, tmp_path / "one", 10, "--accumulate", 2))[0] == 0
    two, one = (load_checkpoint(list_checkpoints(tmp_path / name)[0]) for name in ("two", "one"))
    assert two.header.step == 10
    for name, value in one.model.items():
        torch.testing.assert_close(two.model[name], value, rtol=1e-6, atol=1e-6)


def test_a_rank_that_dies_stops_the_other_which_saves_and_says_so(shards, tmp_path):
    folder = tmp_path / "run"
    first, second = start_two(shards, [folder, folder], 1_000_000)
    deadline = time.monotonic() + 90
    while not (folder / "checkpoint-00000010.safetensors").exists():
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.05)
    second.send_signal(signal.SIGKILL)
    code, _, wrong = ended(first)
    second.communicate()
    assert code == 1
    assert "rank 0 lost another of the 2 processes" in wrong
    assert "run the same command again to resume" in wrong
    assert "Traceback" not in wrong
    assert load_checkpoint(list_checkpoints(folder)[0]).header.step >= 10


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
