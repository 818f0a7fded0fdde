"""Packages that this Python lacks, from a folder of wheels: no network, and the torch that is there stays."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

KEPT = re.compile(r"torch|triton|nvidia.*|cuda.*")  # never taken from the folder


def install(folder: Path, target: Path) -> list[str]:
    """Install into `target` the wheels of `folder` whose package is not installed; returns their names.

    OSError if the folder holds no wheel, RuntimeError if pip refuses one.
    """
    wheels = {re.sub(r"[-_.]+", "-", path.name.split("-")[0]).lower(): path for path in sorted(folder.glob("*.whl"))}
    if not wheels:
        raise FileNotFoundError(f"--wheels: expected wheels (*.whl) in {folder}, found none")
    missing = {name: path for name, path in wheels.items() if not KEPT.fullmatch(name) and not _has(name)}
    if missing:
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
        done = subprocess.run([*words, *map(str, missing.values())], capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no message"]
            raise RuntimeError(f"--wheels: pip could not install from {folder}: {said[-1]}")
    return list(missing)


def _has(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
