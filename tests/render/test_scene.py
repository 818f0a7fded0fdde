from dataclasses import replace

import numpy as np
import pytest

from render.scene import (
    Scene,
    Shading,
    camera_pose,
    frame_camera,
    light_direction,
    model_matrix,
    pixels,
    towards_camera,
)


def scene(azimuth=0.0, elevation=0.0, light=0.0, target=(1.0, 2.0, 3.0)):
    return Scene(None, azimuth, elevation, light, frame_camera(target, 2.0, 150), Shading(light_elevation=0.0))


def test_positive_azimuth_turns_the_front_to_the_viewers_right():
    turned = model_matrix(scene(azimuth=90, target=(0, 0, 0))) @ [0, 0, 1, 0]
    assert np.allclose(turned, [1, 0, 0, 0])


def test_the_object_turns_about_the_target():
    fixed = model_matrix(scene(azimuth=37)) @ [1, 5, 3, 1]
    assert np.allclose(fixed, [1, 5, 3, 1])


def test_elevation_raises_the_camera_and_keeps_looking_at_the_target():
    for elevation in (-30, 0, 50):
        s = scene(elevation=elevation)
        pose = camera_pose(s)
        to_target = np.array(s.camera.target) - pose[:3, 3]
        assert np.linalg.norm(to_target) == pytest.approx(s.camera.distance)
        assert np.allclose(-pose[:3, 2], to_target / s.camera.distance)
        assert np.sign(pose[1, 3] - 2.0) == np.sign(elevation)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


def test_light_turns_in_the_cameras_frame():
    assert np.allclose(light_direction(scene(light=90)), [1, 0, 0], atol=1e-12)
    raised = scene(elevation=40)
    assert np.allclose(light_direction(raised), camera_pose(raised)[:3, 2])  # light 0 shines from the camera


def test_a_sphere_around_the_target_just_fills_the_image():
    camera = scene(target=(0, 0, 0)).camera
    half_angle = np.degrees(np.arcsin(2.0 / camera.distance))
    assert half_angle == pytest.approx(camera.fov / 2)
    assert camera.planes[0] < camera.distance - 2.0
    assert camera.planes[1] > camera.distance + 2.0


def test_the_target_is_in_the_middle_and_what_is_above_and_right_of_it_there():
    s = replace(scene(azimuth=20, elevation=15), camera=frame_camera((1.0, 2.0, 3.0), 2.0, 151))
    points = np.array([[1, 2, 3], [1, 2.5, 3], *([1, 2, 3] + np.linalg.inv(model_matrix(s)[:3, :3]) @ [0.5, 0, 0],)])
    middle, above, right = pixels(s, points)
    assert np.allclose(middle, 75.5)
    assert above[0] == pytest.approx(75.5)
    assert above[1] < 70
    assert right[0] > 80
    assert right[1] == pytest.approx(75.5)


def test_a_circle_around_the_view_that_the_sphere_fills_touches_the_edge():
    s = scene(target=(0, 0, 0))
    edge = 2.0 * np.cos(np.radians(s.camera.fov / 2)), 2.0 * np.sin(np.radians(s.camera.fov / 2))  # tangent of the view
    assert np.allclose(pixels(s, np.array([[0, edge[0], edge[1]]])), [[75, 0]])


def test_the_way_to_the_camera_turns_against_the_object():
    for azimuth, elevation in ((0, 0), (30, 0), (-120, 20)):
        s = scene(azimuth, elevation)
        to_camera = camera_pose(s)[:3, 3] - np.array(s.camera.target)
        there = model_matrix(s)[:3, :3] @ towards_camera(s)
        assert np.allclose(there, to_camera / np.linalg.norm(to_camera))
