import numpy as np
import pytest
from mesh_fixtures import small_face_catalog

from render.factors import DEFAULT_RANGES, EXTRINSIC, FACTORS
from render.minibatch import draw_minibatch, scenes
from render.scene import Shading, frame_camera

NAMES = (*EXTRINSIC, "identity")


@pytest.fixture(scope="module")
def catalog():
    return small_face_catalog()


def drawn(catalog, factor, index=0, split="train", seed=0):
    return draw_minibatch(catalog, DEFAULT_RANGES["face"], 20, seed, split, factor, index)


@pytest.mark.parametrize("factor", FACTORS)
def test_exactly_the_active_factor_varies(catalog, factor):
    for index in range(5):
        draw = drawn(catalog, factor, index)
        for name in NAMES:
            active = name == ("identity" if factor == "intrinsic" else factor)
            assert len(np.unique(getattr(draw, name))) == (20 if active else 1)


def test_draws_do_not_depend_on_what_was_drawn_before(catalog):
    later = drawn(catalog, "light", 5)
    drawn(catalog, "azimuth", 1)
    assert all(np.array_equal(getattr(later, n), getattr(drawn(catalog, "light", 5), n)) for n in NAMES)


def test_mini_batches_differ_by_index_seed_and_factor(catalog):
    first = drawn(catalog, "light", 0)
    for other in (drawn(catalog, "light", 1), drawn(catalog, "light", seed=1), drawn(catalog, "elevation")):
        assert first.azimuth[0] != other.azimuth[0]
        assert first.identity[0] != other.identity[0]


def test_identities_of_the_splits_never_overlap(catalog):
    held = {
        split: {i for k in range(50) for i in drawn(catalog, "intrinsic", k, split).identity}
        for split in ("train", "test")
    }
    assert not held["train"] & held["test"]
    assert len(held["train"]) == 1000


def test_an_identity_is_one_face_for_good(catalog):
    draw = drawn(catalog, "intrinsic")
    again = catalog.coefficients(draw.identity[3:4])[0]
    assert np.array_equal(catalog.coefficients(draw.identity)[3], again)
    assert np.array_equal(
        catalog.mesh(int(draw.identity[3])).surfaces[0].vertices, catalog.model.mesh(again).surfaces[0].vertices
    )


def test_coefficients_are_standard_normal(catalog):
    rows = catalog.coefficients(np.arange(4000))
    assert np.abs(rows.mean(axis=0)).max() < 0.07
    assert np.abs(rows.std(axis=0) - 1).max() < 0.05


def test_images_of_one_identity_share_one_mesh(catalog):
    camera, shading = frame_camera(catalog.target, catalog.radius, 32), Shading()
    meshes = {id(scene.mesh) for scene in list(scenes(drawn(catalog, "azimuth"), catalog, camera, shading))}
    assert len(meshes) == 1
