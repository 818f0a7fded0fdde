"""`dcign assets` and `dcign bench assets` as a user runs them."""

import json

import h5py
import numpy as np
import pytest
from face_file_fixtures import basel_h5, small_face, write_h5
from mesh_fixtures import write_models
from PIL import Image

from assets.faces.catalog import read_face_model


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    write_h5(folder / "face.h5", basel_h5(small_face()))
    write_models(folder / "chairs", 3)
    return folder


def rows_of(path, height):
    """The rows of a sheet, (n, height, width) grey."""
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("L"))
    assert len(pixels) % height == 0
    return pixels.reshape(-1, height, pixels.shape[1])


def test_list_names_what_is_built_in_and_cached(dcign):
    code, out, _ = dcign("assets", "list")
    assert code == 0
    for words in ("199 shape", "1,357 chairs", "cantilever", "CAD models"):
        assert words in out


def test_a_face_model_is_shown_with_its_modes(dcign, work):
    code, out, err = dcign("assets", "show", "face.h5", "-o", "face.png", "--size", "64")
    assert code == 0, err
    assert "3 of shape" in out
    rows = rows_of(work / "face.png", 64 + 20)
    assert len(rows) == 1 + 2 + 1 + 2  # mean, 3 shape modes, 2 of albedo, random identities twice
    first = [rows[1][:64, 190 + 66 * k : 190 + 66 * k + 64] for k in range(5)]
    assert all(image.max() > 60 for image in first)
    assert not np.array_equal(first[0], first[4])  # -2 and +2 deviations


def test_chairs_are_shown(dcign, work):
    code, out, err = dcign("assets", "show", "chairs", "-o", "chairs.png", "--size", "64", "--models", "2")
    assert code == 0, err
    assert "3 models read" in out
    assert len(rows_of(work / "chairs.png", 64 + 20)) == 2
    assert dcign("assets", "show", "chairs", "-o", "chairs.nope")[0] == 2


def drawn(dcign, work, *words):
    code, _, err = dcign("assets", "draw", *words, "--size", "64", "-o", "one.png")
    assert code == 0, err
    with Image.open(work / "one.png") as picture:
        assert (picture.mode, picture.size) == ("L", (64, 64))
        return np.asarray(picture).astype(int)


def test_one_face_is_drawn_as_asked(dcign, work):
    plain = drawn(dcign, work, "face.h5", "--seed", "3")
    assert plain.max() > 60
    np.testing.assert_array_equal(drawn(dcign, work, "face.h5", "--seed", "3", "--azimuth", "0"), plain)
    for words in (["--seed", "4"], ["--azimuth", "40"], ["--light=-60"], ["--elevation", "20"], ["--split", "train"]):
        other = drawn(dcign, work, "face.h5", *(words if "--seed" in words else ["--seed", "3", *words]))
        assert np.abs(other - plain).max() > 10, words


def test_one_chair_is_drawn_as_asked_and_another_by_another_seed(dcign, work):
    one = drawn(dcign, work, "chairs", "--split", "train", "--seed", "0")
    assert one.min() < 200 < one.max()
    assert np.abs(drawn(dcign, work, "chairs", "--split", "train", "--seed", "1") - one).max() > 10
    assert np.abs(drawn(dcign, work, "chairs", "--split", "train", "--azimuth", "210") - one).max() > 10


def test_what_cannot_be_drawn_is_refused(dcign, work):
    for words, named in (
        (["face.h5", "-o", "x.bmp"], "ends in .png or .jpg"),
        (["face.h5", "-o", "no/x.png"], "there is no folder no"),
        (["nowhere", "-o", "x.png"], "nowhere"),
        (["face.h5", "-o", "x.png", "--azimuth", "nan"], "azimuth"),
    ):
        code, _, err = dcign("assets", "draw", *words)
        assert (code, named in err) == (2, True), err


def test_check_says_what_is_odd(dcign, work):
    code, out, _ = dcign("assets", "check", "face.h5")
    assert code == 0
    assert "3, " in next(line for line in out.splitlines() if "shape modes" in line)
    broken = work / "broken"
    write_models(broken, 2)
    text = (broken / "model0.obj").read_text()
    faces = [line for line in text.splitlines() if line.startswith("f ")]
    (broken / "model0.obj").write_text("\n".join([text, *faces]))
    (broken / "red.mtl").write_text("newmtl red\nKd 1 0 0\nmap_Kd gone.png\n")
    (broken / "model1.obj").write_text("mtllib red.mtl\nusemtl red\n" + (broken / "model1.obj").read_text())
    code, out, _ = dcign("assets", "check", "broken")
    assert code == 0
    assert "50% of the triangles are duplicates" in out
    assert "texture gone.png is missing" in out
    assert "2 models, 2 odd, 0 unreadable" in out
    (broken / "bad.obj").write_text("f 1 2 3\n")
    code, out, err = dcign("assets", "check", "broken")
    assert code == 2
    assert "bad.obj" in out
    assert "1 of its files" in err


