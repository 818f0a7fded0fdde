"""The optimisers against a few lines of numpy, and the literal reading of 'rmsprop' against torch's."""

import dataclasses

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic

from dcign.config import TrainConfig
from dcign.errors import RunError
from dcign.model.optimisers import Muon, RMSProp, RMSPropAuthors, make_optimiser, state_names
from dcign.runs.checkpoint import list_checkpoints, load_checkpoint
from dcign.training.loop import train
from render.shards.data_set import open_data_set

pytestmark = pytest.mark.usefixtures("one_thread")


def numpy_rmsprop(x, gradients, lr=5e-4, b1=0.1, b2=0.01):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        m = (1 - b1) * m + b1 * g
        v = (1 - b2) * v + b2 * g**2
        x = x - lr * np.sqrt(1 - (1 - b2) ** t) / (1 - (1 - b1) ** t) * m / np.sqrt(v + 1e-8)
    return x, m, v


def numpy_literal(x, gradients, lr=5e-4, b1=0.1, b2=0.01, decay=0.01):
    v, u = np.zeros_like(x), np.zeros_like(x)
    for g in gradients:
        g = g + decay * x
        v = (1 - b2) * v + b2 * g**2
        u = b1 * u + g / (np.sqrt(v) + 1e-8)
        x = x - lr * u
    return x, v, u


READINGS = [
    (RMSPropAuthors, numpy_rmsprop, {}),
    (RMSPropAuthors, numpy_rmsprop, {"learning_rate": 0.1, "momentum_decay": 0.5, "update_decay": 0.3}),
    (RMSProp, numpy_literal, {}),
    (RMSProp, numpy_literal, {"learning_rate": 0.1, "momentum_decay": 0.5, "update_decay": 0.3, "weight_decay": 0.4}),
    (RMSProp, numpy_literal, {"momentum_decay": 0.0, "weight_decay": 0.0}),
]


@pytest.mark.parametrize(("reading", "by_numpy", "settings"), READINGS)
def test_updates_equal_numpy(reading, by_numpy, settings):
    rng = np.random.default_rng(0)
    starts = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5)}
    # from far below epsilon to far above it, where epsilon's place under the root shows
    gradients = {
        name: rng.normal(size=(30, *x.shape)) * 10.0 ** rng.integers(-6, 4, x.shape) for name, x in starts.items()
    }
    named = {name: torch.nn.Parameter(torch.tensor(x)) for name, x in starts.items()}
    optimiser = reading(named.items(), **settings)
    for step in range(30):
        optimiser.zero_grad()
        for name, parameter in named.items():
            parameter.grad = torch.tensor(gradients[name][step])
        optimiser.step()
    numpy_names = {"learning_rate": "lr", "momentum_decay": "b1", "update_decay": "b2", "weight_decay": "decay"}
    for name, x in starts.items():
        expected = by_numpy(x, gradients[name], **{numpy_names[k]: v for k, v in settings.items()})
        found = named[name].detach(), *(optimiser.state()[f"{buffer}.{name}"] for buffer in reading.BUFFERS)
        for wanted, got in zip(expected, found, strict=True):
            np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-10, atol=1e-14)


def test_the_literal_reading_is_torch_s_rmsprop():
    rng = np.random.default_rng(2)
    mine, theirs = (torch.nn.Parameter(torch.linspace(-2, 2, 9, dtype=torch.float64)) for _ in range(2))
    optimiser = make_optimiser([("x", mine)], TrainConfig(optimizer="rmsprop"))
    reference = torch.optim.RMSprop([theirs], lr=5e-4, alpha=0.99, eps=1e-8, momentum=0.1, weight_decay=0.01)
    for _ in range(50):
        mine.grad = torch.tensor(rng.normal(size=9) * 10.0 ** rng.integers(-9, 4, 9))
        theirs.grad = mine.grad.clone()
        optimiser.step()
        reference.step()
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-15)
    state = reference.state[theirs]
    torch.testing.assert_close(optimiser.state()["square.x"], state["square_avg"], rtol=1e-12, atol=0)
    torch.testing.assert_close(optimiser.state()["velocity.x"], state["momentum_buffer"], rtol=1e-12, atol=1e-15)


