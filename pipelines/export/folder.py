"""The folder of an export, which appears whole or not at all and replaces an earlier export but nothing else."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from assets.files import check_parent
from dcign.errors import BadInput, Failure
from pipelines.export.page import ENGINE, FORMAT, INDEX

LARGEST = 2**26  # bytes of an engine.json


def check_output(folder: Path) -> None:
    """Raise BadInput unless `folder` can be made, is empty, or is an earlier export without other files."""
    check_parent(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BadInput(f"-o {folder}: expected a folder, found a file")
    found = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    others = sorted(found - _earlier(folder / ENGINE))
    if others:
        raise BadInput(
            f"-o {folder}: expected a new folder, or an earlier export alone; found {others[0]}"
            f"{f' and {len(others) - 1} other files' if len(others) > 1 else ''}; name another folder"
        )


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files`, path -> content, under a temporary name beside `folder`, then move them into place together.

    Where `folder` itself cannot be moved, as a mounted one, each file is moved into it, the page last. Failure, naming
    `folder`, when the disk is full or cannot be written to; what was there before is then still there.
    """
    target = folder.resolve()
    fixed = target.exists() and (os.path.ismount(target) or not os.access(target.parent, os.W_OK))
    mark = secrets.token_hex(4)
    place = target if fixed else target.parent
    staged, old = (place / f".{target.name}.{mark}.{kind}" for kind in ("tmp", "old"))
    try:
        place.mkdir(exist_ok=True)
        for name, content in files.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if fixed:
            _move_in(staged, target, files)
        else:
            _exchange(staged, target, old)
    except OSError as error:
        raise Failure(f"-o {folder}: cannot be written: {error.strerror or error}; nothing was changed") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(staged: Path, target: Path, old: Path) -> None:
    if target.exists():
        os.rename(target, old)
    try:
        os.rename(staged, target)
    except BaseException:  # an interrupt too
        if old.exists():
            os.rename(old, target)
        raise


def _move_in(staged: Path, target: Path, files: Iterable[str]) -> None:
    names = sorted(files, key=lambda name: name == INDEX)
    left_over = _earlier(target / ENGINE) - set(names)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged / name, target / name)
    for name in left_over:
        (target / name).unlink(missing_ok=True)


def _earlier(path: Path) -> set[str]:
    """List the files of the export that engine.json at `path` describes; none if it is something else."""
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(LARGEST))
        return {str(name) for name in content["files"]} if content["format"] == FORMAT else set()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
