"""Textures: orientation, wrapping, fallbacks, checksums."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from cad_file_fixtures import models_in
from PIL import Image
from tiff_fixtures import twelve_bit_tiff

from assets import archives
from assets.cad import textures
from assets.mesh import Surface

QUAD = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
UVS = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
GREEN = "newmtl m\nKd 0.1 0.9 0.1\nmap_Kd t.png\n"
RED_TOP = np.array([[[255, 0, 0]] * 8] * 4 + [[[0, 0, 255]] * 8] * 4, dtype=np.uint8)  # red above blue


def textured_quad(folder: Path, mtl: str = "newmtl m\nKd 1 1 1\nmap_Kd t.png\n", uvs: str = UVS) -> Path:
    face = "f 1/1 2/2 3/3 4/4\n" if uvs else "f 1 2 3 4\n"
    (folder / "quad.obj").write_text(f"mtllib quad.mtl\n{QUAD}{uvs}usemtl m\n{face}")
    (folder / "quad.mtl").write_text(mtl)
    Image.fromarray(RED_TOP).save(folder / "t.png")
    return folder / "quad.obj"


def read_surface(path: Path) -> Surface:
    (model,) = models_in(path)
    (surface,) = model.read().surfaces
    return surface


def sampled(surface: Surface, x: float, y: float) -> np.ndarray:
    """The texel that the renderer shows at a corner-relative place of the quad, as OpenGL does with repeat."""
    assert surface.uv is not None
    assert surface.texture is not None
    low, high = surface.vertices.min(axis=0), surface.vertices.max(axis=0)
    at = low + (high - low) * [x, y, 0]
    basis = np.linalg.lstsq(np.c_[surface.vertices, np.ones(len(surface.vertices))], surface.uv, rcond=None)[0]
    u, v = np.r_[at, 1] @ basis
    h, w = surface.texture.shape[:2]
    return surface.texture[int((1 - v % 1) * h) % h, int(u % 1 * w) % w]


def test_v_zero_is_the_bottom_row(tmp_path: Path) -> None:
    surface = read_surface(textured_quad(tmp_path))
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.9), [255, 0, 0])
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.1), [0, 0, 255])
    np.testing.assert_array_equal(surface.albedo, 1)


def test_gltf_textures_have_the_same_way_up(tmp_path: Path) -> None:
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(RED_TOP))
    visual = trimesh.visual.TextureVisuals(uv=[(0, 0), (1, 0), (1, 1), (0, 1)], material=material)
    quad = trimesh.Trimesh(
        [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [(0, 1, 2), (0, 2, 3)], visual=visual, process=False
    )
    (tmp_path / "quad.glb").write_bytes(quad.export(file_type="glb"))
    surface = read_surface(tmp_path)
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.9), [255, 0, 0])
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.1), [0, 0, 255])


def test_uv_beyond_one_are_kept_for_the_renderer_to_repeat(tmp_path: Path) -> None:
    surface = read_surface(textured_quad(tmp_path, uvs="vt 0 0\nvt 2 0\nvt 2 2\nvt 0 2\n"))
    assert surface.uv is not None
    assert surface.uv.max() == 2
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.4), [255, 0, 0])
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.6), [0, 0, 255])


@pytest.mark.parametrize(
    ("kd", "expected"), [("Kd 0.2 0.4 0.6\n", (0.2, 0.4, 0.6)), ("Kd 0 0 0\n", (0.5, 0.0, 0.5)), ("", (0.5, 0.0, 0.5))]
)
def test_a_texture_without_uvs_falls_back_to_a_colour(tmp_path: Path, kd: str, expected: tuple[float, ...]) -> None:
    surface = read_surface(textured_quad(tmp_path, mtl=f"newmtl m\n{kd}map_Kd t.png\n", uvs=""))
    assert surface.texture is None
    assert surface.uv is None
    np.testing.assert_allclose(surface.albedo[0], expected, atol=1e-3)


@pytest.mark.parametrize(
    "reference", ["T.PNG", r"textures\t.png", "/home/someone/t.png", r"C:\art\t.png", "t.png # oak", '"t.png"']
)
def test_references_from_other_machines_are_found_beside_the_model(tmp_path: Path, reference: str) -> None:
    assert read_surface(textured_quad(tmp_path, mtl=f"newmtl m\nmap_Kd {reference}\n")).texture is not None


@pytest.mark.parametrize(
    "reference",
    ["/textures/wood/u.png", r"C:\Users\me\chair\textures\wood\u.png", "file:///home/me/Textures/Wood/U.PNG",
     r"..\..\textures\wood\u.png", r"\\server\share\textures\wood\u.png", "wood/u.png"],
)  # fmt: skip
@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_absolute_paths_are_found_by_their_end(tmp_path: Path, reference: str, above: bool, packed: bool) -> None:
    """Beside the model, or beside a folder that it lies in."""
    folder = tmp_path / "models" if above else tmp_path
    folder.mkdir(exist_ok=True)
    textured_quad(folder, mtl=f"newmtl m\nmap_Kd {reference}\n")
    place = tmp_path / ("" if reference.startswith("wood") else "textures") / "wood"
    place.mkdir(parents=True)
    (folder / "t.png").rename(place / "u.png")
    path = tmp_path
    if packed:
        path = tmp_path / "l.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (folder / "quad.obj", folder / "quad.mtl", place / "u.png"):
                archive.write(file, file.relative_to(tmp_path).as_posix())
    assert read_surface(path).texture is not None


@pytest.mark.parametrize(
    "line",
    ["map_Kd -s 1 1 1 t.png", "map_Kd\t-s\t1\t1\t1\tt.png", "map_Kd  -s  1  1   t.png", "map_Kd -clamp  off t.png",
     "map_Kd -o 0 0 0 -s 1 t.png", "map_Kd -imfchan r -bm 0.5 t.png", "map_Kd -blendu on\t-mm 0 1  t.png",
     "map_Kd t.png -s 1 1 1", "map_Kd t.png -bm 1.5", "map_Ka t.png", "map_Ka -s 1 1 1\tt.png", "  map_Kd t.png"],
)  # fmt: skip
def test_options_of_a_texture_are_told_from_its_name(tmp_path: Path, line: str) -> None:
    surface = read_surface(textured_quad(tmp_path, mtl=f"newmtl m\n{line}\n"))
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.9), [255, 0, 0])
    np.testing.assert_array_equal(surface.uv.max(axis=0), [1, 1])


def test_names_of_textures_may_hold_blanks_and_what_looks_like_an_option(tmp_path: Path) -> None:
    path = textured_quad(tmp_path, mtl="newmtl m\nmap_Kd  -s 1 1 1  oak  -s fine.png\n")
    (tmp_path / "t.png").rename(tmp_path / "oak  -s fine.png")
    assert read_surface(path).texture is not None


def test_a_texture_of_diffuse_light_counts_more_than_one_of_ambient_light(tmp_path: Path) -> None:
    path = textured_quad(tmp_path, mtl="newmtl m\nmap_Ka other.png\nmap_Kd t.png\nmap_Ka other.png\n")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "other.png")
    np.testing.assert_array_equal(sampled(read_surface(path), 0.5, 0.9), [255, 0, 0])


def test_a_texture_is_scaled_moved_and_dimmed_as_its_options_say(tmp_path: Path) -> None:
    surface = read_surface(textured_quad(tmp_path, mtl="newmtl m\nmap_Kd -s 2 3 1 -o 0.5 0.25 t.png\n"))
    np.testing.assert_allclose([surface.uv.min(axis=0), surface.uv.max(axis=0)], [[0.5, 0.25], [2.5, 3.25]])
    surface = read_surface(textured_quad(tmp_path, mtl="newmtl m\nmap_Kd -s 4 t.png\n"))
    np.testing.assert_allclose(surface.uv.max(axis=0), [4, 1])
    surface = read_surface(textured_quad(tmp_path, mtl="newmtl m\nmap_Kd -mm 0.2 0.4 t.png\n"))
    np.testing.assert_array_equal(sampled(surface, 0.5, 0.9), [153, 51, 51])


def wrapped_colours(mode: str, low: float, high: float, count: int = 40) -> np.ndarray:
    """The red of an image that is dark left and bright right (10, 90, 170, 250), along u from `low` to `high`."""
    image = np.repeat(np.uint8([[10, 90, 170, 250]]), 4, axis=0)[:, :, None].repeat(3, axis=2)
    at = np.linspace(low, high, count)
    uv = np.stack([at, np.full(count, 0.5)], axis=1)
    texture, moved = textures.wrapped(image, uv, (mode, "repeat"))
    return texture[0, (moved[:, 0] % 1 * texture.shape[1]).astype(int) % texture.shape[1], 0]


def test_textures_go_on_by_repeating_mirroring_or_keeping_their_rim() -> None:
    inside = np.linspace(0.01, 0.99, 40)
    red = np.uint8([10, 90, 170, 250])[(inside * 4).astype(int)]
    for mode in textures.WRAPS:
        np.testing.assert_array_equal(wrapped_colours(mode, 0.01, 0.99), red)
    np.testing.assert_array_equal(wrapped_colours("repeat", 1.01, 1.99), red)
    np.testing.assert_array_equal(wrapped_colours("mirror", 1.01, 1.99), red[::-1])
    np.testing.assert_array_equal(wrapped_colours("mirror", -0.99, -0.01), red[::-1])
    np.testing.assert_array_equal(wrapped_colours("mirror", -1.99, -1.01), red)
    np.testing.assert_array_equal(wrapped_colours("clamp", 1.01, 2.99), 250)
    np.testing.assert_array_equal(wrapped_colours("clamp", -2.99, -0.01), 10)
    whole = wrapped_colours("clamp", -1.99, 2.99, 100)
    assert (np.diff(whole.astype(int)) >= 0).all()
    assert len(np.unique(whole)) == 4


def test_v_goes_on_like_u_counted_from_the_bottom() -> None:
    image = np.repeat(np.uint8([[250], [10]]), 4, axis=1)[:, :, None].repeat(3, axis=2)  # bright above dark
    uv = np.array([(0.5, 0.25), (0.5, 1.25), (0.5, 3.0), (0.5, -0.75)])
    for mode, expected in (("clamp", [10, 250, 250, 10]), ("mirror", [10, 250, 250, 250])):
        texture, moved = textures.wrapped(image, uv, ("repeat", mode))
        rows = ((1 - moved[:, 1] % 1) * len(texture)).astype(int) % len(texture)
        np.testing.assert_array_equal(texture[rows, 0, 0], expected)


def test_a_clamped_texture_far_off_the_image_stays_small() -> None:
    texture, moved = textures.wrapped(
        np.zeros((512, 512, 3), np.uint8), np.array([(-1e9, 0.5), (1e9, 0.5)]), ("clamp", "clamp")
    )
    assert texture.shape == (512, 1024, 3)
    assert (moved.min(), moved.max()) == (0, 1)


def test_gaps_in_uv_are_closed_from_around_and_named(tmp_path: Path) -> None:
    """A face with no uv at all has the plain colour."""
    path = textured_quad(tmp_path, mtl=GREEN, uvs=UVS.replace("vt 1 1", "vt -1.#IND00 0"))
    path.write_text(path.read_text() + "v 0 0 1\nv 0 0 2\nv 0 1 1\nf 5 6 7\n")
    (model,) = models_in(path)
    mesh = model.read()
    drawn, plain = mesh.surfaces
    assert (len(drawn.triangles), len(plain.triangles)) == (2, 1)
    np.testing.assert_allclose(np.unique(drawn.uv, axis=0), [[0, 0], [0, 1], [0.25, 0.25], [1, 0]])
    assert plain.texture is None
    np.testing.assert_allclose(plain.albedo[0], [0.1, 0.9, 0.1], atol=1e-6)
    assert mesh.remarks == (
        "1 of 4 `vt` lines hold no numbers and do not count",
        "5 of 9 corners of material m have no uv",
    )


def test_a_missing_texture_leaves_the_colour(tmp_path: Path) -> None:
    surface = read_surface(textured_quad(tmp_path, mtl="newmtl m\nKd 0.1 0.9 0.1\nmap_Kd gone.png\n"))
    assert surface.texture is None
    np.testing.assert_allclose(surface.albedo[0], [0.1, 0.9, 0.1], atol=1e-6)


def test_large_textures_are_averaged_down(tmp_path: Path) -> None:
    path = textured_quad(tmp_path)
    checks = (np.indices((1024, 2048)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checks).save(tmp_path / "t.png")
    texture = read_surface(path).texture
    assert texture is not None
    assert texture.shape == (256, 512, 3)
    assert np.abs(texture.astype(int) - 127).max() <= 1


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "I;16", "1", "CMYK"])
def test_every_kind_of_image_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = textured_quad(tmp_path, mtl="newmtl m\nmap_Kd t.tif\n")
    image = Image.fromarray(np.full((8, 8), 40_000, np.uint16)) if mode == "I;16" else Image.new(mode, (8, 8))
    image.save(tmp_path / "t.tif")
    texture = read_surface(path).texture
    assert texture is not None
    assert texture.shape == (8, 8, 3)
    assert texture.dtype == np.uint8


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((8, 8), 20_000, np.uint16), 78),
        (np.full((8, 8), 200, np.uint16), 1),  # dark, not of 8 bits
        (np.full((8, 8), 20_000, np.int32), 78),
        (np.full((8, 8), 78, np.int32), 78),
        (np.full((8, 8), 0.5, np.float32), 128),
        (np.full((8, 8), 78.0, np.float32), 78),
        (np.tile(np.float32([0.0, np.nan]), (8, 4)), 0),
        (np.full((8, 8), 78, np.uint8), 78),
    ],
)
def test_grey_of_any_depth_keeps_its_brightness(tmp_path: Path, values: np.ndarray, expected: int) -> None:
    path = textured_quad(tmp_path, mtl="newmtl m\nmap_Kd t.tif\n")
    Image.fromarray(values).save(tmp_path / "t.tif")
    texture = read_surface(path).texture
    assert texture is not None
    np.testing.assert_array_equal(texture, expected)


def test_twelve_bit_grey_keeps_its_brightness(tmp_path: Path) -> None:
    path = textured_quad(tmp_path, mtl="newmtl m\nmap_Kd t.tif\n")
    (tmp_path / "t.tif").write_bytes(twelve_bit_tiff(np.full((8, 8), 20_000 * 4095 // 65535)))
    np.testing.assert_array_equal(read_surface(path).texture, 78)


def remarks_without_texture(path: Path) -> tuple[str, ...]:
    """What is said of a textured quad that is drawn in its material's colour."""
    (model,) = models_in(path)
    mesh = model.read()
    (surface,) = mesh.surfaces
    assert surface.texture is None
    np.testing.assert_allclose(surface.albedo[0], [0.1, 0.9, 0.1], atol=1e-6)
    return mesh.remarks


