"""Finding runs and reading what is known of them, from files that may be old, damaged or foreign."""

import json
import os

import pytest
from untrained_run import write_untrained

from dcign.config import TrainConfig
from dcign.errors import RunError
from dcign.model.code import CodeLayout
from dcign.runs.checkpoint import Header
from dcign.runs.folder import write_header
from dcign.runs.listing import DEEPEST, find_runs, summarise

FIRST = {"bound": 700.0, "mse": 0.02, "spearman": {"azimuth": 0.5, "light": None}}
BEST = {"bound": 600.0, "mse": 0.01, "spearman": {"azimuth": 0.9, "elevation": 0.4}}
LAST = {"bound": 650.0, "mse": 0.01, "spearman": {"azimuth": 0.95, "elevation": 0.5}}


def write_run(folder, *lines, **settings):
    """A run with a log of these lines, without checkpoints."""
    folder.mkdir(parents=True)
    write_header(folder, Header(0, TrainConfig(**settings), CodeLayout.for_object("face"), 150, {"object": "face"}))
    (folder / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def line(step, **more):
    return {"step": step, "images": step * 20, "images_per_second": step / 10, **more}


def report(folder, run, mse=0.005, leak=0.1):
    text = {"run": {"folder": run}, "reconstruction": {"mse": mse}, "spearman": {"largest_leak": {"value": leak}}}
    (folder / "report.json").write_text(json.dumps(text))


def read(folder):
    notes = []
    return summarise(folder, notes.append), notes


def test_the_figures_are_those_of_the_lowest_bound_and_the_speed_that_of_the_last_line(tmp_path):
    lines = [line(100, held_out=FIRST), line(200, held_out=BEST), line(300, held_out=LAST), line(350)]
    run, notes = read(write_run(tmp_path / "run", *lines, steps=400, widths=(24, 16, 8), procedure="beta-vae"))
    assert not notes
    assert (run.object, run.procedure, run.widths, run.step, run.steps) == ("face", "beta-vae", "24/16/8", 350, 400)
    assert (run.bound, run.spearman, run.images_per_second) == (600.0, {"azimuth": 0.9, "elevation": 0.4}, 35.0)
    assert (run.mse, run.leak) == (None, None)


def test_an_old_run_without_the_newer_settings_and_measures_is_listed(tmp_path):
    folder = write_run(tmp_path / "run", line(50))
    header = json.loads((folder / "config.json").read_text())
    for name in ("procedure", "clamp", "held_out", "optimizer"):
        header["config"].pop(name, None)
    header.pop("held_out", None)
    (folder / "config.json").write_text(json.dumps(header))
    run, notes = read(folder)
    assert (run.procedure, run.step, run.bound, run.spearman, notes) == ("clamped", 50, None, {}, [])


def test_a_run_that_has_logged_nothing_counts_its_checkpoint(tmp_path):
    folder = write_run(tmp_path / "run", steps=30)
    (folder / "stats.jsonl").unlink()
    assert read(folder)[0].step == 0
    (folder / "checkpoint-00000020.safetensors").touch()
    run, notes = read(folder)
    assert (run.step, run.steps, run.images_per_second, notes) == (20, 30, None, [])


def test_a_report_is_found_in_the_run_and_above_it_and_only_if_it_is_of_this_run(tmp_path):
    inside, above, other = (write_run(tmp_path / name / "run") for name in "abc")
    report(inside, "elsewhere/x", mse=0.1)
    report(above.parent, "somewhere/run", mse=0.2)
    report(other.parent, "somewhere/other")
    assert [read(folder)[0].mse for folder in (inside, above, other)] == [0.1, 0.2, None]
    assert read(inside)[0].leak == 0.1


@pytest.mark.parametrize(
    "bad",
    [
        b"{\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b'{"step": "12"}\n',
        b'{"step": true}\n',
        b"\n",
        b"[" * 100_000 + b"\n",
        b'{"step": ' + b"9" * 5000 + b"}\n",
    ],
)
def test_a_damaged_line_is_counted_and_the_others_are_used(tmp_path, bad):
    folder = write_run(tmp_path / "run", line(100, held_out=FIRST))
    log = folder / "stats.jsonl"
    log.write_bytes(bad + log.read_bytes())
    run, notes = read(folder)
    assert (run.step, run.bound) == (100, 700.0)
    assert len(notes) == 1
    assert "1 damaged line" in notes[0]


def test_a_line_that_is_just_being_written_is_no_damage(tmp_path):
    folder = write_run(tmp_path / "run", line(100))
    with open(folder / "stats.jsonl", "a") as log:
        log.write('{"step": 15')
    assert read(folder) == (read(folder)[0], [])


@pytest.mark.parametrize("bound", [None, "low", True, float("nan"), float("inf"), 10**400, [1]])
def test_figures_that_are_no_numbers_are_missing_ones(tmp_path, bound):
    held_out = {"bound": bound, "spearman": {"azimuth": bound}}
    folder = write_run(tmp_path / "run", line(1, held_out=held_out), line(2, held_out=7), line(3, held_out=FIRST))
    report(folder, "run", mse=bound, leak=bound)
    run, _ = read(folder)
    assert (run.bound, run.spearman, run.mse, run.leak) == (700.0, {"azimuth": 0.5}, None, None)


@pytest.mark.parametrize("config", ["{", "[]", '{"format": 99}', '{"format": 1, "step": 0}', "[" * 100_000])
def test_a_damaged_config_is_noted_where_it_is_a_run_and_ignored_where_it_is_not(tmp_path, config):
    folder = write_run(tmp_path / "run", line(1))
    (folder / "config.json").write_text(config)
    run, notes = read(folder)
    assert run is None
    assert len(notes) == 1
    assert "config.json" in notes[0]
    (folder / "stats.jsonl").unlink()
    assert read(folder) == (None, [])


def test_a_run_that_lost_its_config_is_noted(tmp_path):
    folder = write_untrained(tmp_path / "run")
    assert list(find_runs(tmp_path)) == [folder]
    run, notes = read(folder)
    assert run is None
    assert "config.json" in notes[0]


def test_runs_are_found_at_any_place_but_hidden_too_deep_inside_another_or_behind_a_link(tmp_path):
    deep = tmp_path.joinpath(*"x" * DEEPEST)
    found = [write_run(folder) for folder in (tmp_path / "a" / "b", tmp_path / "z", deep)]
    write_run(tmp_path / ".hidden" / "run")
    write_run(tmp_path / "z" / "inner")
    write_run(tmp_path / "y" / "x" / "x" / "x" / "x")
    (tmp_path / "a" / "config.json").write_text("{}")  # of another program, around a run
    (tmp_path / "loop").symlink_to(tmp_path)
    assert sorted(find_runs(tmp_path)) == sorted([*found, tmp_path / "a"])
    assert read(tmp_path / "a") == (None, [])
    assert list(find_runs(tmp_path / ".hidden")) == [tmp_path / ".hidden" / "run"]
    assert list(find_runs(deep)) == [deep]


def test_a_folder_below_that_cannot_be_read_is_passed_over_and_one_asked_for_is_named(tmp_path, monkeypatch):
    run = write_run(tmp_path / "run")
    (tmp_path / "locked").mkdir()
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(find_runs(tmp_path)) == [run]
    for missing in ("locked", "nowhere", "run/config.json"):
        with pytest.raises(RunError, match=missing):
            list(find_runs(tmp_path / missing))


def test_factors_of_any_name_are_ranked_after_those_of_the_renderer(tmp_path):
    found = {"bound": 1.0, "spearman": {"tilt": 0.5, "light": 0.25, "no name": 0.5, "size": None, "azimuth": 1}}
    run, _ = read(write_run(tmp_path / "run", line(100, held_out=found)))
    assert list(run.spearman.items()) == [("azimuth", 1.0), ("light", 0.25), ("tilt", 0.5)]
