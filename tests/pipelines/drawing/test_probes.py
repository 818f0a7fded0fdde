"""The views of an evaluation: who is shown, from where, and that the same data set gives the same ones."""

import numpy as np
import pytest
from mesh_fixtures import small_face_catalog

from assets.chairs.catalog import ChairCatalog
from assets.faces.catalog import FaceSampling
from pipelines.drawing.probes import gallery_views, probe_views, simulation_views, sweep_angles, sweep_views
from render.errors import BadInput
from render.factors import DEFAULT_RANGES, VIEWS
from render.minibatch import Sampling, sample_minibatch

FACES, CHAIRS = Sampling(DEFAULT_RANGES["face"]), Sampling({**DEFAULT_RANGES["chair"], "light": (0.0, 0.0)})
PAPER = Sampling(DEFAULT_RANGES["chair"], VIEWS["paper"])


class Named:
    """A chair that has a name only."""

    for_training = False

    def __init__(self, id):
        self.id = id

    def sha256(self):
        return self.id


def chairs(count):
    return ChairCatalog("chairs", [Named(f"chair-{k:04d}") for k in range(count)])


@pytest.fixture(scope="module")
def catalog():
    return small_face_catalog(FaceSampling(expressions=True))


@pytest.fixture(scope="module")
def probes(catalog):
    return probe_views(catalog, FACES, 5, "test")


def people(views):
    return list(dict.fromkeys(views.identity.tolist()))


def test_a_hundred_identities_of_the_split_in_twenty_views_each(probes):
    assert len(probes) == 2000
    assert len(people(probes)) == 100
    assert np.array_equal(probes.identity, np.repeat(people(probes), 20))
    assert (probes.identity % 2 == 1).all()  # odd ones are for testing


def test_all_factors_vary_at_once_and_independently(probes):
    values = np.stack([probes.values[name] for name in ("azimuth", "elevation", "light")])
    for (low, high), drawn in zip((DEFAULT_RANGES["face"][name] for name in probes.values), values, strict=True):
        assert low <= drawn.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < drawn.max() <= high
        assert abs(drawn.mean() - (low + high) / 2) < 0.03 * (high - low)
    assert np.abs(np.corrcoef(values) - np.eye(3)).max() < 0.08
    within = values.reshape(3, 100, 20)
    assert (np.ptp(within, axis=2) > 0.4 * np.ptp(values, axis=1)[:, None]).all()


def test_a_probe_keeps_its_coefficients_in_all_its_views(probes):
    of_identity = probes.coefficients.reshape(100, 20, -1)
    assert (of_identity == of_identity[:, :1]).all()
    assert len(np.unique(of_identity[:, 0, :3], axis=0)) == 100
    assert 20 < len(np.unique(of_identity[:, 0, 3])) < 90  # one-sided: about half have no expression


def test_coefficients_are_those_that_the_catalog_gives_the_identity(catalog, probes):
    """An identity is a seed: what it stands for does not depend on who asks."""
    draw = sample_minibatch(catalog, FACES, 4, 0, "test", "shape", 1)
    for identity, row in (
        (draw.identity[2], draw.coefficients[2, :2]),
        (probes.identity[0], probes.coefficients[0, :3]),
        (probes.identity[1234], probes.coefficients[1234, :3]),
    ):
        normal = np.random.Generator(np.random.PCG64(int(identity))).standard_normal(3, np.float32)
        assert np.array_equal(normal[: len(row)], row)


def test_the_same_seed_gives_the_same_views_and_another_gives_others(catalog, probes):
    again, other = probe_views(catalog, FACES, 5, "test"), probe_views(catalog, FACES, 6, "test")
    assert np.array_equal(again.coefficients, probes.coefficients)
    assert all(np.array_equal(again.values[name], probes.values[name]) for name in probes.values)
    assert not set(people(other)) & set(people(probes))
    assert not np.array_equal(other.values["light"], probes.values["light"])


def test_faces_that_were_rendered_on_a_walk_are_strangers_all_the_same():
    views = probe_views(small_face_catalog(FaceSampling(walk=True)), FACES, 0, "test", 60, 1)
    steps = np.linalg.norm(np.diff(views.coefficients, axis=0), axis=1)
    assert np.median(steps) > 1  # along a walk: about 0.05


def test_a_fixed_factor_keeps_its_value_and_a_grid_is_kept_to():
    views = probe_views(chairs(40), CHAIRS, 0, "test")
    assert (views.values["light"] == 0).all()
    views = probe_views(chairs(40), PAPER, 0, "test")
    assert set(views.values["elevation"]) == {20.0, 30.0}
    assert len(set(views.values["azimuth"])) > 20
    assert set(views.values["azimuth"]) <= set(VIEWS["paper"]["azimuth"])


