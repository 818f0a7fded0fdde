"""`dcign export-images`: what is written as pictures and a table comes back as the shards it was."""

import csv
import json

import numpy as np
import pytest
from image_table_fixtures import grid_rows, write_pictures, write_table
from PIL import Image
from safetensors.numpy import load_file
from shard_fixtures import write_synthetic

from render.imports import image_export
from render.shards.data_set import open_data_set
from render.shards.labels import labels_of
from render.shards.manifest import read_manifest

SMALL = [
    "--batch-size",
    "6",
    "--size",
    "20",
    "--test-share",
    "0.5",
    "--circular",
    "azimuth",
    "--tolerance",
    "twist=0.05",
    "--n",
    "3",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    for split, counts in (
        ("train", {"azimuth": 3, "light": 2, "intrinsic": 4}),
        ("test", {"azimuth": 1, "intrinsic": 2}),
    ):
        write_synthetic(folder / "discs", split=split, counts=counts, size=54, batch_size=4)
    rows = [
        (*row[:5], row[5] + 0.01 * (number % 3))
        for number, row in enumerate(grid_rows(("Jug, old", "cup", "pot", "7")))
    ]
    write_pictures(folder / "photos", rows)
    write_table(folder / "photos" / "photos.csv", [(r[0], r[1], r[2], r[4], r[3], r[5]) for r in rows],
                ["path", "identity", "azimuth", "colour", "distance (cm)", "twist"])  # fmt: skip
    return folder


def exported(dcign, work, shards):
    """The folder of the exported images of `shards`, made at first use."""
    folder = work / f"{shards}-images"
    if not folder.exists():
        code, out, err = dcign("export-images", shards, "-o", folder.name)
        assert code == 0, err
        assert f"listed in {folder.name}/images.csv." in out
    return folder


@pytest.fixture
def discs(dcign, work):
    return exported(dcign, work, "discs")


@pytest.fixture
def photos(dcign, work):
    if not (work / "shards").exists():
        assert dcign("import", "images", "photos/photos.csv", *SMALL)[0] == 0
    return exported(dcign, work, "shards")


def table_of(folder):
    with open(folder / "images.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def shards_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.npz")}


def test_every_image_is_a_picture_with_its_labels(discs, work):
    header, *rows = table_of(discs)
    angles = ["azimuth (degrees)", "elevation (degrees)", "light (degrees)"]
    assert header == ["path", "identity", *angles, "split", "factor", "minibatch", "position"]
    assert len(rows) == 4 * (9 + 3) == len(list(discs.rglob("*.png")))
    for path, identity, azimuth, _, light, split, factor, number, position in rows:
        batch = open_data_set(work / "discs", split).minibatch(factor, int(number))
        image = np.asarray(Image.open(discs / path))
        assert (image == batch.images[int(position)]).all()
        assert int(identity) == batch.identity[int(position)]
        assert np.float32(azimuth) == batch.values["azimuth"][int(position)]
        assert np.float32(light) == batch.values["light"][int(position)]


def test_rendered_shards_come_back_member_for_member(dcign, work, discs):
    code, _, err = dcign("import", "images", "discs-images/images.csv", "-o", "discs-again")
    assert code == 0, err
    assert dcign("verify", "discs-again")[0] == 0
    before, after = read_manifest(work / "discs"), read_manifest(work / "discs-again")
    assert list(before.shards) == list(after.shards)
    assert shards_of(work / "discs") == shards_of(work / "discs-again")  # discs have no coefficients
    assert labels_of(before.settings) == labels_of(after.settings)
    for name in ("object", "size", "batch_size", "ranges", "seed"):
        assert before.settings[name] == after.settings[name]


@pytest.mark.usefixtures("one_thread")
def test_training_on_what_came_back_gives_the_same_weights(dcign, work, discs):
    if not (work / "discs-again").exists():
        assert dcign("import", "images", "discs-images/images.csv", "-o", "discs-again")[0] == 0
    words = ["--steps", "4", "--widths", "4/3/2", "--code", "azimuth:1,light:1,intrinsic:6", "--precision", "fp32"]
    weights = []
    for shards in ("discs", "discs-again"):
        code, _, err = dcign("train", shards, "-o", f"run-{shards}", *words)
        assert code == 0, err
        weights.append(load_file(work / f"run-{shards}" / "checkpoint-00000004.safetensors"))
    assert weights[0].keys() == weights[1].keys()
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_imported_shards_come_back_file_for_file(dcign, work, photos):
    code, _, err = dcign("import", "images", "shards-images/images.csv", "-o", "photos-again")
    assert code == 0, err
    assert shards_of(work / "photos-again") == shards_of(work / "shards")
    before, after = read_manifest(work / "shards"), read_manifest(work / "photos-again")
    assert labels_of(before.settings) == labels_of(after.settings)
    assert before.settings["assets"]["identities"] == after.settings["assets"]["identities"]
    assert table_of(photos)[0][2:6] == ["azimuth (degrees)", "colour", "distance (cm)", "twist"]


def test_options_count_more_than_what_lies_beside_the_table(dcign, work, photos):
    words = ["--object", "jar", "--background", "0", "--seed", "9", "--n", "2", "--unit", "distance=m"]
    code, _, err = dcign("import", "images", "shards-images/images.csv", "-o", "other", *words)
    assert code == 0, err
    settings = read_manifest(work / "other").settings
    assert (settings["object"], settings["shading"], settings["seed"]) == ("jar", {"background": 0.0}, 9)
    assert settings["labels"]["distance"]["unit"] == "m"
    first, all_of_it = (open_data_set(work / name, "train") for name in ("other", "shards"))
    assert first.count("colour") == 2
    assert (first.minibatch("colour", 1).images == all_of_it.minibatch("colour", 1).images).all()


