"""The authors' rmsprop against a few lines of numpy."""

import numpy as np
import pytest
import torch

from dcign.optim import RMSPropAuthors


def numpy_rmsprop(x, gradients, lr=5e-4, b1=0.1, b2=0.01):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        m = (1 - b1) * m + b1 * g
        v = (1 - b2) * v + b2 * g**2
        x = x - lr * np.sqrt(1 - (1 - b2) ** t) / (1 - (1 - b1) ** t) * m / np.sqrt(v + 1e-8)
    return x, m, v


@pytest.mark.parametrize("settings", [{}, {"learning_rate": 0.1, "momentum_decay": 0.5, "update_decay": 0.3}])
def test_updates_equal_numpy(settings):
    rng = np.random.default_rng(0)
    starts = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5)}
    # from far below epsilon to far above it, where epsilon's place under the root shows
    gradients = {
        name: rng.normal(size=(30, *x.shape)) * 10.0 ** rng.integers(-6, 4, x.shape) for name, x in starts.items()
    }
    named = {name: torch.nn.Parameter(torch.tensor(x)) for name, x in starts.items()}
    optimiser = RMSPropAuthors(named.items(), **settings)
    for step in range(30):
        optimiser.zero_grad()
        for name, parameter in named.items():
            parameter.grad = torch.tensor(gradients[name][step])
        optimiser.step()
    numpy_names = {"learning_rate": "lr", "momentum_decay": "b1", "update_decay": "b2"}
    for name, x in starts.items():
        expected = numpy_rmsprop(x, gradients[name], **{numpy_names[k]: v for k, v in settings.items()})
        found = named[name].detach(), optimiser.state()[f"mean.{name}"], optimiser.state()[f"square.{name}"]
        for wanted, got in zip(expected, found, strict=True):
            np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-10, atol=1e-14)


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
def test_state_carries_everything(weight_average):
    def gradients(step):
        return torch.randn(4, generator=torch.Generator().manual_seed(step))

    whole = torch.nn.Parameter(torch.ones(4))
    optimiser = RMSPropAuthors([("x", whole)], weight_average=weight_average)
    for step in range(10):
        if step == 6:
            state = {name: value.clone() for name, value in optimiser.state().items()}
            resumed = torch.nn.Parameter(whole.detach().clone())
        whole.grad = gradients(step)
        optimiser.step()
    again = RMSPropAuthors([("x", resumed)], weight_average=weight_average)
    again.load_state(state, updates=6)
    for step in range(6, 10):
        resumed.grad = gradients(step)
        again.step()
    assert torch.equal(whole, resumed)
    assert all(torch.equal(value, again.state()[name]) for name, value in optimiser.state().items())
