"""Parts of a job, on machines that share a folder: nothing twice, nothing missing, the bytes of one machine."""

import json

import pytest
from job_fixtures import FlatJob, contents, many_tasks, run, small_job

from render.errors import BadInput, ShardError
from render.jobs.job import Task
from render.shards.data_set import open_data_set
from render.shards.manifest import NAME, JobPart, parse_part, read_manifest
from render.shards.store import locked
from render.shards.verification import unknown_files

TASKS = many_tasks(8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts") / "whole"
    run(folder, TASKS)
    return contents(folder)


@pytest.fixture
def parted(tmp_path):
    for number in (3, 1, 2):
        run(tmp_path / "s", TASKS, part=JobPart(number, 3))
    return tmp_path / "s"


@pytest.mark.parametrize(("shards", "parts"), [(10, 3), (3, 3), (2, 5), (7, 1)])
def test_parts_together_are_the_whole_once(shards, parts):
    chosen = [JobPart(number, parts).of(range(shards)) for number in range(1, parts + 1)]
    assert sorted(task for part in chosen for task in part) == list(range(shards))
    assert max(map(len, chosen)) - min(map(len, chosen)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "-1/3", "1/0", "1/3/5", ""])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(BadInput, match="`part`: expected I/N"):
        parse_part(text)


def test_readers_see_all_parts_and_a_plain_run_takes_them_over(parted, whole):
    assert not (parted / NAME).exists()
    assert len(read_manifest(parted).shards) == 8
    assert open_data_set(parted).count("azimuth") == 8
    assert unknown_files(parted, read_manifest(parted)) == []
    shard = parted / TASKS[4].name
    shard.unlink()
    assert run(parted, TASKS) == [TASKS[4]]
    assert contents(parted) == whole


def test_a_part_resumes_and_repairs_its_own_shards_only(parted):
    before = contents(parted)
    mine, other = JobPart(2, 3).of(TASKS)[1], JobPart(1, 3).of(TASKS)[0]
    for task in (mine, other):
        (parted / task.name).write_bytes(b"damaged")
    (parted / f".{mine.name}.1.tmp").write_text("half")
    (parted / f".{other.name}.1.tmp").write_text("being written on another machine")
    assert run(parted, TASKS, part=JobPart(2, 3)) == [mine]
    after = contents(parted)
    assert after.pop(f".{other.name}.1.tmp")
    assert after.pop(other.name) == b"damaged"
    del before[other.name]
    assert after == before


def test_parts_go_on_with_a_folder_that_was_begun_whole(tmp_path, whole):
    run(tmp_path / "s", TASKS[:2])
    done = [task for number in (1, 2) for task in run(tmp_path / "s", TASKS, part=JobPart(number, 2))]
    assert sorted(task.name for task in done) == sorted(task.name for task in TASKS[2:])
    assert run(tmp_path / "s", TASKS, part=JobPart(1, 3)) == []
    run(tmp_path / "s", many_tasks(10))
    assert {name: data for name, data in contents(tmp_path / "s").items() if name in whole and name != NAME} == {
        name: data for name, data in whole.items() if name != NAME
    }


def test_parts_of_another_data_set_are_refused_with_both_files(parted):
    with pytest.raises(ShardError, match="its seed is 0, asked for is 1"):
        run(parted, TASKS, small_job(seed=1, kind=FlatJob), part=JobPart(1, 3))
    path = parted / JobPart(2, 3).manifest
    document = json.loads(path.read_text())
    document["settings"]["gl"] = "another driver"
    path.write_text(json.dumps(document))
    with pytest.raises(ShardError, match=r"manifest\.part-2-of-3\.json.*manifest\.part-1-of-3\.json.*its gl is"):
        read_manifest(parted)


def test_one_part_is_rendered_once_at_a_time_beside_others_but_not_beside_the_whole(tmp_path):
    with locked(tmp_path, JobPart(1, 2)):
        with locked(tmp_path, JobPart(2, 2)):
            pass
        for part in (JobPart(1, 2), None):
            with pytest.raises(ShardError, match="another `dcign render`"), locked(tmp_path, part):
                pass
    with locked(tmp_path), pytest.raises(ShardError, match="another"), locked(tmp_path, JobPart(1, 2)):
        pass


def test_of_two_manifests_that_name_a_shard_the_longer_job_is_right(tmp_path):
    run(tmp_path / "s", [Task("azimuth", "train", 0, 0, 1)])
    run(tmp_path / "s", TASKS, part=JobPart(1, 4))
    assert read_manifest(tmp_path / "s").shards[TASKS[0].name].count == 2
    assert open_data_set(tmp_path / "s").count("azimuth") == 4
