"""The machine, data for the other parts, and the tests that want a GPU."""

from __future__ import annotations

import json
import os
from typing import Any

from gpu_check.room import ROOT, Room


def facts_of(room: Room) -> dict[str, Any]:
    """Return what `dcign doctor` finds; it is asked once."""
    from pipelines.commands.doctor import examine

    file = room.work / "facts.json"
    if not file.exists():
        file.write_text(json.dumps(examine(), indent=1))
    facts: dict[str, Any] = json.loads(file.read_text())
    return facts


def doctor(room: Room) -> None:
    """Note what `dcign doctor` finds, and what it finds wrong."""
    from pipelines.commands.doctor import find_problems

    facts = facts_of(room)
    print(json.dumps(facts, indent=1))
    problems = find_problems(facts)
    gl, torch = facts["gl"], facts["torch"]
    room.note(
        gpu=[device["name"] for device in torch.get("devices", [])] or None,
        torch=torch.get("version") or torch.get("error"),
        gl=gl.get("renderer") or gl.get("error"),
        driver=facts["nvidia_driver"],
        cores=facts["cores"],
        packages=facts["packages"],
        egl_devices=facts["egl_devices"],
    )
    for problem in problems:
        room.check(not problem["fatal"] and room.device == "cpu", f"{problem['what']}; remedy: {problem['remedy']}")
    room.check(room.device == "cpu" or bool(torch.get("devices")), "expected a GPU that torch sees, found none")


def data(room: Room) -> None:
    """Write shards of lit balls."""
    from pipelines.bench.inputs import write_discs

    room.shards.mkdir()
    write_discs(room.shards, room.sizes.minibatches, room.sizes.size, room.sizes.batch)
    room.note(minibatches=4 * room.sizes.minibatches, pixels=room.sizes.size)


def tests(room: Room) -> None:
    """Run the tests of graphs and feeding. None may be skipped on a GPU."""
    import pytest

    class Count:
        def __init__(self) -> None:
            self.passed = self.failed = self.skipped = 0

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            self.failed += report.failed
            self.skipped += report.skipped
            self.passed += report.passed and report.when == "call"

    os.chdir(ROOT)
    count = Count()
    files = [f"tests/dcign/training/{name}" for name in room.sizes.tests]
    code = pytest.main(["-p", "no:cacheprovider", "--basetemp", str(room.work / "pytest"), *files], plugins=[count])
    room.note(passed=count.passed, failed=count.failed, skipped=count.skipped)
    room.check(code == 0, f"pytest: exit code {int(code)}, {count.failed} tests failed")
    room.check(room.device == "cpu" or not count.skipped, f"{count.skipped} tests were skipped although there is a GPU")
