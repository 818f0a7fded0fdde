"""The pool of render workers: all tasks done once, the dead replaced, errors passed on in words."""

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from render.errors import BadInput, Failure
from render.jobs.pool import Pool


@dataclass
class Work:
    """Squares numbers. Task -1 kills its worker the first time, -2 always; -3 is bad input."""

    folder: Path

    def start(self):
        return "started"

    def run(self, task, tick):
        if task == -1 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if task == -2:
            os.kill(os.getpid(), signal.SIGKILL)
        if task == -3:
            raise BadInput("task -3 is bad")
        tick(1)
        return task * task


def run(folder, tasks, workers=2):
    results, ticks = Counter(), []
    with Pool(Work(folder), workers) as pool:
        assert pool.first_info() == "started"
        pool.run(tasks, lambda task, result: results.update([(task, result)]), ticks.append)
    return results, sum(ticks)


def test_every_task_runs_once(tmp_path):
    results, ticks = run(tmp_path, list(range(20)))
    assert results == Counter((i, i * i) for i in range(20))
    assert ticks == 20


def test_a_worker_that_dies_is_replaced_and_its_task_done_again(tmp_path):
    results, _ = run(tmp_path, [1, -1, 2, 3], workers=1)
    assert results == Counter({(1, 1): 1, (-1, 1): 1, (2, 4): 1, (3, 9): 1})


def test_a_task_that_kills_every_worker_ends_the_job(tmp_path):
    with pytest.raises(Failure, match="died 3 times"):
        run(tmp_path, [1, -2])


def test_bad_input_in_a_worker_stays_bad_input(tmp_path):
    with pytest.raises(BadInput, match="task -3 is bad"):
        run(tmp_path, [1, 2, -3])


@dataclass
class Placed(Work):
    """Says which device it was put on, and waits until three tasks are begun."""

    def start(self):
        return os.environ["EGL_DEVICE_ID"] if self.folder is None else "the same"

    def wait(self, task, tick):
        time.sleep(10)

    def run(self, task, tick):
        (self.folder / f"{task}-on-{os.environ['EGL_DEVICE_ID']}").touch()
        while len(list(self.folder.iterdir())) < 3:
            time.sleep(0.01)


def test_workers_take_turns_over_the_devices(tmp_path):
    with Pool(Placed(tmp_path), 3, [{"EGL_DEVICE_ID": "5"}, {"EGL_DEVICE_ID": "2"}]) as pool:
        pool.run([0, 1, 2], lambda task, result: None, lambda n: None)
    assert sorted(path.name[-1] for path in tmp_path.iterdir()) == ["2", "5", "5"]


def test_workers_with_different_opengl_do_not_work_on_one_data_set():
    with Pool(Placed(None), 2, [{"EGL_DEVICE_ID": "5"}, {"EGL_DEVICE_ID": "2"}]) as pool:
        assert pool.first_info() == "5"
        with pytest.raises(Failure, match="different OpenGL renderers, 5 and 2"):
            pool.run([1, 2], lambda task, result: None, lambda n: None, "wait")