@pytest.mark.parametrize("content", [b"", b"no image", "half", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_texture_that_cannot_be_read_costs_its_pixels_and_is_named(tmp_path: Path, content: bytes | str) -> None:
    path = textured_quad(tmp_path, mtl=GREEN)
    whole = (tmp_path / "t.png").read_bytes()
    (tmp_path / "t.png").write_bytes(whole[:60] if isinstance(content, str) else content)
    (remark,) = remarks_without_texture(path)
    assert remark.startswith("texture t.png cannot be read: expected")
    assert " object at 0x" not in remark


def test_a_texture_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = textured_quad(tmp_path, mtl=GREEN)
    Image.new("1", (20_000, 4)).save(tmp_path / "t.png")
    (remark,) = remarks_without_texture(path)
    assert "at most 16384 px a side" in remark


def test_a_texture_file_too_large_costs_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = textured_quad(tmp_path, mtl=GREEN)
    (tmp_path / "t.png").write_bytes(b"\0" * 2000)
    monkeypatch.setattr(archives, "LARGEST_FILE", 1000)
    assert remarks_without_texture(path) == ("texture t.png cannot be read: expected at most 1000 bytes, found 2000",)


def test_editing_model_material_or_texture_changes_the_checksum(tmp_path: Path) -> None:
    (model,) = models_in(textured_quad(tmp_path))
    seen = {model.sha256()}
    assert model.sha256() in seen
    for name in ("t.png", "quad.mtl", "quad.obj"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes() + b"\n")
        (model,) = models_in(tmp_path)
        assert model.sha256() not in seen
        seen.add(model.sha256())


@pytest.mark.parametrize(
    ("lines", "drawn"), [("d 1\nTr 1\n", True), ("Tr 0.9\n", True), ("Tr 1\n", False), ("d 0\n", False)]
)
def test_opacity_is_d_or_else_one_minus_tr(tmp_path: Path, lines: str, drawn: bool) -> None:
    path = textured_quad(tmp_path, mtl=f"newmtl m\nKd 1 0 0\n{lines}")
    path.write_text(path.read_text() + "v 0 0 1\nv 1 0 1\nv 0 1 1\nusemtl other\nf 5 6 7\n")
    (model,) = models_in(path)
    assert len(model.read().surfaces) == 1 + drawn