NOTHING = {  # to draw
    "empty.obj": "",
    "points.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\np 1 2 3\n",
    "lines.obj": "v 0 0 0\nv 1 0 0\nf 1 2\n",
    "flat.obj": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
    "one-point.obj": "v 1 1 1\nf 1 1 1\n",
    "none.off": "OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n",
    "lines.off": "OFF\n2 1 0\n0 0 0\n1 0 0\n2 0 1\n",
    "points.ply": "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
    "end_header\n0 0 0\n",
    "empty.stl": "solid x\nendsolid x\n",
    "empty.gltf": '{"asset": {"version": "2.0"}, "scenes": [{"nodes": []}]}',
    "points.gltf": '{"asset": {"version": "2.0"}, "nodes": [{"mesh": 0}], "meshes": [{"primitives": [{"mode": 0,'
    ' "attributes": {"POSITION": 0}}]}]}',
    "empty.dae": "<COLLADA><library_visual_scenes><visual_scene id='s'/></library_visual_scenes></COLLADA>",
}


def test_each_file_that_holds_nothing_to_draw_is_one_line_and_the_others_are_listed(dcign, work):
    folder = write_models(work / "nothing", 2)
    for name, text in NOTHING.items():
        (folder / name).write_text(text)
    code, out, err = dcign("assets", "check", "nothing")
    assert code == 2
    bad = [line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("  BAD")]
    assert sorted(bad) == sorted(f"nothing/{name}" for name in NOTHING)
    assert f"{2 + len(NOTHING)} models, 0 odd, {len(NOTHING)} unreadable" in out
    assert "Traceback" not in out + err


def test_a_model_far_from_the_origin_has_no_more_duplicates_than_near_it(dcign, work):
    folder = write_models(work / "far", 1)
    rows = [line.split() for line in (folder / "model0.obj").read_text().splitlines()]
    for row in rows:
        row[1:4] = [str(float(x) + 4_512_345.25) for x in row[1:4]] if row[:1] == ["v"] else row[1:4]
    (folder / "far.obj").write_text("\n".join(" ".join(row) for row in rows))
    code, out, _ = dcign("assets", "check", "far")
    assert code == 0
    near, far = ([*line.split()[1:2], *line.split()[3:7]] for line in out.splitlines() if line.endswith(".obj"))
    assert near == far
    assert "0 odd" in out


def test_what_models_are_drawn_without_is_said_when_they_are_opened(dcign, work):
    for path in write_models(work / "lacking", 12).glob("*.obj"):
        path.write_text(f"mtllib gone.mtl\n{path.read_text()}")
    code, _, err = dcign("assets", "show", "lacking", "--size", "16", "--models", "1", "-o", "lacking.png")
    assert code == 0
    assert err.count("Read with less: model") == 10
    assert "Read with less: model0.obj: material library gone.mtl is missing" in err
    assert "2 more models; `dcign assets check lacking` says what" in err


def test_an_exported_model_reads_back_as_it_was(dcign, work):
    assert dcign("assets", "export", "face.h5", "-o", "again.h5")[0] == 0
    first, again = (read_face_model(work / name)[0] for name in ("face.h5", "again.h5"))
    assert np.array_equal(first.shape_mean, again.shape_mean)
    assert np.array_equal(first.albedo.components, again.albedo.components)
    with h5py.File(work / "again.h5") as file:
        assert file["shape/model/pcaBasis"].shape == (first.shape_mean.size, 3)
    code, _, err = dcign("assets", "export", "face.h5", "-o", "face.obj")
    assert (code, "-o" in err) == (2, True)


@pytest.mark.parametrize("what", ["show", "check"])
def test_what_is_not_there_is_named(dcign, what):
    code, _, err = dcign("assets", what, "nowhere")
    assert code == 2
    assert "nowhere" in err


def test_the_two_renderers_are_compared_on_a_sheet(dcign, work):
    code, out, err = dcign("bench", "parity", "--size", "48", "--n", "1", "-o", "parity.png")
    assert code == 0, err
    rows = [line.split() for line in out.splitlines() if line.startswith(("face", "chair"))]
    assert len(rows) == 8
    assert all(float(largest) < 3 and float(likeness) > 0.95 for *_, largest, likeness in rows)  # small images
    assert len(rows_of(work / "parity.png", 48 + 20)) == 8


def test_rendering_is_compared_with_naive_loops(dcign, work):
    words = ("--seconds", "0.1", "--n", "2", "--workers", "1", "--full-mesh", "-o", "render.json")
    code, out, err = dcign("bench", "render", "--assets", "face.h5", *words)
    assert code == 0, err
    measured = json.loads((work / "render.json").read_text())["images_per_second"]
    assert set(measured["ours"]) == set(measured["pyrender"]) == {"azimuth", "elevation", "light", "intrinsic"}
    assert all(rate > 0 for rates in measured.values() for rate in rates.values())
    assert "/ pyrender" in out


def test_bench_measures_in_a_process_of_its_own(dcign, work):
    code, out, err = dcign("bench", "assets", "face.h5", "chairs", "-o", "bench.json")
    assert code == 0, err
    found = json.loads((work / "bench.json").read_text())
    rows = found["opening"]
    assert [row["path"] for row in rows] == ["face.h5", "chairs"]
    assert [(row["path"], row["same"]) for row in found["readers"]] == [(f"model{k}.obj", True) for k in range(3)]
    assert all(0 < row["seconds"] < 60 and 10e6 < row["peak_bytes"] < 2e9 for row in rows)
    assert "3 models" in out
    (work / "damaged.h5").write_bytes(b"damaged")
    code, _, err = dcign("bench", "assets", "damaged.h5")
    assert code == 2
    assert "damaged.h5" in err
