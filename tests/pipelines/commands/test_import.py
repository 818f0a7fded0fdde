"""`dcign import` from the command line: shards that the other commands accept, resumed and refused as by `render`."""

import json
import shutil

import numpy as np
import pytest
from chair_render_fixtures import chair_files, chair_name, image_name, write_folder, write_tar

from pipelines.commands import import_ as import_shards
from pipelines.commands.import_job import SHOWN
from render.imports.rendered_chairs import LAYOUT
from render.shards.data_set import open_data_set

SMALL = ["--train-chairs", "3", "--size", "54", "--batch-size", "6"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_tar(folder / "chairs.tar", chair_files())
    np.savez(folder / "dsprites.npz", imgs=np.zeros((9, 9)))
    write_tar(folder / "other.tar", {"a/b.png": b"x"})
    write_tar(folder / "cut.tar", chair_files(1))
    with open(folder / "cut.tar", "r+b") as file:
        file.truncate(30_000)
    (folder / "empty").mkdir()
    (folder / "file").write_text("no archive")
    write_folder(folder / "full", {"something.txt": b"x"})
    return folder


@pytest.fixture
def imported(dcign, work):
    """The folder that `dcign import` made, run at first use."""
    if not (work / "shards").exists():
        code, out, err = dcign("import", "rendered-chairs", "chairs.tar", *SMALL)
        assert code == 0, err
        assert "shards: 3 chairs for train, 2 for test, from 310 images." in out
        assert "Left out" not in out + err
    return work / "shards"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("imported")
def test_verify_and_preview_accept_what_was_imported(dcign, work):
    code, out, err = dcign("verify", "shards")
    assert code == 0, out + err
    assert "4 azimuth (test), 6 azimuth (train), 62 intrinsic (test), 62 intrinsic (train)" in out
    assert dcign("preview", "shards", "-o", "sheet.png")[0] == 0
    assert (work / "sheet.png").stat().st_size > 10_000


@pytest.mark.usefixtures("imported")
def test_training_and_evaluation_accept_what_was_imported(dcign, work):
    code, _, err = dcign("train", "shards", "-o", "run", "--steps", "2", "--widths", "4/3/2", "--precision", "fp32")
    assert code == 0, err
    code, _, err = dcign("evaluate", "run", "shards", "--identities", "0")
    assert code == 0, err
    measured = json.loads((work / "run" / "report.json").read_text())
    assert measured["warnings"] is not None
    assert (work / "run" / "report.html").is_file()


def test_a_second_run_finds_nothing_left_to_do(dcign, imported):
    before = {path: path.stat().st_mtime_ns for path in imported.iterdir()}
    code, out, _ = dcign("import", "rendered-chairs", "chairs.tar", *SMALL)
    assert (code, out) == (0, "shards: all 5 chairs are there already.\n")
    assert {path: path.stat().st_mtime_ns for path in imported.iterdir()} == before


def test_importing_again_repairs_a_damaged_or_missing_shard(dcign, work, imported):
    folder = work / "damaged"
    shutil.copytree(imported, folder)
    with open(folder / "intrinsic-test-00000.npz", "r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    (folder / "azimuth-train-00000.npz").unlink()
    assert dcign("import", "rendered-chairs", "chairs.tar", *SMALL, "-o", "damaged")[0] == 0
    assert contents(folder) == contents(imported)


def test_an_interrupted_import_is_finished_by_the_same_command(dcign, work, imported, monkeypatch):
    def stop(bar, done, images):
        if list((work / "stopped").glob("*.npz")):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(import_shards._Progress, "tick", stop)
        code, _, err = dcign("import", "rendered-chairs", "chairs.tar", *SMALL, "-o", "stopped")
    assert (code, "same command" in err) == (130, True)
    assert dcign("import", "rendered-chairs", "chairs.tar", *SMALL, "-o", "stopped")[0] == 0
    assert contents(work / "stopped") == contents(imported)


def test_what_is_left_out_is_shown_but_not_without_end(dcign, work):
    files = chair_files(2)
    for name in list(files)[:25]:
        files[name] = b"damaged"
    files |= {f"{chair_name(7)}/renders/{image_name((20, 11))}": b"damaged"}
    write_tar(work / "damaged.tar", files)
    code, out, err = dcign("import", "rendered-chairs", "damaged.tar", *SMALL, "-o", "partial")
    assert code == 0
    assert err.count("Left out: ") == SHOWN + 1
    assert f"Left out: {chair_name(0)}/renders/image_000_p020_t000_r096.png: expected a whole PNG" in err
    assert "Left out: unusable images: 26, chairs with too few images: 1." in out


def test_the_summary_says_when_no_chair_is_left_for_testing(dcign, work):
    code, out, _ = dcign("import", "rendered-chairs", "chairs.tar", "--size", "20", "--no-crop", "-o", "all-train")
    assert code == 0
    assert "No chair is left for testing: --train-chairs is 1200, chairs found 5." in out
    data = open_data_set(work / "all-train")
    assert (data.batch_size, data.size, data.count("azimuth")) == (20, 20, 10)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere"], "nowhere: expected a folder, tar or zip"),
        (["empty"], "empty: expected rendered_chairs/<chair>/renders/image_"),
        (["file"], f"file: expected a folder, zip or tar of {LAYOUT}, found another file"),
        (["dsprites.npz"], f"dsprites.npz: expected {LAYOUT}, found no such file among 1"),
        (["chairs.tar", "-o", "no/where"], "no/where: there is no folder no; make it first"),
        (["other.tar"], "other.tar: expected rendered_chairs/<chair>/renders/image_"),
        (["cut.tar", "-o", "cut"], "cut.tar: expected a whole tar"),
        (["chairs.tar", "-o", "full"], "full: expected an empty folder"),
        (["chairs.tar", "-o", "file"], "file: expected a folder, found a file"),
        (["chairs.tar", "-o", "shards", "--seed", "3"], "shards: holds another data set: its seed is 0"),
        (["chairs.tar", "--size", "5"], "--size"),
        (["chairs.tar", "--batch-size", "1"], "--batch-size"),
        (["chairs.tar", "--train-chairs", "0"], "--train-chairs"),
        ([], "PATH"),
    ],
)
@pytest.mark.usefixtures("imported")
def test_bad_input_gets_one_line_and_exit_code_2_and_leaves_no_shard(dcign, work, words, named):
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.npz")}
    code, _, err = dcign("import", "rendered-chairs", *SMALL, *words)
    assert code == 2
    lines = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert named in lines[0]
    assert "Traceback" not in err
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.npz")} == before


def test_the_group_alone_lists_its_sources(dcign):
    code, out, err = dcign("import", "--help")
    assert code == 0, err
    assert "rendered-chairs" in out
    assert dcign("import", "painted-chairs")[0] == 2
