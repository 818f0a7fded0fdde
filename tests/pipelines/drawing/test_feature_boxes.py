"""Boxes around facial features lie where the renderer draws them, and only around those that can be seen."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from renderer_process import RendererProcess

from assets.faces.catalog import FaceCatalog
from assets.head.model import built_in_face_model
from assets.morphable import Modes
from pipelines.drawing.feature_boxes import feature_boxes
from render.factors import generator
from render.jobs.views import Views, view_scenes
from render.opengl.batched import BatchedRenderer
from render.scene import Shading, frame_camera

SIZE = 120
POSES = ((0, 0), (35, 0), (-35, 10), (15, -25), (70, 0), (-90, 0), (180, 0))


@pytest.fixture(scope="module")
def catalog():
    """The built-in head in black."""
    head = built_in_face_model()
    black = np.zeros_like(head.albedo_mean)
    return FaceCatalog(replace(head, albedo_mean=black, albedo=Modes.none(len(black))), {})


@pytest.fixture(scope="module")
def views(catalog):
    chosen = catalog.choose("test", 0, (), 1, partial(generator, 0, "test", "boxes", 0))
    azimuth, elevation = np.array(POSES, np.float32).T
    values = {"azimuth": azimuth, "elevation": elevation, "light": np.zeros(len(POSES), np.float32)}
    coefficients = np.repeat(chosen.coefficients, len(POSES), axis=0)
    return Views(np.repeat(chosen.identity, len(POSES)), coefficients, values)


@pytest.fixture(scope="module")
def camera(catalog):
    return frame_camera(catalog.target, catalog.radius, SIZE)


@pytest.fixture(scope="module")
def boxes(catalog, views, camera):
    return feature_boxes(views, catalog, catalog.features, camera)


def seen(boxes, pose):
    return set(boxes.feature[boxes.image == POSES.index(pose)])


def test_a_feature_painted_white_is_drawn_in_its_box(catalog, views, camera, boxes):
    process = RendererProcess(BatchedRenderer, SIZE)
    try:
        for feature in ("left eye", "right brow", "mouth"):
            places = catalog.features.model.shape_mean[catalog.features.places[feature]]
            near = np.linalg.norm(catalog.model.shape_mean[:, None] - places, axis=2).min(axis=1) < 0.3
            painted = replace(catalog.model, albedo_mean=np.where(near[:, None], np.float32(1), np.float32(0)))
            scenes = view_scenes(views, catalog.with_model(painted, {}), camera, Shading(ambient=1.0, diffuse=0.0))
            (images,) = process.draw(scenes)
            rows = np.flatnonzero(boxes.feature == feature)
            assert len(rows) >= 3
            for row in rows:
                left, top, right, bottom = boxes.limits[row]
                bright = images[boxes.image[row]] > 128
                assert bright.any()
                assert bright[top:bottom, left:right].sum() > 0.9 * bright.sum(), (feature, POSES[boxes.image[row]])
    finally:
        process.close()


def test_what_is_turned_away_has_no_box(boxes):
    every = {"left eye", "right eye", "left brow", "right brow", "nose", "mouth"}
    assert seen(boxes, (0, 0)) == seen(boxes, (35, 0)) == seen(boxes, (15, -25)) == every
    assert seen(boxes, (70, 0)) == {"right eye", "right brow"}  # its own right shows when it turns to our right
    assert seen(boxes, (-90, 0)) == seen(boxes, (180, 0)) == set()


def test_boxes_are_in_the_picture_and_of_the_size_of_a_feature(boxes):
    left, top, right, bottom = boxes.limits.T
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (np.maximum(right, bottom) <= SIZE).all()
    for sides in (right - left, bottom - top):
        assert (sides > 4).all()
        assert (sides < SIZE / 2.5).all()
    assert (np.diff(boxes.image) >= 0).all()


def test_a_box_at_the_edge_is_cut_off_and_beyond_it_left_out(catalog, views, camera, boxes):
    near = replace(camera, fov=6.0)  # sees the middle of the face only
    cut = feature_boxes(views, catalog, catalog.features, near)
    assert 0 < len(cut.image) < len(boxes.image)
    assert cut.limits.min() == 0
    assert cut.limits.max() == SIZE


def test_no_views_have_no_boxes(catalog, views, camera):
    none = feature_boxes(views.rows(np.array([POSES.index((180, 0))])), catalog, catalog.features, camera)
    assert (none.image.shape, none.feature.shape, none.limits.shape) == ((0,), (0,), (0, 4))
