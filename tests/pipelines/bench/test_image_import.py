"""`dcign bench import`: what it prints and writes is what was imported."""

import json

from click.testing import CliRunner

from pipelines.bench import image_import


def test_figures_of_three_imports_are_printed_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(image_import, "SHARES", (0.5, 1.0))
    result = CliRunner().invoke(
        image_import.command, ["--n", "400", "--size", "16", "-o", str(tmp_path / "import.json")]
    )
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "import.json").read_text())
    assert [row["images"] for row in document["imports"]] == [200, 400]
    assert all(row["cpu_seconds"] > 0 and row["peak_bytes"] > 2**20 for row in document["imports"])
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["200", "400"]
    assert lines[-1].startswith("Growth of the peak: ")
