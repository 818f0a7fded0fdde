"""What the reference renderer draws, checked against geometry and the shading formula."""

import gc

import numpy as np
import pytest
import trimesh
from mesh_fixtures import as_mesh, nosed_ball

from assets.mesh import Mesh, Surface
from render.opengl.reference import shared_renderer
from render.scene import Scene, Shading, frame_camera

CAMERA = frame_camera((0.0, 0.0, 0.0), 1.6, 96)


@pytest.fixture(scope="module")
def renderer():
    return shared_renderer(96)


def draw(renderer, mesh, azimuth=0.0, elevation=0.0, light=0.0, shading=None, camera=CAMERA):
    return renderer.draw(Scene(mesh, azimuth, elevation, light, camera, shading or Shading()))


def square(normal_sign=1.0, flip=False, **material):
    """A square of side 2 facing +Z."""
    vertices = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    normals = np.tile(np.float32([0, 0, normal_sign]), (4, 1))
    albedo = material.pop("albedo", np.full((4, 3), 0.8, np.float32))
    return Mesh("square", (Surface(vertices, triangles[:, ::-1] if flip else triangles, normals, albedo, **material),))


def test_a_lit_square_has_the_grey_of_the_formula(renderer):
    shading = Shading(ambient=0.2, diffuse=0.7, light_elevation=0.0)
    for light in (0, 40, 80):
        image = draw(renderer, square(), light=light, shading=shading)
        expected = 255 * 0.8 * (0.2 + 0.7 * np.cos(np.radians(light)))
        assert abs(int(image[48, 48]) - expected) <= 1


def test_grey_weighs_red_green_and_blue(renderer):
    shading = Shading(ambient=1.0, diffuse=0.0)
    for channel, weight in enumerate((0.21, 0.72, 0.07)):
        albedo = np.zeros((4, 3), np.float32)
        albedo[:, channel] = 1
        assert abs(int(draw(renderer, square(albedo=albedo), shading=shading)[48, 48]) - 255 * weight) <= 1


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_both_sides_are_lit_whatever_winding_and_normals(renderer, flip, sign):
    front = draw(renderer, square())
    assert np.array_equal(draw(renderer, square(sign, flip)), front)
    assert np.abs(draw(renderer, square(sign, flip), azimuth=180).astype(int) - front).max() <= 1


def test_positive_azimuth_shows_the_nose_at_the_right(renderer):
    ball = as_mesh(trimesh.creation.icosphere(3, 1.0))
    nosed = as_mesh(nosed_ball())
    for azimuth, side in ((60, 1), (-60, -1)):
        nose = np.argwhere(draw(renderer, nosed, azimuth) != draw(renderer, ball))
        assert np.sign(nose[:, 1].mean() - 47.5) == side
        assert abs(nose[:, 0].mean() - 47.5) < 3


def test_a_raised_camera_sees_the_nose_lower(renderer):
    ball, nosed = as_mesh(trimesh.creation.icosphere(3, 1.0)), as_mesh(nosed_ball())
    nose = np.argwhere(draw(renderer, nosed, elevation=30) != draw(renderer, ball, elevation=30))
    assert nose[:, 0].mean() > 60


def test_light_from_the_right_brightens_the_right(renderer):
    image = draw(renderer, as_mesh(trimesh.creation.icosphere(4, 1.0)), light=70).astype(float)
    assert image[:, 48:].mean() > 1.5 * image[:, :48].mean()


def test_mirrored_pose_and_light_give_a_mirrored_image(renderer):
    mesh = as_mesh(nosed_ball())
    right = draw(renderer, mesh, 35, 10, 50).astype(int)
    left = draw(renderer, mesh, -35, 10, -50)[:, ::-1].astype(int)
    assert np.abs(right - left).mean() < 0.5


@pytest.mark.parametrize("width", [8, 5])  # rows of 15 bytes are not aligned
def test_a_texture_stands_upright(renderer, width):
    texture = np.zeros((8, width, 3), np.uint8)
    texture[:4] = 255  # white above
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    shading = Shading(ambient=1.0, diffuse=0.0)
    image = draw(renderer, square(albedo=np.ones((4, 3), np.float32), uv=uv, texture=texture), shading=shading)
    assert image[30, 48] > 230
    assert image[66, 48] < 25


def test_edges_are_anti_aliased_and_the_background_is_plain(renderer):
    image = draw(renderer, square(), azimuth=20, shading=Shading(background=1.0))
    assert image[0, 0] == 255
    inside = int(image[48, 48])
    between = (image > inside + 5) & (image < 250)
    assert between.any()


def test_drawing_again_gives_the_same_bytes(renderer):
    mesh, other = as_mesh(nosed_ball()), square()
    first = draw(renderer, mesh, 12, 3, 4)
    draw(renderer, other)
    assert np.array_equal(draw(renderer, mesh, 12, 3, 4), first)


def test_renderers_of_several_sizes_take_turns_in_one_process(renderer):
    def draw_all():
        gc.collect()
        cameras = {size: frame_camera((0.0, 0.0, 0.0), 1.6, size) for size in (48, 64)}
        return [draw(renderer, square()), *(draw(shared_renderer(k), square(), camera=cameras[k]) for k in cameras)]

    first = draw_all()
    assert [image.shape[0] for image in first] == [96, 48, 64]
    assert all(image.max() > 100 for image in first)
    for _ in range(3):
        assert all(map(np.array_equal, draw_all(), first))
    assert shared_renderer(48) is shared_renderer(48)
