"""Trained weights that come with the package, by name: `dcign.load("faces")`.

    dcign/weights/hashes.json       name -> file -> sha256
    dcign/weights/<name>/           as much of a run folder as its users need; nothing is ever written there
        weights.safetensors         see `dcign.runs.checkpoint.write_weights`
        calibration.json, report.json, identities.npy, rendering.json: as in a run folder
        recipe.toml                 what `dcign run` made it by
        README.md                   the model card

A name is taken for a run wherever a path to one is. A run or a report of that name in the working folder comes first.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dcign.errors import RunError
from dcign.runs.report_file import REPORT
from render.shards.documents import Table, Text, read_json

FOLDER = Path(__file__).parents[1] / "weights"
HASHES, RECIPE, CARD = "hashes.json", "recipe.toml", "README.md"
RUN_FILES = ("config.json", REPORT)  # beside checkpoints, what `dcign train` and `dcign evaluate` leave
AGAIN = "install dcign again"


def shipped_names() -> tuple[str, ...]:
    """Return the names of the weights that ship, sorted. RunError where their list is damaged."""
    return tuple(sorted(read_hashes()))


def find_run(path: Path) -> Path:
    """Return `path`; or, where no run or report lies there, the folder of the weights that ship by that name.

    Weights that ship, whether by name or by path, are checked first: RunError for a damaged file. A folder of something
    else that has the name is mentioned on stderr.
    """
    if len(path.parts) == 1 and not _is_taken(path) and path.name in shipped_names():
        if path.exists():
            print(f"Note: the folder {path} holds no run: the weights {path} that ship are taken", file=sys.stderr)
        path = FOLDER / path.name
    name = shipped_name(path.parent if path.suffix == ".safetensors" else path) if path.exists() else None
    if name is not None:
        check_shipped(name)
    return path


def _is_taken(path: Path) -> bool:
    """Tell if a file is there, or a folder that a run or a report is in."""
    if path.is_dir():
        return any(path.glob("*.safetensors")) or any((path / name).exists() for name in RUN_FILES)
    return path.exists()


def shipped_name(folder: Path) -> str | None:
    """Return the name of the weights that ship in `folder`; None for any other folder."""
    place, name = os.path.split(os.path.realpath(folder))
    return name if place == os.path.realpath(FOLDER) and name in shipped_names() else None


def check_shipped(name: str) -> None:
    """RunError naming the first file of the weights `name` that is not as it was published, or was not published."""
    expected, folder = read_hashes()[name], FOLDER / name
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for file in sorted(expected.keys() | {file for file in found if not file.startswith(".")}):
        if file not in expected:
            raise RunError(f"{folder / file}: expected only files that ship with dcign there, found another; {AGAIN}")
        if file not in found:
            raise RunError(f"{folder / file}: expected a file that ships with dcign, found none; {AGAIN}")
        digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        if digest != expected[file]:
            was = f"expected sha256 {expected[file][:12]}, found {digest[:12]}"
            raise RunError(f"{folder / file}: damaged or changed: {was}; {AGAIN}")


def read_hashes() -> Mapping[str, Mapping[str, str]]:
    """Read name of weights -> name of file -> sha256. RunError where the list is missing or damaged."""
    return dict(read_json(FOLDER / HASHES, Table(Table(Text())), RunError, advice=f"; {AGAIN}"))
