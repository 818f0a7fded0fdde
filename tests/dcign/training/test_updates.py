"""An update takes its process's mini-batches in their order, each with the latents and the noise that are its own."""

import dataclasses

import pytest
import torch
from shard_fixtures import write_synthetic

from dcign.config import TrainConfig
from dcign.model.code import CodeLayout
from dcign.model.optimisers import make_optimiser
from dcign.runs.checkpoint import Header
from dcign.training.loop import describe
from dcign.training.monitor import Status
from dcign.training.order import MiniBatchOrder, drawn_images, sampling_noise
from dcign.training.updates import Updates, at_once, initial_model
from render.shards.data_set import open_data_set

CPU = torch.device("cpu")
CONFIG = TrainConfig(steps=9, widths=(3, 2, 2), accumulate=4, learning_rate=0.5, learning_rate_fall=9, seed=5)


@pytest.fixture
def data(tmp_path):
    return open_data_set(write_synthetic(tmp_path / "shards"))


def updates(data, step_3_to_8, share, exchange, config=CONFIG):
    layout = CodeLayout.for_object(data.object)
    model = initial_model(Header(0, CONFIG, layout, data.size, describe(data)), CPU)
    order = MiniBatchOrder({factor: data.count(factor) for factor in data.factors}, config.ratio, config.seed)
    active = {factor: torch.from_numpy(layout.active(factor)) for factor in data.factors}
    numbered = (torch.arange(data.batch_size).view(-1, 1, 1) + 10 * k for k in range(100))
    status = Status(data.folder, data, order, config, CPU, 0)
    optimiser = make_optimiser(model.named_parameters(), config)
    return Updates(config, order, active, step_3_to_8, numbered, optimiser, status, share, exchange)


def test_every_mini_batch_has_its_own_latents_and_noise(data):
    calls, exchanged = [], []

    def step_3_to_8(images, active, noise):
        calls.append((int(images[0]) // 10, *active, noise))
        return torch.tensor([[1.0, 10.0, 100.0]])

    made = updates(data, step_3_to_8, range(1, 4, 2), exchanged.append)
    for step in (2, 3):
        terms = made.make(step)
        factors = [made.order.at(4 * step + number)[0] for number in (1, 3)]
        counts = torch.tensor([float(factors.count(factor)) for factor in data.factors])
        assert torch.equal(terms, counts[:, None] * torch.tensor([1.0, 10.0, 100.0]))
        assert exchanged[-1][-1] is terms
        assert len(exchanged[-1]) == len(made.optimiser.gradients) + 1
        assert made.optimiser.learning_rate == CONFIG.learning_rate_at(step)
    places = [9, 11, 13, 15]
    assert [number for number, *_ in calls] == [0, 1, 2, 3]
    for place, (_, active, noise) in zip(places, calls, strict=True):
        assert torch.equal(active, made.active[made.order.at(place)[0]])
        assert torch.equal(noise, sampling_noise(5, place, (data.batch_size, len(active)), CPU))


def test_a_few_images_of_many_mini_batches_are_taken_at_once(data):
    config = dataclasses.replace(CONFIG, accumulate=6, images=2)
    calls = []

    def step_3_to_8(images, active, noise):
        calls.append((images, active, noise))
        return torch.arange(len(active)).view(-1, 1) + torch.tensor([1.0, 10.0, 100.0])

    made = updates(data, step_3_to_8, range(6), lambda tensors: None, config)
    terms = made.make(2)
    together = at_once(6, 2, data.batch_size)
    assert data.batch_size == 6
    assert together == 3
    assert [call[0].shape for call in calls] == [(2 * together, 1, 1)] * 2
    images, active, noise = (torch.cat(values) for values in zip(*calls, strict=True))
    expected = torch.zeros_like(terms)
    for number, place in enumerate(range(12, 18)):
        factor = made.order.at(place)[0]
        rows = slice(2 * number, 2 * number + 2)
        drawn = drawn_images(5, place, data.batch_size, CPU)[:2]
        assert torch.equal(images[rows].flatten(), drawn + 10 * number)
        assert torch.equal(active[number], made.active[factor])
        assert torch.equal(noise[rows], sampling_noise(5, place, (2, noise.shape[1]), CPU))
        expected[list(data.factors).index(factor)] += number % together + torch.tensor([1.0, 10.0, 100.0])
    assert torch.equal(terms, expected)
    assert len({tuple(images[2 * n : 2 * n + 2].flatten().tolist()) for n in range(6)}) == 6


@pytest.mark.parametrize(
    ("images", "share", "batch_size", "count"),
    [(20, 4, 20, 1), (11, 4, 20, 1), (2, 10, 20, 10), (2, 12, 20, 6), (3, 6, 20, 6), (3, 7, 20, 1), (2, 1, 20, 1)],
)
def test_what_goes_through_the_network_at_once_has_one_shape_and_is_no_more_than_a_mini_batch(
    images, share, batch_size, count
):
    assert at_once(share, images, batch_size) == count


def test_the_initial_weights_are_those_of_the_seed_and_no_other_number_is_drawn(data):
    header = Header(0, CONFIG, CodeLayout.for_object(data.object), data.size, describe(data))
    before = torch.random.get_rng_state()
    first, second = (initial_model(header, CPU).state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
