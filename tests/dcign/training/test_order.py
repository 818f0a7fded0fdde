"""The order of mini-batches is a pure function of (seed, step)."""

from collections import Counter

import numpy as np
import pytest
import torch
from labelled_shards import FACTORS as LABELLED
from labelled_shards import write_labelled
from shard_fixtures import write_synthetic

from dcign.errors import RunError
from dcign.training.order import (
    MiniBatchOrder,
    drawn_images,
    nearest_the_front,
    sampling_noise,
    to_float,
    usual_ratio,
)
from render.shards.data_set import open_data_set

COUNTS = {"azimuth": 3, "elevation": 4, "light": 5, "intrinsic": 7}


def test_any_step_can_be_asked_first():
    forward = [MiniBatchOrder(COUNTS, (1, 1, 1, 10), 3).at(step) for step in range(200)]
    order = MiniBatchOrder(COUNTS, (1, 1, 1, 10), 3)
    assert [order.at(step) for step in reversed(range(200))] == forward[::-1]


def test_factors_come_in_their_ratio_at_random_places():
    order = MiniBatchOrder(COUNTS, (1, 1, 1, 10), 0)
    drawn = [order.at(step)[0] for step in range(13 * 50)]
    assert Counter(drawn) == {"azimuth": 50, "elevation": 50, "light": 50, "intrinsic": 500}
    places = {drawn[13 * block :].index("azimuth") for block in range(50)}
    assert len(places) > 8


def test_each_epoch_of_a_factor_is_another_permutation_of_all_its_mini_batches():
    order = MiniBatchOrder(COUNTS, (1, 2, 1, 3), 0)
    drawn = {factor: [] for factor in COUNTS}
    for step in range(7 * 60):
        factor, index = order.at(step)
        drawn[factor].append(index)
    for factor, count in COUNTS.items():
        epochs = [drawn[factor][start : start + count] for start in range(0, len(drawn[factor]) - count + 1, count)]
        assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
        assert len(set(map(tuple, epochs))) > 3


