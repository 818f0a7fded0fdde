"""The reader of MATLAB files against scipy's, and on files that scipy cannot write."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from assets.errors import AssetError
from assets.faces.matlab import read_matlab


def variables() -> dict[str, Any]:
    rng = np.random.default_rng(4)
    numbers = {
        f"a_{kind}": rng.integers(0, 100, (5, 7)).astype(kind) for kind in ("f4", "f8", "i1", "u1", "i2", "u4", "i8")
    }
    return {**numbers, "one": np.array([[3.5]]), "none": np.zeros((0, 3)), "three": rng.normal(size=(2, 3, 4))}


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_and_structs_are_those_that_scipy_reads(tmp_path: Path, compressed: bool) -> None:
    path, written = tmp_path / "m.mat", variables()
    scipy.io.savemat(path, {**written, "text": "abc", "nest": {**written, "text": "abc"}}, do_compression=compressed)
    expected = scipy.io.loadmat(path)
    read = read_matlab(path, (*written, "text", "nest"))
    assert set(read) == {*written, "nest"}
    nest = read["nest"]
    assert isinstance(nest, dict)
    assert set(nest) == set(written)
    for name in written:
        np.testing.assert_array_equal(read[name], expected[name])
        np.testing.assert_array_equal(nest[name], expected[name])
    assert set(read_matlab(path, ("one",))) == {"one"}


def element(order: str, kind: int, content: bytes) -> bytes:
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


@pytest.mark.parametrize("order", ["<", ">"])
def test_doubles_stored_as_bytes_and_small_elements_are_read_in_either_byte_order(tmp_path: Path, order: str) -> None:
    """MATLAB keeps whole doubles in the smallest type that holds them, and up to four bytes inside the tag."""
    small = (
        (lambda kind, n: struct.pack("<HH", kind, n)) if order == "<" else (lambda kind, n: struct.pack(">HH", n, kind))
    )
    matrix = b"".join([
        element(order, 6, struct.pack(order + "II", 6, 0)),
        element(order, 5, struct.pack(order + "ii", 1, 3)),
        small(1, 2) + b"tl\0\0",
        small(2, 3) + bytes([7, 8, 9, 0]),
    ])  # fmt: skip
    header = b"MATLAB 5.0".ljust(124) + struct.pack(order + "H", 0x100) + (b"IM" if order == "<" else b"MI")
    (tmp_path / "m.mat").write_bytes(header + element(order, 14, matrix))
    np.testing.assert_array_equal(read_matlab(tmp_path / "m.mat", ("tl",))["tl"], [[7, 8, 9]])


def test_sizes_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "m.mat"
    scipy.io.savemat(path, {"a": np.ones((3, 4))})
    whole = path.read_bytes()
    at = whole.index(struct.pack("<ii", 3, 4))
    for rows in (4, 2**31 - 1, -3):
        path.write_bytes(whole[:at] + struct.pack("<i", rows) + whole[at + 4 :])
        with pytest.raises(AssetError, match=r"/m\.mat: expected a whole MATLAB file .*, found"):
            read_matlab(path, ("a",))
    path.write_bytes(whole[:132] + struct.pack("<I", 2**32 - 1) + whole[136:])
    with pytest.raises(AssetError, match=r"/m\.mat: expected a whole MATLAB file .*, found its end at byte"):
        read_matlab(path, ("a",))
