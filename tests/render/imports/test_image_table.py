"""Tables of images become labelled images; what is wrong with a row, or with its picture, is named with its line."""

import numpy as np
import pytest
from image_table_fixtures import HEADER, decode, grid_rows, picture, write_pictures, write_table

from render.errors import BadInput
from render.imports.image_table import TableOptions, open_image_table
from render.imports.tables.labels import LabelOptions

ROWS = grid_rows(("cup", "jug"))[::8]


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path, ROWS)
    return tmp_path


def opened(path, pattern=None, options=None):
    return open_image_table(path, pattern, options or TableOptions(LabelOptions()), decode)[0]


def test_every_row_keeps_its_labels_its_identity_and_its_pixels(folder):
    images = opened(write_table(folder / "photos.csv", ROWS))
    assert list(images.labels) == ["azimuth", "distance", "colour", "twist"]
    assert images.labels["distance"].unit == "cm"
    for name, column in zip(images.labels, list(zip(*ROWS, strict=True))[2:], strict=True):
        label = images.labels[name]
        wanted = [label.categories.index(cell) for cell in column] if label.categories else column
        assert (images.values[name] == np.float32(wanted)).all()
    assert [images.identities[number] for number in images.identity] == [row[1] for row in ROWS]
    assert (images.test, images.background, images.minibatches) == (None, 1.0, None)
    rows = np.arange(1, len(ROWS), 3)
    for row, image in zip(rows, images.read(rows), strict=True):
        assert (image == picture(ROWS[row])).all()


def test_identities_that_are_numbers_stay_as_they_are(folder):
    numbers = {"cup": 7, "jug": 2**62 + 1}
    images = opened(write_table(folder / "photos.csv", [(row[0], numbers[row[1]], *row[2:]) for row in ROWS]))
    assert images.identity.tolist() == [numbers[row[1]] for row in ROWS]
    assert images.identities == ()


def test_a_column_says_what_is_for_testing(folder):
    rows = [(*row, "test" if row[1] == "cup" else "train") for row in ROWS]
    images = opened(write_table(folder / "photos.csv", rows, [*HEADER, "split"]))
    assert images.test.tolist() == [row[1] == "cup" for row in ROWS]


def test_the_same_table_has_the_same_fingerprint_and_another_picture_another(folder):
    path = write_table(folder / "photos.csv", ROWS)
    first = opened(path).fingerprint
    assert opened(path).fingerprint == first
    (folder / ROWS[0][0]).write_bytes(b"another")
    changed = opened(path).fingerprint
    assert changed != first
    write_table(path, [(*ROWS[0][:2], 180, *ROWS[0][3:]), *ROWS[1:]])
    assert opened(path).fingerprint not in (first, changed)


def test_a_folder_of_names_is_a_table(tmp_path):
    rows = [(f"{who}_P{azimuth:03d}_L{light:+d}.png", who, azimuth, light)
            for who in ("a", "b") for azimuth in (0, 45) for light in (-30, 30)]  # fmt: skip
    write_pictures(tmp_path, rows)
    images = opened(tmp_path, "{identity}_P{azimuth}_L{light}.png")
    ordered = sorted(rows)
    assert [*zip(*(images.values[name].tolist() for name in ("azimuth", "light")), strict=True)] == [
        r[2:] for r in ordered
    ]
    assert [images.identities[number] for number in images.identity] == [row[1] for row in ordered]
    assert (next(images.read(np.array([3]))) == picture(ordered[3])).all()
    (tmp_path / ordered[3][0]).write_bytes(b"none")
    with pytest.raises(BadInput, match=f"{tmp_path}/{ordered[3][0].replace('+', '.')}: cannot identify"):
        list(images.read(np.array([2, 3])))


def test_ignored_columns_are_no_factors(folder):
    path = write_table(folder / "photos.csv", [(*row, "a note") for row in ROWS], [*HEADER, "any note!"])
    with pytest.raises(BadInput, match=r"expected names of factors, .* found the column 'any note!' .leave it out by"):
        opened(path)
    images = opened(path, options=TableOptions(LabelOptions(), ignore=("any note!", "twist", "distance")))
    assert list(images.labels) == ["azimuth", "colour"]
    with pytest.raises(BadInput, match=r"`ignore`: expected a column of .*photos.csv, found 'weight'"):
        opened(path, options=TableOptions(LabelOptions(), ignore=("weight",)))


def change(row, column, value):
    return (*row[:column], value, *row[column + 1 :])


def a_directory(folder):
    (folder / "a.png").mkdir()


