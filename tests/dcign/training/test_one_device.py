"""An update stays on its device: the proof, without a GPU, that no step waits for the host or mixes devices.

Every operation of an update is watched while it runs on tensors of torch's meta device, which have shapes and no
numbers. Whatever would ask a GPU for a value has none to get here, and whatever lies on the CPU is seen.
"""

import copy
import itertools
from collections import Counter
from contextlib import nullcontext
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dcign.config import CHOICES, WIDTHS, TrainConfig
from dcign.errors import RunError
from dcign.model import step
from dcign.model.code import CodeLayout
from dcign.model.networks import NETWORKS
from dcign.model.optimisers import Optimiser, make_optimiser
from dcign.training import distributed, updates
from dcign.training.cuda_graph import plain_step
from dcign.training.distributed import Ranks
from dcign.training.loop import divergence_weights
from dcign.training.monitor import Status
from dcign.training.order import MiniBatchOrder
from dcign.training.updates import Updates

META = torch.device("meta")
N = 4  # images of a mini-batch
LAYOUT = CodeLayout.parse("azimuth:1,elevation:1,light:1,intrinsic:4")
MAIN = ("network", "procedure", "likelihood", "optimizer")  # each with each of the others
ELSEWHERE = ("precision", "device")  # settings that say where and how to compute: here on meta, without autocast
OPTIONS = tuple(name for name in CHOICES if name not in (*MAIN, *ELSEWHERE))


class OneDevice(TorchDispatchMode):
    """Fails at the first operation that takes or gives a tensor which is not on the meta device, naming both."""

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.seen[str(operation)] += 1
        self.look_at(operation, "took", (args, kwargs))
        results = operation(*args, **(kwargs or {}))
        self.look_at(operation, "gave", results)
        return results

    def look_at(self, operation, verb, values):
        for value in tree_leaves(values):
            if isinstance(value, torch.Tensor) and value.device != META:
                raise AssertionError(f"{operation} {verb} a tensor {tuple(value.shape)} on {value.device}")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Autocast and generators, which know no meta device, do nothing; there is one other rank, with sums of none."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(updates, "sampling_noise", lambda seed, step, shape, device: torch.empty(shape, device=device))
    monkeypatch.setattr(
        updates, "drawn_images", lambda seed, step, of, device: torch.empty(of, dtype=torch.int64, device=device)
    )
    summed = SimpleNamespace(is_completed=lambda: True, wait=lambda _: True)
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda tensor, **_: summed)


def combinations(names, **fixed):
    """Settings: every choice of each of `names` with every choice of the others."""
    every = itertools.product(*(CHOICES[name] for name in names))
    return [{**dict(zip(names, words, strict=True)), **fixed} for words in every]


def smallest_size(network):
    """The first size of images that a network can be built for."""
    for size in range(8, 256):
        try:
            network.check_size(size)
        except RunError:
            continue
        return size
    raise AssertionError("no size up to 256")


@cache
def untrained(network):
    """The model of a network of the usual widths, on the CPU."""
    kind, config = NETWORKS[network], TrainConfig(network=network, widths=WIDTHS[network])
    return kind.build(config, LAYOUT.latents, smallest_size(kind))


def update(config):
    """One update, from zeroed gradients to the status; returns mode, gradients before, parameters."""
    model = copy.deepcopy(untrained(config.network)).to(META).to(memory_format=torch.channels_last)
    optimiser = make_optimiser(model.named_parameters(), config)
    step_3_to_8 = plain_step(model, config, "fp32", divergence_weights(LAYOUT, config, META))
    active = {name: torch.from_numpy(LAYOUT.active(name)).to(META) for name in ("azimuth", "intrinsic")}
    images = torch.empty(N, model.size, model.size, dtype=torch.uint8, device=META)
    order = MiniBatchOrder(dict.fromkeys(active, 4), (1, 0, 0, 1), 0)
    data = SimpleNamespace(factors=tuple(active), batch_size=N)
    status = Status(None, data, order, config, META, 0)
    ranks, stop, feed = Ranks(META, 0, 2), torch.zeros(1, device=META), itertools.repeat(images)

    def exchange(tensors):
        stop.fill_(bool([]))
        ranks.sum([*tensors, stop])

    optimiser.zero_grad()
    before = [parameter.grad for parameter in model.parameters()]
    with OneDevice() as mode:
        share = range(config.accumulate)
        Updates(config, order, active, step_3_to_8, feed, optimiser, status, share, exchange).make(0)
    return mode, before, list(model.parameters())