def plain_muon(named, momentum_decay=0.1, learning_rate=1e-3):
    """The formulas as they are written, a parameter at a time; yields the parameters after each update it is sent."""
    parameters = {name: x.detach().clone() for name, x in named.items()}
    means = {name: torch.zeros_like(x) for name, x in named.items()}
    gradients = yield
    while True:
        for name, x in parameters.items():
            means[name] = (1 - momentum_decay) * means[name] + momentum_decay * gradients[name]
            matrix = means[name].flatten(1) if x.ndim > 1 else means[name][None]
            rows, columns = matrix.shape
            matrix = matrix / (matrix.norm() + 1e-30)
            for _ in range(5):
                square = matrix @ matrix.T
                matrix = 3.4445 * matrix + (-4.7750 * square + 2.0315 * square @ square) @ matrix
            parameters[name] = x - learning_rate * 0.2 * max(rows, columns) ** 0.5 * matrix.view(x.shape)
        gradients = yield parameters


SHAPES = [(9,), (1,), (4, 1, 5, 5), (7, 4, 5, 5), (1, 6, 7, 7), (30, 8), (8, 30), (70, 90), (100, 80), (75, 1), (7, 7)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_fifty_updates_of_muon_are_those_of_its_formulas(dtype, tolerance):
    generator = torch.Generator().manual_seed(5)
    named = {}
    for shape in SHAPES:
        start = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        start = start.contiguous(memory_format=torch.channels_last) if start.ndim == 4 else start
        named["x".join(map(str, shape))] = torch.nn.Parameter(start)
    strides = [parameter.stride() for parameter in named.values()]
    oracle = plain_muon({name: parameter.double() for name, parameter in named.items()})
    next(oracle)
    optimiser = Muon(named.items(), 1e-3)
    for step in range(50):
        gradients = {}
        for name, parameter in named.items():
            trend = torch.linspace(-1, 1, parameter.numel(), dtype=torch.float64).view(parameter.shape) * step
            gradients[name] = 100 * (torch.randn(parameter.shape, generator=generator, dtype=torch.float64) + trend)
            parameter.grad = torch.empty_like(parameter).copy_(gradients[name])
        optimiser.step()
        expected = oracle.send(gradients)
    for name, parameter in named.items():
        torch.testing.assert_close(parameter.detach().double(), expected[name], rtol=0, atol=tolerance)
    assert [parameter.stride() for parameter in named.values()] == strides


@pytest.mark.parametrize("shape", [(3, 5), (5,)])
@pytest.mark.parametrize("size", [0.0, 1e-25, 1e-40])
def test_muon_leaves_what_has_no_gradient_to_speak_of(shape, size):
    parameter = torch.nn.Parameter(torch.ones(shape))
    optimiser = Muon([("x", parameter)], learning_rate=1.0)
    parameter.grad = torch.full(shape, size)
    optimiser.step()
    torch.testing.assert_close(parameter.detach(), torch.ones(shape), rtol=0, atol=1e-5)


def test_muon_lets_a_weight_rest_whose_gradient_dies_away():
    """Its mean falls by a tenth an update; before it is nothing its squares are lost to float32, some before others."""
    generator = torch.Generator().manual_seed(0)
    parameter = torch.nn.Parameter(torch.zeros(48, 432))
    parameter.grad = torch.zeros(48, 432)
    parameter.grad[:, :9] = torch.randn(48, 9, generator=generator) * torch.rand(48, 1, generator=generator)
    parameter.grad[:, 9:18] = 1e-7 * torch.randn(48, 9, generator=generator)
    optimiser = Muon([("x", parameter)], learning_rate=0.001)
    torch.set_flush_denormal(True)  # as in training
    try:
        for _ in range(1000):
            optimiser.step()
            parameter.grad.zero_()
    finally:
        torch.set_flush_denormal(False)
    assert parameter.detach().abs().max() < 5


def test_an_update_of_muon_is_about_a_fifth_of_the_learning_rate_in_every_entry():
    rng = np.random.default_rng(4)
    for shape in ((8, 300), (6, 5, 7, 7), (50,)):
        parameter = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        optimiser = Muon([("x", parameter)], learning_rate=0.01)
        parameter.grad = torch.tensor(rng.normal(size=shape)) * 1e-9
        optimiser.step()
        size = parameter.detach().square().mean().sqrt().item()
        assert 0.6 < size / 0.002 < 1.3
        assert (parameter * parameter.grad).sum() < 0  # downhill


@pytest.mark.parametrize("reading", [RMSPropAuthors, RMSProp, Muon])
def test_an_update_leaves_the_gradients_as_they_are(reading):
    """The next mini-batch adds to the same memory, and on a GPU a captured graph does."""
    parameter = torch.nn.Parameter(torch.ones(3))
    optimiser = reading([("x", parameter)])
    optimiser.zero_grad()
    memory = parameter.grad
    memory += torch.tensor([1.0, -2.0, 3.0])
    optimiser.step()
    assert parameter.grad is memory
    assert memory.tolist() == [1.0, -2.0, 3.0]
    optimiser.zero_grad()
    assert parameter.grad is memory
    assert not memory.any()


def test_the_first_step_is_a_learning_rate_long_whatever_the_gradient():
    parameter = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    optimiser = RMSPropAuthors([("x", parameter)])
    parameter.grad = torch.tensor([100.0, -100.0, 5000.0], dtype=torch.float64)
    optimiser.step()
    torch.testing.assert_close(parameter.detach(), torch.tensor([-5e-4, 5e-4, -5e-4], dtype=torch.float64))


def test_the_average_follows_its_formula_and_leaves_the_updates_alone():
    rng = np.random.default_rng(1)
    plain, averaged = (torch.nn.Parameter(torch.ones(4, dtype=torch.float64)) for _ in range(2))
    optimisers = RMSPropAuthors([("x", plain)], 0.1), RMSPropAuthors([("x", averaged)], 0.1, weight_average=0.9)
    expected = np.ones(4)
    for t in range(1, 200):
        gradient = torch.tensor(rng.normal(size=4))
        for parameter, optimiser in zip((plain, averaged), optimisers, strict=True):
            parameter.grad = gradient.clone()
            optimiser.step()
        k = min(0.9, (1 + t) / (10 + t))
        expected = k * expected + (1 - k) * plain.detach().numpy()
    assert torch.equal(plain, averaged)
    np.testing.assert_allclose(optimisers[1].state()["average.x"].numpy(), expected, rtol=1e-12)
    assert "average.x" not in optimisers[0].state()


@pytest.mark.parametrize("weight_average", [0.0, 0.5])
@pytest.mark.parametrize("optimizer", ["rmsprop-authors", "rmsprop", "muon"])
def test_state_carries_everything(optimizer, weight_average):
    config = TrainConfig(optimizer=optimizer, weight_average=weight_average, learning_rate=0.1)

    def gradients(step):
        return torch.randn(4, generator=torch.Generator().manual_seed(step))

    whole = torch.nn.Parameter(torch.ones(4))
    optimiser = make_optimiser([("x", whole)], config)
    for step in range(10):
        if step == 6:
            state = {name: value.clone() for name, value in optimiser.state().items()}
            resumed = torch.nn.Parameter(whole.detach().clone())
        whole.grad = gradients(step)
        optimiser.step()
    assert list(state) == [f"{buffer}.x" for buffer in state_names(config)]
    again = make_optimiser([("x", resumed)], config)
    again.load_state(state, updates=6)
    for step in range(6, 10):
        resumed.grad = gradients(step)
        again.step()
    assert torch.equal(whole, resumed)
    assert all(torch.equal(value, again.state()[name]) for name, value in optimiser.state().items())


@pytest.mark.parametrize(("optimizer", "kept"), [("rmsprop", {"square", "velocity"}), ("muon", {"mean"})])
def test_a_run_resumes_bit_for_bit(tmp_path, optimizer, kept):
    data = open_data_set(write_synthetic(tmp_path / "shards", counts={"azimuth": 2, "intrinsic": 2}))
    config = TrainConfig(
        steps=9,
        widths=(3, 2, 2),
        code="azimuth:1,rest:3",
        optimizer=optimizer,
        weight_average=0.9,
        precision="fp32",
        picture_every=0.0,
        device="cpu",
    )

    def go(folder, **changes):
        train(data, folder, dataclasses.replace(config, **changes), say=lambda line: None, progress=False)
        return list_checkpoints(folder)[0]

    whole, _ = go(tmp_path / "whole"), go(tmp_path / "parts", steps=4)
    resumed = go(tmp_path / "parts")
    assert resumed.read_bytes() == whole.read_bytes()
    buffers = {name.split(".")[0] for name in load_checkpoint(whole).optimiser}
    assert buffers == kept | {"average"}
    for changes in ({"momentum_decay": 0.5}, {"optimizer": "rmsprop-authors"}):
        with pytest.raises(RunError, match=f"^{next(iter(changes))}: "):
            go(tmp_path / "parts", steps=12, **changes)
