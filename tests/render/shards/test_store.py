"""Shards behind an address: uploaded whole, resumed by size, refused by name."""

from pathlib import Path

import fsspec
import pytest
from job_fixtures import FlatJob, contents, many_tasks, run, small_job

from render.errors import BadInput, Failure, ShardError
from render.jobs.job import Plan
from render.shards.manifest import NAME, JobPart
from render.shards.store import RemoteStore, Store, open_store

TASKS = many_tasks(4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "whole"
    run(folder, TASKS)
    return contents(folder)


@pytest.fixture(params=["memory", "local"])
def url(request, tmp_path):
    """One store in which objects appear whole, and one that wants to rename them."""
    yield f"memory://{tmp_path.name}/faces" if request.param == "memory" else f"local://{tmp_path}/there/faces"
    fsspec.filesystem("memory").store.clear()


def held(url):
    files, root = fsspec.url_to_fs(url)
    return {path.rsplit("/", 1)[1]: files.cat_file(path) for path in files.find(root)}


def render_to(url, tasks=TASKS, **options):
    with open_store(url) as store:
        return run(store, tasks, **options)


def test_a_remote_folder_gets_the_bytes_of_a_local_one(url, whole):
    render_to(url)
    assert held(url) == whole
    assert render_to(url) == []


def test_only_shards_that_are_missing_or_of_another_size_are_rendered_again(url, whole):
    render_to(url)
    files, root = fsspec.url_to_fs(url)
    files.rm_file(f"{root}/{TASKS[1].name}")
    files.pipe_file(f"{root}/{TASKS[2].name}", b"short")
    files.pipe_file(f"{root}/.{TASKS[3].name}.1.tmp", b"half")
    assert render_to(url) == [TASKS[1], TASKS[2]]
    assert held(url) == whole


def test_parts_are_rendered_to_an_address_and_taken_over(url, whole):
    for number in (1, 2):
        render_to(url, part=JobPart(number, 2))
    assert NAME not in held(url)
    render_to(url, many_tasks(6))
    assert {name: data for name, data in held(url).items() if name in whole and name != NAME} == {
        name: data for name, data in whole.items() if name != NAME
    }
    assert not any("part" in name for name in held(url))


def test_another_data_set_and_other_files_are_refused_by_their_address(url):
    files, root = fsspec.url_to_fs(url)
    files.makedirs(root, exist_ok=True)
    files.pipe_file(f"{root}/thesis.tex", b"precious")
    with pytest.raises(ShardError, match=r"^(memory|local)://.*thesis\.tex"):
        render_to(url)
    files.rm_file(f"{root}/thesis.tex")
    render_to(url)
    with pytest.raises(ShardError, match=r"^(memory|local)://.*seed is 0"):
        render_to(url, job=small_job(seed=1, kind=FlatJob))


def test_an_upload_that_fails_leaves_nothing_under_a_final_name_and_is_resumed(url, whole, monkeypatch):
    calls, put_file = [], fsspec.url_to_fs(url)[0].__class__.put_file

    def failing(self, *paths, **options):
        calls.append(paths)
        if len(calls) == 4:
            raise PermissionError("quota exceeded")
        return put_file(self, *paths, **options)

    monkeypatch.setattr(fsspec.url_to_fs(url)[0].__class__, "put_file", failing)
    with pytest.raises(Failure, match=r"://.*cannot be written: quota exceeded"):
        render_to(url)
    assert all(whole[name] == data for name, data in held(url).items() if name != NAME)
    assert len(render_to(url)) == 3
    assert held(url) == whole


def test_nothing_is_left_on_this_machine(url):
    with open_store(url) as store:
        run(store, TASKS)
        assert [path.name for path in store.folder.iterdir()] == [NAME]
    assert not store.folder.exists()


def test_the_disk_here_needs_room_for_shards_on_their_way_only(url, tmp_path):
    plan = Plan(small_job(size=1000), many_tasks(1000, each=50))
    with open_store(url) as store:
        assert store.room([10, 20, 10], 2)[0] == 80
        plan.check_disk(store, 2)
    with pytest.raises(Failure, match="GB needed"):
        plan.check_disk(Store(tmp_path), 2)


def test_addresses_are_told_from_folders():
    assert open_store("file:///tmp/some%20faces").folder == Path("/tmp/some faces")
    assert open_store("faces").folder == Path("faces")
    with open_store("memory://faces") as store:
        assert isinstance(store, RemoteStore)
    with pytest.raises(BadInput, match=r"^nowhere://x: cannot be opened"):
        open_store("nowhere://x")