def check(settings):
    config = TrainConfig(**{"widths": WIDTHS[settings["network"]], **settings})
    mode, before, parameters = update(config)
    assert mode.seen["aten.convolution_backward.default"] or mode.seen["aten.mm.default"]  # it went all the way back
    for gradient, parameter in zip(before, parameters, strict=True):
        assert parameter.grad is gradient, "moved"  # a graph goes on adding to the same memory
        assert gradient.stride() == parameter.stride(), "transposed"  # else every addition would turn numbers round


@pytest.mark.parametrize("settings", combinations(MAIN), ids=lambda settings: "-".join(settings.values()))
def test_an_update_stays_on_its_device(settings):
    check(settings)


@pytest.mark.parametrize(
    "settings",
    combinations(("network", *OPTIONS), accumulate=2, images=2, weight_average=0.9, extrinsic_divergence=2.0),
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_an_update_with_every_option_stays_on_its_device(settings):
    check(settings)


def test_all_networks_and_options_are_covered():
    assert {settings["network"] for settings in combinations(MAIN)} == set(NETWORKS)
    assert {"clamp", "invariance_unit", "inactive_gradient"} <= set(OPTIONS)


SCALAR, VECTOR = torch.tensor(0.5), torch.arange(LAYOUT.latents)  # on the CPU
FAULTS = {  # what an unwary line would do to the sampled codes x (N, Z) -> what is said of it
    "item": (lambda x: x * x.mean().item(), r"item\(\) cannot be called on meta"),
    "bool": (lambda x: x if x.sum() > 0 else -x, r"item\(\) cannot be called on meta"),
    "CPU scalar": (lambda x: x * SCALAR, r"aten.mul.Tensor took a tensor \(\) on cpu"),
    "CPU vector": (lambda x: x + VECTOR, r"aten.add.Tensor took a tensor \(7,\) on cpu"),
    "where": (lambda x: torch.where(x > 0, x, SCALAR), r"aten.where.self took a tensor \(\) on cpu"),
    "copy": (lambda x: x + VECTOR.to(x.device), r"aten._to_copy.default took a tensor \(7,\) on cpu"),
    "copy in place": (lambda x: x.clone().copy_(VECTOR), r"aten.copy_?.default took a tensor \(7,\) on cpu"),
    "made on the CPU": (lambda x: x + torch.zeros(1), r"aten.zeros.default gave a tensor \(1,\) on cpu"),
    "as many as there are": (lambda x: x + x[x > 0].sum(), "nonzero"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_would_wait_or_mix_devices_is_found(monkeypatch, fault):
    sound, (planted, said) = step.sample, FAULTS[fault]
    monkeypatch.setattr(step, "sample", lambda *posterior: planted(sound(*posterior)))
    with pytest.raises((AssertionError, RuntimeError), match=said):
        update(TrainConfig())


def moved(self):
    for parameter in self.parameters:
        parameter.grad = torch.zeros_like(parameter)


def transposed(self):
    for parameter in self.parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros(parameter.shape, device=META)


@pytest.mark.filterwarnings("ignore:grad and param do not obey")
@pytest.mark.parametrize("fault", [moved, transposed])
def test_a_gradient_that_moves_or_lies_otherwise_is_found(monkeypatch, fault):
    monkeypatch.setattr(Optimiser, "zero_grad", fault)
    with pytest.raises(AssertionError, match=fault.__name__):
        check({"network": "paper"})
