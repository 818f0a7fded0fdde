import io
import json
import sys

import numpy as np
import pytest
from labelled_shards import CODE, LABELS, OBJECT
from PIL import Image
from untrained_run import write_calibrated, write_untrained

import dcign as package
from dcign.engine.code_files import CodeFile, read_codes, write_codes
from dcign.engine.image_files import load_grey
from pipelines.commands import decode
from pipelines.commands.decode import safe_names

FORMS = ("codes.json", "codes.csv", "codes.npz")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_untrained(folder / "run", fingerprint="one")
    write_untrained(folder / "further", fingerprint="one", step=9)
    write_untrained(folder / "elsewhere", fingerprint="two")
    write_untrained(folder / "chairs", object="chair")
    write_untrained(folder / "narrow", code="azimuth:1,rest:5")
    write_calibrated(folder / "strict", reconstruction=(0.0,) * 101, step=9)  # and calibrated at step 7
    noise = np.random.default_rng(0)
    (folder / "b").mkdir()
    Image.fromarray(noise.integers(0, 256, (54, 54), np.uint8)).save(folder / "ann.png")
    Image.fromarray(noise.integers(0, 256, (80, 120, 3), np.uint8)).save(folder / "b" / "ann.jpg")
    (folder / "text.png").write_text("hello")
    names = package.load(folder / "run").latents
    write_codes(folder / "good.csv", CodeFile(np.zeros((1, 200), np.float32), names))
    return folder


@pytest.mark.parametrize("name", FORMS)
def test_images_become_codes_and_codes_images(dcign, work, name):
    code, out, err = dcign("encode", "run", "ann.png", "b/ann.jpg", "-o", name)
    assert (code, out, err) == (0, f"{name}: 2 codes of 200 latents\n", "")
    engine = package.load(work / "run")
    file = read_codes(work / name, engine.latents)
    assert file.images == ("ann.png", "b/ann.jpg")
    grey = np.stack([load_grey(work / image, 54, 0.0) for image in file.images])
    np.testing.assert_array_equal(file.codes, engine.encode(grey))
    code, out, err = dcign("decode", "run", name, "-o", f"from-{name}.d")
    assert (code, out, err) == (0, f"from-{name}.d: 2 images\n", "")
    for written, image in zip(("ann.png", "ann-2.png"), engine.decode(file.codes), strict=True):
        with Image.open(work / f"from-{name}.d" / written) as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), np.round(image * 255).astype(np.uint8))
    assert len(list((work / f"from-{name}.d").iterdir())) == 2


def test_codes_are_fitted_when_asked(dcign, work):
    assert dcign("encode", "run", "ann.png", "-o", "fitted.csv", "--fit", "5")[0] == 0
    grey = load_grey(work / "ann.png", 54, 0.0)
    guess, fitted = (package.load(work / "run", fit=steps) for steps in (0, 5))
    found = read_codes(work / "fitted.csv", guess.latents).codes
    np.testing.assert_array_equal(found, fitted.encode(grey[None]))
    assert not np.array_equal(found, guess.encode(grey[None]))


def test_one_code_may_become_a_jpeg(dcign, work):
    assert dcign("decode", "run", "good.csv", "-o", "strip.jpg") == (0, "strip.jpg: 1 image\n", "")
    with Image.open(work / "strip.jpg") as strip:
        assert strip.format == "JPEG"


def test_images_unlike_the_training_data_are_warned_of_by_name(dcign):
    code, out, err = dcign("encode", "strict", "ann.png", "-o", "strict.csv")
    assert (code, out) == (0, "strict.csv: 1 code of 200 latents\n")
    assert err.startswith("Warning: ann.png: its reconstruction error ")
    assert err.count("\n") == 1


def test_a_folder_or_a_glob_stands_for_its_images(dcign, work):
    for name, word in (("folder.csv", "b"), ("glob.csv", "b/a*.j*")):
        assert dcign("encode", "run", word, "ann.png", "-o", name)[0] == 0
        assert read_codes(work / name, package.load(work / "run").latents).images == ("b/ann.jpg", "ann.png")


def test_an_image_comes_from_standard_input(dcign, work, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((work / "ann.png").read_bytes())))
    assert dcign("encode", "run", "b/ann.jpg", "-", "-o", "piped.csv")[0] == 0
    file = read_codes(work / "piped.csv", package.load(work / "run").latents)
    assert file.images == ("b/ann.jpg", "stdin")
    alone = package.load(work / "run").encode(work / "ann.png")
    np.testing.assert_allclose(file.codes[1], alone, rtol=1e-4, atol=1e-6)  # one image is summed otherwise than two
    code, _, err = dcign("encode", "run", "-", "-", "-o", "twice.csv")
    assert (code, "expected standard input once" in err) == (2, True)
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = dcign("encode", "run", "-", "-o", "closed.csv")
    assert (code, "standard input, which is closed" in err) == (2, True)


def test_a_file_of_codes_says_where_they_are_from(dcign, work):
    assert dcign("encode", "run", "ann.png", "-o", "origin.json")[0] == 0
    content = json.loads((work / "origin.json").read_text())
    assert (content["run"], content["step"], content["fingerprint"]) == ("run", 7, "one")
    assert content["images"] == ["ann.png"]