def edit(folder, work, name, change):
    """A copy of the table with other rows, beside the original."""
    header, *rows = table_of(folder)
    header, rows = change(header, [list(row) for row in rows])
    write_table(folder / name, rows, header)
    return f"{folder.name}/{name}"


def test_without_its_last_columns_the_images_are_dealt_anew(dcign, work, photos):
    words = [word for name in ("factor", "minibatch", "position") for word in ("--ignore", name)]
    unique = edit(photos, work, "once.csv", lambda header, rows: (
        header, list({(*row[1:6],): row for row in rows}.values())))  # fmt: skip
    code, out, err = dcign("import", "images", unique, "-o", "anew", *words)
    assert code == 0, err
    assert "groups" in out
    assert dcign("verify", "anew")[0] == 0


def cell(row, column, value):
    """An edit of one cell."""

    def change(header, rows):
        rows[row][header.index(column)] = value
        return header, rows

    return change


def only(keep):
    """An edit that keeps some rows."""
    return lambda header, rows: (header, [row for row in rows if keep(dict(zip(header, row, strict=True)))])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda header, rows: (header, [*rows[:7], *rows[8:]]), "line 9, column position: expected position 1 of mini-"
         "batch 1, found position 2 of mini-batch 1; without the columns factor, minibatch and position (--ignore)"),
        (cell(2, "distance (cm)", "9.5"), "line 4, column distance: expected one value in each mini-batch of azimuth"),
        (cell(2, "identity", "7"), "line 4, column identity: expected one value in each mini-batch of azimuth, found"),
        (cell(0, "factor", "size"), "line 2, column factor: expected one of azimuth, colour, distance, twist"),
        (cell(3, "position", "x"), "line 5, column position: expected a whole number from 0, found 'x'"),
        (only(lambda row: row["position"] == "0"), "expected mini-batches of 2 to"),
        (only(lambda row: (row["minibatch"], row["position"]) != ("0", "5")), "expected position 5 of mini-batch 0"),
        (only(lambda row: row["factor"] != "azimuth" or row["minibatch"] + row["position"] == "00"),
         "expected position 1 of mini-batch 0 too, found none"),
    ],
)  # fmt: skip
def test_a_table_whose_minibatches_are_not_whole_is_refused_with_its_line(dcign, work, photos, change, named):
    table = edit(photos, work, "edited.csv", change)
    code, _, err = dcign("import", "images", table, "-o", "edited")
    lines = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert (code, len(lines)) == (2, 1)
    assert named in lines[0]
    assert not (work / "edited").exists()


def test_another_number_of_images_than_the_minibatches_have_is_refused(dcign, photos):
    code, _, err = dcign("import", "images", "shards-images/images.csv", "-o", "edited", "--batch-size", "5")
    assert code == 2
    assert "--batch-size 5: expected the 6 images that mini-batches of azimuth have in shards-images/images.csv" in err
    code, _, err = dcign("import", "images", "shards-images/images.csv", "-o", "edited", "--test-share", "0.2")
    assert code == 2
    assert "--test-share: expected none, since shards-images/images.csv says what is for testing" in err


def test_an_interrupted_export_is_finished_by_the_same_command_and_a_finished_one_kept(dcign, work, discs, monkeypatch):
    def stop(*arguments, write=image_export._Writer.write):
        if len(list((work / "stopped").rglob("*.png"))) > 8:
            raise KeyboardInterrupt
        return write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(image_export._Writer, "write", stop)
        assert dcign("export-images", "discs", "-o", "stopped")[0] == 130
    assert not (work / "stopped" / "images.csv").exists()
    assert dcign("export-images", "discs", "-o", "stopped")[0] == 0
    assert {path.relative_to(work / "stopped"): path.read_bytes() for path in (work / "stopped").rglob("*.*")} == {
        path.relative_to(discs): path.read_bytes() for path in discs.rglob("*.*")
    }
    code, _, err = dcign("export-images", "discs", "-o", "stopped")
    assert (code, "expected an empty folder, found 'images.csv'" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere"], "nowhere: expected a folder of shards, found nothing"),
        (["discs", "-o", "photos"], "photos: expected an empty folder, found"),
        (["discs", "-o", "no/where"], "no/where: there is no folder no"),
        ([], "SHARDS"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(dcign, words, named):
    code, _, err = dcign("export-images", *words)
    assert code == 2
    assert named in err.splitlines()[-1]


def test_a_file_of_another_program_beside_the_table_is_passed_over_and_a_damaged_one_refused(dcign, work, photos):
    (work / "photos" / "images.json").write_text(json.dumps({"info": {}, "annotations": []}))
    code, _, err = dcign("import", "images", "photos/photos.csv", "-o", "beside", *SMALL)
    assert code == 0, err
    assert shards_of(work / "beside") == shards_of(work / "shards")
    document = json.loads((photos / "images.json").read_text())
    for place, value, named in (("size", -1, "size: expected"), ("version", 2, "expected format version 1, found 2"),
                                ("ranges", {}, "labels: expected labels of factors in ranges")):  # fmt: skip
        (work / "photos" / "images.json").write_text(json.dumps({**document, place: value}))
        code, _, err = dcign("import", "images", "photos/photos.csv", "-o", "damaged", *SMALL)
        assert (code, named in err) == (2, True), err
    (work / "photos" / "images.json").unlink()