def outside(folder):
    (folder.parent / "outside.png").write_bytes(b"secret")
    (folder / "a.png").symlink_to(folder.parent / "outside.png")


def outside_by_folder(folder):
    (folder / "a").symlink_to(folder.parent)
    (folder.parent / "a.png").write_bytes(b"secret")


@pytest.mark.parametrize(
    ("prepare", "path", "named"),
    [
        (None, "a.png", "line 3, column path: a.png: no such file"),
        (None, "a\\b.png", "line 3, column path: a\\b.png: no such file; folders are parted by /"),
        (None, "a" * 300, "File name too long"),
        (a_directory, "a.png", "line 3, column path: a.png: expected a file"),
        (outside, "a.png", "line 3, column path: a.png: a link that leads out of the folder"),
        (outside_by_folder, "a/a.png", "line 3, column path: a/a.png: a link that leads out of the folder"),
        (None, "../a.png", "line 3, column path: expected a path below the folder of the table, found '../a.png'"),
        (
            None,
            "/etc/hostname",
            "expected a path below the folder of the table, found '/etc/hostname'",
        ),
    ],
)
def test_a_picture_that_is_not_below_the_folder_is_refused_before_any_is_read(folder, prepare, path, named):
    if prepare:
        prepare(folder)
    table = write_table(folder / "photos.csv", [ROWS[0], change(ROWS[1], 0, path), *ROWS[2:]])
    with pytest.raises(BadInput) as refused:
        opened(table)
    assert named in str(refused.value)
    assert str(refused.value).startswith(f"{table}, ")


def test_a_link_within_the_folder_is_followed(folder):
    (folder / "a.png").symlink_to(ROWS[1][0])
    images = opened(write_table(folder / "photos.csv", [ROWS[0], change(ROWS[1], 0, "a.png"), *ROWS[2:]]))
    assert (next(images.read(np.array([1]))) == picture(ROWS[1])).all()


def test_missing_pictures_may_be_left_to_be_skipped(folder):
    path = write_table(folder / "photos.csv", [*ROWS, change(ROWS[0], 0, "none.png")])
    images = opened(path, options=TableOptions(LabelOptions(), skip=True))
    with pytest.raises(BadInput, match=f"line {len(ROWS) + 2}, column path: none.png: no such file"):
        list(images.read(np.arange(len(ROWS) + 1)))


@pytest.mark.parametrize(
    ("rows", "header", "named"),
    [
        ([*ROWS, change(ROWS[2], 1, "jar")], HEADER, f"line {len(ROWS) + 2}, column path: {ROWS[2][0]}: expected the"),
        ([*ROWS, change(ROWS[2], 1, "jar")], HEADER, "expected the identity that line 4 says, found another"),
        ([*ROWS, change(ROWS[2], 4, "pink")], HEADER, "expected the colour that line 4 says, found another"),
        ([*ROWS, ROWS[2]], HEADER, "expected each picture once, found it in line 4 too"),
        ([change(ROWS[0], 1, "CUP"), *ROWS[1:]], HEADER, "line 3, column identity: expected one spelling of"),
        (ROWS, ["path", "who", *HEADER[2:]], "photos.csv: expected columns path and identity, found path, who"),
        ([row[:2] for row in ROWS], HEADER[:2], "expected a column for each factor, found path, identity"),
        (ROWS, [*HEADER[:5], "shape"], "found the column 'shape'"),
        (ROWS, [*HEADER[:5], "azimuth (m)"], "expected each factor once, found 'azimuth' twice"),
        ([(*row, "maybe") for row in ROWS], [*HEADER, "split"], "line 2, column split: expected train or test"),
    ],
)  # fmt: skip
def test_rows_that_contradict_each_other_are_named(folder, rows, header, named):
    with pytest.raises(BadInput) as refused:
        opened(write_table(folder / "photos.csv", rows, header))
    assert named in str(refused.value)


def test_pictures_in_colour_and_of_several_sizes_are_counted(folder):
    from PIL import Image

    Image.new("RGB", (30, 10), (200, 10, 10)).save(folder / ROWS[0][0])
    images = opened(write_table(folder / "photos.csv", ROWS))
    assert images.remarks() == []
    assert [image.shape for image in images.read(np.arange(2))] == [(10, 30), (20, 20)]
    assert next(images.read(np.arange(1)))[0, 0] == round(0.21 * 200 + 0.72 * 10 + 0.07 * 10)
    assert images.remarks() == [
        "images in colour, turned grey: 1",
        "images of several sizes, 30 x 10 to 20 x 20 pixels: all made alike",
    ]
