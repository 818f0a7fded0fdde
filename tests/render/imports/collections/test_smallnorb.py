"""The reader of small NORB: photographs by the left or right camera, labels in degrees, its own split."""

import gzip
import struct

import numpy as np
import pytest
from collection_fixtures import norb_matrix, smallnorb_parts, write_smallnorb

from render.errors import BadInput
from render.imports.collections.smallnorb import TESTING, TRAINING, open_smallnorb


@pytest.fixture(params=[True, False], ids=["gzipped", "unpacked"])
def folder(request, tmp_path):
    write_smallnorb(tmp_path, request.param)
    return tmp_path


def test_labels_identities_and_split_are_those_of_the_files(folder):
    images, parts = open_smallnorb(folder), smallnorb_parts()
    info = np.concatenate([part[2] for part in parts])
    np.testing.assert_array_equal(images.values["azimuth"], 10 * info[:, 2])
    np.testing.assert_array_equal(images.values["elevation"], 30 + 5 * info[:, 1])
    np.testing.assert_array_equal(images.values["lighting"], info[:, 3])
    toys = np.column_stack([np.concatenate([part[1] for part in parts]), info[:, 0]])
    pairs = np.unique(np.column_stack([toys, images.identity]), axis=0)
    assert len(pairs) == len(np.unique(toys, axis=0)) == images.identity.max() + 1 == 8
    np.testing.assert_array_equal(images.test, np.arange(len(info)) >= len(parts[0][0]))
    azimuth, elevation, lighting = images.labels.values()
    assert (azimuth.low, azimuth.high, azimuth.circular, azimuth.unit) == (0, 360, True, "degrees")
    assert azimuth.values == (0, 20, 340)
    assert (elevation.values, elevation.circular) == ((30, 70), False)
    assert lighting.categories == ("0", "1", "2", "3", "4", "5")


@pytest.mark.parametrize("side", [0, 1])
def test_images_are_those_of_one_camera(folder, side):
    images = open_smallnorb(folder, ("left", "right")[side])
    pixels = np.concatenate([part[0][:, side] for part in smallnorb_parts()])
    rows = np.array([0, 5, 47, 48, 95])
    np.testing.assert_array_equal(list(images.read(rows)), pixels[rows])
    assert len(list(images.read(np.arange(len(pixels))))) == len(pixels)
    assert open_smallnorb(folder, "left").fingerprint != open_smallnorb(folder, "right").fingerprint


def damage(folder, name, content):
    (folder / f"{name}.mat").write_bytes(content)


def matrix(part, kind):
    return smallnorb_parts()[part][("dat", "cat", "info").index(kind)]


def changed(array, row, value):
    array = array.copy()
    array[row] = value
    return array


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        (f"{TRAINING}-dat", norb_matrix(matrix(0, "cat")), "number 0x1e3d4c55 and 4 dimensions, found 0x1e3d4c54"),
        (f"{TESTING}-cat", b"PK\3\4" + bytes(99), "magic number 0x1e3d4c54 and 1 dimensions, found 0x4034b50 and 0"),
        (f"{TESTING}-info", b"abc", "expected a matrix of the small NORB data set, found"),
        (f"{TRAINING}-dat", norb_matrix(matrix(0, "dat"))[:-1], "expected 24600 bytes for an array of .*, found 24599"),
        (f"{TRAINING}-info", norb_matrix(matrix(0, "info")[:-1]), r"\(48, 4\) for 48 pairs .*, found \(47, 4\)"),
        (f"{TRAINING}-dat", norb_matrix(matrix(0, "dat")[:, :1]), r"expected pairs of images, found .* \(48, 1,"),
        (f"{TRAINING}-dat", struct.pack("<6I", 0x1E3D4C55, 4, *[2**32 - 1] * 4), "bytes for an array of .*, found 24"),
        (f"{TRAINING}-info", norb_matrix(changed(matrix(0, "info"), (7, 2), 35)), "azimuth .* in row 8, found 35"),
        (f"{TESTING}-cat", norb_matrix(changed(matrix(1, "cat"), 0, -1)), "of 0, 1, ..., 4 in row 1, found -1"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_file_is_one_line(tmp_path, name, content, line):
    write_smallnorb(tmp_path, packed=False)
    (tmp_path / f"{name}.mat").write_bytes(content)
    with pytest.raises(BadInput, match=line) as raised:
        open_smallnorb(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path}/{name}.mat")


def test_a_packed_file_that_claims_too_much_or_ends_early_is_one_line(tmp_path):
    write_smallnorb(tmp_path)
    path = tmp_path / f"{TESTING}-dat.mat.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"-dat.mat.gz: expected 48 rows, found row \d+ that cannot be read"):
        list(open_smallnorb(tmp_path).read(np.arange(96)))
    path.write_bytes(gzip.compress(struct.pack("<6I", 0x1E3D4C55, 4, 2**31, 2, 96, 96)))
    with pytest.raises(BadInput, match=r"-dat.mat.gz: expected 1 to 4194304 rows"):
        open_smallnorb(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    write_smallnorb(tmp_path)
    (tmp_path / f"{TESTING}-cat.mat.gz").unlink()
    with pytest.raises(BadInput, match=f"the six files smallnorb-.*, found no {TESTING}-cat.mat or"):
        open_smallnorb(tmp_path)
