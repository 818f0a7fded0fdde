"""`dcign import images`: from a folder of pictures and a table to shards that the other commands accept."""

import json
import shutil

import numpy as np
import pytest
from image_file_fixtures import jpeg_of_scans, png_claiming
from image_table_fixtures import HEADER, grid_rows, picture, write_pictures, write_table

from pipelines.commands import import_job
from render.errors import ShardError
from render.imports.grey import grey_square
from render.shards.data_set import open_data_set
from render.shards.labels import Label

ROWS = grid_rows()
SMALL = ["--batch-size", "6", "--size", "20", "--test-share", "0.5", "--circular", "azimuth"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_pictures(folder / "photos", ROWS)
    write_table(folder / "photos" / "photos.csv", ROWS)
    return folder


@pytest.fixture
def imported(dcign, work):
    """The folder that `dcign import images` made, and what it said, run at first use."""
    if not (work / "shards").exists():
        code, out, err = dcign("import", "images", "photos/photos.csv", *SMALL)
        assert code == 0, err
        (work / "said.txt").write_text(out)
    return work / "shards"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_summary_tells_what_each_factor_gave(imported, work):
    lines = (work / "said.txt").read_text().splitlines()
    assert lines[0].endswith("mini-batches of 6 images of 20 x 20 pixels; identities for training: 2, for testing: 2.")
    table = [line.split() for line in lines[1:7]]
    assert table[0] == ["factor", "values", "groups", "images", "mini-batches", "left", "over"]
    found = {row[0]: " ".join(row[1:]) for row in table[1:]}
    assert found["azimuth"] == "0° to 360°, 3 values, a circle 32 96 16 train, 16 test -"
    assert found["distance"] == "20 cm to 30.5 cm, 2 values 48 96 24 train, 24 test -"
    assert found["colour"] == "blue, red 48 96 24 train, 24 test -"
    assert found["intrinsic"] == "4 objects 48 96 24 train, 24 test -"


def test_a_picture_that_would_take_far_more_than_its_size_should_is_named_with_its_line(dcign, work):
    folder = work / "hostile"
    rows = [("0.png", "a", 0), ("1.png", "a", 1), ("2.png", "a", 2)]
    write_pictures(folder, rows)
    write_table(folder / "photos.csv", rows, ["path", "identity", "twist"])
    hostile = {"2.png": png_claiming(30_000, 30_000), "1.png": jpeg_of_scans(2000)}
    for name, content in hostile.items():
        (folder / name).write_bytes(content)
        code, _, err = dcign("import", "images", "hostile/photos.csv", "-o", "from-hostile")
        assert code == 2
        assert f"hostile/photos.csv, line {int(name[0]) + 2}, column path: {name}: " in err.splitlines()[-1]
        assert contents(work / "from-hostile") == {}


@pytest.mark.usefixtures("imported")
def test_verify_and_preview_accept_what_was_imported(dcign, work):
    code, out, err = dcign("verify", "shards")
    assert code == 0, out + err
    assert "16 azimuth (test), 16 azimuth (train), 24 colour (test)" in out
    assert dcign("preview", "shards", "-o", "sheet.png")[0] == 0
    assert (work / "sheet.png").stat().st_size > 10_000
    assert dcign("preview", "shards", "--frontal", "-o", "front.png")[0] == 0


def test_the_shards_hold_the_pixels_and_labels_of_the_table(imported):
    rows = {
        (row[1], np.float32(row[2]), np.float32(row[3]), row[4], np.float32(row[5])): picture(row) for row in ROWS
    }  # fmt: skip
    settings = json.loads((imported / "manifest.json").read_text())["settings"]
    seen = set()
    for split in ("train", "test"):
        data = open_data_set(imported, split)
        assert data.labels["azimuth"] == Label("azimuth", 0, 360, circular=True, values=(0, 120, 240))
        assert data.labels["colour"].categories == ("blue", "red")
        for batch in data.minibatches():
            for image in range(6):
                values = {name: column[image] for name, column in batch.values.items()}
                who = settings["assets"]["identities"][batch.identity[image]]
                key = (who, *values.values())
                key = (*key[:3], data.labels["colour"].text(key[3]), key[4])
                assert (batch.images[image] == rows[key]).all()
                seen.add(key)
    assert seen == set(rows)


def test_a_second_run_finds_nothing_left_to_do(dcign, imported):
    before = {path: path.stat().st_mtime_ns for path in imported.iterdir()}
    code, out, _ = dcign("import", "images", "photos/photos.csv", *SMALL)
    assert (code, out) == (0, "shards: all 224 mini-batches are there already.\n")
    assert {path: path.stat().st_mtime_ns for path in imported.iterdir()} == before


def test_importing_again_repairs_a_damaged_or_missing_shard(dcign, work, imported):
    folder = work / "damaged"
    shutil.copytree(imported, folder)
    with open(folder / "intrinsic-test-00000.npz", "r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    (folder / "azimuth-train-00000.npz").unlink()
    code, _, err = dcign("verify", "damaged")
    assert (code, "damaged: 2 faults; `dcign import` repairs shards" in err) == (2, True)
    kept = (folder / "colour-train-00000.npz").stat().st_mtime_ns
    assert dcign("import", "images", "photos/photos.csv", *SMALL, "-o", "damaged")[0] == 0
    assert contents(folder) == contents(imported)
    assert (folder / "colour-train-00000.npz").stat().st_mtime_ns == kept


def test_an_interrupted_import_leaves_whole_shards_and_is_finished_by_the_same_command(
    dcign, work, imported, monkeypatch
):
    from render.imports import image_import

    def stop(*arguments, write=image_import.add_shard):
        if len(list((work / "stopped").glob("*.npz"))) == 3:
            raise KeyboardInterrupt
        write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(image_import, "add_shard", stop)
        code, _, err = dcign("import", "images", "photos/photos.csv", *SMALL, "-o", "stopped")
    assert (code, "same command" in err) == (130, True)
    assert len(contents(work / "stopped")) == 4
    assert dcign("import", "images", "photos/photos.csv", *SMALL, "-o", "stopped")[0] == 0
    assert contents(work / "stopped") == contents(imported)


@pytest.mark.parametrize("cores", [1, 5])
def test_the_bytes_do_not_depend_on_the_number_of_threads(dcign, work, imported, monkeypatch, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert dcign("import", "images", "photos/photos.csv", *SMALL, "-o", f"cores-{cores}")[0] == 0
    assert contents(work / f"cores-{cores}") == contents(imported)


def test_other_forms_of_the_same_table_give_the_same_shards(dcign, work, imported):
    with open(work / "photos" / "photos.jsonl", "w") as file:
        for row in ROWS:
            file.write(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n")
    write_table(work / "photos" / "semicolons.csv", [tuple(str(c).replace(".5", ",5") if n == 3 else c
                for n, c in enumerate(row)) for row in ROWS], delimiter=";")  # fmt: skip
    wanted = {name: content for name, content in contents(imported).items() if name != "manifest.json"}
    for form in ("photos/photos.jsonl", "photos/semicolons.csv"):
        assert dcign("import", "images", form, *SMALL, "-o", f"{form[7:]}-shards")[0] == 0
        found = contents(work / f"{form[7:]}-shards")
        del found["manifest.json"]
        assert found == wanted
    pattern = "{identity}/{azimuth}-{distance}-{colour}-{twist}.png"
    code, _, err = dcign(
        "import", "images", "photos", "--pattern", pattern, "-o", "named", *SMALL, "--unit", "distance=cm"
    )
    assert code == 0, err
    assert open_data_set(work / "named").labels == open_data_set(imported).labels


def test_sizes_crop_and_background(dcign, work):
    from PIL import Image

    folder = work / "wide"
    rows = [(f"{i}.png", "a", i) for i in range(4)]
    for name, _, i in rows:
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture((i,), 100)[:60]).save(folder / name)
    write_table(folder / "photos.csv", rows, ["path", "identity", "twist"])
    for words, size, level in (([], 54, None), (["--crop", "none", "--background", "0.5"], 102, 128)):
        output = f"wide-{size}"
        code, out, err = dcign("import", "images", "wide/photos.csv", "-o", output, "--batch-size", "4", *words)
        assert code == 0, err
        assert f"{size} x {size} pixels" in out
        assert "No identity is left for testing." in out
        with pytest.raises(
            ShardError, match="expected test shards, found only train; import them with identities for both"
        ):
            open_data_set(work / output, "test")
        batch = open_data_set(work / output).minibatch("twist", 0)
        crop = "none" if words else "centre"
        for value, image in zip(batch.values["twist"], batch.images, strict=True):
            whole = Image.fromarray(picture((int(value),), 100)[:60])
            assert (image == np.asarray(grey_square(whole, size, crop, 0.5))).all()
            assert level is None or (image[:19] == level).all()


def test_unreadable_pictures_may_be_skipped_and_are_counted(dcign, work, imported):
    folder = work / "torn"
    shutil.copytree(work / "photos", folder)
    for row in ROWS[:13]:
        (folder / row[0]).write_bytes(b"torn")
    (folder / ROWS[20][0]).unlink()
    code, _, err = dcign("import", "images", "torn/photos.csv", *SMALL, "-o", "torn-shards")
    assert code == 2
    assert f"torn/photos.csv, line 22, column path: {ROWS[20][0]}: no such file" in err
    (folder / ROWS[20][0]).write_bytes(b"torn too")
    code, _, err = dcign("import", "images", "torn/photos.csv", *SMALL, "-o", "torn-shards")
    assert code == 2
    assert "torn/photos.csv, line 2, column path: cup/0-20-blue-0.1.png: not an image that can be read" in err
    assert contents(work / "torn-shards") == {}
    code, out, err = dcign("import", "images", "torn/photos.csv", *SMALL, "-o", "torn-shards", "--skip-unreadable")
    assert code == 0, err
    assert err.count("Left out: ") == import_job.SHOWN + 1
    assert "Left out: 14 images that cannot be read." in out
    assert dcign("verify", "torn-shards")[0] == 0
    before = contents(work / "torn-shards")
    assert dcign("import", "images", "torn/photos.csv", *SMALL, "-o", "torn-shards", "--skip-unreadable")[0] == 0
    assert contents(work / "torn-shards") == before
    code, _, err = dcign("import", "images", "torn/photos.csv", *SMALL, "-o", "torn-shards")
    assert code == 2
    assert "torn-shards: holds another data set: its assets.sampling.unreadable is 14" in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere.csv"], "nowhere.csv: expected a table or a folder, found nothing"),
        (["photos"], "give a --pattern for file names"),
        (["photos", "--pattern", "{identity}{azimuth}"], "--pattern: expected a path below the folder"),
        (["photos/photos.csv", "-o", "shards"], "shards: holds another data set: its"),
        (["photos/photos.csv", "-o", "photos"], "photos: expected an empty folder or one with manifest.json"),
        (["photos/photos.csv", "--circular", "colour"], "column colour: expected a number, since --circular speaks"),
        (["photos/photos.csv", "--circular", "azimut"], "--circular: expected one of the factors azimuth, distance,"),
        (["photos/photos.csv", "--circular", "azimuth=x"], "--circular: expected a number above 0, found 'x'"),
        (["photos/photos.csv", "--tolerance", "azimuth"], "--tolerance: expected FACTOR=VALUE, found 'azimuth'"),
        (["photos/photos.csv", *["--unit", "twist=m"] * 2], "--unit: expected twist once, found it twice"),
        (["photos/photos.csv", "--object", "a/b"], "--object: expected a word or some, found 'a/b'"),
        (["photos/photos.csv", "--ignore", "weight"], "--ignore: expected a column of photos/photos.csv"),
        (["photos/photos.csv", "--crop", "left"], "--crop"),
        ([], "TABLE"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("imported")
def test_bad_input_gets_one_line_and_exit_code_2_and_leaves_no_shard(dcign, work, words, named):
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.npz")}
    code, _, err = dcign("import", "images", "-o", "new", *words)
    lines = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("Error: ")]
    assert (code, len(lines)) == (2, 1), err
    assert named in lines[0]
    assert "Traceback" not in err
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.npz")} == before
    assert not (work / "new").exists()
