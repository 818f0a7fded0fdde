"""Files that other processes read and write too: replaced whole or not at all, and locked; and folders of output."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from assets.errors import BadInput, Failure


def check_parent(path: Path) -> None:
    """Raise BadInput unless the folder is there in which the output `path`, a file or a folder, is to lie.

    A folder is made for an output, but not the folders above it: one of these that is missing is most often misspelt.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise BadInput(f"{path}: expected a folder, but {path.parent} is a file")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}; make it first")


def make_output_folder(folder: Path) -> Path:
    """Make an output folder if it is missing, and return it. BadInput as `check_parent`, or if it cannot be made."""
    check_parent(folder)
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise BadInput(f"{folder}: expected a folder, found a file") from None
    except OSError as error:
        raise BadInput(f"{folder}: cannot be made ({error.strerror})") from None
    return folder


def write_file(path: Path, content: bytes) -> None:
    """Write `content` so that a reader, or a crash at any moment, sees the old file, the new one, or none.

    Raises Failure naming `path` if the disk is full or cannot be written to; nothing stays behind.
    """
    try:
        with replaced(path) as temporary, open(temporary, "wb") as file:
            file.write(content)
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror or error}; what was finished is kept") from error


@contextmanager
def replaced(path: Path, flush: bool = True) -> Iterator[Path]:
    """Give the body a temporary name beside `path` to write to; move what it wrote into place when it ends well.

    Several machines may write the same file at once. Whatever is raised, nothing stays behind under the temporary name.

    flush  to the disk before the move, and the move itself after it: only then does the file outlive a crash of the
           machine, which is not worth its time for what can be made again
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        if flush:
            _flush(temporary)
        os.replace(temporary, path)
        if flush:
            _flush(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def file_lock(path: Path, shared: bool = False, create: bool = False) -> Iterator[None]:
    """Hold a lock on a file or folder while the body runs; a process that is killed lets go of it too.

    A file system that cannot lock is trusted to have one user. Raises BlockingIOError at once if another process holds
    the lock, any other OSError if `path` cannot be opened.

    shared  with others who ask for a shared lock
    create  the file, if it is not there
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT if create else os.O_RDONLY, 0o666)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # no locks here
            pass
        yield
    finally:
        os.close(handle)
