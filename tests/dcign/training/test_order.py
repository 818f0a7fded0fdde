"""The order of mini-batches is a pure function of (seed, step)."""

from collections import Counter

import numpy as np
import pytest
import torch

from dcign.errors import RunError
from dcign.training.order import MiniBatchOrder, noise_generator, to_float

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


def test_noise_is_a_pure_function_of_seed_and_step():
    def draw(seed, step):
        return torch.randn(5, generator=noise_generator(seed, step, torch.device("cpu")))

    assert torch.equal(draw(1, 2), draw(1, 2))
    assert not torch.equal(draw(1, 2), draw(1, 3))
    assert not torch.equal(draw(1, 2), draw(2, 2))
    assert draw(2**63 - 1, 10**9).isfinite().all()


def test_pixels_become_fractions_without_touching_the_source():
    source = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    before = source.clone()
    images = to_float(source)
    assert torch.equal(source, before)
    assert images.shape == (1, 1, 16, 16)
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(images[0, 0].numpy(), source[0].numpy().astype(np.float32) / np.float32(255))
