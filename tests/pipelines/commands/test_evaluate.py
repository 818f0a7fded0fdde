import json
import os

import pytest
from shard_fixtures import write_synthetic
from untrained_run import write_untrained

from dcign.engine import calibration
from dcign.runs.shipped import FOLDER

COUNTS = {"azimuth": 2, "elevation": 2, "light": 2, "intrinsic": 2}
QUICK = ("--identities", "0")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_untrained(folder / "run")
    write_synthetic(folder / "shards", counts=COUNTS, split="test")
    write_synthetic(folder / "train-only", counts={"azimuth": 2}, split="train")
    write_synthetic(folder / "chairs", counts={"azimuth": 2}, split="test", object="chair")
    write_synthetic(folder / "larger", counts={"azimuth": 2}, split="test", size=70)
    (folder / "empty").mkdir()
    (folder / "file").write_text("no folder")
    return folder


def test_evaluate_leaves_report_and_calibration_in_the_run(dcign, work):
    code, out, err = dcign("evaluate", "run", "shards", *QUICK)
    assert code == 0, err
    left = {path.name for path in (work / "run").iterdir()}
    assert {"report.json", "report.html", "sweeps.png", "scatter.png", "spearman.png", "calibration.json"} <= left
    assert not [name for name in left if name.startswith(".")]
    assert "Report: run/report.html" in out
    assert "reconstruction MSE" in out
    command = json.loads((work / "run" / "report.json").read_text())["made"]["command"]
    assert command == "dcign evaluate run shards --identities 0"


def test_evaluate_writes_the_report_elsewhere_when_asked(dcign, work):
    code, out, _ = dcign("evaluate", "run", "train-only", "--split", "train", "-o", "else", *QUICK)
    assert code == 0
    assert (work / "else" / "report.html").is_file()
    assert "Note: " in out
    assert "trained on" in out


def test_what_fitted_codes_are_worth_is_measured_beside_the_run(dcign, work):
    write_untrained(work / "plain")
    before = {path.name for path in (work / "plain").iterdir()}
    code, out, err = dcign("evaluate", "plain", "shards", "--fit", "3", *QUICK)
    assert code == 0, err
    assert "Report: plain/fitted/report.html" in out
    assert {path.name for path in (work / "plain").iterdir()} == before | {"fitted"}
    assert (work / "plain" / "fitted" / "calibration.json").is_file()
    assert dcign("evaluate", "plain", "shards", *QUICK)[0] == 0
    guessed, fitted = (
        json.loads((work / "plain" / name).read_text()) for name in ("report.json", "fitted/report.json")
    )
    assert "codes fitted to their images in 3 steps" in (work / "plain" / "fitted" / "report.html").read_text()
    assert "codes fitted" not in (work / "plain" / "report.html").read_text()
    assert (guessed["made"]["fit"], fitted["made"]["fit"]) == (0, 3)
    assert fitted["reconstruction"]["mse"] < guessed["reconstruction"]["mse"]


def test_help_ends_in_an_example(dcign):
    code, out, _ = dcign("evaluate", "--help")
    assert code == 0
    assert "Example:" in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere", "shards"], "nowhere"),
        (["file", "shards"], "file"),
        (["empty", "shards"], "no checkpoint"),
        (["run", "nowhere"], "nowhere"),
        (["run", "empty"], "manifest.json"),
        (["run", "train-only"], "--split test"),
        (["run", "chairs"], "--object face"),
        (["run", "larger"], "--size 54"),
        (["run", "shards", "-o", "file"], "file: expected a folder, found a file"),
        (["run", "shards", "-o", "file/below"], "file/below: expected a folder, but file is a file"),
        (["run", "shards", "-o", "deep/er"], "deep/er: there is no folder deep; make it first"),
        (["run", "shards", "--split", "other"], "--split"),
        (["run"], "SHARDS"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2_and_leaves_nothing(dcign, work, words, named):
    before = {path: os.path.getmtime(path) for path in work.rglob("*")}
    code, out, err = dcign("evaluate", *words)
    assert code == 2
    assert named in err
    lines = [line for line in err.strip().splitlines() if not line.startswith("Try")]
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert out == ""
    assert {path: os.path.getmtime(path) for path in work.rglob("*")} == before


def test_a_set_that_cannot_calibrate_an_angle_leaves_its_curve_alone(dcign, work):
    write_untrained(work / "other", seed=3)
    write_synthetic(work / "many", counts=dict.fromkeys(COUNTS, 12), split="test")
    assert dcign("evaluate", "other", "many", *QUICK)[0] == 0
    before = calibration.load(work / "other")
    assert set(before.curves) == {"azimuth", "elevation", "light"}
    write_synthetic(work / "turning", counts={"azimuth": 3}, split="test", seed=9)
    code, out, _ = dcign("evaluate", "other", "turning", *QUICK)
    assert code == 0
    assert "Kept: the calibration of elevation, light, measured on many" in out
    after = calibration.load(work / "other")
    assert after.curves["light"] == before.curves["light"]
    assert after.curves["azimuth"] != before.curves["azimuth"]
    write_untrained(work / "other", seed=3, step=9)
    assert dcign("evaluate", "other", "turning", *QUICK)[0] == 0
    assert set(calibration.load(work / "other").curves) == {"azimuth"}  # of other weights, there is nothing to keep


def test_weights_that_ship_are_measured_by_name_into_a_folder_here(dcign, work):
    write_synthetic(work / "faces-150", counts={"azimuth": 2}, split="test", size=150)
    before = {path: path.stat().st_mtime_ns for path in (FOLDER, *FOLDER.rglob("*"))}
    code, out, err = dcign("evaluate", "faces", "faces-150", *QUICK)
    assert code == 0, err
    assert "Report: faces-report/report.html" in out
    assert {"report.json", "calibration.json"} <= {path.name for path in (work / "faces-report").iterdir()}
    assert {path: path.stat().st_mtime_ns for path in (FOLDER, *FOLDER.rglob("*"))} == before
