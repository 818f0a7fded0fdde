"""`scripts/gpu-check`: its parts run on a CPU, and one that goes wrong costs only itself."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from gpu_check import command, running, wheels
from gpu_check.parts import PARTS, TOTAL
from gpu_check.room import Room
from gpu_check.running import Outcome, Part

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "gpu-check"


def test_every_part_passes_on_a_cpu(tmp_path):
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [sys.executable, SCRIPT, tmp_path / "out", "--device", "cpu"]
    done = subprocess.run(words, cwd=tmp_path, env={**bare, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert document["passed"]
    assert list(document["parts"]) == [part.name for part in PARTS]
    assert {part["state"] for part in document["parts"].values()} == {"passed"}
    assert all(part["measured"] for part in document["parts"].values())
    assert document["parts"]["captures"]["measured"]["combinations"] >= 24
    assert document["parts"]["stop and resume"]["measured"]["equal"]
    for part in PARTS:
        assert (tmp_path / "out" / f"{part.name.replace(' ', '-')}.log").is_file()
    assert {"parity.png", "rerender.png", "progress.png"} <= {
        path.name for path in (tmp_path / "out/pictures").iterdir()
    }
    assert f"{len(PARTS)} of {len(PARTS)} parts passed" in done.stdout


def test_the_parts_of_a_gpu_fit_into_its_time():
    """What a part may take at most is no promise: those that come last go without if the first ones all hang."""
    assert TOTAL["cuda"] == 480
    assert all(part.seconds <= TOTAL["cuda"] / 3 for part in PARTS)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a planted part; the server that parts are forked from imports nothing in advance."""
    monkeypatch.setattr(running, "PRELOAD", [])
    for name in ("out", "work"):
        (tmp_path / name).mkdir()

    def run(name, seconds=60.0):
        room = Room(name, "cpu", tmp_path / "out", tmp_path / "work")
        return running.run(Part(name, f"gpu_check_plants:{name}", seconds), room, seconds), running.log_of(room)

    return run


def test_a_part_that_goes_wrong_says_how_and_keeps_what_it_measured(run):
    outcome, log = run("good")
    assert (outcome.state, outcome.problems, outcome.measured) == ("passed", [], {"figure": 1.5})
    assert log.read_text() == "said by a good part\n"
    outcome, _ = run("wrong")
    assert (outcome.state, outcome.problems) == ("failed", ["one is not two"])
    assert outcome.measured == {"figure": 2.5, "later": True}
    outcome, log = run("raising")
    assert (outcome.state, outcome.problems) == ("failed", ["ValueError: no such thing"])
    assert "Traceback" in log.read_text()
    outcome, _ = run("crashing")
    assert (outcome.state, outcome.problems) == ("failed", ["ended by SIGSEGV"])
    assert outcome.measured == {"figure": 3.5}


def test_a_part_that_hangs_ends_at_its_limit_with_all_it_started(run):
    outcome, _ = run("hanging", 3.0)
    assert (outcome.state, outcome.problems) == ("timed out", ["no end after 3 s"])
    assert outcome.seconds < 30
    assert not is_running(outcome.measured["child"])


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"  # dead, not yet buried
    except FileNotFoundError:
        return False


def test_the_table_has_states_problems_and_figures(tmp_path):
    outcomes = {
        "doctor": Outcome("passed", 1.5, measured={"gpu": ["a card"]}),
        "render": Outcome("failed", 2.0, problems=[f"problem {number}" for number in range(5)]),
        "use": Outcome("not run"),
    }
    text = command.table(outcomes, tmp_path, 3.5)
    assert "a card" in text
    assert "problem 2" in text
    assert "problem 3" not in text
    assert "and 2 more: render.log" in text
    assert "1 of 3 parts passed" in text


def write_wheel(folder, name):
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "WHO = 'a wheel'\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def test_only_packages_that_are_missing_come_from_wheels(tmp_path):
    for name in ("absent_thing", "numpy", "torch", "nvidia_cudnn_cu12"):
        write_wheel(tmp_path, name)
    assert wheels.install(tmp_path, tmp_path / "target") == ["absent-thing"]
    assert (tmp_path / "target" / "absent_thing.py").is_file()
    assert not (tmp_path / "target" / "torch.py").exists()


def test_the_guide_names_all_packages_that_are_needed_but_torch():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)[1]
    needed = {re.match(r"[\w-]+", line)[0] for line in re.findall(r'"([^"]+)"', listed) if ";" not in line}
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    named = re.search(r"pip wheel (.*?)\n\n", guide, re.DOTALL)[1].split()
    assert needed - {"torch"} <= set(named)
    assert "torch" not in named


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["OUT", "--wheels", "nowhere"], "--wheels: expected wheels (*.whl) in nowhere, found none"),
        (["OUT", "--only", "nothing"], "argument --only: invalid choice: 'nothing'"),
        ([], "the following arguments are required: OUT"),
    ],
)
def test_what_cannot_be_understood_is_one_line(tmp_path, words, expected):
    done = subprocess.run([sys.executable, SCRIPT, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {expected}")
    assert len(done.stderr.splitlines()) == 1
