import shutil

import pytest
from shard_fixtures import write_synthetic
from untrained_run import write_untrained

from dcign.errors import RunError
from dcign.runs.run import load_run
from dcign.runs.training_data import RENDERING_FILE, rendering_of, write_rendering
from render.shards.data_set import open_data_set


@pytest.fixture
def data(tmp_path):
    return open_data_set(write_synthetic(tmp_path / "shards", counts={"azimuth": 1}))


@pytest.fixture
def run(tmp_path, data):
    return load_run(write_untrained(tmp_path / "run", fingerprint=data.fingerprint))


def test_a_run_knows_how_its_data_were_drawn_without_the_shards(run, data):
    write_rendering(run.folder, data)
    shutil.rmtree(data.folder)
    kept = rendering_of(run)
    assert kept.manifest.settings == data.manifest.settings
    assert kept.fingerprint == data.fingerprint
    assert (kept.object, kept.size, kept.ranges, kept.factors) == (data.object, data.size, data.ranges, ())


def test_a_run_that_kept_nothing_asks_its_shards_and_else_does_not_know(run, data):
    assert rendering_of(run) is None
    run.data["folder"] = str(data.folder)
    assert rendering_of(run).manifest.settings == data.manifest.settings
    run.data["fingerprint"] = "another"
    assert rendering_of(run) is None


def test_what_is_kept_first_stays(run, data, tmp_path):
    write_rendering(run.folder, data)
    write_rendering(run.folder, open_data_set(write_synthetic(tmp_path / "other", counts={"azimuth": 1}, size=70)))
    assert rendering_of(run).size == data.size


def test_a_damaged_or_foreign_file_is_refused_by_name(run, data):
    write_rendering(run.folder, data)
    path = run.folder / RENDERING_FILE
    whole = path.read_text()
    for damaged in (
        "",
        whole[:100],
        whole.replace('"size": 54', '"size": "x"'),
        whole.replace('"seed": 0', '"seed": 1'),
    ):
        path.write_text(damaged)
        with pytest.raises(RunError, match=r"rendering\.json: (settings\.size: )?expected"):
            rendering_of(run)
