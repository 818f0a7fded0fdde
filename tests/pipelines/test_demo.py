"""The demo at a small size: all stages in a row, from nothing to the report, and nothing to do the second time."""

import json

from click.testing import CliRunner
from PIL import Image

from pipelines import demo


def test_the_demo_runs_from_nothing_and_finishes_at_once_the_second_time(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "TRAIN", 4)
    monkeypatch.setattr(demo, "TEST", 8)
    monkeypatch.setattr(demo, "TRAINING", "--widths 4/4/4 --ratio 1:1:1:1")
    monkeypatch.setattr(demo, "STEPS", {"bf16": 8, "fp32": 8})
    folder = tmp_path / "demo"
    first = CliRunner().invoke(demo.command, ["-o", str(folder)], catch_exceptions=False)
    assert first.exit_code == 0
    assert "Done in" in first.output
    assert json.loads((folder / "report.json").read_text())["run"]["step"] == 8
    assert "<html" in (folder / "report.html").read_text()
    with Image.open(folder / "turning.gif") as turning:
        assert turning.n_frames > 1
    for name in ("shards.png", "sweeps.png", "scatter.png", "rerender.png", "face.png"):
        with Image.open(folder / name) as picture:
            picture.verify()

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert CliRunner().invoke(demo.command, ["-o", str(folder)], catch_exceptions=False).exit_code == 0
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"shards.png"}
