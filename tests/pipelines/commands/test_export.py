"""`dcign export`: what is in the folder, when it is refused, and that it is whole or not there at all."""

import errno
import json
import os
import re

import numpy as np
import pytest
from labelled_shards import FACTORS, LABELS, write_labelled
from PIL import Image
from untrained_run import write_calibrated, write_calibrated_labelled, write_untrained

import dcign as package
from dcign.engine.image_files import load_grey
from dcign.export import onnx_files
from pipelines.export import folder as export_folder
from pipelines.export import page as export_page
from pipelines.export.page import ENGINE
from render.shards.data_set import open_data_set
from render.shards.labels import labels_of

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'dcign[export]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'dcign[export]'")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    write_untrained(folder / "uncalibrated")
    noise = np.random.default_rng(0)
    Image.fromarray(noise.integers(0, 256, (80, 120, 3), np.uint8)).save(folder / "ann.png")
    Image.fromarray(noise.integers(0, 256, (54, 54), np.uint8)).save(folder / "bob.png")
    (folder / "text.png").write_text("hello")
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "thesis.tex").write_text("years of work")
    (folder / "file").write_text("no folder")
    return folder


@pytest.fixture(autouse=True)
def a_small_runtime(monkeypatch):
    """Leaves out the 14 MB that the page needs; test_export_page.py has them."""
    monkeypatch.setattr(export_page, "RUNTIME_FILES", {"LICENSE": "LICENSE"})


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left_behind(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith((".tmp", ".old"))]


def test_an_export_holds_networks_page_and_card(dcign, work):
    code, out, err = dcign(
        "export", "run", "-o", "site", "--image", "ann.png", "--image", "bob.png", "--name", "Ann & <b>co"
    )
    assert (code, err) == (0, "")
    assert re.search(r"Largest difference from PyTorch: encoder \de-\d\d, decoder \de-\d\d\n", out)
    files = contents(work / "site")
    assert {"encoder.onnx", "decoder.onnx", "index.html", "README.md", "start-1.png", "start-2.png"} <= files.keys()
    assert sorted(files) == json.loads(files[ENGINE])["files"]
    shown = re.search(r"encoder \S+, decoder \S+", out)[0]
    assert shown in files["README.md"].decode()
    assert "<h1>Ann &amp; &lt;b&gt;co</h1>" in files["index.html"].decode()
    assert not left_behind(work)


def test_the_starts_are_the_codes_that_the_run_gives_the_images(dcign, work):
    assert dcign("export", "run", "-o", "codes", "--image", "ann.png")[0] == 0
    engine = json.loads((work / "codes" / ENGINE).read_text())
    (start,) = engine["starts"]
    pixels = load_grey(work / "ann.png", 54, 0.0)
    np.testing.assert_array_equal(np.float32(start["code"]), package.load(work / "run", "cpu").encode(pixels))
    with Image.open(work / "codes" / start["picture"]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.round(pixels * 255).astype(np.uint8))


def test_the_same_run_gives_the_same_bytes(dcign, work):
    for name in ("one", "two"):
        assert dcign("export", "run", "-o", name, "--image", "ann.png")[0] == 0
    assert contents(work / "one") == contents(work / "two")


def test_nothing_in_an_export_names_a_path_of_this_machine(dcign, work):
    assert dcign("export", str(work / "run"), "-o", "public", "--image", str(work / "ann.png"))[0] == 0
    for name, content in contents(work / "public").items():
        assert str(work).encode() not in content, name


