"""Files that others read and write too are whole or not there, and locks keep others out."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.errors import BadInput, Failure
from assets.files import file_lock, make_output_folder, replaced, write_file


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for content in (b"old", b"new"):
        write_file(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_output_is_made_and_those_above_it_are_not(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert make_output_folder(made) == made
    assert make_output_folder(made) == made
    (tmp_path / "file").write_bytes(b"")
    for path, said in (
        (tmp_path / "file", ".*file: expected a folder, found a file"),
        (tmp_path / "file" / "x", ".*x: expected a folder, but .*file is a file"),
        (tmp_path / "no" / "x", ".*x: there is no folder .*no; make it first"),
    ):
        with pytest.raises(BadInput, match=said):
            make_output_folder(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "made"]


def test_nothing_half_written_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(Failure, match=r"x\.npz.*No space left"):
        write_file(tmp_path / "x.npz", b"data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def write() -> None:
        with replaced(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("x", "old")]


def test_what_can_be_made_again_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", None)
    with replaced(tmp_path / "x", flush=False) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "x").read_text() == "new"


def test_a_lock_keeps_others_out_until_it_is_let_go(tmp_path: Path) -> None:
    with file_lock(tmp_path):
        for shared in (False, True):
            with pytest.raises(BlockingIOError), file_lock(tmp_path, shared):
                pass
    with file_lock(tmp_path):
        pass


def test_shared_locks_keep_out_those_who_want_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        file_lock(path, shared=True, create=True),
        file_lock(path, shared=True),
        pytest.raises(BlockingIOError),
        file_lock(path),
    ):
        pass


def test_what_cannot_be_opened_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), file_lock(tmp_path / "gone"):
        pass
