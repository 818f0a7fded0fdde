"""The folder that `-o` names."""

from __future__ import annotations

from pathlib import Path

from render.errors import BadInput


def make_folder(folder: Path) -> Path:
    """The output folder, made if it is missing. BadInput when something else has its name or it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"-o {folder}: expected a folder, found a file") from None
    except OSError as error:
        raise BadInput(f"-o {folder}: cannot be made ({error.strerror})") from None
    return folder
