"""Model files are untrusted: nothing outside the root is read, and nothing large is believed."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in
from PIL import Image

from assets import archives
from assets.archives import Folder, ZipLibrary
from assets.cad import obj
from assets.errors import AssetError

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n"


def a_secret(folder: Path) -> Path:
    Image.fromarray(np.full((4, 4, 3), 200, np.uint8)).save(folder / "secret.png")
    return folder / "secret.png"


def test_a_material_cannot_reach_outside_the_root(tmp_path: Path) -> None:
    secret = a_secret(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    (root / "m.obj").write_text("mtllib m.mtl\n" + TRIANGLE)
    for reference in ("../secret.png", str(secret), "sub/../../secret.png", "..\\secret.png", "%2e%2e/secret.png"):
        (root / "m.mtl").write_text(f"newmtl m\nKd 0.3 0.3 0.3\nmap_Kd {reference}\n")
        (model,) = models_in(root)
        assert model.read().surfaces[0].texture is None, reference


def test_names_that_leave_the_root_are_not_read(tmp_path: Path) -> None:
    a_secret(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(AssetError, match="expected a file inside"):
        Folder(root).read("../secret.png")


def test_a_reference_inside_the_root_may_go_up(tmp_path: Path) -> None:
    """ShapeNet keeps its textures in ../images."""
    (tmp_path / "images").mkdir()
    a_secret(tmp_path / "images")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.obj").write_text("mtllib m.mtl\n" + TRIANGLE)
    (tmp_path / "models" / "m.mtl").write_text("newmtl m\nmap_Kd ../images/secret.png\n")
    (model,) = models_in(tmp_path)
    assert model.read().surfaces[0].texture is not None


def test_gltf_buffers_cannot_reach_outside_the_root(tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0))
    root = tmp_path / "root"
    root.mkdir()
    header = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "../b.bin", "byteLength": 36}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
    }
    (root / "m.gltf").write_text(json.dumps(header))
    (model,) = models_in(root)
    with pytest.raises(AssetError, match=r"/m\.gltf: expected the file '\.\./b\.bin'"):
        model.read()
    (tmp_path / "b.bin").rename(root / "b.bin")
    header["buffers"] = [{"uri": "b.bin", "byteLength": 36}]
    (root / "m.gltf").write_text(json.dumps(header))
    (model,) = models_in(root)
    assert model.read().triangle_count == 1
    for key, value in (("count", 10**12), ("count", -1), ("byteOffset", -12), ("byteOffset", 4), ("componentType", 1)):
        broken = json.loads(json.dumps(header))
        broken["accessors"][0][key] = value
        (root / "m.gltf").write_text(json.dumps(broken))
        (model,) = models_in(root)
        with pytest.raises(AssetError, match=r"/m\.gltf: expected"):
            model.read()
    header["nodes"] = [{"mesh": 0, "children": [1]}, {"children": [0]}]
    header["scenes"] = [{"nodes": [0]}]
    (root / "m.gltf").write_text(json.dumps(header))
    (model,) = models_in(root)
    with pytest.raises(AssetError, match="found a loop"):
        model.read()


def test_zip_members_with_hostile_names_are_left_out(tmp_path: Path) -> None:
    names = ["../up.obj", "/root.obj", "a/../../b.obj", "C:/x.obj", "__MACOSX/._m.obj", ".hidden/m.obj", "good.obj"]
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        for name in names:
            archive.writestr(name, TRIANGLE)
    assert [model.id for model in models_in(tmp_path)] == ["l.zip!good.obj"]


def test_a_member_of_a_zip_sees_only_the_zip(tmp_path: Path) -> None:
    a_secret(tmp_path)
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        archive.writestr("a/m.obj", "mtllib m.mtl\n" + TRIANGLE)
        archive.writestr("a/m.mtl", f"newmtl m\nKd 0.3 0.3 0.3\nmap_Kd {tmp_path}/secret.png\n")
    (model,) = models_in(tmp_path / "l.zip")
    assert model.read().surfaces[0].texture is None


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.obj", b"v 0 0 0\n" * (archives.BOMB_FLOOR // 8 + 1))
    (model,) = models_in(tmp_path)
    with pytest.raises(AssetError, match=r"/bomb\.zip!m\.obj: expected a compression ratio below"):
        model.read()


def test_files_over_the_size_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.obj").write_text(TRIANGLE)
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        archive.writestr("m.obj", TRIANGLE)
    monkeypatch.setattr(archives, "LARGEST_FILE", 20)
    for model in models_in(tmp_path):
        with pytest.raises(AssetError, match=r"m\.obj: .*expected at most 20 bytes"):
            model.read()


def test_a_zip_that_lies_or_is_damaged_is_an_asset_error(tmp_path: Path) -> None:
    path = tmp_path / "l.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.obj", TRIANGLE * 50)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF  # inside the packed text
    path.write_bytes(bytes(data))
    (model,) = models_in(tmp_path)
    with pytest.raises(AssetError, match=r"/l\.zip!m\.obj: .*cannot be unpacked"):
        model.read()
    with pytest.raises(AssetError, match="expected a member"):
        ZipLibrary(path).read("gone.obj")


def test_ply_headers_are_not_believed(tmp_path: Path) -> None:
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 2000000000\nproperty float x\nproperty float y\n"
    (tmp_path / "m.ply").write_text(
        header + "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    )
    (model,) = models_in(tmp_path)
    with pytest.raises(AssetError, match=r"/m\.ply: expected 2000000001 elements"):
        model.read()


def test_random_damage_never_raises_anything_but_asset_errors(tmp_path: Path) -> None:
    import trimesh

    rng = np.random.default_rng(0)
    cube = trimesh.creation.box()
    for suffix in ("obj", "off", "ply", "stl", "glb"):
        whole = cube.export(file_type=suffix)
        whole = whole.encode() if isinstance(whole, str) else whole
        for k in range(30):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), 4):
                data[at] = int(rng.integers(256))
            path = tmp_path / f"{k}.{suffix}"
            path.write_bytes(bytes(data))
            (model,) = models_in(path)
            try:
                surfaces, message = model.read().surfaces, ""
            except AssetError as error:
                surfaces, message = (), str(error)
            assert surfaces or message.startswith(f"{tmp_path}/{model.id}: ")
            assert all(np.isfinite(s.vertices).all() and np.isfinite(s.normals).all() for s in surfaces)


def test_too_many_vertices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obj, "MOST_VERTICES", 100)
    (tmp_path / "m.obj").write_text("# many\n" + "v 0 0 0\n" * 101 + "f 1 2 3\n")
    (model,) = models_in(tmp_path)
    with pytest.raises(AssetError, match=r"m\.obj: expected at most 100 `v` lines, found more"):
        model.read()
