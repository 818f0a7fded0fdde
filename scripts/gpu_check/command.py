"""The command line of `scripts/gpu-check`, its table and gpu.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from gpu_check import wheels
from gpu_check.parts import CPU, PARTS, TOTAL
from gpu_check.room import ROOT, Room
from gpu_check.running import Outcome, log_of, run

SHOWN = 3  # problems of a part in the table


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"Error: {message}\n")


def main() -> None:
    """Check this machine; the exit code is 0 only if every part passed."""
    parser = _Parser(prog="gpu-check", description="Check and measure what needs a GPU.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for gpu.json, logs and pictures")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: the same parts at small size")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="wheels of the packages that this Python lacks")
    names = [part.name for part in PARTS]
    about = "; ".join(f"{part.name}: {part.about}" for part in PARTS)
    parser.add_argument("--only", action="append", choices=names, metavar="PART", help=f"repeatable. {about}")
    words = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="gpu-check-"))
    try:
        out = words.out.resolve()
        out.mkdir(parents=True, exist_ok=True)
        prepare(words.wheels, work)
        document = check(out, work, words.device, set(words.only or names) | {"data"})
    except (OSError, RuntimeError) as error:
        sys.exit(_refuse(error))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if document["passed"] else 1)


def _refuse(error: Exception) -> int:
    print(f"Error: {error}", file=sys.stderr)
    return 2


def prepare(folder: Path | None, work: Path) -> None:
    """Let this process, and those that it starts, import this checkout and the wheels of `folder`."""
    packages = work / "packages"
    if folder is not None:
        print(f"From {folder}: {', '.join(wheels.install(folder, packages)) or 'nothing was missing'}.", flush=True)
    paths = [str(ROOT), str(ROOT / "scripts"), str(packages)]
    sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(paths + ([before] if before else []))
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")


def check(out: Path, work: Path, device: str, wanted: set[str]) -> dict[str, Any]:
    """Run the parts that are `wanted`, and write gpu.json after each; returns what it holds."""
    started, end = time.time(), time.monotonic() + TOTAL[device]
    outcomes: dict[str, Outcome] = {}
    document: dict[str, Any] = {
        "passed": False, "device": device, "commit": _commit(), "python": platform.python_version(),
        "machine": platform.platform(), "cores": len(os.sched_getaffinity(0)),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
    }  # fmt: skip
    for part in PARTS:
        if part.name not in wanted:
            continue
        room = Room(part.name, device, out, work)
        left = end - time.monotonic()
        if left < 5:
            outcomes[part.name] = Outcome("not run", problems=[f"the {TOTAL[device]:.0f} s for all parts were over"])
        else:
            outcomes[part.name] = run(part, room, min(left, CPU if device == "cpu" else part.seconds))
        print(_line(part.name, outcomes[part.name]), flush=True)
        document["passed"] = all(outcome.state == "passed" for outcome in outcomes.values())
        document["seconds"] = round(time.time() - started, 1)
        document["parts"] = {name: asdict(outcome) for name, outcome in outcomes.items()}
        (out / "gpu.json").write_text(json.dumps(document, indent=1, default=str) + "\n")
    print(table(outcomes, out, document["seconds"]), flush=True)
    return document


def table(outcomes: dict[str, Outcome], out: Path, seconds: float) -> str:
    """Set out what passed and failed, with the problems, and the figures of each part."""
    lines = ["", f"{'part':<18}{'state':<12}{'seconds':>8}{'of CPU':>10}"]
    for name, outcome in outcomes.items():
        lines.append(_line(name, outcome))
        lines += [f"    {problem}" for problem in outcome.problems[:SHOWN]]
        if len(outcome.problems) > SHOWN:
            lines.append(f"    and {len(outcome.problems) - SHOWN} more: {log_of(Room(name, '', out, out)).name}")
        lines += [f"    {key}: {_short(value)}" for key, value in outcome.measured.items()]
    count = sum(outcome.state == "passed" for outcome in outcomes.values())
    lines.append(f"\n{count} of {len(outcomes)} parts passed in {seconds:.0f} s; figures in {out / 'gpu.json'}")
    return "\n".join(lines)


def _line(name: str, outcome: Outcome) -> str:
    return f"{name:<18}{outcome.state:<12}{outcome.seconds:>8.1f}{outcome.cpu_seconds:>10.1f}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 160 else f"{text[:150]}... (gpu.json)"


def _commit() -> str | None:
    """Return the commit of this checkout, or None where git or its folder is missing."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
