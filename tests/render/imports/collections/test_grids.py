"""The readers of 3D Shapes, dSprites and MPI3D: every factor is known, by the numbers in the file or by the order."""

import math

import h5py
import numpy as np
import pytest
from collection_fixtures import FEW_COMBINATIONS, npy_header, pictures, write_dsprites, write_npz, write_shapes3d

from assets.mesh import GREY_WEIGHTS
from render.errors import BadInput
from render.imports.collections import mpi3d, shapes3d
from render.imports.collections.dsprites import open_dsprites
from render.imports.collections.mpi3d import open_mpi3d
from render.imports.collections.shapes3d import open_shapes3d


def grey(images):
    """Grey by the weights, in whole numbers, within one level."""
    return images.astype(np.float64) @ np.array(GREY_WEIGHTS)


class TestShapes3d:
    @pytest.mark.parametrize("chunks", [None, (30, 16, 16, 1), (7, 64, 64, 3), (1, 64, 64, 3)])
    def test_images_are_those_of_the_rows_however_they_are_stored(self, tmp_path, chunks, monkeypatch):
        monkeypatch.setattr(shapes3d, "MOST_AT_ONCE", 11)
        pixels, labels = write_shapes3d(tmp_path / "3dshapes.h5", chunks=chunks)
        images = open_shapes3d(tmp_path)
        for rows in (np.arange(len(labels)), np.array([0, 6, 7, 7, 29, 30, 119])):
            read = list(images.read(rows))
            np.testing.assert_allclose(read, grey(pixels[rows]), atol=0.51)

    def test_hues_and_shape_are_the_identity_and_the_others_labels(self, tmp_path):
        labels = write_shapes3d(tmp_path / "3dshapes.h5")[1]
        images = open_shapes3d(tmp_path / "3dshapes.h5", ("floor_hue", "object_hue", "object_shape"))
        assert list(images.labels) == ["scale", "orientation"]
        assert images.labels["orientation"].values == (-30, -15, 0, 15, 30)
        np.testing.assert_allclose(images.values["orientation"], labels[:, 5])
        assert len(np.unique(images.identity)) == 2 * 2 * 2
        images = open_shapes3d(tmp_path / "3dshapes.h5", ("object_shape",))
        assert images.labels["floor_hue"].circular
        assert (images.labels["floor_hue"].high, images.labels["floor_hue"].values) == (1, (0, 0.1))

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            (lambda f: f.__delitem__("labels"), "expected labels, found nothing"),
            (lambda f: replace(f, "labels", f["labels"][:, :5]), r"expected labels as float64 \(120, 6\), found"),
            (lambda f: replace(f, "images", f["images"][:, :9]), r"images as uint8 \(1..4194304, 64, 64, 3\), found"),
            (lambda f: replace(f, "labels", np.nan * f["labels"][()]), "floor_hue from 0 to 1 in row 1, found nan"),
            (lambda f: f.__setitem__("labels", h5py.ExternalLink("other.h5", "x")), "found a link at labels"),
            (lambda f: huge(f), r"expected images as uint8 \(1..4194304, .*, found uint8 \(1000000000000, 64, 64, 3\)"),
            (lambda f: wide(f), r"chunks of images of at most 67108864 bytes, found .* \(100000, 64, 64, 1\)"),
            (lambda f: fine(f), r"at most 4194304 chunks of images .*, found chunks of shape \(1, 1, 1, 1\)"),
        ],
    )  # fmt: skip
    def test_a_file_of_another_layout_is_one_line(self, tmp_path, change, line):
        path = tmp_path / "3dshapes.h5"
        write_shapes3d(path)
        with h5py.File(path, "r+") as file:
            if "link" in line:
                del file["labels"]
            change(file)
        with pytest.raises(BadInput, match=line) as raised:
            open_shapes3d(path, ("object_shape",))
        assert str(raised.value).startswith(str(path))

    def test_a_damaged_file_is_one_line(self, tmp_path):
        path = tmp_path / "3dshapes.h5"
        write_shapes3d(path, chunks=(30, 16, 16, 1))
        whole = path.read_bytes()
        path.write_bytes(whole[:5000])
        with pytest.raises(BadInput, match=r"3dshapes.h5: expected a whole HDF5 file, found: .*truncated"):
            open_shapes3d(path)
        path.write_bytes(whole[: len(whole) // 3] + bytes(20_000) + whole[len(whole) // 3 + 20_000 :])
        images = open_shapes3d(path)
        with pytest.raises(BadInput, match=r"3dshapes.h5 images: cannot be read from row \d+ on: "):
            list(images.read(np.arange(120)))


def replace(file, name, data):
    del file[name]
    file[name] = data


def huge(file):
    del file["images"]
    file.create_dataset("images", (10**12, 64, 64, 3), np.uint8, chunks=(1, 64, 64, 3))


def wide(file):
    del file["images"]
    file.create_dataset("images", (120, 64, 64, 3), np.uint8, chunks=(100_000, 64, 64, 1), maxshape=(None, 64, 64, 3))


def fine(file):
    del file["images"]
    file.create_dataset("images", (10_000, 64, 64, 3), np.uint8, chunks=(1, 1, 1, 1))


class TestDSprites:
    @pytest.mark.parametrize("compressed", [True, False])
    def test_images_and_labels_are_those_of_the_file(self, tmp_path, compressed):
        pixels, latents = write_dsprites(tmp_path / "dsprites.npz", compressed=compressed)
        images = open_dsprites(tmp_path)
        rows = np.array([0, 1, 17, 17, 95])
        np.testing.assert_array_equal(list(images.read(rows)), 255 * pixels[rows])
        assert list(images.labels) == ["orientation", "x", "y"]
        np.testing.assert_allclose(images.values["orientation"], np.rad2deg(latents[:, 3]), atol=1e-4)
        label = images.labels["orientation"]
        assert (label.values, label.circular, label.unit, label.high) == ((0, 120, 240, 360), True, "degrees", 360)
        assert len(np.unique(images.identity)) == 6

    def test_the_shape_alone_may_be_the_identity(self, tmp_path):
        latents = write_dsprites(tmp_path / "dsprites.npz")[1]
        images = open_dsprites(tmp_path / "dsprites.npz", ("object_shape",))
        np.testing.assert_array_equal(images.identity, latents[:, 1] - 1)
        np.testing.assert_array_equal(images.values["scale"], latents[:, 2])
        assert open_dsprites(tmp_path, ("object_shape",)).fingerprint != open_dsprites(tmp_path).fingerprint

    @pytest.mark.parametrize(
        ("others", "line"),
        [
            ({"imgs": pictures(96, 64, 64)}, "imgs: expected pixels of 0 and 1, found 255 in row 1"),
            ({"imgs": np.zeros((95, 64, 64), np.uint8)}, r"latents_values: expected float64 \(95, 6\) in C"),
            ({"latents_values": np.array([{}] * 96)}, r"latents_values: .*, found an object \(pickle\)"),
            ({"latents_values": np.full((96, 6), 4.0)}, "expected shape from 1 to 3 in row 1, found 4"),
            ({"latents_values": np.full((96, 6), 2.0)}, "expected x from 0 to 1 in row 1, found 2"),
        ],
    )  # fmt: skip
    def test_another_content_is_one_line(self, tmp_path, others, line):
        write_dsprites(tmp_path / "dsprites.npz", **others)
        with pytest.raises(BadInput, match=line):
            list(open_dsprites(tmp_path).read(np.arange(3)))


class TestMpi3d:
    @pytest.fixture(autouse=True)
    def tiny(self, monkeypatch):
        """A variant with few values of each factor."""
        monkeypatch.setattr(mpi3d, "SIMPLE", FEW_COMBINATIONS)
        monkeypatch.setattr(mpi3d, "STEPS", 2)

    def test_labels_follow_from_the_order_of_the_images(self, tmp_path):
        pixels = pictures(2 * 2 * 2 * 2 * 3 * 2 * 2, 64, 64, 3)
        np.savez(tmp_path / "mpi3d_real.npz", images=pixels)
        images = open_mpi3d(tmp_path)
        place = np.ravel_multi_index((1, 0, 1, 1, 2, 0, 1), (2, 2, 2, 2, 3, 2, 2))
        assert {name: values[place] for name, values in images.values.items()} == {
            "camera_height": 1, "background_color": 2, "horizontal_axis": 0, "vertical_axis": 1
        }  # fmt: skip
        assert images.labels["background_color"].text(2) == "salmon"
        assert images.identity[place] == 0b101
        np.testing.assert_allclose(list(images.read(np.array([place]))), grey(pixels[[place]]), atol=0.51)

    def test_the_published_sizes_are_told_by_the_number_of_images(self):
        assert math.prod(mpi3d.sizes_of(mpi3d.COMPLEX)) == 4 * 4 * 2 * 3 * 3 * 2 * 2
        assert [len(names) for names in mpi3d.COMPLEX.values()] == [4, 4, 2, 3, 3]

    def test_another_number_of_images_is_one_line(self, tmp_path):
        np.savez(tmp_path / "a.npz", images=pictures(7, 64, 64, 3))
        with pytest.raises(BadInput, match=r"a.npz images: expected 192 or 1152 images, all combinations, found 7"):
            open_mpi3d(tmp_path / "a.npz")

    def test_a_claim_of_terabytes_is_one_line(self, tmp_path):
        write_npz(tmp_path / "a.npz", {"images.npy": npy_header("|u1", (10**9, 64, 64, 3))})
        with pytest.raises(BadInput, match=r"images: expected 12288000000128 bytes for its shape .*, found 128"):
            open_mpi3d(tmp_path)


def test_the_published_numbers_of_images_are_known():
    assert math.prod(mpi3d.sizes_of(mpi3d.SIMPLE)) == 1_036_800
    assert math.prod(mpi3d.sizes_of(mpi3d.COMPLEX)) == 460_800
