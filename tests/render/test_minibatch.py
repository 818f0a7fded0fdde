from dataclasses import replace

import numpy as np
import pytest
from mesh_fixtures import small_face_catalog, write_models

from assets.chairs.catalog import open_chairs
from assets.faces.catalog import FaceSampling
from render.factors import DEFAULT_RANGES, EXTRINSIC, FACTORS, VIEWS
from render.minibatch import Sampling, sample_minibatch, scenes
from render.scene import Shading, frame_camera

RANGES = Sampling(DEFAULT_RANGES["face"])
PART_COLUMNS = {"shape": slice(0, 2), "albedo": slice(2, 3), "expression": slice(3, 4)}


@pytest.fixture(scope="module")
def catalog():
    return small_face_catalog()


@pytest.fixture(scope="module")
def moody():
    return small_face_catalog(FaceSampling(expressions=True))


def drawn(catalog, factor, index=0, split="train", seed=0, sampling=RANGES):
    return sample_minibatch(catalog, sampling, 20, seed, split, factor, index)


def distinct(values):
    return len(np.unique(values, axis=0))


@pytest.mark.parametrize("factor", FACTORS)
def test_exactly_the_active_factor_varies(moody, factor):
    for index in range(5):
        draw = drawn(moody, factor, index)
        assert {name: distinct(draw.values[name]) for name in EXTRINSIC} == {
            name: 20 if name == factor else 1 for name in EXTRINSIC
        }
        parts = FACTORS[factor].parts
        assert distinct(draw.identity) == (20 if set(parts) & {"shape", "albedo"} else 1)
        for part, columns in PART_COLUMNS.items():
            some = distinct(draw.coefficients[:, columns])
            assert some > 5 if part in parts else some == 1  # half of the one-sided draws are 0


def test_draws_do_not_depend_on_what_was_drawn_before(catalog):
    later = drawn(catalog, "light", 5)
    drawn(catalog, "azimuth", 1)
    again = drawn(catalog, "light", 5)
    assert all(np.array_equal(later.values[name], again.values[name]) for name in EXTRINSIC)
    assert np.array_equal(later.coefficients, again.coefficients)


def test_mini_batches_differ_by_index_seed_and_factor(catalog):
    first = drawn(catalog, "light", 0)
    for other in (drawn(catalog, "light", 1), drawn(catalog, "light", seed=1), drawn(catalog, "elevation")):
        assert first.values["azimuth"][0] != other.values["azimuth"][0]
        assert first.identity[0] != other.identity[0]


def test_identities_of_the_splits_never_overlap(catalog):
    held = {
        split: {i for k in range(50) for i in drawn(catalog, "intrinsic", k, split).identity}
        for split in ("train", "test")
    }
    assert not held["train"] & held["test"]
    assert len(held["train"]) == 1000


def test_an_identity_seeds_its_coefficients(catalog):
    draw = drawn(catalog, "intrinsic")
    seeded = np.random.Generator(np.random.PCG64(int(draw.identity[3]))).standard_normal(3, np.float32)
    assert np.array_equal(draw.coefficients[3], seeded)


def test_neutral_faces_and_faces_with_expressions_are_of_the_same_people(catalog, moody):
    neutral, lively = drawn(catalog, "intrinsic"), drawn(moody, "intrinsic")
    assert np.array_equal(neutral.coefficients, lively.coefficients[:, :3])
    assert (lively.coefficients[:, 3] >= 0).all()
    assert (lively.coefficients[:, 3] > 0).any()


def test_coefficients_are_standard_normal(catalog):
    rows = np.concatenate([drawn(catalog, "intrinsic", k).coefficients for k in range(200)])
    assert np.abs(rows.mean(axis=0)).max() < 0.07
    assert np.abs(rows.std(axis=0) - 1).max() < 0.05


def test_sigma_truncates_and_keeps_the_order(catalog):
    near = small_face_catalog(FaceSampling(sigma=0.5))
    plain = np.concatenate([drawn(catalog, "intrinsic", k).coefficients for k in range(20)])
    rows = np.concatenate([drawn(near, "intrinsic", k).coefficients for k in range(20)])
    assert 0.45 < np.abs(rows).max() <= 0.5
    assert np.array_equal(np.argsort(rows[:, 0], kind="stable"), np.argsort(plain[:, 0], kind="stable"))
    assert abs(rows.std() - 0.2806) < 0.02  # of N(0, 1) between -0.5 and 0.5


