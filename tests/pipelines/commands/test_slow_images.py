"""A small file that would occupy a decoder for minutes is refused in one line, wherever images come in."""

import io
import sys
import warnings
from types import SimpleNamespace

import pytest
from image_file_fixtures import jpeg_of_scans
from untrained_run import write_calibrated

import dcign as package
from dcign.errors import RunError

SAID = "a JPEG of at least 101 scans; expected at most 100, such as any encoder writes"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    (folder / "slow.jpg").write_bytes(jpeg_of_scans(1000, 4000, 4000))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("encode", "run", "slow.jpg", "-o", "codes.csv"),
        ("rerender", "run", "slow.jpg", "--azimuth", "0", "-o", "sheet.png"),
        ("rerender", "run", "-", "--azimuth", "0", "-o", "sheet.png"),
        ("export", "run", "--image", "slow.jpg", "-o", "site"),
    ],
)
def test_commands_refuse_it(dcign, work, monkeypatch, words):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((work / "slow.jpg").read_bytes())))
    code, _, err = dcign(*words)
    name = "stdin" if "-" in words else "slow.jpg"
    assert (code, err) == (2, f"Error: {name}: {SAID}\n")
    assert not any((work / made).exists() for made in ("codes.csv", "sheet.png", "site"))


def test_the_engine_refuses_it(work):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RunError, match=f"slow.jpg: {SAID}"):
            package.load(work / "run").encode(work / "slow.jpg")
