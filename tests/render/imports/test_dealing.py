"""Groups of images that agree in all but one factor, and their mini-batches, held against what they are defined by."""

from itertools import product

import numpy as np
import pytest
from image_table_fixtures import labelled

from render.errors import BadInput
from render.factors import SPLITS
from render.imports.dealing import DealtImages, counts_of, deal, images_for_testing
from render.imports.groups import bins_of, find_groups
from render.shards.labels import Label

CIRCLE = Label("azimuth", 0.0, 360.0, circular=True)
LABELS = {
    "azimuth": CIRCLE,
    "distance": Label("distance", 0.0, 9.0, unit="cm", tolerance=0.5),
    "colour": Label("colour", 0.0, 2.0, unit="", categories=("a", "b", "c")),
}


@pytest.fixture(scope="module")
def scattered():
    """400 images of 9 identities with values drawn at random from few, so that groups are of all sizes."""
    rng = np.random.default_rng(3)
    columns = {
        "azimuth": rng.choice([0, 120, 240, 360], 400),
        "distance": rng.choice([1, 1.4, 5], 400),
        "colour": rng.integers(0, 3, 400),
    }
    return labelled(columns, rng.integers(0, 9, 400), LABELS)


def key_of(images, row, factor):
    """All that images of one group have in common, by the meaning of the labels."""
    values = {
        "azimuth": float(images.values["azimuth"][row]) % 360,
        "distance": float(images.values["distance"][row]) > 3,
        "colour": float(images.values["colour"][row]),
        "intrinsic": int(images.identity[row]),
    }
    own = values.pop(factor)
    return tuple(values.values()), own


@pytest.mark.parametrize("factor", ["azimuth", "distance", "colour", "intrinsic"])
def test_groups_are_those_of_a_plain_search(scattered, factor):
    test = images_for_testing(scattered, 0.3, 0)
    expected = {}
    for row in range(400):
        key, own = key_of(scattered, row, factor)
        expected.setdefault((key, bool(test[row])), []).append((row, own))
    groups = {frozenset(r for r, _ in members) for members in expected.values() if len({o for _, o in members}) > 1}
    found = DealtImages(scattered, test, np.arange(400), 6, 0, None).groups[factor]
    assert {frozenset(part.tolist()) for part in np.split(found.rows, found.starts[1:])} == groups
    alone = sum(len(members) == 1 for members in expected.values())
    alike = sum(len(m) for m in expected.values() if len(m) > 1 and len({o for _, o in m}) == 1)
    assert (found.alone, found.alike) == (alone, alike)
    assert len(found.rows) + found.alone + found.alike == 400


@pytest.mark.parametrize("batch_size", [2, 5, 20])
def test_every_image_of_a_group_is_dealt_and_only_the_factor_varies(scattered, batch_size):
    test = images_for_testing(scattered, 0.3, 0)
    dealing = DealtImages(scattered, test, np.arange(400), batch_size, 7, None)
    for factor, split in product(dealing.factors, SPLITS):
        groups = dealing.groups[factor]
        sizes = {row: size for part in np.split(groups.rows, groups.starts[1:]) for row in part for size in [len(part)]}
        rows = dealing.minibatches(factor, split)
        assert rows.shape == (dealing.count(factor, split), batch_size)
        assert {*rows.ravel().tolist()} == {row for row in sizes if test[row] == (split == "test")}
        for minibatch in rows:
            keys, own = zip(*(key_of(scattered, row, factor) for row in minibatch), strict=True)
            assert len(set(keys)) == 1
            assert len(set(own)) > 1
            assert len(set(minibatch.tolist())) == min(batch_size, sizes[minibatch[0]])


def test_a_group_gives_as_few_minibatches_as_hold_it_and_its_values_are_spread_over_them():
    own = np.repeat(np.arange(4), 12).astype(np.int32)
    groups = find_groups(own, [np.zeros(48, np.int32)], np.arange(48))
    rows = deal(groups, 16, np.random.default_rng(1))
    assert rows.shape == (3, 16)
    counts = np.array([np.bincount(own[minibatch], minlength=4) for minibatch in rows])
    assert counts.min() >= 3
    assert counts.max() <= 5


def test_where_one_image_has_another_value_every_minibatch_shows_it():
    own = np.array([0] * 99 + [1], np.int32)
    rows = deal(find_groups(own, [np.zeros(100, np.int32)], np.arange(100)), 10, np.random.default_rng(1))
    assert rows.shape == (11, 10)
    assert (own[rows].sum(axis=1) == 1).all()
    assert set(rows.ravel()) == set(range(100))


