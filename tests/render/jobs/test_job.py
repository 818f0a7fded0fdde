"""A job gives the same bytes whatever the workers and interruptions, repairs shards, and never mixes data sets."""

import numpy as np
import pytest
from job_fixtures import TASKS, contents, small_job
from job_fixtures import run as run_job

import render.jobs.job as job_module
from render.errors import ShardError
from render.jobs.job import Task, tasks_of
from render.shards.data_set import open_data_set
from render.shards.manifest import first_difference, read_manifest
from render.shards.shard_file import ShardFile
from render.shards.store import Store, locked


def run(folder, tasks=TASKS, workers=0, seed=0):
    """The job that draws, in this process by default; see tests/render/test_faults.py for those that only pretend."""
    return run_job(folder, tasks, small_job(seed), workers)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job") / "shards"
    run(folder)
    return folder


def test_two_workers_give_the_same_bytes_as_this_process(rendered, tmp_path):
    run(tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == contents(rendered)


def test_a_second_run_has_nothing_to_do(rendered):
    before = contents(rendered)
    assert run(rendered) == []
    assert contents(rendered) == before


def test_only_damaged_and_missing_shards_are_rendered_again(rendered, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for name, data in contents(rendered).items():
        (folder / name).write_bytes(data)
    (folder / TASKS[0].name).unlink()
    flipped = bytearray((folder / TASKS[2].name).read_bytes())
    flipped[700] ^= 1
    (folder / TASKS[2].name).write_bytes(flipped)
    (folder / ".azimuth-train-00000.npz.1.tmp").write_text("half")
    assert run(folder) == [TASKS[0], TASKS[2]]
    assert contents(folder) == contents(rendered)


def test_a_longer_job_extends_a_shorter_one(rendered, tmp_path):
    run(tmp_path / "s", [Task("azimuth", "train", 0, 0, 1)])
    run(tmp_path / "s")
    assert contents(tmp_path / "s") == contents(rendered)


def test_other_seed_other_pictures_and_never_in_one_folder(rendered, tmp_path):
    with pytest.raises(ShardError, match="another data set: its seed is 0, asked for is 1"):
        run(rendered, seed=1)
    run(tmp_path / "other", TASKS[:1], seed=1)
    assert contents(tmp_path / "other")[TASKS[0].name] != contents(rendered)[TASKS[0].name]


def test_an_asset_that_was_replaced_is_refused_with_both_hashes(rendered):
    settings = small_job().settings("")
    settings["assets"] = {**settings["assets"], "models": {"nosed ball": "f" * 64}}
    with pytest.raises(ShardError, match=f"{'0' * 64}.*{'f' * 64}"):
        Store(rendered).manifest(settings)


def test_another_gl_renderer_is_refused_once_it_is_known(rendered):
    with pytest.raises(ShardError, match="its gl is"):
        Store(rendered).manifest(small_job().settings("another GL"))


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ShardError, match=r"thesis\.tex"):
        run(tmp_path)
    assert contents(tmp_path) == {"thesis.tex": b"precious"}


def test_images_are_what_the_manifest_says_and_only_the_factor_varies(rendered):
    data = open_data_set(rendered)
    batch = data.minibatch("azimuth", 4)
    assert len({image.tobytes() for image in batch.images}) == 4
    assert len(set(batch.values["azimuth"])) == 4
    assert all(len(set(held)) == 1 for held in (batch.values["light"], batch.values["elevation"], batch.identity))
    shapes = {name: ShardFile(rendered / name).shapes["coefficients"] for name in read_manifest(rendered).shards}
    assert shapes == {TASKS[0].name: (3, 1, 3), TASKS[1].name: (2, 1, 3), TASKS[2].name: (2, 4, 3)}


def test_any_image_can_be_made_again_from_its_recorded_values(rendered):
    from render.opengl.reference import shared_renderer
    from render.scene import Scene

    this = small_job()
    batch = open_data_set(rendered).minibatch("intrinsic", 1)
    angles = [float(batch.values[name][2]) for name in ("azimuth", "elevation", "light")]
    coefficients = ShardFile(batch.shard).row("coefficients", 1)[2]
    scene = Scene(this.catalog.mesh(int(batch.identity[2]), coefficients), *angles, this.camera, this.shading)
    assert np.array_equal(shared_renderer(32).draw(scene), batch.images[2])


def test_tasks_cover_all_mini_batches_once(monkeypatch):
    monkeypatch.setattr(job_module, "MINIBATCHES_PER_SHARD", 4)
    tasks = tasks_of("light", "test", 10)
    assert [i for task in tasks for i in range(task.first, task.first + task.count)] == list(range(10))
    assert [task.index for task in tasks] == [0, 1, 2]


def test_two_jobs_never_write_to_one_folder(tmp_path):
    with locked(tmp_path), pytest.raises(ShardError, match="another `dcign render`"), locked(tmp_path):
        pass


def test_the_first_difference_is_put_in_words():
    assert first_difference({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 4}) == "its a.b is 1, asked for is 3"
    assert first_difference({"a": 1}, {"a": 1, "b": 2}) == "its b is None, asked for is 2"
    assert first_difference({"gl": "x"}, {"gl": ""}) == ""
