"""The reader of the Extended Yale Face Database B: what the names of its pictures say."""

import numpy as np
import pytest
from collection_fixtures import LIGHTS, pgm, write_faces

from render.errors import BadInput
from render.imports.collections import yale_b
from render.imports.collections.yale_b import open_yale_b


@pytest.fixture
def folder(tmp_path):
    write_faces(tmp_path)
    return tmp_path


def test_labels_and_identities_follow_from_the_names(tmp_path):
    written = write_faces(tmp_path, poses=(0, 6))
    images = open_yale_b(tmp_path)
    assert list(images.labels) == ["pose", "light", "light_elevation"]
    assert images.labels["pose"].categories == ("P00", "P06")
    assert (images.labels["light"].values, images.labels["light"].unit) == ((-10, 0, 10), "degrees")
    assert images.identities == ["yaleB01", "yaleB02", "yaleB11"]
    rows = np.arange(len(written))
    for row, image in zip(rows, images.read(rows), strict=True):
        light, elevation = int(images.values["light"][row]), int(images.values["light_elevation"][row])
        pose, person = images.labels["pose"].text(images.values["pose"][row]), images.identities[images.identity[row]]
        np.testing.assert_array_equal(image, written[f"{person}_{pose}A{light:+04d}E{elevation:+03d}.pgm"])


def test_pictures_of_one_pose_have_no_label_for_it(folder):
    images = open_yale_b(folder)
    assert list(images.labels) == ["light", "light_elevation"]
    assert len(images.identity) == 3 * len(LIGHTS)


def test_names_of_another_kind_are_passed_over(folder):
    before = open_yale_b(folder).fingerprint
    for name in ("yaleB01_P00A-110E-20.pgm.bad", "yaleB1_P00A-110E-20.pgm", "..yaleB01_P00A-110E-20.pgm", "x.pgm"):
        (folder / "yaleB01" / name).write_bytes(b"x")
    (folder / "yaleB01" / "yaleB01_P00A-110E-25.pgm").mkdir()
    assert open_yale_b(folder).fingerprint == before


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "cannot identify image file"),
        (pgm(np.zeros((14, 12), np.uint8))[:-5], "image file is truncated"),
        (b"P6 2 2 255\n" + bytes(12), "2 x 2 pixels of mode RGB"),
        (b"P5 99999 99999 255\n" + bytes(99), "99999 x 99999 pixels of mode L|could be decompression bomb"),
        (b"P5 2 2 65535\n" + bytes(8), "2 x 2 pixels of mode I"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "cannot identify image file"),
    ],
)
def test_a_damaged_or_hostile_picture_is_one_line(folder, content, found):
    path = sorted(folder.glob("yaleB02/*A+000E+00.pgm"))[0]
    path.write_bytes(content)
    with pytest.raises(
        BadInput, match=rf"{path.name.replace('+', '.')}: expected a whole grey PGM picture, found .*({found})"
    ):
        list(open_yale_b(folder).read(np.arange(15)))


def test_limits_of_files_are_kept(folder, monkeypatch):
    monkeypatch.setattr(yale_b, "MOST_FILES", 14)
    with pytest.raises(BadInput, match="expected at most 14 pictures, found more"):
        open_yale_b(folder)
    monkeypatch.undo()
    monkeypatch.setattr(yale_b, "LARGEST_FILE", 100)
    with pytest.raises(BadInput, match=r"yaleB01.*: expected a whole grey PGM picture, found more than 100 bytes"):
        list(open_yale_b(folder).read(np.array([0])))


def test_two_copies_of_a_picture_are_one_line(folder):
    copy = folder / "copy" / "yaleB01_P00A+000E+00.pgm"
    copy.parent.mkdir()
    copy.write_bytes(b"x")
    with pytest.raises(BadInput, match=r"yaleB01_P00A.000E.00.pgm: expected every picture once, found it as .* too"):
        open_yale_b(folder)


def test_a_folder_of_other_files_is_one_line(tmp_path):
    (tmp_path / "a.pgm").touch()
    pictures = r"expected a folder of pictures such as yaleB11_P00A-005E\+10.pgm, found"
    for path, found in ((tmp_path, " none"), (tmp_path / "a.pgm", ": Not a dir"), (tmp_path / "missing", ": No such")):
        with pytest.raises(BadInput, match=pictures + found):
            open_yale_b(path)
