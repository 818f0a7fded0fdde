"""OFF and STL as they are found: names, tails, line ends, colours of some vertices."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in

from assets.mesh import Mesh

CORNERS = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (5, 0, 0), (6, 0, 0), (5, 1, 0)], dtype=float).reshape(2, 3, 3)


def read(folder: Path, name: str, data: bytes) -> Mesh:
    (folder / name).write_bytes(data)
    (model,) = models_in(folder / name)
    return model.read()


def facets(corners: np.ndarray) -> str:
    lines = ["facet normal 0 0 1", "outer loop", *(f"vertex {x:g} {y:g} {z:g}" for x, y, z in corners), "endloop"]
    return "\n".join([*lines, "endfacet\n"])


def binary(header: bytes, tail: bytes = b"") -> bytes:
    rows = b"".join(struct.pack("<12fH", 0, 0, 1, *triangle.ravel(), 0) for triangle in CORNERS)
    return header.ljust(80, b"\0") + struct.pack("<I", len(CORNERS)) + rows + tail


@pytest.mark.parametrize("header", [b"", b"solid chair made by a program", b"SOLID", b"solid\nfacet normal vertex"])
@pytest.mark.parametrize("tail", [b"", b"\0", b"tail" * 50])
def test_binary_stl_may_begin_with_solid_and_end_in_more(tmp_path: Path, header: bytes, tail: bytes) -> None:
    mesh = read(tmp_path, "m.stl", binary(header, tail))
    assert mesh.triangle_count == 2
    assert np.ptp(mesh.bounds, axis=0)[0] / np.ptp(mesh.bounds, axis=0)[1] == pytest.approx(6)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["chair", "", "vertex", "my vertex 1 2 3 facet", "solid vertex"])
@pytest.mark.parametrize("solids", [1, 2])
def test_text_stl_may_have_any_name_line_ends_and_several_solids(
    tmp_path: Path, end: str, name: str, solids: int
) -> None:
    pieces = [facets(CORNERS[0]), facets(CORNERS[1])]
    pieces = pieces if solids == 2 else ["".join(pieces)]
    text = "".join(f"solid {name}\n{piece}endsolid {name}\n" for piece in pieces)
    for written in (text, text.upper(), "  " + text.replace("\n", "\n\t ")):
        mesh = read(tmp_path, "m.stl", written.replace("\n", end).encode())
        assert mesh.triangle_count == 2
        assert np.ptp(mesh.bounds, axis=0)[0] / np.ptp(mesh.bounds, axis=0)[1] == pytest.approx(6)


def test_off_keeps_the_colours_of_some_vertices_or_faces(tmp_path: Path) -> None:
    points = ["0 0 0 1 0 0", "1 0 0", "0 1 0 1 0 0", "1 1 0 1 oak 0"]
    mesh = read(tmp_path, "m.off", ("COFF\n4 2 0\n" + "\n".join(points) + "\n3 0 1 2\n3 1 3 2\n").encode())
    np.testing.assert_allclose(np.unique(mesh.surfaces[0].albedo, axis=0), [[0.6, 0.6, 0.6], [1, 0, 0]], atol=1e-6)
    points = [point[:5] for point in points]
    mesh = read(tmp_path, "m.off", ("OFF\n4 2 0\n" + "\n".join(points) + "\n3 0 1 2\n3 1 3 2 255 0 51\n").encode())
    np.testing.assert_allclose(np.unique(mesh.surfaces[0].albedo, axis=0), [[0.6, 0.6, 0.6], [1, 0, 0.2]], atol=1e-6)


def test_off_normals_that_are_none_cost_only_themselves(tmp_path: Path) -> None:
    points = ["0 0 0 0.6 0 0.8", "1 0 0 0.6 0 0.8", "0 1 0 -1.#IND 0 1", "1 1 0"]
    mesh = read(tmp_path, "m.off", ("NOFF\n4 2 0\n" + "\n".join(points) + "\n3 0 1 2\n3 1 3 2\n").encode())
    assert len(np.unique(np.round(mesh.surfaces[0].normals, 5), axis=0)) == 2
    assert mesh.remarks == ("3 of 6 corners of material (no name) have no normals",)
