"""Text files of other machines: byte order marks, UTF-16, line ends, continued lines, numbers of other languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import dae, models_in

from assets.cad.number_text import parse_numbers
from assets.cad.text import joined_lines, plain_text
from assets.errors import AssetError
from assets.mesh import Mesh

BOX = "v 0 0 0\nv 1 0 0\nv 1 2 0\nv 0 2 0\nv 0 0 3\n"
FACES = "f 1 2 3 4\nf 1 2 5\nf 2 3 5\n"
TEXTS = {
    "m.obj": "mtllib m.mtl\n" + BOX + "usemtl r\n" + FACES,
    "m.mtl": "newmtl r\nKd 1 0 0\n",
    "m.off": "COFF\n3 1 0\n0 0 0 1 0 0\n1 0 0 1 0 0\n0 1 0 1 0 0\n3 0 1 2\n",
    "m.stl": "solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n",
    "m.ply": "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    "property uchar red\nproperty uchar green\nproperty uchar blue\nelement face 1\n"
    "property list uchar int vertex_indices\nend_header\n0 0 0 255 0 0\n1 0 0 255 0 0\n0 1 0 255 0 0\n3 0 1 2\n",
    "m.dae": dae(np.eye(3), np.array([[0, 1, 2]])).replace(' encoding="utf-8"', ""),
}  # fmt: skip


def read(folder: Path, name: str) -> Mesh:
    (model,) = models_in(folder / name)
    return model.read()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be-mark", "utf-32", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_texts_of_any_encoding_are_read(tmp_path: Path, encoding: str, end: str) -> None:
    expected = {}
    for folder in ("plain", "other"):
        (tmp_path / folder).mkdir()
        for name, text in TEXTS.items():
            if folder == "plain" or (name == "m.dae" and encoding in ("utf-32", "utf-16-le", "utf-16-be")):
                data = text.encode()
            elif encoding == "utf-16-be-mark":
                data = b"\xfe\xff" + text.replace("\n", end).encode("utf-16-be")
            else:
                data = text.replace("\n", end).encode(encoding)
            (tmp_path / folder / name).write_bytes(data)
        meshes = {model.id: model.read() for model in models_in(tmp_path / folder)}
        assert len(meshes) == 5
        assert all(not mesh.remarks for mesh in meshes.values())
        expected = expected or meshes
        for name, mesh in meshes.items():
            np.testing.assert_array_equal(mesh.surfaces[0].vertices, expected[name].surfaces[0].vertices)
            if not name.endswith("stl"):
                np.testing.assert_array_equal(mesh.surfaces[0].albedo[0], [1, 0, 0])


def test_a_text_that_only_claims_to_be_utf_16_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_bytes(b"\xff\xfe" + b"v 0 0 0\n" + b"\0\xd8\0\xd8")
    with pytest.raises(AssetError, match=r"/m\.obj: expected text in UTF-16-LE, as its first bytes say"):
        read(tmp_path, "m.obj")
    assert plain_text("naïve\r".encode()) == "naïve\n".encode()


def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    (tmp_path / "Stühle.mtl").write_bytes("newmtl Stühle\nKd 1 0 0\n".encode("cp1252"))
    (tmp_path / "m.obj").write_bytes(("mtllib Stühle.mtl\nusemtl Stühle\n" + BOX + FACES).encode("cp1252"))
    np.testing.assert_array_equal(read(tmp_path, "m.obj").surfaces[0].albedo[0], [1, 0, 0])


@pytest.mark.parametrize(
    "faces",
    [
        "f 1 2 3 \\\n4\nf 1 2 5\nf 2 3 5\n",
        "f 1 2 3 \\  \n 4\nf \\\t\n1 \\\n2 \\\r\n5\nf 2 3 5\n",
        "f 1 2 3 4\nf 1 2 5 # seat \\\nf 2 3 5\n",
        "# C:\\parts\\\nf 1 2 3 4\nf 1 2 5\n  # back\\ \nf 2 3 5\n",
        "g C:\\parts\\\nf 1 2 3 4\no D:\\ \nf 1 2 5\ns off\\\nf 2 3 5\n",
        "usemtl r\\\nf 1 2 3 4\nf 1 2 5\nmtllib x\\\nf 2 3 5\n",
        "f 1 2 3 4 \\\nf 1 2 5\\\nf 2 3 5 \\\n",
    ],
)
def test_a_backslash_continues_a_line_only_where_that_makes_sense(tmp_path: Path, faces: str) -> None:
    (tmp_path / "m.obj").write_text(BOX + faces, newline="")
    assert read(tmp_path, "m.obj").triangle_count == 4


def test_a_material_may_end_in_a_backslash_and_a_vertex_be_continued(tmp_path: Path) -> None:
    (tmp_path / "m.mtl").write_text("newmtl r\\\nKd 1 0 0\n")
    text = "mtllib m.mtl\n" + BOX.replace("1 2 0", "1 \\\n2 \\\n0") + "usemtl r\\\n" + FACES
    (tmp_path / "m.obj").write_text(text)
    mesh = read(tmp_path, "m.obj")
    assert mesh.triangle_count == 4
    np.testing.assert_array_equal(mesh.surfaces[0].albedo[0], [1, 0, 0])
    assert len(joined_lines(text.encode())) == len(text)


def test_numbers_of_other_languages_and_no_numbers_are_told_apart() -> None:
    def parsed(text: str, optional: bool = False) -> list[float]:
        return parse_numbers(text.encode(), np.float64, "numbers", optional=optional).tolist()

    assert parsed("-7,589569 1 0,5e-2") == [-7.589569, 1, 0.005]
    assert np.isnan(parsed("1.#IND -1.#IND00 1.#QNAN -nan(ind) nan NaN -nan")).all()
    np.testing.assert_array_equal(parsed("1 oak 3", optional=True), [1, np.nan, 3])
    for text in ("1 oak 3", "1,2,3 4", "1.2.3", "0x"):
        with pytest.raises(AssetError, match="expected numbers, found"):
            parsed(text)
