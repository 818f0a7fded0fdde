"""Whatever kills or damages a render, what is under a final name is right, and the next run makes the rest."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_fixtures import FlatJob, contents, many_tasks, run, small_job

import assets.files
from render.errors import Failure, ShardError
from render.shards.manifest import NAME, read_manifest
from render.shards.shard_file import hash_file
from render.shards.verification import unknown_files, verify_shard

TASKS = many_tasks(60)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "shards"
    run(folder, TASKS)
    return folder


@pytest.fixture
def copy(rendered, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for name, data in contents(rendered).items():
        (folder / name).write_bytes(data)
    return folder


def faults(folder):
    manifest = read_manifest(folder)
    shards = manifest.shards.items()
    lines = [line for name, entry in shards for line in verify_shard(folder, name, entry, manifest.settings)]
    return lines + unknown_files(folder, manifest)


class SlowJob(FlatJob):
    """A job of seconds."""

    def draw(self, task, index):
        time.sleep(0.03)
        return super().draw(task, index)


TESTS = Path(__file__).parents[1]
HEAD = f"""
import os, random, signal, sys, time
sys.path[:0] = {[str(TESTS / "render"), str(TESTS), str(TESTS.parent)]!r}
from job_fixtures import many_tasks, run, small_job
from test_faults import SlowJob
job, tasks = small_job(kind=SlowJob), many_tasks(60)
"""
KILLS = """
rng = random.Random(0)
def shards():
    return len([name for name in os.listdir(sys.argv[1]) if name.endswith(".npz")])
os.makedirs(sys.argv[1])
for kill in range(20):
    child = os.fork()
    if not child:
        run(sys.argv[1], tasks, job)
        os._exit(0)
    wanted = min(shards() + rng.randint(0, 2), 60)  # counted in shards: a busy machine takes any time for them
    while shards() < wanted:
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, 0.05))
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, f"finished before kill {kill}"
"""
WORKERS = """
if __name__ == "__main__":
    run(sys.argv[1], tasks, job, workers=2)
"""


def script(folder, text, *words):
    path = folder / "script.py"
    path.write_text(HEAD + text)
    return subprocess.Popen([sys.executable, path, *words], stderr=subprocess.PIPE, text=True)


def test_killed_twenty_times_at_random_moments_a_render_gives_the_same_bytes(rendered, tmp_path):
    folder = tmp_path / "killed"
    process = script(tmp_path, KILLS, folder)
    assert process.wait() == 0, process.stderr.read()
    assert 0 < len(read_manifest(folder).shards) < len(TASKS)
    run(folder, TASKS)
    assert contents(folder) == contents(rendered)


def test_a_render_killed_with_its_workers_at_work_gives_the_same_bytes(rendered, tmp_path):
    folder = tmp_path / "killed"
    process = script(tmp_path, WORKERS, folder)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(folder.glob("*.npz"))) < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.3)  # workers notice that their parent is gone
    listed = read_manifest(folder).shards
    assert 0 < len(listed) < len(TASKS)
    assert all(hash_file(folder / name) == entry.sha256 for name, entry in listed.items())
    run(folder, TASKS)
    assert contents(folder) == contents(rendered)


def test_each_kind_of_damage_is_named_by_verify_and_alone_repaired(copy, rendered):
    flipped, truncated, missing = (copy / TASKS[i].name for i in (3, 20, 41))
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    truncated.write_bytes(truncated.read_bytes()[:-100])
    missing.unlink()
    leftover = copy / f".{TASKS[7].name}.1f2e.tmp"
    leftover.write_text("half")
    found = faults(copy)
    assert len(found) == 4
    for path in (flipped, truncated, missing, leftover):
        assert sum(str(path) in line for line in found) == 1
    assert run(copy, TASKS) == [TASKS[3], TASKS[20], TASKS[41]]
    assert faults(copy) == []
    assert contents(copy) == contents(rendered)


def test_a_full_disk_is_named_leaves_nothing_half_written_and_is_resumed(rendered, tmp_path, monkeypatch):
    space = [40_000]

    class Disk:
        """A file on a disk with little space."""

        def __init__(self, file):
            self.file, self.fileno, self.flush = file, file.fileno, file.flush

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            if len(data) > space[0]:
                self.file.write(data[: space[0]])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            space[0] -= len(data)
            self.file.write(data)

    with monkeypatch.context() as patch:
        patch.setattr(assets.files, "open", lambda *words: Disk(open(*words)), raising=False)  # noqa: SIM115
        with pytest.raises(Failure, match=r"(npz|json): cannot be written: No space left on device; what was finished"):
            run(tmp_path / "s", TASKS)
    assert 0 < len(list((tmp_path / "s").glob("*.npz"))) < len(TASKS)
    assert not list((tmp_path / "s").glob(".*"))
    assert all(data == contents(rendered)[name] for name, data in contents(tmp_path / "s").items() if name != NAME)
    run(tmp_path / "s", TASKS)
    assert contents(tmp_path / "s") == contents(rendered)


def test_an_asset_that_was_replaced_between_two_runs_is_refused_with_both_hashes(copy, rendered):
    other = small_job(kind=FlatJob)
    other.catalog.models["nosed ball"] = "f" * 64
    with pytest.raises(ShardError, match=f"{'0' * 64}.*{'f' * 64}"):
        run(copy, many_tasks(70), other)
    assert contents(copy) == contents(rendered)


@pytest.mark.parametrize("renderer", ["batched", "reference"])
def test_memory_stays_flat_over_many_mini_batches(tmp_path, renderer):
    """In a process of its own, with the renderer: faces that all differ, each with new buffers."""
    code = """
import resource, sys
from dataclasses import replace
sys.path[:0] = {paths!r}
from job_fixtures import small_job
from render.jobs.job import Task
job = replace(small_job(), renderer=sys.argv[1])
job.start()
def peak(first, count):
    for index in range(first, first + count):
        job.draw(Task("intrinsic", "train", 0, 0, 1), index)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
warm = peak(0, 40)
print(peak(40, 100) - warm)
"""
    path = tmp_path / "memory.py"
    path.write_text(code.format(paths=[str(TESTS), str(TESTS.parent)]))
    done = subprocess.run([sys.executable, path, renderer], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 4096  # KiB; a leak of one mesh an image would be 17 MB
