"""`dcign runs` as a person or a script sees it."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dcign.config import TrainConfig
from dcign.errors import RunError
from dcign.model.code import CodeLayout
from dcign.runs import shipped
from dcign.runs.checkpoint import Header
from dcign.runs.folder import write_header
from pipelines.commands.runs import command


def write_run(folder, age, *lines):
    """A run that was last written to `age` seconds ago."""
    folder.mkdir(parents=True)
    write_header(folder, Header(0, TrainConfig(), CodeLayout.for_object("face"), 150, {"object": "face"}))
    (folder / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "damaged\n")
    for name in ("config.json", "stats.jsonl"):
        os.utime(folder / name, (1e9 - age, 1e9 - age))


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    held_out = {"bound": 612.34, "spearman": {"azimuth": 0.97}}
    write_run(tmp_path / "old", 9, {"step": 12000, "images_per_second": 290.4, "held_out": held_out})
    write_run(tmp_path / "below" / "new\x1b[31m", 5)
    return lambda *words: CliRunner().invoke(command, words, catch_exceptions=False)


def test_each_run_is_a_line_the_newest_first_with_dashes_for_what_is_missing(call):
    heading, new, old, *_ = call().stdout.splitlines()
    assert heading.split()[-4:] == ["bound", "|azimuth|", "MSE", "leak"]
    assert new.split()[-6:] == ["12,000", "-", "-", "-", "-", "-"]
    words = ["old", "face", "clamped", "96/64/32", "12,000", "/", "12,000", "290", "612.3", "0.970", "-", "-"]
    assert old.split() == words


def test_notes_go_to_standard_error_and_names_cannot_steer_the_terminal(call):
    result = call()
    assert result.stderr.count("1 damaged line") == 2
    assert "\x1b" not in result.stdout + result.stderr
    assert "1 damaged line" not in result.stdout


def test_json_holds_the_same_and_the_notes(call):
    result = call("--json", "old", "below", "old")
    document = json.loads(result.stdout)
    assert [run["folder"] for run in document["runs"]] == ["below/new\x1b[31m", "old"]
    assert document["runs"][1]["spearman"] == {"azimuth": 0.97}
    assert document["runs"][0]["bound"] is None
    assert len(document["notes"]) == 2
    assert not result.stderr


def test_no_runs_is_said_and_a_missing_folder_is_refused(call, tmp_path):
    (tmp_path / "empty").mkdir()
    result = call("empty")
    assert result.exit_code == 0
    assert result.stdout.startswith("No training runs in empty.\n\nShipped with dcign:\n")
    with pytest.raises(RunError, match="nowhere"):
        call("old", "nowhere")


def test_weights_that_ship_follow_with_their_size_and_the_measures_of_their_report(call):
    title, heading, *ours = call("below").stdout.splitlines()[3:]
    assert title == "Shipped with dcign:"
    assert heading.split() == [
        "name", "object", "procedure", "widths", "steps", "size", "|azimuth|", "|elevation|", "|light|", "MSE", "leak",
    ]  # fmt: skip
    assert [line.split()[0] for line in ours] == list(shipped.shipped_names())
    report = json.loads((shipped.FOLDER / "faces" / "report.json").read_text())
    size = sum(path.stat().st_size for path in (shipped.FOLDER / "faces").iterdir())
    own, mse = report["spearman"]["own"], report["reconstruction"]["mse"]
    size_and_measures = re.split(r" {2,}", ours[-1])[5:]  # "modulated 16/24/..." has a space
    assert size_and_measures[0] == f"{size / 1e6:.1f} MB"
    assert size_and_measures[1:5] == [*(f"{own[name]:.3f}" for name in ("azimuth", "elevation", "light")), f"{mse:.5f}"]


def test_json_has_the_weights_that_ship_apart(call):
    document = json.loads(call("--json").stdout)
    assert [each["name"] for each in document["shipped"]] == list(shipped.shipped_names())
    assert {each["object"] for each in document["shipped"]} == {"chair", "face"}


def test_damaged_weights_are_left_out_with_a_note(call, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", Path(shutil.copytree(shipped.FOLDER, tmp_path / "weights")))
    (tmp_path / "weights" / "faces" / "calibration.json").write_text("{}")
    result = call("below")
    assert [line.split()[0] for line in result.stdout.splitlines()[5:]] == ["chairs"]
    assert "calibration.json: damaged or changed" in result.stderr
    (tmp_path / "weights" / "hashes.json").write_text("")
    result = call("below")
    assert "Shipped" not in result.stdout
    assert "hashes.json" in result.stderr


def test_there_is_a_column_for_each_factor_of_any_run(call, tmp_path):
    held_out = {"bound": 1.0, "spearman": {"tilt": 0.5, "light": 0.25}}
    write_run(tmp_path / "spots", 1, {"step": 5, "images_per_second": 290.4, "held_out": held_out})
    heading, spots, *_ = call(".").stdout.splitlines()
    assert heading.split()[-5:] == ["|azimuth|", "|light|", "|tilt|", "MSE", "leak"]
    assert spots.split()[-5:] == ["-", "0.250", "0.500", "-", "-"]