def test_a_strip_shows_every_code_row_by_row(dcign, work, monkeypatch):
    monkeypatch.setattr(decode, "IN_A_ROW", 3)
    engine = package.load(work / "run")
    codes = np.random.default_rng(1).normal(size=(4, 200)).astype(np.float32)
    write_codes(work / "four.npz", CodeFile(codes, engine.latents))
    for _ in range(2):  # a strip is replaced
        assert dcign("decode", "run", "four.npz", "-o", "strip.png")[0] == 0
    with Image.open(work / "strip.png") as strip:
        picture = np.asarray(strip)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (54, 54))
    places = []
    for image in engine.decode(codes):
        found = np.argwhere((windows == np.round(image * 255).astype(np.uint8)).all(axis=(2, 3)))
        assert len(found) == 1
        places.append(tuple(found[0]))
    assert places == sorted(places)  # rows from the top, each from the left
    assert len({top for top, _ in places}) == 2
    assert len({left for _, left in places}) == 3


def test_more_codes_than_a_strip_holds_are_refused(dcign, work, monkeypatch):
    monkeypatch.setattr(decode, "MOST_IN_STRIP", 0)
    code, _, err = dcign("decode", "run", "good.csv", "-o", "long.png")
    assert code == 2
    assert "a strip holds at most 0 images, found 1 codes; give -o a folder" in err
    assert not (work / "long.png").exists()


def test_pictures_of_an_earlier_run_are_replaced_and_other_files_kept(dcign, work):
    assert dcign("encode", "run", "ann.png", "-o", "again.csv")[0] == 0
    for _ in range(2):
        assert dcign("decode", "run", "again.csv", "-o", "again")[0] == 0
    before = (work / "ann.png").read_bytes()
    code, _, err = dcign("decode", "run", "again.csv", "-o", ".")
    assert code == 2
    assert "ann.png in it is no picture of `dcign decode`" in err
    assert (work / "ann.png").read_bytes() == before


def test_codes_of_other_weights_are_decoded_with_a_warning(dcign):
    assert dcign("encode", "run", "ann.png", "-o", "ours.json")[0] == 0
    assert dcign("decode", "run", "ours.json", "-o", "warned.png")[2] == ""
    code, _, err = dcign("decode", "further", "ours.json", "-o", "warned.png")
    assert code == 0
    assert err.startswith("Warning: ours.json was encoded at step 7 and further is at step 9 now")
    code, _, err = dcign("decode", "elsewhere", "ours.json", "-o", "warned.png")
    assert code == 0
    assert err.startswith("Warning: ours.json was encoded by a run on other training data")


def test_names_from_a_file_never_leave_the_folder(dcign, work, tmp_path):
    engine = package.load(work / "run")
    names = (
        "../../up.png",
        "/etc/passwd",
        "..",
        "C:\\x\\win.png",
        ".hidden.png",
        "a\0b\nc.png",
        "UP.jpg",
        "",
        "é" * 300,
    )
    write_codes(work / "hostile.json", CodeFile(np.zeros((len(names), 200), np.float32), engine.latents, names))
    before = set(work.rglob("*"))
    assert dcign("decode", "run", "hostile.json", "-o", "hostile")[0] == 0
    new = set(work.rglob("*")) - before - {work / "hostile"}
    assert {path.parent for path in new} == {work / "hostile"}
    assert sorted(path.name for path in new) == sorted(
        [
            f"{name}.png"
            for name in ("up", "passwd", "code-00002", "win", "hidden", "a_b_c", "UP-2", "code-00007", 50 * "é")
        ]
    )
    assert dcign("decode", "run", "hostile.json", "-o", "hostile.png")[0] == 0


def test_names_are_all_different_however_many_are_alike():
    names = safe_names(["a-2.png", "a.png", "b/A.png", "a.jpg", *["x"] * 5000])
    assert names[:4] == ["a-2", "a", "A-3", "a-4"]
    assert len({name.casefold() for name in names}) == len(names)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["encode", "run", "-o", "x.json"], "IMAGE"),
        (["encode", "nowhere", "ann.png", "-o", "x.json"], "nowhere: expected a folder written by `dcign train`"),
        (["encode", "run", "ann.png", "text.png", "-o", "x.json"], "text.png: not an image"),
        (["encode", "run", "nothing.png", "-o", "x.json"], "nothing.png: no such file"),
        (["encode", "run", "ann.png", "-o", "x.txt"], "x.txt: expected a file of codes whose name ends in"),
        (["encode", "run", "ann.png", "-o", "no/x.csv"], "no/x.csv: there is no folder no"),
        (["decode", "run", "missing.csv", "-o", "x"], "missing.csv: expected a file of codes, found no such file"),
        (
            ["decode", "narrow", "good.csv", "-o", "x"],
            "good.csv: expected codes of 6 latents, as the run has, found 200",
        ),
        (["decode", "chairs", "good.csv", "-o", "x"], "good.csv: expected latent z_rest_0, as the run has it, found"),
        (["decode", "run", "good.csv", "-o", "x.gif"], "-o x.gif: expected a folder, or a name that ends in .png"),
        (["decode", "run", "good.csv", "-o", "ann.png/x"], "ann.png/x: expected a folder, but ann.png is a file"),
        (["decode", "run", "good.csv", "-o", "no/x.png"], "no/x.png: there is no folder no; make it first"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(dcign, work, words, named):
    code, out, err = dcign(*words)
    assert (code, out) == (2, "")
    assert named in err.splitlines()[-1]
    assert not [path for path in work.iterdir() if path.stem == "x"]


def test_the_columns_of_a_code_are_named_by_the_labels(dcign, work):
    write_untrained(work / "spots", object=OBJECT, labels=LABELS, code=CODE)
    assert dcign("encode", "spots", "ann.png", "-o", "spots.csv")[0] == 0
    head = (work / "spots.csv").read_text().splitlines()[0].split(",")
    assert head[:8] == [
        *("image", "z_azimuth_0", "z_azimuth_1", "z_distance", "z_colour_0", "z_colour_1", "z_tilt", "z_intrinsic_0"),
    ]
    assert dcign("decode", "spots", "spots.csv", "-o", "spots.png")[0] == 0
