"""OBJ and MTL as they are found: libraries, names, colours of vertices, and numbers that do not count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in
from PIL import Image

from assets.errors import AssetError
from assets.mesh import Mesh

POINTS = ("0 0 0", "1 0 0", "1 2 0", "0 2 0")
UVS = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
RED = "newmtl red\nKd 1 0 0\n"
BLUE = "newmtl blue\nKd 0 0 1\n"


def read(folder: Path, text: str, **libraries: str) -> Mesh:
    """Read the OBJ file m.obj of `text`."""
    for name, library in libraries.items():
        (folder / f"{name}.mtl").write_text(library)
    (folder / "m.obj").write_text(text)
    (model,) = models_in(folder / "m.obj")
    return model.read()


def quad(face: str = "f 1 2 3 4\n", points: tuple[str, ...] = POINTS) -> str:
    return "".join(f"v {point}\n" for point in points) + face


def colours(mesh: Mesh) -> list[list[float]]:
    return [np.round(s.albedo[0].astype(float), 3).tolist() for s in mesh.surfaces]


def test_a_missing_library_is_named_and_that_of_the_models_name_stands_in(tmp_path: Path) -> None:
    text = "mtllib other.mtl\nusemtl red\n" + quad()
    mesh = read(tmp_path, text)
    assert mesh.remarks == ("material library other.mtl is missing",)
    mesh = read(tmp_path, text, m=RED)
    assert colours(mesh) == [[1, 0, 0]]
    assert mesh.remarks == ("material library other.mtl is missing; m.mtl, called as the model, stands in",)
    mesh = read(tmp_path, "usemtl red\n" + quad())
    assert mesh.remarks == ("its materials are in no library, as it names none",)
    mesh = read(tmp_path, "mtllib blue.mtl other.mtl\nusemtl red\n" + quad(), blue=BLUE)
    assert mesh.remarks == ("material library other.mtl is missing", "material red is in none of its libraries")


@pytest.mark.parametrize(
    "line",
    ["one.mtl my own.mtl", "my own.mtl one.mtl", "my own.mtl\tone.mtl", "'x' my own.mtl  ONE.MTL",
     "my\\ own.mtl one.mtl", "one.mtl\nmtllib my own.mtl # mine", '"my own.mtl"\nmtllib one.mtl',
     r"C:\me\my own.mtl D:\one.mtl"],
)  # fmt: skip
def test_several_libraries_whose_names_hold_blanks_are_read(tmp_path: Path, line: str) -> None:
    (tmp_path / "my own.mtl").write_text(RED)
    points = quad("usemtl red\nf 1 2 3\nusemtl blue\nf 1 3 4\n")
    assert colours(read(tmp_path, f"mtllib {line}\n" + points, one=BLUE)) == [[1, 0, 0], [0, 0, 1]]


def test_missing_libraries_with_blanks_are_named_whole(tmp_path: Path) -> None:
    mesh = read(tmp_path, "mtllib my own.mtl one.mtl your own.mtl\n" + quad(), one=BLUE)
    assert [remark for remark in mesh.remarks if "missing" in remark] == [
        "material library my own.mtl is missing",
        "material library your own.mtl is missing",
    ]


def test_usemtl_without_a_name_means_no_material(tmp_path: Path) -> None:
    text = "mtllib a.mtl\n" + quad("usemtl red\nf 1 2 3\nusemtl\nf 1 3 4\nusemtl red\nf 4 3 2\n")
    assert colours(read(tmp_path, text, a=RED)) == [[0.6, 0.6, 0.6], [1, 0, 0]]
    assert colours(read(tmp_path, text, a=RED + "newmtl\nKd 0 1 0\n")) == [[0, 1, 0], [1, 0, 0]]  # one without a name


def test_a_model_that_names_no_material_has_the_only_one_of_its_library(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "t.png")
    text = "mtllib a.mtl\n" + quad(UVS + "f 1/1 2/2 3/3 4/4\n")
    mesh = read(tmp_path, text, a="newmtl oak\nmap_Kd t.png\n")
    assert mesh.surfaces[0].texture is not None
    assert mesh.remarks == ("no face names a material; oak, the only one of its library, is taken",)
    mesh = read(tmp_path, text, a=RED + BLUE)
    assert colours(mesh) == [[0.6, 0.6, 0.6]]
    assert mesh.remarks == ("no face names a material; none of the 2 of its library is drawn",)


def test_comments_behind_names_are_not_part_of_them(tmp_path: Path) -> None:
    text = "mtllib a.mtl # mine\nusemtl red # plain\n" + quad("f 1 2 3 4# a face\n")
    assert colours(read(tmp_path, text, a=RED)) == [[1, 0, 0]]
    assert colours(read(tmp_path, text, a="newmtl red # plain\nKd 0 1 0\n")) == [[0, 1, 0]]  # unless they are


@pytest.mark.parametrize(
    "form",
    ["{p} {c}", "{p} {c} 1", "{p} 1 {c}", "{p} 1 {c} 1", "{p} {c} 0.5", "{p} 1.0 {c} 0.25"],
    ids=["rgb", "rgba", "w rgb", "w rgba", "half clear", "w half clear"],
)
def test_colours_of_vertices_are_found_behind_weights_and_before_opacities(tmp_path: Path, form: str) -> None:
    own = ("0.9 0.1 0.2", "0.9 0.1 0.2", "0.3 0.4 0.5", "0.3 0.4 0.5")
    mesh = read(tmp_path, quad(points=tuple(form.format(p=p, c=c) for p, c in zip(POINTS, own, strict=True))))
    found = np.unique(np.round(mesh.surfaces[0].albedo, 3), axis=0)
    np.testing.assert_allclose(found, [[0.3, 0.4, 0.5], [0.9, 0.1, 0.2]], atol=1e-6)


def test_vertices_without_a_colour_have_that_of_their_material(tmp_path: Path) -> None:
    points = ("0 0 0 1 0 0", "1 0 0 1 0 0", "1 2 0", "0 2 0 nan nan nan")
    found = read(tmp_path, quad(points=points)).surfaces[0]
    np.testing.assert_allclose(np.unique(found.albedo, axis=0), [[0.6, 0.6, 0.6], [1, 0, 0]], atol=1e-6)
    mesh = read(tmp_path, "mtllib a.mtl\nusemtl blue\n" + quad(points=points), a=BLUE)
    np.testing.assert_allclose(np.unique(mesh.surfaces[0].albedo, axis=0), [[0, 0, 1], [1, 0, 0]], atol=1e-6)


def test_colours_of_vertices_may_be_bytes_and_weights_alone_are_none(tmp_path: Path) -> None:
    found = read(tmp_path, quad(points=tuple(f"{p} 255 51 0" for p in POINTS))).surfaces[0]
    np.testing.assert_allclose(found.albedo, np.tile([[1, 0.2, 0]], (4, 1)), atol=1e-6)
    assert colours(read(tmp_path, quad(points=tuple(f"{p} 1.0" for p in POINTS)))) == [[0.6, 0.6, 0.6]]


@pytest.mark.parametrize(
    ("lines", "face", "remark"),
    [
        ("vt -1.#IND00 0\n", "f 1/1 2/2 3/3 4/4\n", "1 of 5 `vt` lines hold no numbers and do not count"),
        ("vt oak 0\n", "f 1 2 3 4\n", "1 of 5 `vt` lines hold no numbers and do not count"),
        ("vt nan nan\n", "f 1 2 3 4\n", "1 of 5 `vt` lines hold no numbers and do not count"),
        ("vt 0.5\n", "f 1 2 3 4\n", "1 of 5 `vt` lines hold one number: their v counts as 0"),
        ("", "f 1/1 2/2 3/3 4/9\n", "1 `vt` numbers on the `f` lines do not count: expected 1..4, found 9"),
        ("", "f 1/-9 2/2 3/3 4/4\n", "1 `vt` numbers on the `f` lines do not count: expected 1..4, found one"),
        ("", "f 1/1 2/x 3/3 4/4\n", "1 `vt` or `vn` numbers on the `f` lines are none and do not count"),
        ("vn 0 0 1\n", "f 1//1 2//1 3//1 4//2\n", "1 `vn` numbers on the `f` lines do not count: expected 1..1, found"),
        ("vn 0 0\nvn 0 0 1\n", "f 1//1 2//2 3//2 4//2\n", "1 of 2 `vn` lines hold no numbers and do not count"),
        ("vn 0 -1.#IND 1\nvn 0 0 1\n", "f 1//1 2//2 3//2 4//2\n", "1 of 2 `vn` lines hold no numbers and do not count"),
        ("", "f 1//7 2//7 3//7 4//7\n", "4 `vn` numbers on the `f` lines do not count: expected none, as there are no"),
    ],
)
def test_bad_optional_numbers_cost_what_they_say_and_are_named(
    tmp_path: Path, lines: str, face: str, remark: str
) -> None:
    mesh = read(tmp_path, quad(lines + UVS + face))
    assert mesh.triangle_count == 2
    assert any(line.startswith(remark) for line in mesh.remarks), mesh.remarks
    np.testing.assert_allclose(np.abs(mesh.surfaces[0].normals), np.tile([0, 0, 1], (4, 1)), atol=1e-6)


def test_one_bad_normal_costs_no_other(tmp_path: Path) -> None:
    for bad in ("0 0 0", "nan 0 1", "oak 0 1"):
        mesh = read(tmp_path, quad(f"vn {bad}\nvn 0.6 0 0.8\nf 4//1 1//2 2//2 3//2\n"))
        found = np.unique(np.round(mesh.surfaces[0].normals, 5), axis=0)
        np.testing.assert_allclose(found, [[0, 0, 1], [0.6, 0, 0.8]], atol=1e-6)


@pytest.mark.parametrize("face", ["f 1 2 9\n", "f 0 1 2\n", "f x 1 2\n", "f /1 2 3\n", "f 1/1/1/1 2 3\n", "f 1 2 -5\n"])
def test_positions_are_not_optional(tmp_path: Path, face: str) -> None:
    with pytest.raises(AssetError, match=r"m\.obj: expected"):
        read(tmp_path, quad(face))
