"""Writing a file so that a reader, or a crash at any moment, sees the old file, the new one, or none."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from render.errors import Failure


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to a temporary name beside `path`, flush it to the disk, and move it into place.

    Raises Failure naming `path` when the disk is full or cannot be written to; nothing stays behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # several machines may write here
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name itself
        finally:
            os.close(folder)
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror or error}; what was finished is kept") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