def test_few_chairs_are_all_shown_and_many_evenly():
    few, many = chairs(40), chairs(1357)
    assert sorted(people(probe_views(few, CHAIRS, 0, "test"))) == sorted(few.splits["test"])
    in_order = people(probe_views(many, CHAIRS, 0, "test"))
    shown = sorted(in_order)
    assert len(shown) == 100
    assert abs(np.corrcoef(in_order, np.arange(100))[0, 1]) < 0.3  # the first of them are not of one family
    held_out = sorted(many.splits["test"])
    gaps = np.diff([held_out.index(one) for one in shown])
    assert set(gaps) == {1, 2}
    assert held_out.index(shown[-1]) >= 155


@pytest.mark.parametrize(("count", "split"), [(1, "test"), (1, "train"), (9, "test"), (2, "train")])
def test_a_single_identity_is_refused(count, split):
    with pytest.raises(BadInput, match=f"chairs: expected at least 2 identities for {split}, found [01]"):
        probe_views(chairs(count), CHAIRS, 0, split)


def test_the_gallery_shows_each_identity_once_neutral_and_from_in_front(catalog, probes):
    gallery = gallery_views(catalog, FACES, probes)
    assert gallery.identity.tolist() == people(probes)
    assert np.array_equal(gallery.coefficients[:, :3], probes.coefficients[::20, :3])
    assert (gallery.coefficients[:, 3] == 0).all()
    assert all((values == 0).all() and values.dtype == np.float32 for values in gallery.values.values())


@pytest.mark.parametrize(
    ("ranges", "shown"),
    [
        ({"azimuth": (20, 80), "elevation": (10, 30), "light": (-80, -40)}, (50, 10, -40)),
        ({"azimuth": (200, 360), "elevation": (-30, -5), "light": (5, 5)}, (360, -5, 5)),
    ],
)
def test_a_range_without_0_is_shown_where_it_is_nearest_or_in_its_middle(catalog, probes, ranges, shown):
    values = gallery_views(catalog, Sampling(ranges), probes).values
    assert tuple(values[name][0] for name in ("azimuth", "elevation", "light")) == shown


def test_the_gallery_of_chairs_looks_at_them_askance():
    catalog = chairs(40)
    values = gallery_views(catalog, CHAIRS, probe_views(catalog, CHAIRS, 0, "test")).values
    assert (values["azimuth"][0], values["elevation"][0], values["light"][0]) == (30, 15, 0)
    values = gallery_views(catalog, PAPER, probe_views(catalog, PAPER, 0, "test")).values
    assert values["azimuth"][0] in (24, 36)
    assert values["elevation"][0] in (20, 30)


def test_a_sweep_turns_one_factor_of_each_input_and_nothing_else(probes):
    inputs, angles = probes.rows(np.array([0, 20, 40])), np.array([-60.0, 0.0, 45.0, 90.0])
    swept = sweep_views(inputs, "azimuth", angles)
    assert np.array_equal(swept.values["azimuth"].reshape(3, 4), np.tile(angles, (3, 1)))
    for name in ("elevation", "light"):
        assert np.array_equal(swept.values[name].reshape(3, 4), np.tile(inputs.values[name][:, None], 4))
    assert np.array_equal(swept.identity, np.repeat(inputs.identity, 4))
    assert np.array_equal(swept.coefficients[4:8], np.tile(inputs.coefficients[1], (4, 1)))
    assert swept.values["azimuth"].dtype == np.float32


def test_sweeps_go_from_end_to_end_or_all_around():
    assert np.array_equal(sweep_angles((-60.0, 60.0)), np.arange(-60, 61, 15))
    assert np.array_equal(sweep_angles((-30.0, 30.0)), np.arange(-30, 31, 10))
    assert np.array_equal(sweep_angles((-180.0, 180.0)), np.arange(-180, 180, 30))


def test_simulations_are_all_of_other_people_of_the_train_split(catalog, probes):
    views = simulation_views(catalog, FACES, 5, 300)
    assert len(views) == len(people(views)) == 300
    assert (views.identity % 2 == 0).all()
    assert len(np.unique(views.coefficients[:, :3], axis=0)) == 300
    assert all(len(np.unique(values)) > 295 for values in views.values.values())
    assert np.array_equal(simulation_views(catalog, FACES, 5, 300).coefficients, views.coefficients)


def test_simulated_chairs_come_equally_often_one_after_another_in_random_order():
    catalog = chairs(40)
    views = simulation_views(catalog, PAPER, 0, 100)
    shown, counts = np.unique(views.identity, return_counts=True)
    assert shown.tolist() == sorted(catalog.splits["train"])
    assert counts.max() - counts.min() <= 1
    assert views.first_of_object.sum() == len(shown)
    assert people(views) != sorted(people(views))
    assert set(views.values["elevation"]) == {20.0, 30.0}
