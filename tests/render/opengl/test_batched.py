"""What the batched renderer draws, against the reference renderer, and against itself in other company."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from mesh_fixtures import as_mesh, nosed_ball
from renderer_process import RendererProcess

from assets.chairs.built_in import built_in_chairs
from assets.faces.catalog import FaceCatalog
from assets.head.model import built_in_face_model
from assets.mesh import Mesh, Surface
from render.opengl.batched import BatchedRenderer
from render.opengl.reference import ReferenceRenderer
from render.scene import Scene, Shading, frame_camera
from render.similarity import mean_difference, ssim

SIZE = 117  # odd: rows of bytes are not aligned
CAMERA = frame_camera((0.0, 0.0, 0.0), 1.6, SIZE)


@pytest.fixture(scope="module")
def batched():
    process = RendererProcess(BatchedRenderer, SIZE)
    yield process
    process.close()


@pytest.fixture(scope="module")
def multisampled():
    process = RendererProcess(BatchedRenderer, SIZE, True)
    yield process
    process.close()


@pytest.fixture(scope="module")
def reference():
    process = RendererProcess(ReferenceRenderer, SIZE)
    yield process
    process.close()


@pytest.fixture(scope="module")
def face():
    """(meshes of three faces, their camera)."""
    catalog = FaceCatalog(built_in_face_model(), {})
    count = sum(catalog.parts.values())
    rows = np.random.default_rng(0).normal(size=(3, count)).astype(np.float32)
    return [catalog.mesh(0, row) for row in rows], frame_camera(catalog.target, catalog.radius, SIZE)


@pytest.fixture(scope="module")
def chairs():
    """A few chairs with one to four surfaces, most of them textured."""
    sources = built_in_chairs()
    return [source.read() for source in sources[:: len(sources) // 5]]


def scene(mesh, azimuth=0.0, elevation=0.0, light=0.0, camera=CAMERA, **shading):
    return Scene(mesh, azimuth, elevation, light, camera, Shading(**shading))


def ball(albedo=0.8):
    return as_mesh(trimesh.creation.icosphere(3, 1.0), albedo)


def square(texture=None, flip=False):
    """A square of side 2 facing +Z, its texture twice in each direction."""
    vertices = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)[:, :: -1 if flip else 1]
    uv = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], np.float32)
    albedo = np.array([[0.9, 0.2, 0.4]] * 4, np.float32)
    return Mesh("square", (Surface(vertices, triangles, np.float32([[0, 0, 1]] * 4), albedo, uv, texture),))


def checks(width, height):
    """A texture of coloured noise over a brightness that falls from top to bottom."""
    noise = np.random.default_rng(width).integers(0, 100, (height, width, 3))
    return (noise + np.linspace(150, 0, height).astype(int)[:, None, None]).astype(np.uint8)


def assert_alike(images, expected, difference=1.5, likeness=0.985):
    assert images.shape == expected.shape
    assert images.dtype == np.uint8
    for image, other in zip(images, expected, strict=True):
        assert mean_difference(image, other) <= difference
        assert ssim(image, other) >= likeness


def test_faces_are_those_of_the_reference_for_each_factor(batched, reference, face):
    meshes, camera = face
    batches = [
        [scene(meshes[0], angle, 10, 30, camera) for angle in (-90, -35, 0, 60, 90)],
        [scene(meshes[0], 40, angle, -30, camera) for angle in (-30, 0, 30)],
        [scene(meshes[1], -50, -20, angle, camera) for angle in (-80, -10, 45, 80)],
        [scene(mesh, 75, -30, 80, camera) for mesh in meshes],
    ]
    for images, expected in zip(batched.draw(*batches), reference.draw(*batches), strict=True):
        assert_alike(images, expected)


def test_chairs_are_those_of_the_reference_for_each_factor(multisampled, reference, chairs):
    camera = frame_camera((0.0, 0.0, 0.0), 1.0, SIZE)
    batches = [
        [scene(chairs[1], angle, 20, 30, camera, background=1.0) for angle in (0, 70, 160, 250)],
        [scene(chairs[2], 200, 30, angle, camera, background=1.0) for angle in (-80, 0, 80)],
        [scene(mesh, 300, 0, -60, camera, background=1.0) for mesh in chairs],
    ]
    for images, expected in zip(multisampled.draw(*batches), reference.draw(*batches), strict=True):
        assert_alike(images, expected)


def test_each_scene_has_its_own_camera_and_shading(batched, reference):
    mesh = as_mesh(nosed_ball())
    scenes = [
        scene(mesh, 30, 10, 20, ambient=0.9, background=0.5),
        scene(mesh, 30, 10, 20, replace(CAMERA, fov=60.0), diffuse=0.2),
        scene(mesh, 30, 10, 20, replace(CAMERA, distance=4.0, target=(0.5, -0.2, 0.1)), light_elevation=-40.0),
    ]
    assert_alike(batched.draw(scenes)[0], reference.draw(scenes)[0])


def test_one_view_may_differ_in_all_of_the_shading(batched, reference):
    mesh = as_mesh(nosed_ball())
    settings = [
        {"ambient": 0.6},
        {"diffuse": 2.0},  # too bright: clipped
        {"light_elevation": 70.0, "background": 1.0},
        {"background": 0.3},
        {"diffuse": 0.0},
    ]
    scenes = [scene(mesh, 30, 10, 50, **shading) for shading in settings]
    assert_alike(batched.draw(scenes)[0], reference.draw(scenes)[0])


@pytest.mark.parametrize("count", [1, 3, 20, 33])
def test_any_number_of_scenes_is_drawn(batched, count):
    scenes = [scene(ball(), light=10.0 * k, azimuth=k) for k in range(count)]
    images = batched.draw(scenes)[0]
    assert images.shape == (count, SIZE, SIZE)
    assert len({image.tobytes() for image in images}) == count


def test_tiles_do_not_bleed_into_each_other(batched):
    near = replace(CAMERA, fov=5.0)  # the ball overflows the image
    scenes = [scene(ball(), camera=near, background=1.0), scene(square(), 90, background=1.0)] * 2
    images = batched.draw(scenes)[0]
    assert np.array_equal(images[0], images[2])
    assert (images[[1, 3]][:, :, : SIZE // 3] == 255).all()
    assert (images[[1, 3]][:, [0, -1]] == 255).all()


def test_a_scene_alone_equals_the_same_scene_in_a_batch(batched, face, chairs):
    scenes = [scene(face[0][0], 20, camera=face[1]), scene(chairs[1], 40), scene(chairs[2], 20, background=1.0)]
    together, *alone = batched.draw(scenes, *([one] for one in scenes))
    assert np.array_equal(together, np.concatenate(alone))


def test_the_light_pass_draws_nearly_what_the_tiles_draw(batched, face):
    scenes = [scene(face[0][0], 20, 10, light, face[1], background=0.2) for light in (-80, 0, 30, 60, 80)]
    together, *alone = batched.draw(scenes, *([one] for one in scenes))
    assert np.abs(together.astype(int) - np.concatenate(alone)).max() <= 2


def test_the_same_batch_gives_the_same_bytes_whatever_was_drawn_before(batched, face, chairs):
    poses = [scene(face[0][0], angle, camera=face[1]) for angle in (-40, 0, 40)]
    lights = [scene(chairs[1], 30, 20, angle) for angle in (-40, 0, 40)]
    others = [scene(mesh, 50, background=1.0) for mesh in (*chairs, *face[0], square(checks(8, 5)))] * 3
    first = batched.draw(poses, lights)
    *_, again, lights_again = batched.draw(others, lights, others[:1], poses, lights)
    assert np.array_equal(first[0], again)
    assert np.array_equal(first[1], lights_again)


@pytest.mark.parametrize(("width", "height"), [(8, 8), (5, 12), (200, 150)])
def test_textures_are_those_of_the_reference(batched, reference, width, height):
    mesh = square(checks(width, height))
    scenes = [scene(mesh, angle, 10, ambient=1.0, diffuse=0.0) for angle in (0, 50)]
    assert_alike(batched.draw(scenes)[0], reference.draw(scenes)[0])


def test_a_mesh_after_one_with_texture_has_none(batched):
    plain, textured = square(), square(checks(16, 16))
    both = Mesh("both", textured.surfaces + ball(0.5).surfaces)
    alone = batched.draw([scene(plain, 5)])[0][0]
    images = batched.draw([scene(textured, 5), scene(plain, 5), scene(both, 5), scene(plain, 5)])[0]
    assert np.array_equal(images[1], alone)
    assert np.array_equal(images[3], alone)
    assert not np.array_equal(images[0], alone)


def test_both_sides_are_lit_whatever_the_winding(batched):
    scenes = [scene(square(flip=flip), angle) for flip in (False, True) for angle in (0, 180)]
    images = batched.draw(scenes)[0].astype(int)
    assert images[0].max() > 80
    assert np.abs(images - images[0]).max() <= 1


@pytest.mark.parametrize("azimuth", [0, 20])
def test_upright_edges_are_means_of_five_samples(batched, azimuth):
    """The edges of a turned square seen from level are upright, top and bottom of it are not."""
    image = batched.draw([scene(square(), azimuth, ambient=1.0, diffuse=0.0, background=1.0)])[0][0].astype(float)
    inside = image[SIZE // 2, SIZE // 2]
    covered = 5 * (255 - image) / (255 - inside)
    assert np.abs(covered - covered.round()).max() < 0.1
    width = 2 * np.cos(np.radians(azimuth)) * SIZE / (2 * 1.6 / np.cos(np.radians(12.5)))
    assert abs(covered[SIZE // 2].sum() / 5 - width) < 0.4 + 0.02 * azimuth


def test_texture_coordinates_out_of_range_repeat(batched):
    texture = checks(16, 16)
    images = batched.draw([scene(square(texture), ambient=1.0, diffuse=0.0)])[0][0].astype(int)
    period = (
        np.argmin([np.abs(images[40:70, 40:50] - images[40:70, 40 + k : 50 + k]).mean() for k in range(20, 45)]) + 20
    )
    assert abs(period - SIZE / (2 * 1.6 / np.cos(np.radians(12.5)))) < 1.5
