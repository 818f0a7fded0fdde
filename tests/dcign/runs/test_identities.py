import shutil

import numpy as np
import pytest
from shard_fixtures import write_synthetic
from untrained_run import write_untrained

from dcign.errors import RunError
from dcign.evaluation.encoding import encode_data_set
from dcign.evaluation.measures import measure
from dcign.report.write import write_report
from dcign.runs.run import load_run
from dcign.runs.training_data import IDENTITIES_FILE, trained_on, write_identities
from render.shards.data_set import open_data_set

COUNTS = {"azimuth": 3, "intrinsic": 2}


@pytest.fixture
def shards(tmp_path):
    write_synthetic(tmp_path / "shards", counts=COUNTS)
    write_synthetic(tmp_path / "shards", counts=COUNTS, split="test")
    return tmp_path / "shards"


def run_trained_on(folder, shards):
    run = write_untrained(folder)
    write_identities(run, open_data_set(shards))
    return load_run(run)


def everyone(data):
    return sorted({int(identity) for minibatch in data.minibatches() for identity in minibatch.identity})


def test_a_run_knows_whom_it_was_trained_on(tmp_path, shards):
    run = run_trained_on(tmp_path / "run", shards)
    train = open_data_set(shards)
    assert trained_on(run, train) == everyone(train)
    assert trained_on(run, open_data_set(shards, "test")) == []


def test_a_test_set_with_training_identities_is_named_even_as_another_data_set(tmp_path, shards):
    write_synthetic(tmp_path / "more", counts={"azimuth": 6}, split="train", seed=0)
    run = run_trained_on(tmp_path / "run", shards)
    data = open_data_set(tmp_path / "more")
    evaluation = measure(run, data, encode_data_set(run, data))
    measures = evaluation.measures
    assert measures["data_set"]["seen_in_training"] == "some"
    assert measures["data_set"]["trained_on"] == 3
    assert any("trained on 3 of the 6 identities" in line for line in measures["warnings"])
    page = write_report(run, data, evaluation, {}, tmp_path, "dcign evaluate")
    assert "6 faces, some of them trained on" in page.read_text()


def test_a_run_without_identities_asks_its_training_shards_and_else_does_not_know(tmp_path, shards):
    data = open_data_set(shards, "test")
    run = load_run(write_untrained(tmp_path / "run", fingerprint=data.fingerprint))
    assert trained_on(run, data) is None
    run.data["folder"] = str(shards)
    assert trained_on(run, data) == []
    shutil.rmtree(shards)
    assert trained_on(run, data) is None


def test_damaged_identities_are_refused_by_name(tmp_path, shards):
    run = run_trained_on(tmp_path / "run", shards)
    for damage in (b"", b"x" * 80):
        (run.folder / IDENTITIES_FILE).write_bytes(damage)
        with pytest.raises(RunError, match=IDENTITIES_FILE):
            trained_on(run, open_data_set(shards))
    np.save(run.folder / IDENTITIES_FILE, np.zeros(3))
    with pytest.raises(RunError, match="float64"):
        trained_on(run, open_data_set(shards))