def test_the_seed_decides_and_a_limit_takes_some(scattered):
    test = images_for_testing(scattered, 0.0, 0)
    every, again, other = (DealtImages(scattered, test, np.arange(400), 6, s, None) for s in (1, 1, 2))
    few = DealtImages(scattered, test, np.arange(400), 6, 1, 3)
    rows = every.minibatches("colour", "train")
    assert (rows == again.minibatches("colour", "train")).all()
    assert not np.array_equal(rows, other.minibatches("colour", "train"))
    assert few.count("colour", "train") == 3
    assert (few.minibatches("colour", "train") == rows[:3]).all()
    assert [(f, s) for f, s, _ in counts_of(few)] == [(f, "train") for f in (*LABELS, "intrinsic")]
    dealt = [few.minibatches(factor, "train") for factor in few.factors]
    assert few.used.tolist() == np.unique(np.concatenate(dealt)).tolist()
    assert len(few.used) < len(every.used)


@pytest.mark.parametrize("label", [Label("x", -5, 5, tolerance=0.7), Label("x", -180, 180, circular=True, tolerance=9)])
def test_bins_span_no_more_than_the_tolerance_and_hold_all_values(label):
    values = np.random.default_rng(0).uniform(label.low, label.high, 500).astype(np.float32)
    bins = bins_of(values, label)
    for number in np.unique(bins):
        apart = np.abs(values[bins == number][:, None] - values[bins == number].astype(np.float64))
        if label.circular:
            apart = np.minimum(apart, 360 - apart)
        assert apart.max() <= label.tolerance * 1.0001
    assert len(np.unique(bins)) < 500 / 5


def test_values_about_the_place_where_a_circle_is_cut_are_neighbours():
    values = np.array([359, 1, 0.5, 90, 91, 360, 0], np.float32)
    label = Label("azimuth", 0.0, 360.0, circular=True, tolerance=2)
    bins = bins_of(values, label)
    assert len({*bins[[0, 1, 2, 5, 6]]}) == 1
    assert bins[3] == bins[4] != bins[0]
    exact = bins_of(values, CIRCLE)
    assert exact[5] == exact[6] != exact[2]


@pytest.mark.parametrize(
    ("identities", "share", "tested"),
    [(20, 0.1, 2), (4, 0.01, 2), (4, 0.9, 2), (3, 0.1, 0), (3, 0.9, 2), (50, 0.0, 0), (1, 0.9, 0)],
)  # fmt: skip
def test_identities_are_drawn_for_testing_with_all_their_images(identities, share, tested):
    images = labelled({}, np.tile(np.arange(identities) * 7, 3), {})
    test = images_for_testing(images, share, 5)
    found = set(images.identity[test])
    assert len(found) == tested
    assert not found & set(images.identity[~test])


def test_a_split_that_images_have_is_kept():
    given = np.array([True, False, True])
    assert images_for_testing(labelled({}, [0, 0, 0], {}, test=given), 0.5, 0) is given


def test_images_that_all_differ_in_two_factors_are_refused_with_advice():
    images = labelled(
        {"azimuth": [0, 1, 2], "colour": [0, 1, 2]}, [0, 0, 0], {k: LABELS[k] for k in ("azimuth", "colour")}
    )
    with pytest.raises(BadInput, match=r"differ in one of azimuth, colour, identity and agree in all .* none among 3"):
        DealtImages(images, np.zeros(3, bool), np.arange(3), 4, 0, None)


@pytest.mark.parametrize(("sizes", "batch_size", "counts"), [((3, 3), 20, 1), ((11, 10), 20, 2), ((20, 1), 20, 2)])
def test_a_group_gives_as_few_minibatches_as_will_do(sizes, batch_size, counts):
    own = np.repeat(np.arange(2), sizes).astype(np.int32)
    groups = find_groups(own, [np.zeros(sum(sizes), np.int32)], np.arange(sum(sizes)))
    assert groups.counts(batch_size).tolist() == [counts]


def test_no_group_however_lopsided_loses_an_image_or_gives_a_minibatch_without_variation():
    for seed in range(300):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 40, rng.integers(2, 4))
        own = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
        batch_size = int(rng.integers(2, 9))
        rows = deal(find_groups(own, [np.zeros(len(own), np.int32)], np.arange(len(own))), batch_size, rng)
        assert set(rows.ravel()) == set(range(len(own)))
        assert (own[rows].max(axis=1) > own[rows].min(axis=1)).all()
        assert all(len(set(minibatch)) == min(batch_size, len(own)) for minibatch in rows)
