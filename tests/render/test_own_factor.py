"""A factor of one's own is one entry in the table: rendering, storing, checking, showing and training follow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mesh_fixtures import write_models

ROOT = Path(__file__).parents[2]
ENTRY = '    Factor("zoom", sets="camera.fov", ranges={"face": (18.0, 32.0), "chair": (18.0, 32.0)}),\n'


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The sources, with one line added."""
    folder = tmp_path_factory.mktemp("own")
    for package in ("assets", "dcign", "pipelines", "render"):
        (folder / package).symlink_to(ROOT / package)
    (folder / "render").unlink()
    (folder / "render").mkdir()
    for path in (ROOT / "render").iterdir():
        (folder / "render" / path.name).symlink_to(path)
    table = folder / "render" / "factors.py"
    text = table.read_text()
    table.unlink()
    last = '    Factor("expression",'
    assert text.count(last) == 1
    table.write_text(text.replace(last, ENTRY + last))
    write_models(folder / "models", 4)
    return folder


PROGRAM = """
import sys
from pipelines.cli import group
if __name__ == "__main__":  # render starts processes
    for line in sys.stdin:
        group(line.split(), standalone_mode=False)
"""


def dcign(checkout, *commands):
    """Run them one after the other in one process of that checkout; returns what they print."""
    (checkout / "program.py").write_text(PROGRAM)
    lines = "\n".join(" ".join(map(str, words)) for words in commands)
    done = subprocess.run(
        [sys.executable, "program.py"], input=lines,
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_line_makes_a_factor(checkout):
    small = ("--object", "chair", "--assets", "models", "--size", 54, "--batch-size", 4, "-o", "shards")
    drawing = ("render", *small, "--n", 2, "--zoom-range", "15:45", "--workers", 1)
    code = ("--code", "azimuth:1,zoom:1,rest:6", "--widths", "4/4/4", "--steps", 2)
    said = dcign(
        checkout,
        *((*drawing, "--factor", factor) for factor in ("zoom", "azimuth")),
        ("verify", "shards"),
        ("preview", "shards", "-o", "sheet.png"),
        ("train", "shards", "-o", "run", *code),
    )
    assert "2 zoom (train)" in said
    assert "Training run on azimuth, zoom of shards" in said
    assert (checkout / "sheet.png").is_file()
    with np.load(checkout / "shards" / "zoom-train-00000.npz") as shard:
        zooms, images = shard["zoom"], shard["images"]
        assert all(len(set(row)) == 4 for row in zooms)
        assert zooms.min() >= 15
        assert all(len(set(row)) == 1 for row in shard["azimuth"])
        for row, some in zip(zooms, images, strict=True):
            filled = (some < 255).mean(axis=(1, 2))  # a wider view shows a smaller chair
            assert (np.argsort(row) == np.argsort(-filled)).all()
    with np.load(checkout / "shards" / "azimuth-train-00000.npz") as shard:
        assert all(len(set(row)) == 1 for row in shard["zoom"])
