"""`dcign compare` as a person or a script sees it."""

import json
import re

import pytest
from click.testing import CliRunner
from page_reader import Page
from report_fixtures import report, write_report

from dcign.errors import BadInput
from pipelines.commands.compare import command

PNG = b"\x89PNG\r\n\x1a\npixels"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs the command where the reports of `clamped`, `entangled` and `a <b>` lie."""
    monkeypatch.chdir(tmp_path)
    for name, mse, procedure in (
        ("clamped", 0.01, "clamped"),
        ("entangled", 0.02, "entangled"),
        ("a <b>\x1b", 0.03, "clamped"),
    ):
        write_report(tmp_path / name, report(name, mse, procedure=procedure))
    return lambda *words: CliRunner().invoke(command, words, catch_exceptions=False)


def test_runs_stand_side_by_side_on_the_terminal_in_json_and_on_a_page(call, tmp_path):
    result = call("clamped", "entangled", "-o", "out")
    lines = [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()]
    assert lines[0] == ["clamped", "entangled"]
    assert ["procedure", "clamped", "entangled"] in lines
    assert ["test MSE", "0.0100 *", "0.0200"] in lines
    assert ["|Spearman| of z_azimuth", "0.900", "0.900"] in lines
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert list(found["runs"]) == ["clamped", "entangled"]
    text = (tmp_path / "out" / "compare.html").read_text()
    assert "▲ 0.0100<small>[0.0090, 0.0110]</small>" in text
    assert text.count("▲ ") == 1


def test_the_page_is_whole_and_refers_to_nothing_outside(call, tmp_path):
    (tmp_path / "clamped" / "novel-views-azimuth.png").write_bytes(PNG)
    (tmp_path / "entangled" / "novel-views-azimuth.png").write_bytes(PNG + b"2")
    (tmp_path / "entangled" / "novel-views-light.png").write_bytes(b"no picture")
    result = call("clamped", "entangled", "a <b>\x1b")
    assert "\x1b" not in result.stdout
    text = (tmp_path / "compare.html").read_text()
    page = Page.of(text)
    assert page.pictures == [PNG, PNG + b"2"]
    assert "Novel views: azimuth" in page.links
    assert "Novel views: light" not in page.links
    assert "a &lt;b&gt;" in text


def test_what_is_not_measured_is_told_with_its_reason(call, tmp_path):
    document = report("clamped", 0.01)
    document["evidence"]["recognition"] = {"skipped": "because of <this>"}
    write_report(tmp_path / "clamped", document)
    call("clamped", "entangled")
    text = (tmp_path / "compare.html").read_text()
    assert "because of &lt;this&gt;" in text
    assert "rank-1 recognition" in text


def test_runs_of_different_lengths_are_noted(call, tmp_path):
    write_report(tmp_path / "entangled", report("entangled", 0.02, step=500))
    assert "Note: The runs differ in steps" in call("clamped", "entangled").stdout


def test_bad_input_leaves_nothing_behind(call, tmp_path):
    for words in (["clamped"], ["clamped", "clamped"], ["clamped", "nowhere"]):
        with pytest.raises(BadInput):
            call(*words, "-o", "out")
    assert not (tmp_path / "out").exists()
