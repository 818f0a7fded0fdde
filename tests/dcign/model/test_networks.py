"""The table of networks: another kind of network is trained, resumed, listed and exported through its entry alone."""

import json

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic
from torch import nn
from training_fixtures import SMALL, go

from dcign import config
from dcign.config import CHOICES, WIDTHS, TrainConfig
from dcign.errors import RunError
from dcign.model import networks
from dcign.model.interface import DCIGN, Network
from dcign.model.networks import NETWORKS, network_of
from dcign.model.optimisers import OPTIMISERS
from dcign.model.step import LIKELIHOODS
from dcign.runs.checkpoint import Header
from dcign.runs.folder import read_header
from dcign.runs.listing import summarise
from dcign.runs.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")


class FlatEncoder(nn.Module):
    def __init__(self, width, latents, size):
        super().__init__()
        self.hidden = nn.Linear(size * size, width)
        self.mean, self.logvar = nn.Linear(width, latents), nn.Linear(width, latents)

    def forward(self, images):
        x = torch.relu(self.hidden(images.flatten(1)))
        return self.mean(x), self.logvar(x)


class FlatDCIGN(DCIGN):
    """Two linear layers each way."""

    def __init__(self, width, latents, size):
        super().__init__(latents, size)
        self.encoder = FlatEncoder(width, latents, size)
        pixels = nn.Linear(width, size * size)
        self.decoder = nn.Sequential(nn.Linear(latents, width), nn.ReLU(), pixels, nn.Unflatten(1, (1, size, size)))


class FlatNetwork(Network):
    def check_size(self, size):
        if size > 100:
            raise RunError(f"{size}: too large for a flat network")

    def build(self, config, latents, size):
        return FlatDCIGN(config.widths[0], latents, size)

    def architecture(self, config):
        return {"width": config.widths[0]}

    def describe(self, config):
        return f"flat {config.widths[0]}"

    def write_encoder(self, model, graph):
        x = graph.add("Flatten", ["images"], "pixels", axis=1)
        x = graph.add("Relu", [graph.linear(x, "hidden", *model.encoder.hidden.parameters(), "sums")], "features")
        graph.linear(x, "mean", *model.encoder.mean.parameters(), "means")

    def write_decoder(self, model, graph):
        first, _, last, _ = model.decoder
        x = graph.add("Relu", [graph.linear("codes", "first", *first.parameters(), "sums")], "features")
        x = graph.linear(x, "last", *last.parameters(), "logits")
        shape = graph.constant("shape", np.array([-1, 1, model.size, model.size], np.int64))
        graph.add("Sigmoid", [graph.add("Reshape", [x, shape], "maps")], "images")


@pytest.fixture
def flat(monkeypatch):
    """The settings of a small training of a network that is one file and one line away."""
    monkeypatch.setitem(networks.NETWORKS, "flat", FlatNetwork())
    monkeypatch.setitem(config.WIDTHS, "flat", (9,))
    monkeypatch.setitem(config.CHOICES, "network", ("paper", "flat"))
    return {"network": "flat", "widths": (7,), "steps": 6}


def test_each_word_that_an_option_takes_has_its_entry():
    assert tuple(NETWORKS) == CHOICES["network"] == tuple(WIDTHS)
    assert tuple(LIKELIHOODS) == CHOICES["likelihood"]
    assert tuple(OPTIMISERS) == CHOICES["optimizer"]


def test_another_network_is_trained_resumed_opened_and_listed(flat, tmp_path):
    shards, folder = write_synthetic(tmp_path / "shards"), tmp_path / "run"
    go(shards, folder, **{**flat, "steps": 3})
    outcome, _ = go(shards, folder, **flat)
    assert outcome.step == 6
    document = json.loads((folder / "config.json").read_text())
    assert document["architecture"] == {"network": "flat", "width": 7, "latents": 8, "size": 54}
    assert document["config"]["network"] == "flat"
    run = load_run(folder)
    assert isinstance(run.model, FlatDCIGN)
    assert summarise(folder, pytest.fail).widths == "flat 7"
    with pytest.raises(RunError, match=r"^network: the run in .* has flat, but paper is asked for"):
        go(shards, folder, steps=9)


def test_another_network_is_exported(flat, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'dcign[export]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'dcign[export]'")
    from dcign.export.onnx_files import check_files, decoder_file, encoder_file, facts

    go(write_synthetic(tmp_path / "shards"), tmp_path / "run", **{**flat, "steps": 2})
    run = load_run(tmp_path / "run")
    assert max(check_files(run, encoder_file(run), decoder_file(run)).values()) < 1e-4
    assert facts(run)["network"] == "flat"
    assert facts(run)["widths"] == "flat 7"


def test_a_size_and_widths_that_a_network_cannot_have_are_refused(flat, tmp_path):
    with pytest.raises(RunError, match=r"^widths: expected 1 numbers of maps"):
        TrainConfig(network="flat", widths=(7, 7))
    header = read_written(tmp_path, **flat)
    header["size"] = header["architecture"]["size"] = 150
    with pytest.raises(RunError, match="too large for a flat network"):
        Header.from_json(header, tmp_path)


def test_the_paper_s_network_goes_without_a_name_as_in_files_from_before_there_were_others(tmp_path):
    header = read_written(tmp_path)
    assert header["architecture"] == {"widths": [6, 5, 4], "latents": 8, "size": 54}
    assert "network" not in header["config"]
    assert read_header(tmp_path / "run").config.network == "paper"
    assert network_of(TrainConfig()).describe(TrainConfig()) == "96/64/32"


def read_written(tmp_path, **changes):
    go(write_synthetic(tmp_path / "shards"), tmp_path / "run", SMALL, **{"steps": 1, **changes})
    return json.loads((tmp_path / "run" / "config.json").read_text())
