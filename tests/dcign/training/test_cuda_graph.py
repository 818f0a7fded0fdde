"""The step that training calls: plain on a CPU, a CUDA graph on a GPU, the same numbers."""

from types import SimpleNamespace

import pytest
import torch

from dcign.config import TrainConfig
from dcign.model.optimisers import make_optimiser
from dcign.model.paper_network import PaperDCIGN
from dcign.model.step import gradients
from dcign.training.cuda_graph import WARM_UP, GraphedStep, capture, open_step, open_update, plain_step
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
    step = open_step(model, CONFIG, "fp32", (1, N, Z), torch.device("cpu"), print)
    terms = step(images, active, noise)
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    assert torch.equal(terms, gradients(model, to_float(images), active, noise, CONFIG))
    assert all(torch.equal(a, p.grad) for a, p in zip(found, model.parameters(), strict=True))


class Stream:
    """A stream of a CUDA that only keeps account of which one is current."""

    current = None

    def __init__(self):
        self.before = None

    def wait_stream(self, other):
        pass

    def __enter__(self):
        self.before, Stream.current = Stream.current, self

    def __exit__(self, *_):
        Stream.current = self.before


class Capture(Stream):
    """A capture that goes wrong as torch's does: its end raises too, and its stream stays the current one."""

    def __init__(self, graph):
        super().__init__()

    def __exit__(self, kind, error, traceback):
        if error is not None:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
        super().__exit__()


@pytest.fixture
def usual(monkeypatch):
    """The usual stream of a CUDA that launches nothing."""
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *shape, device=None, **options: zeros(*shape, **options))
    monkeypatch.setattr(Stream, "current", Stream())
    for name, value in {
        "Stream": Stream, "stream": lambda stream: stream, "CUDAGraph": object, "graph": Capture,
        "current_stream": lambda: Stream.current, "synchronize": lambda: None,
        "set_stream": lambda stream: setattr(Stream, "current", stream),
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    return Stream.current


CUDA = SimpleNamespace(type="cuda")


def open_a_step_that(monkeypatch, fails_with):
    """Open the step on that CUDA, where the capture raises `fails_with`: the step, what is said, streams of calls."""
    said, streams = [], []

    def watched(*arguments):
        streams.append(Stream.current)
        if type(Stream.current) is Capture:
            raise fails_with
        return gradients(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("dcign.training.cuda_graph.gradients", watched)
        return open_step(material()[0], CONFIG, "fp32", (1, N, Z), CUDA, said.append), said, streams


@pytest.mark.parametrize(
    "cause", [RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore"), ValueError()]
)
def test_a_capture_that_fails_names_its_cause_and_leaves_the_plain_step_on_the_usual_stream(monkeypatch, usual, cause):
    step, said, streams = open_a_step_that(monkeypatch, cause)
    what = str(cause).split("\n")[0] or "ValueError"
    assert said == [f"No CUDA graph could be made ({what}); every step is launched piece by piece."]
    assert len(streams) == WARM_UP + 1
    assert usual not in streams
    assert Stream.current is usual
    assert torch.isfinite(step(*material()[1:])).all()


def test_ctrl_c_in_a_capture_is_no_reason_to_go_on_without(monkeypatch, usual):
    with pytest.raises(KeyboardInterrupt):
        open_a_step_that(monkeypatch, KeyboardInterrupt())
    assert Stream.current is usual


def test_a_capture_that_succeeds_ends_on_the_usual_stream(usual):
    with capture(torch.cuda.CUDAGraph()):
        assert type(Stream.current) is Capture
    assert Stream.current is usual


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
        if graphed:
            open_update(optimiser, torch.device("cuda"), pytest.fail)
        sums = []
        for seed in range(5):
            _, *inputs = material("cuda", seed)
            optimiser.zero_grad()
            sums.append(step(*inputs).clone())
            optimiser.step()
        results.append(torch.stack(sums))
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-3)
