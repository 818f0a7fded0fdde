"""The reader of Cars3D: a MATLAB file for each car, with its images from all azimuths and elevations."""

import numpy as np
import pytest
import scipy.io
from collection_fixtures import write_cars

from assets.mesh import GREY_WEIGHTS
from render.errors import BadInput
from render.imports.collections import cars3d
from render.imports.collections.cars3d import open_cars3d


@pytest.mark.parametrize("below", ["", "data", "data/cars"])
def test_images_and_labels_follow_from_the_place_in_the_file(tmp_path, below):
    cars = write_cars(tmp_path)
    images = open_cars3d(tmp_path / below)
    assert images.labels["azimuth"].values == tuple(range(0, 360, 15))
    assert (images.labels["azimuth"].circular, images.labels["azimuth"].unit) == (True, "degrees")
    assert (images.labels["elevation"].values, images.labels["elevation"].unit) == ((0, 1, 2, 3), "")
    assert images.identities == ["car_000", "car_001", "car_002"]
    rows = np.array([0, 5, 95, 96, 96, 287])
    for row, image in zip(rows, images.read(rows), strict=True):
        step, elevation = int(images.values["azimuth"][row] / 15), int(images.values["elevation"][row])
        colour = cars[images.identity[row], :, :, :, step, elevation]
        np.testing.assert_allclose(image, colour @ np.array(GREY_WEIGHTS), atol=0.51)
    assert len(images.identity) == 3 * 24 * 4


def test_each_file_is_read_once(tmp_path, monkeypatch):
    write_cars(tmp_path)
    read, real = [], cars3d.read_car
    monkeypatch.setattr(cars3d, "read_car", lambda path: [read.append(path.name), real(path)][1])
    list(open_cars3d(tmp_path).read(np.arange(3 * 96)))
    assert read == ["car_000_mesh.mat", "car_001_mesh.mat", "car_002_mesh.mat"]


@pytest.mark.parametrize(
    ("im", "found"),
    [
        (np.zeros((8, 8, 3, 24, 3), np.uint8), r"found uint8 \(8, 8, 3, 24, 3\)"),
        (np.zeros((8, 8, 3, 24, 4)), r"found float64 \(8, 8, 3, 24, 4\)"),
        (np.zeros((1, 600, 3, 24, 4), np.uint8), r"found uint8 \(1, 600, 3, 24, 4\)"),
        ("a text", "found none"),
        ({"a": 1}, "found none"),
    ],
)
def test_another_variable_is_one_line(tmp_path, im, found):
    write_cars(tmp_path, im=im)
    with pytest.raises(BadInput, match=rf"car_000_mesh.mat: expected im as uint8 \(H, W, 3, 24, 4\), .*, {found}"):
        list(open_cars3d(tmp_path).read(np.array([0])))


def test_a_damaged_file_and_one_that_unpacks_to_too_much_are_one_line(tmp_path, monkeypatch):
    write_cars(tmp_path)
    path = tmp_path / "data" / "cars" / "car_001_mesh.mat"
    path.write_bytes(path.read_bytes()[:5000])
    images = open_cars3d(tmp_path).read(np.array([0, 96]))
    next(images)
    with pytest.raises(BadInput, match=r"car_001_mesh.mat: expected a whole MATLAB file of version 5 to 7, found"):
        next(images)
    scipy.io.savemat(path, {"im": np.zeros((100, 100, 3, 24, 4), np.uint8)}, do_compression=True)
    monkeypatch.setattr(cars3d, "LARGEST_IMAGES", 2**20)
    with pytest.raises(BadInput, match=r"car_001_mesh.mat: .* found \d+ bytes of type 14 in a compressed variable"):
        list(open_cars3d(tmp_path).read(np.array([96])))


def test_a_folder_without_cars_is_one_line(tmp_path):
    (tmp_path / "readme.txt").touch()
    for path in (tmp_path, tmp_path / "readme.txt", tmp_path / "missing"):
        with pytest.raises(
            BadInput, match=r"expected 1 to 10000 files \*_mesh.mat, such as those of data/cars, found no"
        ):
            open_cars3d(path)
