"""Arrays in `.npz` archives: of the type and shape that is expected, never a pickle, never more than their file."""

import zipfile

import numpy as np
import pytest
from collection_fixtures import npy_header, write_npz

from render.errors import BadInput
from render.imports.collections.npz import open_npz_array

ARRAY = np.random.default_rng(3).integers(0, 255, (50, 8, 8), np.uint8)


class Trap:
    """Ends the test when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_rows_of_a_member_are_read_beside_a_pickle(tmp_path, method):
    write_npz(tmp_path / "a.npz", {"trap.npy": np.array(Trap(), object), "imgs.npy": ARRAY}, method)
    file = open_npz_array(tmp_path / "a.npz", "imgs", "uint8", (None, 8, 8))
    assert file.shape == ARRAY.shape
    rows = np.array([0, 7, 49])
    np.testing.assert_array_equal(list(file.rows(rows)), ARRAY[rows])
    np.testing.assert_array_equal(file.whole(), ARRAY)


def test_a_header_that_python_2_wrote_is_read(tmp_path):
    write_npz(tmp_path / "a.npz", {"imgs.npy": npy_header("|u1", "(50L, 8L, 8L)") + ARRAY.tobytes()})
    np.testing.assert_array_equal(open_npz_array(tmp_path / "a.npz", "imgs", "uint8", (None, 8, 8)).whole(), ARRAY)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"other.npy": ARRAY}, "holds imgs.npy once, found 'other.npy'"),
        ({"../imgs.npy": ARRAY, "/imgs.npy": ARRAY}, "holds imgs.npy once, found"),
        ({"imgs.npy": np.array(Trap(), object)}, r"expected uint8 \(N, 8, 8\) in C order, found an object \(pickle\)"),
        ({"imgs.npy": ARRAY.astype(np.int16)}, r"found int16 \(50, 8, 8\)"),
        ({"imgs.npy": ARRAY[:, :7]}, r"found uint8 \(50, 7, 8\)"),
        ({"imgs.npy": ARRAY.ravel()}, r"found uint8 \(3200,\)"),
        ({"imgs.npy": np.asfortranarray(ARRAY)}, r"in C order, found uint8 \(50, 8, 8\)"),
        ({"imgs.npy": b"no array at all"}, "expected a plain array, found an array header that cannot be read"),
        ({"imgs.npy": npy_header("|u1", "(" * 90)}, "expected a plain array, found an array header that cannot be"),
        ({"imgs.npy": npy_header("|u1", "(-5, 8, 8)")}, "expected a plain array, found an array of shape"),
        ({"imgs.npy": npy_header("|u1", (10**15, 8, 8))}, "bytes for its shape .*, found 128"),
        ({"imgs.npy": npy_header("|u1", (51, 8, 8)) + ARRAY.tobytes()}, "expected 3392 bytes for its shape"),
    ],
)
def test_another_array_is_refused_in_one_line(tmp_path, members, found):
    write_npz(tmp_path / "a.npz", members)
    with pytest.raises(BadInput, match=found) as raised:
        open_npz_array(tmp_path / "a.npz", "imgs", "uint8", (None, 8, 8))
    assert str(raised.value).startswith(f"{tmp_path}/a.npz")
    assert "\n" not in str(raised.value)


def test_a_claim_of_a_size_that_the_archive_confirms_is_refused_too(tmp_path):
    """A list of members may lie as much as a header does."""
    content = npy_header("|u1", (10**9, 8, 8))
    write_npz(tmp_path / "a.npz", {"imgs.npy": content})
    lie = (len(content) + 64 * 10**9).to_bytes(8, "little")
    data = (tmp_path / "a.npz").read_bytes()
    at = data.rindex(b"PK\1\2")
    entry = bytearray(data[at:])
    entry[24:28] = b"\xff" * 4  # unpacked size: in the ZIP64 extra
    entry[30:32] = (12).to_bytes(2, "little")  # its length
    name = 46 + int.from_bytes(entry[28:30], "little")
    entry[name:name] = b"\1\0\x08\0" + lie
    end = entry.rindex(b"PK\5\6")
    entry[end + 12 : end + 16] = end.to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(data[:at] + bytes(entry))
    with pytest.raises(BadInput, match="expected 1 to 4194304 rows"):
        open_npz_array(tmp_path / "a.npz", "imgs", "uint8", (None, 8, 8))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_archive_is_refused_in_one_line(tmp_path, method):
    write_npz(tmp_path / "whole.npz", {"imgs.npy": ARRAY}, method)
    whole, path = (tmp_path / "whole.npz").read_bytes(), tmp_path / "a.npz"
    path.write_bytes(whole[:2000])
    with pytest.raises(BadInput, match=r"a.npz: expected a whole .npz archive, found"):
        open_npz_array(path, "imgs", "uint8", (None, 8, 8))
    path.write_bytes(whole[:300] + bytes(300) + whole[600:])
    with pytest.raises(BadInput, match=r"a.npz imgs: expected a plain array, found"):
        open_npz_array(path, "imgs", "uint8", (None, 8, 8))
    path.write_bytes(b"XX" + whole[2:])
    with pytest.raises(BadInput, match=r"a.npz imgs"):
        open_npz_array(path, "imgs", "uint8", (None, 8, 8))


def test_a_file_that_is_no_archive_or_missing_is_named(tmp_path):
    (tmp_path / "a.npz").write_text("no archive")
    for name in ("a.npz", "missing.npz"):
        with pytest.raises(BadInput, match=rf"{name}: expected a whole .npz archive, found"):
            open_npz_array(tmp_path / name, "imgs", "uint8", (None, 8, 8))


def test_members_that_are_encrypted_or_packed_otherwise_are_refused(tmp_path):
    write_npz(tmp_path / "a.npz", {"imgs.npy": ARRAY}, zipfile.ZIP_LZMA)
    with pytest.raises(BadInput, match="expected a member that is stored or deflated, found another kind"):
        open_npz_array(tmp_path / "a.npz", "imgs", "uint8", (None, 8, 8))
