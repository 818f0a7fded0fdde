"""The CAD reader on small models written here: one cube in every format, normals, duplicates, orientation."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from cad_file_fixtures import models_in

from assets.catalog import ModelSource
from assets.errors import AssetError
from assets.mesh import Mesh

HALF = 1 / np.sqrt(3)  # half the side of a cube whose corners lie at distance 1


def read_one(path: Path) -> Mesh:
    (model,) = models_in(path)
    return model.read()


def mesh_or_message(model: ModelSource) -> Mesh | str:
    try:
        return model.read()
    except AssetError as error:
        return str(error)


def area(mesh: Mesh) -> float:
    total = 0.0
    for s in mesh.surfaces:
        a, b, c = (s.vertices[s.triangles[:, k]] for k in range(3))
        total += float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
    return total


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray, extra: str = "") -> Path:
    lines = [f"v {x} {y} {z}" for x, y, z in vertices] + ["f " + " ".join(str(i + 1) for i in f) for f in faces]
    path.write_text(extra + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def cube() -> trimesh.Trimesh:
    return trimesh.creation.box((3.0, 3.0, 3.0), transform=trimesh.transformations.translation_matrix((5, -2, 9)))


@pytest.mark.parametrize("suffix", ["obj", "off", "ply", "stl", "glb", "gltf"])
def test_a_cube_survives_every_format(tmp_path: Path, cube: trimesh.Trimesh, suffix: str) -> None:
    if suffix == "gltf":
        for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene(cube)).items():
            (tmp_path / name).write_bytes(data)
    else:
        cube.export(tmp_path / f"cube.{suffix}")
    mesh = read_one(tmp_path)
    assert mesh.triangle_count == 12
    np.testing.assert_allclose(mesh.bounds, [[-HALF] * 3, [HALF] * 3], atol=1e-6)
    assert area(mesh) == pytest.approx(6 * (2 * HALF) ** 2, rel=1e-5)
    for s in mesh.surfaces:  # every normal is that of a side, and points outwards
        np.testing.assert_allclose(np.linalg.norm(s.normals, axis=1), 1, atol=1e-5)
        if suffix in ("stl", "off", "obj"):
            np.testing.assert_allclose(np.abs(s.normals).max(axis=1), 1, atol=1e-5)
        assert ((s.normals * s.vertices).sum(axis=1) > 0).all()


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_ply_vertex_colours_are_kept(tmp_path: Path, cube: trimesh.Trimesh, encoding: str) -> None:
    cube.visual.vertex_colors = np.tile([255, 0, 51, 255], (8, 1))
    (tmp_path / "cube.ply").write_bytes(trimesh.exchange.ply.export_ply(cube, encoding=encoding))
    np.testing.assert_allclose(read_one(tmp_path).surfaces[0].albedo, np.tile([[1.0, 0.0, 0.2]], (24, 1)), atol=1e-6)


def test_off_reads_counts_on_the_header_line_comments_polygons_and_face_colours(tmp_path: Path) -> None:
    body = "# made by hand\n0 0 0\n1 0 0\n1 1 0\n0 1 0 # last\n4 0 1 2 3 255 0 0\n"
    plain, joined = tmp_path / "a.off", tmp_path / "b.off"
    plain.write_text("OFF\n4 1 0\n" + body)
    joined.write_text("OFF4 1 0\n" + body)
    for path in (plain, joined):
        mesh = read_one(path)
        assert mesh.triangle_count == 2
        np.testing.assert_array_equal(np.unique(mesh.surfaces[0].albedo, axis=0), [[1, 0, 0]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PLY\n",
        "OFF\n",
        "OFF\nx y z\n",
        "OFF\n3 1 0\n0 0 0\n",
        "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n",
        "OFF\n3 1 0\n0 0 0\n1 0 0\n0 nan 0\n3 0 1 2\n",
        "OFF\n99999999999 1 0\n",
        "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1\n",
    ],
)
def test_a_broken_off_file_is_an_asset_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.off").write_text(text)
    with pytest.raises(AssetError, match=r"/broken\.off: expected"):
        read_one(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\n",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 1000000000\n",
        "v 0 0 0\nv 1 0\nf 1 2 1\n",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 -9\n",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 x\n",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 0\n",
        "v 0 0 0\nv 1 0 0\nv nan 1 0\nf 1 2 3\n",
        "v 0 0 0\nv 1 0 0\nv inf 1 0\nf 1 2 3\n",
        "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1/1/1/1 2 3\n",
        "v 1e300 0 0\nv -1e300 0 0\nv 0 1e300 0\nf 1 2 3\n",
        "f 1 2 3\n",
    ],
)
def test_a_broken_obj_file_is_an_asset_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.obj").write_text(text)
    with pytest.raises(AssetError, match=r"/broken\.obj: expected"):
        read_one(tmp_path)


@pytest.mark.parametrize("suffix", ["ply", "stl", "glb", "gltf", "off", "obj"])
def test_noise_and_truncated_files_are_asset_errors(tmp_path: Path, cube: trimesh.Trimesh, suffix: str) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / f"noise.{suffix}").write_bytes(rng.bytes(500))
    whole = b"" if suffix == "gltf" else cube.export(file_type=suffix)
    whole = whole.encode() if isinstance(whole, str) else whole
    for k in range(1, 8):
        (tmp_path / f"cut{k}.{suffix}").write_bytes(whole[: len(whole) * k // 8 - 1])
    for model in models_in(tmp_path):
        found = mesh_or_message(model)  # a cut text file may still be a whole, smaller mesh
        if isinstance(found, str):
            assert found.startswith(f"{tmp_path}/{model.id}: ")
        else:
            assert found.triangle_count > 0


def test_negative_indices_count_back_and_concave_polygons_keep_their_area(tmp_path: Path) -> None:
    outline = [(0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4)]  # a U of area 10, wrong as a fan
    text = "".join(f"v {x} {y} 0\n" for x, y in outline) + "f " + " ".join(str(k - 8) for k in range(8)) + "\n"
    (tmp_path / "u.obj").write_text(text)
    mesh = read_one(tmp_path)
    assert mesh.triangle_count == 6
    assert area(mesh) * 8 == pytest.approx(10, rel=1e-5)  # the sphere's radius was sqrt(8)


def test_duplicate_and_degenerate_triangles_are_dropped(tmp_path: Path, cube: trimesh.Trimesh) -> None:
    faces = np.concatenate([cube.faces, cube.faces[:, ::-1], np.roll(cube.faces, 1, axis=1), [[0, 0, 1]]])
    write_obj(tmp_path / "twice.obj", cube.vertices, faces)
    assert read_one(tmp_path).triangle_count == 12


def test_boxes_keep_their_edges_and_spheres_are_smooth(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    write_obj(tmp_path / "ball.obj", ball.vertices, ball.faces)
    surface = read_one(tmp_path).surfaces[0]
    assert len(surface.vertices) == len(ball.vertices)  # no vertex was split
    assert ((surface.vertices * surface.normals).sum(axis=1)).min() > 0.99


def test_good_normals_of_the_file_are_kept_and_bad_ones_replaced(tmp_path: Path) -> None:
    triangle = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvn {n}\nf 1//1 2//1 3//1\n"
    for n, expected in (
        ("0.6 0 0.8", [0.6, 0, 0.8]),
        ("0 0 0", [0, 0, 1]),
        ("1 0 0", [0, 0, 1]),
        ("nan 0 1", [0, 0, 1]),
    ):
        (tmp_path / "t.obj").write_text(triangle.format(n=n))
        np.testing.assert_allclose(read_one(tmp_path).surfaces[0].normals, np.tile(expected, (3, 1)), atol=1e-6)


def test_each_material_is_a_surface_and_clear_ones_are_left_out(tmp_path: Path, cube: trimesh.Trimesh) -> None:
    lines = [f"v {x} {y} {z}" for x, y, z in cube.vertices]
    for name, faces in (("red", cube.faces[:4]), ("blue", cube.faces[4:8]), ("clear", cube.faces[8:])):
        lines += [f"usemtl {name}"] + ["f " + " ".join(str(i + 1) for i in f) for f in faces]
    (tmp_path / "m.obj").write_text("mtllib m.mtl\n" + "\n".join(lines))
    (tmp_path / "m.mtl").write_text("newmtl red\nKd 1 0 0\nd 0.5\nnewmtl blue\nKd 0 0 1\nnewmtl clear\nKd 1 1 1\nd 0\n")
    mesh = read_one(tmp_path)
    assert [tuple(s.albedo[0]) for s in mesh.surfaces] == [(1, 0, 0), (0, 0, 1)]
    assert mesh.triangle_count == 8


def test_scene_transforms_of_gltf_are_applied(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    block = trimesh.creation.box((1, 1, 1))
    turn = trimesh.transformations.rotation_matrix(np.pi / 2, (0, 0, 1))
    scene.add_geometry(block, transform=turn @ np.diag([4.0, 1, 1, 1]))  # 4 long in X, then turned to Y
    scene.add_geometry(block, transform=trimesh.transformations.translation_matrix((0, 10, 0)))
    (tmp_path / "scene.glb").write_bytes(scene.export(file_type="glb"))
    extent = np.ptp(read_one(tmp_path).bounds, axis=0)
    np.testing.assert_allclose(extent / extent[0], [1, 12.5, 1], rtol=1e-5)  # from -2 to 10.5


def test_modelnet_stands_up_and_shapenet_turns_round(tmp_path: Path) -> None:
    corner = np.array([(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 5)], dtype=float)
    faces = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)])
    for name, turned in (("plain.obj", "xyz"), ("model_normalized.obj", "XyZ"), ("chair_0001.off", "xzY")):
        path = tmp_path / name
        if name.endswith("off"):
            trimesh.Trimesh(corner, faces, process=False).export(path)
        else:
            write_obj(path, corner, faces)
        axes = {"x": 0, "y": 1, "z": 2}
        expected = np.stack([corner[:, axes[c.lower()]] * (-1 if c.isupper() else 1) for c in turned], axis=1)
        expected = expected - (expected.min(axis=0) + expected.max(axis=0)) / 2
        expected /= np.linalg.norm(expected, axis=1).max()
        found = np.unique(read_one(path).surfaces[0].vertices, axis=0)
        np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], atol=1e-6)


def test_a_zip_library_is_read_in_place_like_its_folder(tmp_path: Path, cube: trimesh.Trimesh) -> None:
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    write_obj(folder / "a" / "one.obj", cube.vertices, cube.faces)
    cube.export(folder / "two.stl")
    library = tmp_path / "zips" / "library.sh3f"
    library.parent.mkdir()
    with zipfile.ZipFile(library, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder).as_posix())
    before = sorted(tmp_path.rglob("*"))
    outside, inside = models_in(folder), models_in(tmp_path / "zips")
    assert [m.id for m in outside] == ["a/one.obj", "two.stl"]
    assert [m.id for m in inside] == ["library.sh3f!a/one.obj", "library.sh3f!two.stl"]
    assert [m.sha256() for m in outside] == [m.sha256() for m in inside]
    for a, b in zip(outside, inside, strict=True):
        np.testing.assert_array_equal(a.read().surfaces[0].vertices, b.read().surfaces[0].vertices)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked
    assert [m.id for m in models_in(library, matching="ONE")] == ["library.sh3f!a/one.obj"]


def test_a_sweet_home_catalog_names_and_turns_its_models(tmp_path: Path) -> None:
    catalog = "name#1=Throne\nmodel#1=/m/t.obj\nmodelRotation#1=1 0 0 0 0 1 0 -1 0\nname#2=Table\nmodel#2=/m/u.obj\n"
    with zipfile.ZipFile(tmp_path / "l.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", catalog)
        for name in ("t", "u"):
            archive.writestr(f"m/{name}.obj", "v 0 0 0\nv 1 0 0\nv 0 0 9\nf 1 2 3\n")
    (throne,) = models_in(tmp_path, matching="throne")
    assert throne.id == "l.sh3f!m/t.obj"
    assert np.ptp(throne.read().bounds, axis=0).argmax() == 1  # its Z went up


def test_missing_empty_and_modelless_paths_say_what_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "broken.zip").write_bytes(b"PK but not a zip")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "gone", tmp_path / "empty", tmp_path / "notes.txt"):
        with pytest.raises(AssetError) as error:
            models_in(path)
        assert str(path) in str(error.value)
        assert ".obj" in str(error.value)
        assert ".sh3f" in str(error.value)
    with pytest.raises(AssetError, match=r"broken\.zip: expected a zip library"):
        models_in(tmp_path / "broken.zip")
