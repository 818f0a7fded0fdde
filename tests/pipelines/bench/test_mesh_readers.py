"""Our readers of CAD models beside `trimesh.load`, on files whose size is known."""

import json

import numpy as np
import pytest
import trimesh

from assets.cad.models import CadModel
from pipelines.bench.mesh_readers import EXAMPLES, compare, compare_examples


def test_our_readers_are_right_on_all_examples(tmp_path):
    rows = compare_examples(tmp_path)
    assert [row["path"] for row in rows] == list(EXAMPLES)
    assert all("ours" in row["right"] for row in rows)
    assert rows[0]["right"] == ["ours", "trimesh"]
    assert rows[0]["same"]
    json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize("suffix", ["obj", "off", "stl", "ply", "glb"])
def test_both_read_a_box_alike(tmp_path, suffix):
    trimesh.creation.box((1, 2, 3)).export(tmp_path / f"box.{suffix}")
    (row,) = compare([CadModel(tmp_path, "", f"box.{suffix}")])
    assert row["same"] is True
    for reader in ("ours", "trimesh"):
        assert row[reader]["triangles"] == 12
        assert row[reader]["area"] == pytest.approx(22)
        np.testing.assert_allclose(np.ptp(row[reader]["box"], axis=0), (1, 2, 3))
        assert row[reader]["seconds"] > 0


def test_a_difference_is_measured(tmp_path, monkeypatch):
    box = trimesh.creation.box((1, 1, 1))
    box.export(tmp_path / "box.off")
    monkeypatch.setattr(trimesh, "load_mesh", lambda *_, **__: trimesh.creation.box((1, 1, 3)))
    (row,) = compare([CadModel(tmp_path, "", "box.off")])
    assert row["same"] is False
    assert row["area_difference"] == pytest.approx(1 - 6 / 14)
    assert row["box_difference"] == pytest.approx(1 / np.sqrt(11))


def test_a_refused_file_is_named_with_its_reason(tmp_path, capsys):
    (tmp_path / "bad.obj").write_text("f 1 2 3\n")
    (row,) = compare([CadModel(tmp_path, "", "bad.obj"), CadModel(tmp_path, "in-a.zip", "left-out.obj")])
    assert row["same"] is None
    assert "bad.obj" in row["ours"]
    assert "bad.obj" in capsys.readouterr().out
