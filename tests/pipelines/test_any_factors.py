"""Images that others took, from a table to sliders: four free factors through every command, in a real browser too.

One factor is a circle, one a distance, one a category, one a number without a unit. What each command does with them is
tested beside it; here it is that none of them stops.
"""

import csv
import itertools
import json
import shutil

import numpy as np
import pytest
from browser_fixtures import canvas_grey, chromium, open_page
from explore_fixtures import serving
from hastened import hasten_report
from labelled_shards import CODE, labelled_images
from PIL import Image

import dcign as package
from dcign.engine.drawing import to_uint8

SIZE = 32
NUMBERS = {
    "azimuth": (0, 72, 144, 216, 288), "distance (cm)": (20, 40, 60), "colour": ("red", "green", "blue"),
    "tilt": (-1, -0.2, 1),
}  # fmt: skip
FACTORS = ("azimuth", "distance", "colour", "tilt")
VALUES = {"azimuth": 100, "distance": 33, "colour": "green", "tilt": 0.5}
OBJECTS = 4
TRAIN = ("--network", "modulated", "--widths", "4/6/8/8/8", "--steps", 4, "--held-out", 1, "--code", CODE)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder `photos` of small pictures with a table."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "photos").mkdir()
    with open(folder / "photos" / "photos.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "identity", *NUMBERS))
        for row, (who, *values) in enumerate(itertools.product(range(OBJECTS), *NUMBERS.values())):
            table.writerow((f"{row}.png", f"spot {who}", *values))
            azimuth, distance, colour, tilt = values
            numbers = (azimuth, distance, NUMBERS["colour"].index(colour), tilt)
            pixels = labelled_images({name: [x] for name, x in zip(FACTORS, numbers, strict=True)}, [2 * who], SIZE)
            Image.fromarray(pixels[0]).save(folder / "photos" / f"{row}.png", compress_level=1)
    return folder


def said(dcign, *words):
    """Run a command that has to succeed, and return all that it says."""
    code, out, err = dcign(*words)
    assert code == 0, (words, out, err)
    return out + err


def picture(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


@pytest.fixture
def evaluated(dcign, work, monkeypatch):
    """The folder with `shards` and `run`, made by the commands at first use."""
    if not (work / "run").exists():
        hasten_report(monkeypatch)
        found = said(dcign, "import", "images", "photos/photos.csv", "--circular", "azimuth", "--object", "spot",
                     "--batch-size", 3, "--test-share", 0.5, "--n", 12, "-o", "shards")  # fmt: skip
        assert all(factor in found for factor in (*FACTORS, "intrinsic"))
        assert "step 4 of 4" in said(dcign, "train", "shards", "-o", "run", *TRAIN)
        assert "Report: " in said(dcign, "evaluate", "run", "shards", "--device", "cpu")
    return work


@pytest.fixture
def engine(evaluated):
    return package.load(evaluated / "run", "cpu")


@pytest.mark.usefixtures("evaluated")
def test_verify_and_preview(dcign):
    assert "colour (test)" in said(dcign, "verify", "shards")
    said(dcign, "preview", "shards", "-o", "sheet.png")


def test_compare_with_the_report_of_another_run(dcign, evaluated):
    report = json.loads((evaluated / "run" / "report.json").read_text())
    assert set(report["data_set"]["ranges"]) == set(FACTORS)
    shutil.copytree(evaluated / "run", evaluated / "other")
    report["run"]["step"] = 3  # stands in for another: to measure one takes seconds
    (evaluated / "other" / "report.json").write_text(json.dumps(report))
    said(dcign, "compare", "run", "other", "-o", "compared")
    assert "colour" in (evaluated / "compared" / "compare.html").read_text(encoding="utf-8")


def test_rerender_each_alone_and_all_together(dcign, evaluated, engine):
    settings = ("--azimuth", 100, "--set", "distance=33", "--set", "colour=green", "--set", "tilt=0.5", "--grid")
    said(dcign, "rerender", "run", "photos/7.png", *settings, "--device", "cpu", "-o", "grid")
    (written,) = (evaluated / "grid").iterdir()
    np.testing.assert_array_equal(picture(written), to_uint8(engine.rerender(evaluated / "photos/7.png", **VALUES)))
    for option in ("--azimuth=0:360:4", "--set=distance=20:60:3", "--set=colour=red,blue", "--set=tilt=-1:1:3"):
        said(dcign, "rerender", "run", "photos/7.png", *option.split("=", 1), "-o", "row.png")


def test_export(dcign, evaluated):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'dcign[export]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'dcign[export]'")
    said(dcign, "export", "run", "-o", "site")
    exported = json.loads((evaluated / "site" / "engine.json").read_text())
    assert [slider["name"] for slider in exported["sliders"]][:4] == list(FACTORS)
    assert exported["starts"][0]["name"] == "test spot 1"


def test_explore_in_a_browser(evaluated, engine):
    run, shards = evaluated / "run", evaluated / "shards"
    with chromium() as browser, serving(run, shards=shards) as client, open_page(browser, client.address) as page:
        page.locator("#status").filter(has_text="is shown").wait_for(state="attached")
        assert page.locator(".control label").all_text_contents()[:4] == [
            "azimuth 0 to 360°", "distance 20 to 60 cm", "colour", "tilt −1 to 1",
        ]  # fmt: skip
        page.select_option("#slider-colour", label="green")
        for name in ("azimuth", "distance", "tilt"):
            page.fill(f"#number-{name}", str(VALUES[name]))
        page.locator("#command").filter(has_text="--set colour=green --set tilt=0.5 ").wait_for()
        with page.expect_download() as saved:
            page.click("#save")
        shown, start = picture(saved.value.path()), canvas_grey(page, "#input")
    np.testing.assert_array_equal(shown, to_uint8(engine.rerender(start, **VALUES)))