def test_a_walk_leads_evenly_from_one_face_to_another(catalog):
    walking = small_face_catalog(FaceSampling(walk=True))
    plain, rows = drawn(catalog, "intrinsic").coefficients, drawn(walking, "intrinsic").coefficients
    assert np.allclose(rows[[0, -1]], plain[[0, -1]], atol=1e-6)
    steps = np.linalg.norm(np.diff(rows, axis=0), axis=1)
    assert steps.max() < 0.2 * np.linalg.norm(plain[0] - plain[-1]) + 0.1
    every = np.concatenate([drawn(walking, "intrinsic", k).coefficients for k in range(400)])
    assert np.abs(every.std(axis=0) - 1).max() < 0.1  # in the middle too
    held = drawn(walking, "shape").coefficients
    assert distinct(held[:, 2]) == 1


def test_images_of_one_face_share_one_mesh(moody):
    camera, shading = frame_camera(moody.target, moody.radius, 32), Shading()

    def meshes(factor):
        return {id(scene.mesh) for scene in scenes(drawn(moody, factor), moody, camera, shading)}

    assert len(meshes("azimuth")) == 1
    assert len(meshes("expression")) == 20


@pytest.mark.parametrize(("factor", "count"), [("azimuth", 1), ("expression", 20)])
def test_the_meshes_of_a_mini_batch_are_asked_for_at_once(moody, monkeypatch, factor, count):
    asked = []
    meshes = type(moody).meshes
    monkeypatch.setattr(type(moody), "meshes", lambda self, *of: asked.append(of) or meshes(self, *of))
    draw = drawn(moody, factor)
    made = scenes(draw, moody, frame_camera(moody.target, moody.radius, 32), Shading())
    ((identities, coefficients),) = asked
    assert len(identities) == len(coefficients) == count
    for scene, row in zip(made, np.broadcast_to(draw.coefficients, (20, 4)), strict=True):
        assert np.array_equal(scene.mesh.surfaces[0].vertices, moody.mesh(0, row).surfaces[0].vertices)


def test_scenes_carry_the_drawn_values(catalog):
    draw = drawn(catalog, "light")
    camera, shading = frame_camera(catalog.target, catalog.radius, 32), Shading()
    for i, scene in enumerate(scenes(draw, catalog, camera, shading)):
        assert (scene.azimuth, scene.elevation, scene.light) == tuple(draw.values[n][i] for n in EXTRINSIC)


def test_on_the_paper_s_grid_every_chair_is_seen_in_60_views(tmp_path):
    chairs, _ = open_chairs(write_models(tmp_path / "models", 3))
    sampling = Sampling(DEFAULT_RANGES["chair"], VIEWS["paper"])
    seen = set()
    for index in range(4):  # two chairs for training, twice in turn
        draw = sample_minibatch(chairs, sampling, 30, 0, "train", "azimuth", index)
        seen |= set(zip(draw.identity, draw.values["azimuth"], draw.values["elevation"], strict=True))
    assert len(seen) == 2 * 60
    views = [sample_minibatch(chairs, sampling, 4, 0, "train", "intrinsic", index).values for index in range(120)]
    assert len({(v["azimuth"][0], v["elevation"][0]) for v in views}) == 60


def test_neighbours_of_one_chair_share_one_mesh(tmp_path):
    chairs, _ = open_chairs(write_models(tmp_path / "models", 3))
    draw = drawn(chairs, "intrinsic", sampling=Sampling(DEFAULT_RANGES["chair"]))
    draw = replace(draw, identity=np.array([0, 0, 2, 2, 2, 0, 1] + [1] * 13))
    made = scenes(draw, chairs, frame_camera(chairs.target, chairs.radius, 32), Shading())
    assert all(scene.mesh is chairs.mesh(int(i), None) for scene, i in zip(made, draw.identity, strict=True))


def test_chairs_vary_as_a_whole_only(tmp_path):
    chairs, _ = open_chairs(write_models(tmp_path / "models", 3))
    assert chairs.varies(FACTORS["intrinsic"].parts)
    assert not chairs.varies(FACTORS["shape"].parts)
