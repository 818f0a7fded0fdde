"""Commands that take the name of weights that ship in place of a run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcign.runs import shipped


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    rows, columns = np.mgrid[0:300, 0:300] / 150 - 1
    disc = np.clip(200 * (1 - (rows / 0.8) ** 2 - (columns / 0.5) ** 2), 0, 255).astype(np.uint8)
    Image.fromarray(disc).save(folder / "ann.png")
    return folder


@pytest.fixture
def untouched():
    """Fails where a test has left anything in the package."""
    before = {path: path.stat().st_mtime_ns for path in (shipped.FOLDER, *shipped.FOLDER.rglob("*"))}
    yield
    assert {path: path.stat().st_mtime_ns for path in (shipped.FOLDER, *shipped.FOLDER.rglob("*"))} == before


def test_rerender_turns_and_lights_a_face_by_name(dcign, work, untouched):
    words = ["--azimuth=-40:40:3", "--light=-50:50:2", "--direction", "1=2", "-o", "turned"]
    code, out, err = dcign("rerender", "faces", "ann.png", *words)
    assert (code, out) == (0, "turned: 6 images\n"), err
    pictures = [np.asarray(Image.open(path), np.float32) for path in sorted((work / "turned").glob("*azimuth=*"))]
    assert len(pictures) == 3
    assert np.abs(pictures[0] - pictures[1]).mean() > 3


def test_codes_go_there_and_back_by_name(dcign, work, untouched):
    assert dcign("encode", "faces", "ann.png", "-o", "codes.json")[0] == 0
    assert len(json.loads((work / "codes.json").read_text())["latents"]) == 200
    code, _, err = dcign("decode", "faces", "codes.json", "-o", "decoded")
    assert (code, err) == (0, "")
    assert Image.open(work / "decoded" / "ann.png").size == (150, 150)


def test_a_face_is_no_chair_but_the_name_decides(dcign, work, untouched):
    code, _, err = dcign("rerender", "chairs", "ann.png", "--azimuth", "90", "-o", "chair.png")
    assert code == 0
    assert "Warning: ann.png: its reconstruction error" in err


def test_damaged_weights_and_unknown_names_get_one_line(dcign, work, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", Path(shutil.copytree(shipped.FOLDER, work / "weights", dirs_exist_ok=True)))
    (work / "weights" / "faces" / "calibration.json").write_text("{}")
    for name, message in (("faces", "calibration.json: damaged or changed"), ("cars", "one of chairs, faces")):
        code, out, err = dcign("encode", name, "ann.png", "-o", "x.json")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
