"""scripts/test: two processes run all tests between them, and one that dies is a failure, not a wait."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "test"
HALF = runpy.run_path(str(SCRIPT))["HALF"]
pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="on one core there is one process")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs it on a test that passes and, for the other process, one that dies; returns (exit code, last two lines)."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # starts faster
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    for folder in (*HALF, "tests/render"):
        (tmp_path / folder).mkdir(parents=True)
    passing, dying = (tmp_path / folder / "test_one.py" for folder in ("tests/render", HALF[0]))
    passing.write_text("def test_passes(): pass\n")
    dying.write_text("import os, signal\n\ndef test_dies(): os.kill(os.getpid(), signal.SIGSEGV)\n")

    def run(*options):
        command = [sys.executable, tmp_path / "scripts/test", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines()[-2:]

    return run


def test_a_process_that_dies_fails_the_whole_and_is_named(run):
    code, (this, that) = run()
    assert code == 1
    assert "1 passed" in this
    assert that == f"{' '.join(HALF)}: died of SIGSEGV"


def test_options_go_to_both_and_one_of_them_may_have_nothing_to_run(run):
    code, (this, that) = run("-k", "passes")
    assert (code, "1 passed" in this, "1 deselected" in that) == (0, True, True)
    assert run("-k", "nothing")[0] == 1
