"""Rows of large arrays: those asked for, in their order, from any kind of file; and one line for a damaged one."""

import gzip
from functools import partial

import numpy as np
import pytest

from render.errors import BadInput
from render.imports.collections import array_file
from render.imports.collections.array_file import ArrayFile, find_file

ROWS = np.arange(60 * 7, dtype=np.int32).reshape(60, 7)
HEADER = b"twelve bytes"


@pytest.fixture(params=["plain", "gzip"])
def opened(request, tmp_path):
    """The array behind a header, and the file that it lies in."""
    path, content = tmp_path / "array", HEADER + ROWS.tobytes()
    path.write_bytes(content if request.param == "plain" else gzip.compress(content))
    unpack = {"plain": open, "gzip": gzip.open}[request.param]
    where = ArrayFile(str(path), ROWS.dtype, ROWS.shape, lambda: unpack(path, "rb"), 12, request.param == "plain")
    return where, path


def wanted(*numbers):
    return np.array(numbers, np.int64)


def test_rows_are_those_that_were_asked_for(opened):
    file, _ = opened
    for rows in (wanted(0), wanted(59), wanted(3, 4, 4, 20, 59), wanted(*range(60)), wanted()):
        read = list(file.rows(rows))
        np.testing.assert_array_equal(np.array(read, np.int32).reshape(-1, 7), ROWS[rows])
    np.testing.assert_array_equal(file.whole(), ROWS)


def test_what_lies_between_rows_is_passed_over_in_blocks(opened, monkeypatch):
    monkeypatch.setattr(array_file, "BLOCK", 5)
    np.testing.assert_array_equal(list(opened[0].rows(wanted(1, 40))), ROWS[[1, 40]])


def test_a_file_that_ends_early_is_named_with_the_row(opened):
    file, path = opened
    path.write_bytes(path.read_bytes()[:-40])
    read = file.rows(wanted(0, 59))
    np.testing.assert_array_equal(next(read), ROWS[0])
    with pytest.raises(BadInput, match=r"/array: expected 60 rows, found row 60 that cannot be read: \S"):
        next(read)
    with pytest.raises(BadInput, match=r"/array: expected 60 rows, found row 1 that cannot be read"):
        file.whole()


def test_a_wrong_checksum_is_noticed_even_where_all_rows_that_are_wanted_could_be_read(tmp_path):
    path, content = tmp_path / "array", gzip.compress(HEADER + ROWS.tobytes())
    path.write_bytes(content[:-8] + bytes(4) + content[-4:])
    read = ArrayFile(str(path), ROWS.dtype, ROWS.shape, partial(gzip.open, path), 12, False).rows(wanted(0, 7))
    np.testing.assert_array_equal([next(read), next(read)], ROWS[[0, 7]])
    with pytest.raises(BadInput, match="cannot be read: CRC check failed"):
        next(read)


def test_a_file_that_is_gone_is_named(opened):
    file, path = opened
    path.unlink()
    with pytest.raises(BadInput, match=r"/array: .* cannot be read: No such file"):
        list(file.rows(wanted(0)))


@pytest.mark.parametrize("shape", [(0, 7), (2**40, 7), (60, 2**40), (60, 0)])
def test_sizes_beyond_reason_are_refused_before_anything_is_allocated(shape):
    with pytest.raises(
        BadInput, match="f: expected 1 to 4194304 rows of at most 4194304 bytes, found an array of shape"
    ):
        ArrayFile("f", ROWS.dtype, shape, pytest.fail, 0, True)


def test_an_array_that_is_too_large_to_be_read_whole_is_refused(opened, monkeypatch):
    monkeypatch.setattr(array_file, "LARGEST_WHOLE", ROWS.nbytes - 1)
    with pytest.raises(BadInput, match="expected at most 1679 bytes, found an array of 1680"):
        opened[0].whole()


def test_the_only_file_of_a_folder_is_found(tmp_path):
    with pytest.raises(BadInput, match=r"expected the archive, found no such file$"):
        find_file(tmp_path, "*.npz", "the archive")
    (tmp_path / "a.npz").touch()
    assert find_file(tmp_path, "*.npz", "the archive") == tmp_path / "a.npz" == find_file(tmp_path / "a.npz", "", "")
    (tmp_path / "b.npz").touch()
    with pytest.raises(BadInput, match=r"expected the archive, found a.npz, b.npz; name one of them"):
        find_file(tmp_path, "*.npz", "the archive")
