import io
import zipfile

import numpy as np
import pytest

from render.errors import ShardError
from render.shards.shard_file import ShardFile, hash_file, write_shard


def arrays(batches=3, count=4, size=5):
    rng = np.random.default_rng(0)
    angles = rng.uniform(-90, 90, (3, batches, count)).astype(np.float32)
    return {
        "images": rng.integers(0, 256, (batches, count, size, size), dtype=np.uint8),
        "azimuth": angles[0],
        "elevation": angles[1],
        "light": angles[2],
        "identity": rng.integers(0, 2**62, (batches, count)),
    }


def rewrite(path, change):
    """Write the members of a shard again after `change(members)`; returns the path."""
    with zipfile.ZipFile(path) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    compression = change(members) or zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "azimuth-train-00000.npz"
    write_shard(path, arrays())
    return path


def test_what_is_read_is_what_was_written(shard):
    file, written = ShardFile(shard), arrays()
    assert set(file.shapes) == set(written)
    for name, values in written.items():
        assert file.read(name).dtype == values.dtype
        assert np.array_equal(file.read(name), values)
        assert np.array_equal(file.row(name, 2), values[2])
    room = np.zeros((4, 5, 5), np.uint8)
    assert file.row("images", 1, room) is room
    assert np.array_equal(room, written["images"][1])


def test_numpy_reads_a_shard_too(shard):
    with np.load(shard, allow_pickle=False) as loaded:
        assert np.array_equal(loaded["images"], arrays()["images"])


def test_equal_arrays_give_equal_bytes_and_the_hash_is_of_the_file(tmp_path):
    first, second = (write_shard(tmp_path / name, arrays()) for name in ("a.npz", "b.npz"))
    assert first == second
    assert first[0] == hash_file(tmp_path / "a.npz")
    assert first[1] == (tmp_path / "a.npz").stat().st_size


@pytest.mark.parametrize("kept", [0, 10, 100, 400, -1])
def test_a_truncated_shard_is_refused_by_name(shard, kept):
    data = shard.read_bytes()
    shard.write_bytes(data[:kept])
    with pytest.raises(ShardError, match=shard.name):
        ShardFile(shard)


def test_a_pickle_is_refused(shard):
    objects = np.array([["a"] * 4] * 3, dtype=object)
    rewrite(shard, lambda members: members.update({"azimuth.npy": npy(objects, allow_pickle=True)}))
    with pytest.raises(ShardError, match=r"azimuth.*pickle"):
        ShardFile(shard)


def test_a_compressed_shard_is_refused(shard):
    rewrite(shard, lambda members: zipfile.ZIP_DEFLATED)
    with pytest.raises(ShardError, match="compressed"):
        ShardFile(shard)


def test_a_foreign_npz_is_refused(tmp_path):
    np.savez(tmp_path / "foreign.npz", weights=np.zeros(3))
    with pytest.raises(ShardError, match=r"foreign\.npz.*weights"):
        ShardFile(tmp_path / "foreign.npz")


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "x.npz").write_text("hello")
    with pytest.raises(ShardError, match=r"x\.npz"):
        ShardFile(tmp_path / "x.npz")


def test_a_missing_member_is_named(shard):
    rewrite(shard, lambda members: members.pop("light.npy") and None)
    with pytest.raises(ShardError, match="no light"):
        ShardFile(shard)


@pytest.mark.parametrize("shape", [(2**40, 2**20), (3, 4, 1), (3, 5), (-1, 4)])
def test_a_header_that_lies_about_its_shape_is_refused_before_memory_is_taken(shard, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    rewrite(shard, lambda members: members.update({"azimuth.npy": header.getvalue() + bytes(48)}))
    with pytest.raises(ShardError, match="azimuth"):
        ShardFile(shard)


@pytest.mark.parametrize("shape", [b"(3, ", b"((((", b"-" * 3000 + b"3"])
def test_a_header_that_does_not_parse_is_refused_by_name(shard, shape):
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + b", }\n"
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    rewrite(shard, lambda members: members.update({"azimuth.npy": header + bytes(48)}))
    with pytest.raises(ShardError, match="azimuth"):
        ShardFile(shard)


def test_another_type_is_refused(shard):
    rewrite(shard, lambda members: members.update({"azimuth.npy": npy(np.zeros((3, 4)))}))
    with pytest.raises(ShardError, match=r"azimuth as float32.*float64"):
        ShardFile(shard)
