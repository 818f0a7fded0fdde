"""Textures: orientation, wrapping, fallbacks, checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from cad_file_fixtures import models_in
from PIL import Image
from tiff_fixtures import twelve_bit_tiff

from assets.errors import AssetError
from assets.mesh import Surface

QUAD = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
UVS = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
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
    "reference", ["T.PNG", r"textures\t.png", "/home/someone/t.png", r"C:\art\t.png", "-s 1 1 1 t.png"]
)
def test_references_from_other_machines_are_found_beside_the_model(tmp_path: Path, reference: str) -> None:
    assert read_surface(textured_quad(tmp_path, mtl=f"newmtl m\nmap_Kd {reference}\n")).texture is not None


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


def test_a_broken_texture_is_an_asset_error_that_names_model_and_texture(tmp_path: Path) -> None:
    path = textured_quad(tmp_path)
    (tmp_path / "t.png").write_bytes((tmp_path / "t.png").read_bytes()[:60])
    with pytest.raises(AssetError, match=r"/quad\.obj: texture t\.png: expected"):
        read_surface(path)


def test_a_texture_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = textured_quad(tmp_path)
    Image.new("1", (20_000, 4)).save(tmp_path / "t.png")
    with pytest.raises(AssetError, match="16384 px a side"):
        read_surface(path)


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
