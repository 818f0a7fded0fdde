"""Rendering on a Ray cluster: the same bytes as on one machine, and actors that die are replaced."""

import os
import signal
import sys
from pathlib import Path

import pytest
from job_fixtures import FlatJob, contents, many_tasks, run, small_job

from render.errors import BadInput, Failure
from render.jobs.cluster import Cluster
from render.jobs.job import Plan, Task


class DyingJob(FlatJob):
    """Kills its actor in the third shard, the first time, and always in a shard for testing."""

    def draw(self, task, index):
        died = Path(os.environ["DCIGN_TEST_DIED"])
        if task.split == "test" or (task.index == 1 and index == 3 and not died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().draw(task, index)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """Actors import what these tests import, and agree on who died."""
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("DCIGN_TEST_DIED", str(tmp_path / "died"))


def test_a_cluster_gives_the_same_bytes_though_an_actor_is_killed(tmp_path, monkeypatch):
    tasks = many_tasks(6)
    run(tmp_path / "here", tasks)
    job = small_job(kind=DyingJob)
    with Cluster(job, "local", 2, len(tasks)) as cluster:
        assert cluster.count == 2
        assert Plan(job, tasks).seconds(cluster) > 0
        run(tmp_path / "cluster", tasks, job, pool=cluster)
        assert (tmp_path / "died").exists()
        assert contents(tmp_path / "cluster") == contents(tmp_path / "here")
        monkeypatch.setattr("render.jobs.pool.ATTEMPTS", 2)
        with pytest.raises(Failure, match="died 2 times at"):  # a shard that kills every actor
            run(tmp_path / "cluster", [Task("azimuth", "test", 0, 0, 1)], job, pool=cluster)


def test_a_cluster_that_does_not_answer_is_named():
    with pytest.raises(BadInput, match=r"`ray=127\.0\.0\.1:1`"):
        Cluster(small_job(kind=FlatJob), "127.0.0.1:1", 1, 1)


def test_without_ray_the_line_to_type_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"pip install 'dcign\[ray\]'"):
        Cluster(small_job(kind=FlatJob), "local", 1, 1)
