"""PLY: polygons of any size in text and bytes, strips, colours and textures of vertices and faces."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in
from PIL import Image

from assets.errors import AssetError
from assets.mesh import Mesh

U = [(0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4)]  # of area 10, and wrong as a fan
FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
CODES = {"uchar": "B", "int": "i", "uint": "I", "float": "f", "char": "b", "double": "d"}


def ply(kind: str, elements: list[tuple[str, list[str], list[list[object]]]], comments: str = "") -> bytes:
    """Write elements: name, properties as their header lines say, rows with a list where a list stands."""
    header = f"ply\nformat {kind} 1.0\n{comments}"
    body = b""
    for name, properties, rows in elements:
        header += f"element {name} {len(rows)}\n" + "".join(f"property {line}\n" for line in properties)
        for row in rows:
            numbers, codes = [], ""
            for line, value in zip(properties, row, strict=True):
                words = line.split()
                if words[0] == "list":
                    numbers += [len(value), *value]
                    codes += CODES[words[1]] + CODES[words[2]] * len(value)
                else:
                    numbers.append(value)
                    codes += CODES[words[0]]
            body += (
                (" ".join(map(str, numbers)) + "\n").encode()
                if kind == "ascii"
                else struct.pack(FORMATS[kind] + codes, *numbers)
            )
    return header.encode() + b"end_header\n" + body


XYZ = ["float x", "float y", "float z"]
INDICES = "list uchar int vertex_indices"


def read(folder: Path, data: bytes) -> Mesh:
    (folder / "m.ply").write_bytes(data)
    (model,) = models_in(folder / "m.ply")
    return model.read()


def area(mesh: Mesh) -> float:
    total = 0.0
    for s in mesh.surfaces:
        a, b, c = (s.vertices[s.triangles[:, k]] for k in range(3))
        total += float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
    return total


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("tail", [b"", b"\0more\n", b"7 7 7\n" * 3])
def test_faces_of_all_sizes_in_one_list_are_read_and_what_follows_is_not(
    tmp_path: Path, kind: str, tail: bytes
) -> None:
    corners = [[x, y, 0] for x, y in U] + [[x, y, 5] for x, y in U]
    faces = [[list(range(8))], [[8, 9, 10]], [[8, 10, 11, 12]], [[0, 1]], [[8, 12, 13, 14, 15]], [[]]]
    mesh = read(
        tmp_path, ply(kind, [("vertex", XYZ, corners), ("face", [INDICES], faces)]) + (tail if kind != "ascii" else b"")
    )
    assert mesh.triangle_count == 6 + 1 + 2 + 3
    flat = [s.vertices[s.triangles] for s in mesh.surfaces]
    lower = np.concatenate(flat)[np.concatenate(flat)[:, :, 2].max(axis=1) < 0]
    scale = np.ptp(mesh.bounds[:, 2]) / 5
    covered = np.linalg.norm(np.cross(lower[:, 1] - lower[:, 0], lower[:, 2] - lower[:, 0]), axis=1).sum() / 2
    assert covered == pytest.approx(10 * scale**2, rel=1e-5)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_concave_polygon_covers_what_it_covers_in_other_formats(tmp_path: Path, kind: str) -> None:
    mesh = read(
        tmp_path, ply(kind, [("vertex", XYZ, [[x, y, 0] for x, y in U]), ("face", [INDICES], [[list(range(8))]])])
    )
    assert area(mesh) * 8 == pytest.approx(10, rel=1e-5)  # the sphere's radius was sqrt(8)


@pytest.mark.parametrize("kind", FORMATS)
def test_triangle_strips_are_cut_into_triangles_that_face_one_way(tmp_path: Path, kind: str) -> None:
    corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0], [5, 0, 0], [6, 0, 0], [5, 1, 0]]
    strip = [0, 1, 2, 3, 4, -1, 5, 6, 7]
    mesh = read(
        tmp_path, ply(kind, [("vertex", XYZ, corners), ("tristrips", ["list int int vertex_indices"], [[strip]])])
    )
    assert mesh.triangle_count == 4
    np.testing.assert_allclose(np.concatenate([s.normals for s in mesh.surfaces])[:, 2], 1)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("names", [("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue")])
@pytest.mark.parametrize("of_faces", [False, True])
def test_colours_of_vertices_and_faces_are_kept_with_polygons_too(
    tmp_path: Path, kind: str, names: tuple[str, ...], of_faces: bool
) -> None:
    colour = [f"uchar {name}" for name in names]
    points = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0]]
    faces: list[list[object]] = [[[0, 1, 2, 3]], [[1, 4, 2]]]
    if of_faces:
        elements = [
            ("vertex", XYZ, points),
            ("face", [INDICES, *colour], [[*faces[0], 255, 0, 51], [*faces[1], 0, 1, 0]]),
        ]
    else:
        elements = [("vertex", XYZ + colour, [[*p, 255, 0, 51] for p in points]), ("face", [INDICES], faces)]
    found = np.unique(np.concatenate([s.albedo for s in read(tmp_path, ply(kind, elements)).surfaces]), axis=0)
    np.testing.assert_allclose(found, [[0, 1 / 255, 0], [1, 0, 0.2]] if of_faces else [[1, 0, 0.2]], atol=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
def test_each_face_has_the_texture_that_it_numbers(tmp_path: Path, kind: str) -> None:
    for name, grey in (("a", 10), ("b", 250)):
        Image.new("L", (4, 4), grey).save(tmp_path / f"{name}.png")
    points = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [2, 2, 0]]
    uv = [[0, 0, 1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 1, 1]]
    rows = [[[0, 1, 2, 3], uv[0], 1], [[1, 4, 2], uv[1], 0], [[2, 4, 5], uv[2], -1]]
    properties = [INDICES, "list uchar float texcoord", "int texnumber"]
    comments = "comment TextureFile a.png\ncomment TextureFile b.png\n"
    mesh = read(tmp_path, ply(kind, [("vertex", XYZ, points), ("face", properties, rows)], comments))
    found = [(len(s.triangles), None if s.texture is None else int(s.texture[0, 0, 0])) for s in mesh.surfaces]
    assert found == [(1, 10), (2, 250), (1, None)]
    assert mesh.remarks == ("1 faces number none of the 2 textures",)
    (model,) = models_in(tmp_path / "m.ply")
    before = model.sha256()
    Image.new("L", (4, 4), 99).save(tmp_path / "b.png")
    assert models_in(tmp_path / "m.ply")[0].sha256() != before
    unnumbered = ply(kind, [("vertex", XYZ, points), ("face", properties[:2], [row[:2] for row in rows])], comments)
    assert read(tmp_path, unnumbered).remarks == ("2 textures are named and no face numbers one: the first is taken",)


def test_a_missing_texture_is_named(tmp_path: Path) -> None:
    comments = "comment TextureFile gone.png\n"
    data = ply("ascii", [("vertex", XYZ, [[x, y, 0] for x, y in U]), ("face", [INDICES], [[[0, 1, 2]]])], comments)
    assert read(tmp_path, data).remarks == ("texture gone.png is missing",)


def test_lines_may_hold_more_than_the_header_says_and_need_not_hold_one_row(tmp_path: Path) -> None:
    data = ply(
        "ascii", [("vertex", XYZ, [[x, y, 0] for x, y in U]), ("face", [INDICES], [[[0, 1, 2]], [[0, 2, 3, 4]]])]
    )
    header, _, body = data.partition(b"end_header\n")
    longer = body.replace(b"\n", b" 9 8 7\n").replace(b"0 0 0 9 8 7", b"\n0 0 0", 1)
    for text in (body, longer, body.replace(b"\n", b" "), body.replace(b" ", b"\n"), body.replace(b"\n", b"\r\n")):
        assert read(tmp_path, header + b"end_header\n" + text).triangle_count == 3


def test_a_bad_number_that_is_optional_costs_only_itself(tmp_path: Path) -> None:
    normal = ["float nx", "float ny", "float nz"]
    rows = [[0, 0, 0, 0.6, 0, 0.8], [1, 0, 0, 0.6, 0, 0.8], [0, 1, 0, "-1.#IND", 0, 1]]
    mesh = read(tmp_path, ply("ascii", [("vertex", XYZ + normal, rows), ("face", [INDICES], [[[0, 1, 2]]])]))
    found = np.unique(np.round(mesh.surfaces[0].normals, 5), axis=0)
    np.testing.assert_allclose(found, [[0, 0, 1], [0.6, 0, 0.8]], atol=1e-6)
    assert mesh.remarks == ("1 of 3 corners of material (no name) have no normals",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"format ascii 1.0", b"format morse 1.0", "expected a PLY header, found the line 'format morse 1.0'"),
        (b"uchar int", b"uchar oak", "expected a PLY header, found the line"),
        (b"ply\n", b"", "expected a PLY file with a header, found none"),
        (b"float z", b"float q", "expected a PLY mesh with vertices x, y and z, found none"),
        (b"element face 1", b"element face 3", "expected 3 rows of face, found the end of the file"),
        (b"element face 1", b"element face 0", "expected a PLY mesh with faces, found none"),
        (b"3 0 1 2", b"3 0 1 9", "expected vertex numbers 0..7, found 0..9"),
        (b"3 0 1 2", b"3 0 1 nan", "expected vertex numbers 0..7"),
        (b"3 0 1 2", b"-3 0 1 2", "expected the length of vertex_indices, found none or a negative one"),
        (b"3 0 1 2", b"9999999999 0 1 2", "expected 1 rows of face, found the end of the file"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    data = ply("ascii", [("vertex", XYZ, [[x, y, 0] for x, y in U]), ("face", [INDICES], [[[0, 1, 2]]])])
    assert old in data
    with pytest.raises(AssetError, match=rf"/m\.ply: {message}"):
        read(tmp_path, data.replace(old, new))
