"""The step that training calls: plain on a CPU, a CUDA graph on a GPU, the same numbers."""

import pytest
import torch

from dcign.config import TrainConfig
from dcign.model.optimisers import make_optimiser
from dcign.model.paper_network import PaperDCIGN
from dcign.model.step import gradients
from dcign.training.cuda_graph import GraphedStep, open_step, plain_step
from dcign.training.order import to_float

N, Z, SIZE = 4, 5, 54
CONFIG = TrainConfig(widths=(4, 3, 2))


def material(device="cpu", seed=0):
    torch.manual_seed(0)
    model = PaperDCIGN(CONFIG.widths, Z, SIZE).to(device)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (N, SIZE, SIZE), dtype=torch.uint8, generator=generator)
    active = torch.arange(Z) == seed % Z
    return model, images.to(device), active.to(device), torch.randn(N, Z, generator=generator).to(device)


def test_on_a_cpu_it_is_the_step_as_written():
    model, images, active, noise = material()
    step = open_step(model, CONFIG, "fp32", (N, Z), torch.device("cpu"), print)
    terms = step(images, active, noise)
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    assert torch.equal(terms, gradients(model, to_float(images), active, noise, CONFIG))
    assert all(torch.equal(a, p.grad) for a, p in zip(found, model.parameters(), strict=True))


def test_a_graph_that_cannot_be_made_leaves_the_plain_step(monkeypatch):
    def refuse(*_):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    model, images, active, noise = material()
    monkeypatch.setattr("dcign.training.cuda_graph.GraphedStep", refuse)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch, "zeros", lambda *shape, **_: None)
    said = []

    class Cuda:
        type = "cuda"

    step = open_step(model, CONFIG, "fp32", (N, Z), Cuda(), said.append)
    assert said == [
        "No CUDA graph could be made (operation not permitted when stream is capturing); every step is launched piece "
        "by piece."
    ]
    monkeypatch.undo()
    assert torch.isfinite(step(images, active, noise)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_cuda_graph_gives_what_the_plain_step_gives(precision):
    results = []
    for graphed in (False, True):
        model, *inputs = material("cuda")
        optimiser = make_optimiser(model.named_parameters(), CONFIG)
        optimiser.zero_grad()
        step = plain_step(model, CONFIG, precision)
        step = GraphedStep(step, *inputs) if graphed else step
        sums = []
        for seed in range(5):
            _, *inputs = material("cuda", seed)
            optimiser.zero_grad()
            sums.append(step(*inputs).clone())
            optimiser.step()
        results.append(torch.stack(sums))
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-3)
