"""A replayed step and a replayed update give what is computed piece by piece, whatever has changed since the capture.

Without a GPU: see `graph_recorder`.
"""

from types import SimpleNamespace

import pytest
import torch
from graph_recorder import Recorder, recorded_cuda

from dcign.config import CHOICES, TrainConfig
from dcign.model.optimisers import make_optimiser
from dcign.model.paper_network import PaperDCIGN
from dcign.training.cuda_graph import GraphedStep, GraphedUpdate, open_update, plain_step

pytestmark = pytest.mark.usefixtures("one_thread")
__all__ = ["recorded_cuda"]

WIDTHS, N, Z, SIZE = (4, 3, 2), 4, 5, 54


def new_model():
    torch.manual_seed(0)
    return PaperDCIGN(WIDTHS, Z, SIZE).to(memory_format=torch.channels_last)


def put_gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad.copy_(100 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("weight_average", [0.0, 0.9])
@pytest.mark.parametrize("optimizer", CHOICES["optimizer"])
def test_a_replayed_update_takes_the_sizes_of_its_own_time(recorded_cuda, optimizer, weight_average):
    config = TrainConfig(optimizer=optimizer, weight_average=weight_average, steps=12, learning_rate_fall=8)
    runs = []
    for graphed in (False, True):
        model = new_model()
        optimiser = make_optimiser(model.named_parameters(), config)
        optimiser.zero_grad()
        put_gradients(model, 99)
        start = [value.clone() for value in [*model.state_dict().values(), *optimiser.state().values()]]
        if graphed:
            open_update(optimiser, SimpleNamespace(type="cuda"), pytest.fail)
            assert isinstance(optimiser.work, GraphedUpdate)
        assert all(
            torch.equal(value, before)
            for value, before in zip([*model.state_dict().values(), *optimiser.state().values()], start, strict=True)
        )
        for step in range(config.steps):
            put_gradients(model, step)
            optimiser.learning_rate = config.learning_rate_at(step)
            optimiser.step()
        assert optimiser.updates == config.steps
        runs.append({**model.state_dict(), **optimiser.state()})
    for name, value in runs[0].items():
        torch.testing.assert_close(runs[1][name], value, rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.parametrize("procedure", CHOICES["procedure"])
def test_a_replayed_step_is_that_of_its_own_mini_batch(recorded_cuda, procedure):
    config = TrainConfig(widths=WIDTHS, procedure=procedure)
    generator = torch.Generator().manual_seed(1)

    def minibatch(number):
        images = torch.randint(256, (N, SIZE, SIZE), dtype=torch.uint8, generator=generator)
        return images, torch.arange(Z) == number, torch.randn(N, Z, generator=generator)

    first, *others = [minibatch(number) for number in range(3)]
    found = []
    model = new_model()
    make_optimiser(model.named_parameters(), config).zero_grad()
    graph = GraphedStep(plain_step(model, config, "fp32"), *first)
    for step in (graph, plain_step(model, config, "fp32")):
        for inputs in others:
            model.zero_grad(set_to_none=False)
            terms = step(*inputs).clone()
            found.append((terms, [parameter.grad.clone() for parameter in model.parameters()]))
    half = len(others)
    for replayed, plain in zip(found[:half], found[half:], strict=True):
        torch.testing.assert_close(replayed, plain, rtol=1e-6, atol=1e-6)
    assert not torch.equal(found[0][0], found[1][0])


def test_a_value_that_is_asked_for_spoils_the_capture(recorded_cuda):
    said = []
    model = new_model()
    optimiser = make_optimiser(model.named_parameters(), TrainConfig())
    optimiser.zero_grad()
    before, apply = [parameter.detach().clone() for parameter in model.parameters()], optimiser.apply

    def asking(size, share):
        apply(size, share)
        return float(size)

    optimiser.work, optimiser.apply = apply, asking
    open_update(optimiser, SimpleNamespace(type="cuda"), said.append)
    assert len(said) == 1
    assert "not permitted when stream is capturing" in said[0]
    assert optimiser.work == apply
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_what_is_recorded_is_undone_and_done_again():
    a = torch.tensor([1.0, 2.0])
    recorder = Recorder()
    with recorder:
        b = a * 2
        a.add_(b)
    recorder.undo()
    assert a.tolist() == [1.0, 2.0]
    a.fill_(5.0)
    recorder.replay()
    assert a.tolist() == [15.0, 15.0]
