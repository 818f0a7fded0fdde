"""`dcign bench load`: what it compares is the same work, and what it prints is what it measured."""

import json
from collections import Counter

import forked
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from shard_fixtures import write_synthetic

from dcign.training.feeding import open_feed
from pipelines.bench import load_loops
from pipelines.bench.inputs import write_noise
from pipelines.bench.load import command
from render.errors import Failure, ShardError
from render.jobs.job import MINIBATCHES_PER_SHARD
from render.shards.data_set import open_data_set

COUNTS = {"azimuth": 2, "light": 4, "intrinsic": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("load") / "shards", size=18, counts=COUNTS, batch_size=2)


@pytest.fixture
def threads():
    """The loops compute with one thread; the other tests get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_figures_ratios_and_memory_are_printed_and_written(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.bench.measuring.get_context", forked.context)
    words = [str(folder), "--seconds", "0.05", "--device", "cpu", "-o", str(tmp_path / "load.json")]
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.exit_code == 0
    document = json.loads((tmp_path / "load.json").read_text())
    rates, ratios = document["minibatches_per_second"], document["ratio_to_np_load"]
    assert list(rates) == ["np.load", "ours, read", "conversion alone"]
    assert rates == {name: np.median(turns) for name, turns in document["turns"].items()}
    assert all(ratios[name] == pytest.approx(rates[name] / rates["np.load"]) for name in rates)
    assert document["minibatches"] == 12
    assert [row["epoch"] for row in document["epochs"]] == [1, 2, 3, 4, 5]
    assert f"{ratios['ours, read']:.1f} x" in result.output
    if "anonymous_bytes" in document["epochs"][0]:  # Linux
        assert "growth from epoch 1 to 5" in result.output


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(ShardError, match=str(tmp_path)):
        CliRunner().invoke(command, [str(tmp_path)], catch_exceptions=False)


def test_random_shards_are_laid_out_as_rendered_ones(tmp_path):
    write_noise(tmp_path, MINIBATCHES_PER_SHARD + 1)
    data = open_data_set(tmp_path)
    assert {factor: data.count(factor) for factor in data.factors} == dict.fromkeys(data.factors, 51)
    assert {entry.count for entry in data.manifest.shards.values()} == {MINIBATCHES_PER_SHARD, 1}
    assert data.minibatch("light", 50).images.shape == (20, 150, 150)
    assert len(np.unique(data.minibatch("azimuth", 0).images)) == 256


def test_an_epoch_of_ours_holds_every_mini_batch_once(folder):
    data = open_data_set(folder)
    order = load_loops._order(data)
    places = Counter(order.at(step) for step in range(12, 24))
    assert places == Counter((factor, index) for factor in COUNTS for index in range(COUNTS[factor]))


def test_the_naive_loop_gives_every_mini_batch_as_fractions(folder):
    data = open_data_set(folder)
    naive = load_loops.NaiveShards(data)
    found = sorted(naive[place].mul(255).round().to(torch.uint8).numpy().tobytes() for place in range(len(naive)))
    places = [(factor, index) for factor in COUNTS for index in range(COUNTS[factor])]
    assert found == sorted(data.minibatch(*place).images.tobytes() for place in places)
    assert naive[0].shape == (2, 1, 18, 18)
    assert naive[0].dtype == torch.float32


@pytest.mark.usefixtures("threads")
def test_a_feed_that_mixes_up_pixels_is_found_out(folder, monkeypatch):
    load_loops.check_same(folder, "cpu", None)

    class Mixed:
        def __init__(self, *words, **options):
            self.feed = open_feed(*words, **options)

        def __enter__(self):
            return (images.flip(0) if step == 3 else images for step, images in enumerate(self.feed))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(load_loops, "open_feed", Mixed)
    with pytest.raises(Failure, match="arrived with other pixels"):
        load_loops.check_same(folder, "cpu", None)


def test_memory_of_the_process_grows_with_what_it_holds():
    """In a process of its own: this one may hold freed memory of earlier tests, and take it from there."""
    program = (
        "import numpy; from pipelines.bench.load_loops import memory\n"
        "before = memory(); held = numpy.ones(64 * 2**20, numpy.uint8); after = memory()\n"
        "if before: assert after['anonymous_bytes'] - before['anonymous_bytes'] > 0.9 * held.nbytes, (before, after)\n"
        "if before: assert after['total_bytes'] >= after['anonymous_bytes']\n"
    )
    process = forked.Forked(exec, program)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
