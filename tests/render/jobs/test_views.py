"""Views drawn one by one have the pixels of the mini-batches that show the same, whoever draws them."""

import numpy as np
import pytest
from job_fixtures import run
from mesh_fixtures import small_face_catalog

from render.factors import DEFAULT_RANGES
from render.jobs.job import Job, Task
from render.jobs.pool import Pool
from render.jobs.views import ViewJob, Views, draw_views, view_scenes
from render.minibatch import Sampling, sample_minibatch
from render.shards.data_set import open_data_set

SIZE, BATCH = 32, 4
FACTORS = ("azimuth", "light", "intrinsic")
RANGES = Sampling(DEFAULT_RANGES["face"])


def job():
    return Job(small_face_catalog(), RANGES, seed=3, size=SIZE, batch_size=BATCH)


def views_of(factor, index=0):
    """What mini-batch `index` of `factor` shows."""
    draw = sample_minibatch(small_face_catalog(), RANGES, BATCH, 3, "train", factor, index)
    coefficients = np.broadcast_to(draw.coefficients, (BATCH, draw.coefficients.shape[1]))
    return Views(draw.identity, coefficients, draw.values)


def joined(*several):
    return Views(
        np.concatenate([views.identity for views in several]),
        np.concatenate([views.coefficients for views in several]),
        {name: np.concatenate([views.values[name] for views in several]) for name in several[0].values},
    )


def assert_same(some, others):
    assert np.array_equal(some.identity, others.identity)
    assert np.array_equal(some.coefficients, others.coefficients)
    assert all(np.array_equal(some.values[name], others.values[name]) for name in others.values)


@pytest.fixture(scope="module")
def every():
    return joined(*(views_of(factor, index) for factor in FACTORS for index in range(2)))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """(n, H, W) images of `every`, as a render job stores them."""
    folder = tmp_path_factory.mktemp("views") / "shards"
    run(folder, [Task(factor, "train", 0, 0, 2) for factor in FACTORS], job(), workers=1)
    data = open_data_set(folder)
    return np.concatenate([data.minibatch(factor, index).images for factor in FACTORS for index in range(2)])


@pytest.fixture(scope="module", params=[1, 2])
def pool(request):
    with Pool(ViewJob(job()), request.param) as pool:
        yield pool


def test_views_of_mini_batches_come_out_to_the_byte_as_in_their_shards(pool, every, shards):
    done = []
    images = draw_views(pool, job(), every, done.append)
    assert np.array_equal(images, shards)
    assert sum(done) == len(every) == 24


def test_the_last_views_may_be_fewer_than_a_mini_batch(pool, every, shards):
    images = draw_views(pool, job(), every.rows(slice(0, 6)), lambda n: None)
    assert np.array_equal(images, shards[:6])
    assert draw_views(pool, job(), every.rows(slice(0, 0)), lambda n: None).shape == (0, SIZE, SIZE)


def test_order_decides_nothing_but_the_place(pool, every, shards):
    chosen = np.flatnonzero(np.repeat([factor != "light" for factor in FACTORS], 2 * BATCH))
    chosen = np.random.default_rng(0).permutation(chosen)
    assert np.array_equal(draw_views(pool, job(), every.rows(chosen), lambda n: None), shards[chosen])


def test_consecutive_views_of_one_object_share_one_mesh():
    views = joined(views_of("azimuth"), views_of("intrinsic"), views_of("azimuth", 1))
    this = job()
    meshes = [scene.mesh for scene in view_scenes(views, this.catalog, this.camera, this.shading)]
    places = [[id(mesh) for mesh in meshes].index(id(mesh)) for mesh in meshes]
    assert places == [0, 0, 0, 0, 4, 5, 6, 7, 8, 8, 8, 8]


def test_one_identity_with_other_coefficients_is_another_object():
    views = views_of("azimuth")
    others = views.coefficients.copy()
    others[2:, -1] += 1
    changed = Views(views.identity, others, views.values)
    assert views.first_of_object.tolist() == [True, False, False, False]
    assert changed.first_of_object.tolist() == [True, False, True, False]
    assert Views(views.identity, None, views.values).first_of_object.sum() == 1


def test_a_factor_without_values_stays_as_the_scene_has_it():
    views, this = views_of("light"), job()
    fewer = Views(views.identity, views.coefficients, {"azimuth": views.values["azimuth"]})
    scenes = view_scenes(fewer, this.catalog, this.camera, this.shading)
    assert [(scene.azimuth, scene.light) for scene in scenes] == [(float(a), 0.0) for a in views.values["azimuth"]]


def test_rows_pick_views_in_the_order_asked_for(every):
    assert_same(joined(every.rows(np.array([5])), every.rows(slice(2, 4))), every.rows(np.array([5, 2, 3])))
