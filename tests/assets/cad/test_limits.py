"""Files made to use up memory or time are refused early, and say why."""

from __future__ import annotations

import base64
import json
import re
import resource
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in
from PIL import Image

from assets import archives
from assets.cad import gltf, models, mtl, obj, parts, plain, ply, textures, xml_text
from assets.cad.models import time_limit
from assets.cad.polygons import cut
from assets.errors import AssetError

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


@pytest.fixture(autouse=True)
def frugal() -> Iterator[None]:
    """No test here may need more than 400 MB beyond what this process took before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


def refusal(path: Path) -> str:
    try:
        meshes = [model.read() for model in models_in(path)]
    except AssetError as error:
        message = str(error)
    else:
        raise AssertionError(f"read {meshes}")
    assert message.startswith(str(path))
    return message


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def png(width: int, height: int) -> bytes:
    """A PNG that is tiny and claims to be large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.off", "OFF\n3000000000 1 0\n0 0 0\n", "expected 3000000000 vertices (at most"),
        ("m.off", "OFF\n3 3000000000 0\n0 0 0\n1 0 0\n0 1 0\n", "3000000000 faces"),
        ("m.off", f"OFF\n3 1 0\n{'0 0 0' * 3}\n999999999 0 1 2\n", "expected"),
        ("m.stl", b"\0" * 80 + struct.pack("<I", 4_000_000_000) + b"\0" * 50, "expected an STL file of 1.."),
        ("m.stl", "solid x\n" + "vertex 0 0\n" * 3, "expected three numbers behind each `vertex`"),
        ("m.stl", "solid x\nendsolid\n", "found 0 in"),
        ("m.obj", TRIANGLE + "f 1 2 1000000000\n", "found 1000000000"),
        ("m.obj", TRIANGLE + "f 1 2 99999999999999999999\n", "expected `v` numbers 1..3"),
        ("m.obj", "v nan 0 0\nv 1 nan 0\nv 0 1 0\nf 1 2 3\n", "found NaN or infinity"),
        ("m.obj", "v 0 0 0\nv 1e-44 0 0\nv 0 1e-44 0\nf 1 2 3\n", "expected a model with an extent"),
        ("m.obj", TRIANGLE + "f 1 1 1\nf 1 2 2\n", "expected at least one triangle with an area"),
        (
            "m.glb",
            b"glTF" + struct.pack("<II", 2, 4_000_000_000) + struct.pack("<I4s", 4_000_000_000, b"JSON"),
            "a chunk",
        ),
    ],
)
def test_claims_beyond_the_file_are_not_believed(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    assert message in refusal(write(tmp_path / name, content))


def test_a_zip_that_unpacks_a_hundredfold_is_read_only_up_to_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "l.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.obj", b"v 0 0 0\n" * (100 * 2**20 // 8))
    assert path.stat().st_size < 2**20
    assert "compression ratio" in refusal(path)


def test_a_zip_with_a_huge_list_of_members_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number}.obj", "")
    assert len(models_in(path)) == 3000
    monkeypatch.setattr(archives, "LARGEST_DIRECTORY", 100_000)
    archives._library.cache_clear()
    assert "expected a zip library, found: a list of members of more than 100000 bytes" in refusal(path)


def test_unusual_packings_are_refused(tmp_path: Path) -> None:
    """An LZMA header may ask for gigabytes before the first byte comes out."""
    with zipfile.ZipFile(tmp_path / "l.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("m.obj", TRIANGLE)
    assert "expected a stored or deflated member, found method 14" in refusal(tmp_path / "l.zip")


def test_all_files_of_a_model_together_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m.mtl", "newmtl m\nKd 1 0 0\n" + "# \n" * 100)
    path = write(tmp_path / "m.obj", "mtllib m.mtl\n" + TRIANGLE + "f 1 2 3\n")
    monkeypatch.setattr(archives, "LARGEST_MODEL", 200)
    assert "with the model's others" in refusal(path)


@pytest.mark.parametrize("suffix", ["obj", "glb"])
def test_a_texture_of_any_claimed_size_is_refused_before_it_is_decoded(tmp_path: Path, suffix: str) -> None:
    image = png(60_000, 60_000)
    if suffix == "obj":
        write(tmp_path / "t.png", image)
        write(tmp_path / "m.mtl", "newmtl m\nmap_Kd t.png\n")
        write(tmp_path / "m.obj", "mtllib m.mtl\n" + TRIANGLE + "usemtl m\nf 1 2 3\n")
    else:
        header = gltf_triangle()
        header["images"] = [{"uri": "data:image/png;base64," + base64.b64encode(image).decode()}]
        header |= {
            "textures": [{"source": 0}],
            "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        }
        header["meshes"][0]["primitives"][0]["material"] = 0
        text = json.dumps(header).encode()
        write(tmp_path / "m.glb", b"glTF" + struct.pack("<IIII", 2, 0, len(text), 0x4E4F534A) + text)
    (model,) = models_in(tmp_path / f"m.{suffix}")
    mesh = model.read()
    assert mesh.surfaces[0].texture is None
    assert re.search("found 60000 x 60000|3600000000 pixels", mesh.remarks[0])


def test_a_model_has_a_limited_number_of_textures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textures, "MOST_TEXTURES", 3)
    for number in range(4):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{number}.png")
    write(tmp_path / "m.mtl", "".join(f"newmtl {n}\nmap_Kd {n % 4}.png\n" for n in range(9)))
    path = write(tmp_path / "m.obj", "mtllib m.mtl\n" + TRIANGLE + "f 1 2 3\n")
    assert "at most 3 textures" in refusal(path)
    monkeypatch.setattr(textures, "MOST_TEXTURES", 4)
    assert models_in(path)[0].read().triangle_count == 1


def test_materials_and_libraries_are_limited_and_do_not_nest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m.mtl", "mtllib m.mtl\nnewmtl a\nKd 1 0 0\n")
    path = write(tmp_path / "m.obj", "mtllib m.mtl m.obj gone.mtl\n" * 9 + TRIANGLE + "usemtl a\nf 1 2 3\n")
    np.testing.assert_array_equal(models_in(path)[0].read().surfaces[0].albedo[0], [1, 0, 0])
    monkeypatch.setattr(mtl, "MOST_PARTS", 0)
    assert "at most 0 materials" in refusal(path)
    monkeypatch.setattr(mtl, "LARGEST_MTL", 10)
    assert "at most 10 bytes of materials" in refusal(path)


def gltf_triangle(count: int = 3) -> dict:
    data = base64.b64encode(np.random.default_rng(0).random((count, 3), dtype=np.float32).tobytes()).decode()
    return {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": f"data:application/octet-stream;base64,{data}", "byteLength": 12 * count}],
        "bufferViews": [{"buffer": 0, "byteLength": 12 * count}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
    }


def test_a_mesh_repeated_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_TRIANGLES", 5000)
    monkeypatch.setattr(parts, "CHECKED_EVERY", 10_000)
    header = gltf_triangle(3000)
    header["meshes"][0]["primitives"] *= 10_000  # 120 GB if they were all read
    assert "expected at most 5000 triangles" in refusal(write(tmp_path / "m.gltf", json.dumps(header)))
    header = gltf_triangle(3000)
    header["nodes"] = [{"children": [k + 1] * 10} for k in range(20)] + [{"mesh": 0}]  # 10^20 of them
    assert "expected at most 5000 triangles" in refusal(write(tmp_path / "m.gltf", json.dumps(header)))


def test_deep_and_wide_json_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "expected a glTF header in JSON" in refusal(write(tmp_path / "m.gltf", "[" * 100_000))
    assert "with 4000000 values" in refusal(write(tmp_path / "m.gltf", "[" + "[]," * 2_100_000 + "0]"))
    monkeypatch.setattr(gltf, "LARGEST_HEADER", 1000)
    assert "expected at most 1000 bytes of JSON" in refusal(write(tmp_path / "m.gltf", json.dumps(gltf_triangle(99))))


def test_large_and_wide_xml_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "expected at most 1000000 elements" in refusal(
        write(tmp_path / "m.dae", "<a>" + "<b/>" * 1_000_001 + "</a>")
    )
    monkeypatch.setattr(xml_text, "LARGEST_FILE", 10)
    assert "expected at most 10 bytes of XML" in refusal(tmp_path / "m.dae")


def test_too_many_triangles_are_refused_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import trimesh

    for module in (obj, parts, plain, ply):
        monkeypatch.setattr(module, "MOST_TRIANGLES", 50)
    ball = trimesh.creation.icosphere(subdivisions=1)  # 80 triangles
    for suffix in ("obj", "off", "ply", "stl", "glb"):
        ball.export(tmp_path / f"m.{suffix}")
        assert "50 triangles" in refusal(tmp_path / f"m.{suffix}")


def test_a_large_polygon_is_not_cut_in_quadratic_time() -> None:
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    radius = 1 + 0.5 * np.sin(50 * angle)  # not convex
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
    started = time.process_time()
    assert cut(outline, np.array([len(outline)])).shape == (19_998, 3)
    assert time.process_time() - started < 3


def test_a_model_that_takes_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.obj", TRIANGLE + "f 1 2 3\n")

    def spin(*_: object) -> None:
        try:
            while True:
                sum(range(1000))
        except AssetError:  # as a careless library would
            while True:
                sum(range(1000))

    monkeypatch.setattr(models, "SECONDS", 0.05)
    monkeypatch.setattr(models, "mesh_of_parts", spin)
    started = time.monotonic()
    assert "expected a model that is read in 0.05 s" in refusal(path)
    assert time.monotonic() - started < 20


def test_the_time_limit_ends_with_its_body_and_is_none_in_other_threads() -> None:
    def busy(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            sum(range(100))

    with time_limit(0.05):
        pass
    busy(0.2)
    done = []

    def elsewhere() -> None:
        with time_limit(0.01):
            busy(0.1)
        done.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done