def test_seeds_differ():
    orders = [[MiniBatchOrder(COUNTS, (1, 1, 1, 1), seed).at(step) for step in range(40)] for seed in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_absent_factors_drop_out():
    order = MiniBatchOrder({"azimuth": 3}, (1, 1, 1, 10), 0)
    assert {order.at(step) for step in range(9)} == {("azimuth", 0), ("azimuth", 1), ("azimuth", 2)}
    order = MiniBatchOrder({"light": 2, "intrinsic": 3}, (1, 1, 1, 2), 0)
    assert Counter(order.at(step)[0] for step in range(30)) == {"light": 10, "intrinsic": 20}


def test_a_ratio_that_leaves_nothing_is_refused():
    with pytest.raises(RunError, match=r"^ratio: 0:1:1:1 .*the shards hold azimuth"):
        MiniBatchOrder({"azimuth": 3}, (0, 1, 1, 1), 0)


FRONT = {"elevation": np.array([2, 0, 3, 1]), "light": np.array([4, 3, 2, 1, 0])}


def test_the_front_comes_first_where_asked_and_the_sides_come_in():
    order = MiniBatchOrder(COUNTS, (1, 1, 1, 1), 0, FRONT, front_steps=4000)
    drawn = [order.at(step) for step in range(6000)]
    plain = [MiniBatchOrder(COUNTS, (1, 1, 1, 1), 0).at(step) for step in range(6000)]
    assert [factor for factor, _ in drawn] == [factor for factor, _ in plain]
    assert {index for factor, index in drawn[:200] if factor == "elevation"} == {2}  # 0.2 to 0.24 of four
    assert {index for factor, index in drawn[400:440] if factor == "light"} == {4, 3}  # 0.28 of five
    assert {index for factor, index in drawn[3500:4000] if factor == "light"} == {0, 1, 2, 3, 4}
    others = [pair for pair in zip(drawn, plain, strict=True) if pair[0][0] not in FRONT]
    assert all(found == expected for found, expected in [*others, *zip(drawn[4000:], plain[4000:], strict=True)])


def test_mini_batches_are_ordered_by_how_far_their_azimuth_is_from_the_front(tmp_path):
    data = open_data_set(write_synthetic(tmp_path, counts={"azimuth": 2, "elevation": 6, "light": 4, "intrinsic": 2}))
    front = nearest_the_front(data, {"azimuth": 2, "elevation": 5, "light": 4, "intrinsic": 2})
    assert set(front) == {"elevation", "light"}
    for factor, count in (("elevation", 5), ("light", 4)):
        assert sorted(front[factor]) == list(range(count))
        away = [abs(data.minibatch(factor, index).values["azimuth"][0]) for index in front[factor]]
        assert away == sorted(away)


def test_noise_is_a_pure_function_of_seed_and_step():
    def draw(seed, step):
        return sampling_noise(seed, step, (5, 2), torch.device("cpu"))

    assert torch.equal(draw(1, 2), draw(1, 2))
    assert not torch.equal(draw(1, 2), draw(1, 3))
    assert not torch.equal(draw(1, 2), draw(2, 2))
    assert draw(2**63 - 1, 10**9).isfinite().all()


def test_images_are_drawn_by_seed_and_step_alone_and_all_alike():
    def draw(seed, step):
        return drawn_images(seed, step, 6, torch.device("cpu")).tolist()

    assert draw(1, 2) == draw(1, 2)
    assert sorted(draw(1, 2)) == list(range(6))
    first = Counter(draw(3, step)[0] for step in range(600))
    assert all(60 < first[image] < 140 for image in range(6))  # 100, give or take four deviations
    assert len({tuple(draw(seed, 0)) for seed in range(20)}) > 15


def test_pixels_become_fractions_without_touching_the_source():
    source = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    before = source.clone()
    images = to_float(source)
    assert torch.equal(source, before)
    assert images.shape == (1, 1, 16, 16)
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(images[0, 0].numpy(), source[0].numpy().astype(np.float32) / np.float32(255))


def test_the_ratio_of_imported_images_is_of_their_factors_in_their_order():
    counts = dict.fromkeys(LABELLED, 3)
    order = MiniBatchOrder(counts, (1, 2, 0, 3), 0, names=LABELLED)  # intrinsic as usual
    drawn = Counter(order.at(step)[0] for step in range(16 * 5))
    assert drawn == {"azimuth": 5, "distance": 10, "tilt": 15, "intrinsic": 50}
    with pytest.raises(RunError, match=r"^ratio: expected azimuth:distance:colour:tilt:intrinsic .*1:1:1:1:1:1$"):
        MiniBatchOrder(counts, (1, 1, 1, 1, 1, 1), 0, names=LABELLED)


def test_a_factor_of_the_renderer_has_its_number_whatever_stands_beside_it():
    """The numbers are part of the seeds: what is dealt of azimuth and intrinsic is the same."""
    counts, ratio = {"azimuth": 30, "intrinsic": 30}, (1, 1)
    names = ("azimuth", "intrinsic")
    alone = MiniBatchOrder(counts, (1, 0, 0, 1), 5)
    assert [alone.at(step) for step in range(60)] == [
        MiniBatchOrder(counts, ratio, 5, names=names).at(step) for step in range(60)
    ]


def test_the_usual_ratio_is_the_paper_s_and_one_a_label(tmp_path):
    assert usual_ratio(open_data_set(write_synthetic(tmp_path / "faces", counts={"light": 1}))) == (1, 1, 1, 10)
    spots = open_data_set(write_labelled(tmp_path / "spots", counts={"tilt": 1, "colour": 1, "intrinsic": 1}))
    assert spots.factors == ("colour", "tilt", "intrinsic")
    assert usual_ratio(spots) == (1, 1, 10)


def test_the_front_of_imported_images_needs_an_azimuth_in_degrees(tmp_path):
    data = open_data_set(write_labelled(tmp_path, counts={"azimuth": 1, "distance": 5, "tilt": 2, "intrinsic": 1}))
    front = nearest_the_front(data, {factor: data.count(factor) for factor in data.factors})
    assert set(front) == {"distance", "tilt"}
    away = [abs((data.minibatch("distance", k).values["azimuth"][0] + 180) % 360 - 180) for k in front["distance"]]
    assert away == sorted(away)
    del data.labels["azimuth"]
    with pytest.raises(RunError, match=r"^front_first: .*azimuth in degrees, found distance in cm, colour, tilt$"):
        nearest_the_front(data, {"tilt": 1})