def test_an_earlier_export_is_replaced_whole(dcign, work):
    assert dcign("export", "run", "-o", "again", "--image", "ann.png", "--image", "bob.png")[0] == 0
    assert dcign("export", "run", "-o", "again", "--image", "bob.png")[0] == 0
    assert "start-2.png" not in contents(work / "again")
    (work / "again" / "CNAME").write_text("example.org")
    before = contents(work / "again")
    code, _, err = dcign("export", "run", "-o", "again", "--image", "ann.png")
    assert (code, contents(work / "again")) == (2, before)
    assert "found CNAME; name another folder" in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "-o", "other"], "found thesis.tex"),
        (["run", "-o", "run"], "found calibration.json and 1 other files"),
        (["run", "-o", "file"], "expected a folder, found a file"),
        (["run", "-o", "file/below"], "file is a file"),
        (["empty", "-o", "new"], "no checkpoint"),
        (["run", "-o", "new", "--image", "text.png"], "text.png: not an image"),
        (["run", "-o", "new", "--image", "none.png"], "none.png: no such file"),
        (["run", "-o", "new", "--image", "ann.png", "--assets", "empty"], "--assets: expected without --image"),
        (["run", "-o", "new", *["--image", "ann.png"] * 25], "at most 24 images, found 25"),
        (["run", "-o", "new", "--assets", "nowhere"], "how its training data were drawn"),
        (["run", "-o", "new", "--name", "caf\udce9"], "--name: expected text in UTF-8, found 'caf\\udce9'"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(dcign, work, words, named):
    before = contents(work)
    code, _, err = dcign("export", *words)
    assert code == 2
    assert named in err
    assert contents(work) == before
    assert not (work / "new").exists()
    assert not left_behind(work)


def test_an_empty_folder_and_a_missing_one_will_do_but_not_one_in_a_missing_one(dcign, work):
    (work / "fresh").mkdir()
    for name in ("fresh", "missing"):
        assert dcign("export", "run", "-o", name, "--image", "ann.png")[0] == 0
        assert (work / name / "index.html").is_file()
    code, _, err = dcign("export", "run", "-o", "deep/er", "--image", "ann.png")
    assert (code, err) == (2, "Error: deep/er: there is no folder deep; make it first\n")


def test_without_calibration_there_are_no_degrees_and_it_says_so(dcign, work):
    code, _, err = dcign("export", "uncalibrated", "-o", "plain", "--image", "ann.png")
    assert code == 0
    assert "Note: uncalibrated has no calibration" in err
    assert json.loads((work / "plain" / ENGINE).read_text())["sliders"] == []
    assert "no sliders in degrees" in (work / "plain" / "index.html").read_text()


def test_where_no_objects_can_be_drawn_the_page_starts_from_the_mean_code(dcign, work):
    code, _, err = dcign("export", "run", "-o", "mean")
    assert code == 0
    assert "starts from the mean code" in err
    assert "see --image" in err
    (start,) = json.loads((work / "mean" / ENGINE).read_text())["starts"]
    assert start == {"name": "mean code", "picture": None, "code": [0.0] * 200}


def test_the_first_unseen_objects_are_what_the_page_starts_from(monkeypatch, dcign, work):
    class Objects:
        __enter__, __exit__ = (lambda self: self), (lambda self, *_: None)
        __len__, frontal = (lambda self: 9), (lambda self, number: number)

        def draw(self, number, degrees):
            return np.full((54, 54), 51 * (number + 1), np.uint8)

    monkeypatch.setattr(export_page, "open_unseen_objects", lambda run, assets: Objects())
    code, _, err = dcign("export", "run", "-o", "objects")
    assert code == 0, err
    starts = json.loads((work / "objects" / ENGINE).read_text())["starts"]
    assert [start["name"] for start in starts] == [f"unseen face {number}" for number in (1, 2, 3, 4)]
    for k, start in enumerate(starts, 1):
        expected = package.load(work / "run", "cpu").encode(np.full((54, 54), 51 * k, np.uint8))
        np.testing.assert_array_equal(np.float32(start["code"]), expected)


def test_files_that_differ_from_pytorch_are_not_written(monkeypatch, dcign, work):
    monkeypatch.setattr(onnx_files, "LARGEST_DIFFERENCE", 0.0)
    code, _, err = dcign("export", "run", "-o", "wrong", "--image", "ann.png")
    assert code == 1
    assert "expected what PyTorch computes" in err
    assert not (work / "wrong").exists()


@pytest.mark.parametrize("there", ["nothing", "an earlier export"])
def test_a_full_disk_leaves_what_was_there(monkeypatch, dcign, work, there):
    name = there.replace(" ", "-")
    if there != "nothing":
        assert dcign("export", "run", "-o", name, "--image", "ann.png")[0] == 0
    before = contents(work)
    calls = []

    def fsync(handle):
        calls.append(handle)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(export_folder.os, "fsync", fsync)
    code, _, err = dcign("export", "run", "-o", name, "--image", "bob.png")
    assert code == 1
    assert f"-o {name}: cannot be written: No space left on device; nothing was changed" in err
    assert contents(work) == before
    assert not left_behind(work)


def test_a_move_that_fails_brings_the_earlier_export_back(monkeypatch, dcign, work):
    assert dcign("export", "run", "-o", "held", "--image", "ann.png")[0] == 0
    before, real = contents(work), os.rename

    def rename(source, target):
        if str(source).endswith(".tmp"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target)

    monkeypatch.setattr(export_folder.os, "rename", rename)
    assert dcign("export", "run", "-o", "held", "--image", "bob.png")[0] == 1
    assert contents(work) == before
    assert not left_behind(work)


def test_a_folder_that_cannot_be_moved_gets_the_files_into_it(monkeypatch, dcign, work):
    """A mounted one, as of a container; the inode stays."""
    (work / "mounted").mkdir()
    inode = (work / "mounted").stat().st_ino
    monkeypatch.setattr(export_folder.os.path, "ismount", lambda path: str(path).endswith("mounted"))
    assert dcign("export", "run", "-o", "plain", "--image", "ann.png", "--image", "bob.png")[0] == 0
    assert dcign("export", "run", "-o", "mounted", "--image", "ann.png", "--image", "bob.png")[0] == 0
    assert contents(work / "mounted") == contents(work / "plain")
    assert dcign("export", "run", "-o", "plain", "--image", "bob.png")[0] == 0
    assert dcign("export", "run", "-o", "mounted", "--image", "bob.png")[0] == 0
    assert contents(work / "mounted") == contents(work / "plain")  # and without the second picture of before
    assert (work / "mounted").stat().st_ino == inode
    assert not left_behind(work)
    assert not left_behind(work / "mounted")


@pytest.fixture
def labelled(work):
    """A run of images that others took, and its shards."""
    if not (work / "labelled").exists():
        shards = write_labelled(work / "spots", counts=dict.fromkeys(FACTORS, 1), split="test")
        known = {"folder": str(shards), "fingerprint": open_data_set(shards, "test").fingerprint}
        write_calibrated_labelled(work / "labelled", **known)
    return work / "labelled"


def test_an_export_of_images_that_others_took_tells_their_factors(dcign, work, labelled):
    code, _, err = dcign("export", "labelled", "-o", "spots-site")
    assert code == 0
    assert "Note: no objects can be drawn" in err
    assert "the page starts from 4 test images of " in err
    files = contents(work / "spots-site")
    engine = json.loads(files[ENGINE])
    found = {each["name"]: (each["unit"], each["choices"]) for each in engine["sliders"]}
    assert found == {
        "azimuth": ("°", []), "distance": ("cm", []), "colour": ("", ["red", "green", "blue"]), "tilt": ("", []),
        "direction-1": ("σ", []),
    }  # fmt: skip
    assert [start["name"] for start in engine["starts"]] == [f"test spot {number}" for number in range(1, 5)]
    card = files["README.md"].decode()
    assert 'factors are set by\n`dcign.load(run).rerender("picture.png", azimuth=30, colour="red")`' in card
    assert "A slider with `choices` takes the numbers of categories" in card
    for name in ("encoder.onnx", "decoder.onnx"):
        facts = onnxruntime.InferenceSession(files[name]).get_modelmeta().custom_metadata_map
        assert labels_of(json.loads(facts["labels"])) == LABELS
    assert str(work).encode() not in b"".join(files.values())


def test_a_run_of_images_that_others_took_without_calibration_promises_no_degrees(dcign, work):
    write_untrained(work / "raw", object="spot", labels=LABELS, code="azimuth:2,intrinsic:8")
    code, _, err = dcign("export", "raw", "-o", "raw-site", "--image", "ann.png")
    assert code == 0
    assert err.startswith("Note: raw has no calibration, so the page will have no sliders; ")
    assert "so there are no sliders." in (work / "raw-site" / "index.html").read_text()


def test_help_ends_in_an_example(dcign):
    code, out, _ = dcign("export", "--help")
    assert code == 0
    assert "Example:" in out
