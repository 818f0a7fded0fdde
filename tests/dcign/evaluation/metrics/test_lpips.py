"""The package is not needed here: stand-ins with its names show what is found, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dcign.evaluation.metrics import image_quality

LPIPS = '''
import torch
from torch import nn
from torchvision import alexnet


class LPIPS(nn.Module):
    """Of the real one: names of the parameters, arguments, and that equal images are 0 apart."""

    def __init__(self, net, version, pretrained, pnet_rand, verbose):
        assert net == "alex" and version == "0.1"
        assert not pretrained, "heads would be loaded by the package"
        assert pnet_rand, "the backbone would be downloaded"
        super().__init__()
        slices = {1: [0], 2: [3], 3: [6], 4: [8], 5: [10]}
        self.net = nn.Module()
        for number, layers in slices.items():
            part = nn.Sequential()
            for layer in layers:
                part.add_module(str(layer), alexnet()[str(layer)])
            setattr(self.net, f"slice{number}", part)
        self.lin0 = nn.Linear(1, 1, bias=False)
        self.lins = nn.ModuleList([self.lin0])

    def forward(self, a, b):
        assert a.shape[1] == 3 and a.min() >= -1 and a.max() <= 1
        first = self.net.slice1
        return self.lin0((first(a) - first(b)).square().mean((1, 2, 3))[:, None])[:, :, None, None]
'''
TORCHVISION = """
from torch import nn


def alexnet():
    return nn.ModuleDict({name: nn.Conv2d(3, 2, 3) for name in ("0", "3", "6", "8", "10")})
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine on which both packages are installed and nothing is in the cache."""
    for name, text in (("lpips", LPIPS), ("torchvision", TORCHVISION)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    heads = tmp_path / "lpips" / "weights" / "v0.1" / "alex.pth"
    heads.parent.mkdir(parents=True)
    torch.save({"lin0.weight": torch.full((1, 1), 2.0)}, heads)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield tmp_path
    for name in ("lpips", "torchvision"):
        sys.modules.pop(name, None)


def fill_cache(machine, **changed):
    torch.manual_seed(0)
    layers = {name: torch.nn.Conv2d(3, 2, 3) for name in ("0", "3", "6", "8", "10")}
    weights = {f"features.{n}.{k}": getattr(layers[n], k).detach() for n in layers for k in ("weight", "bias")}
    path = Path(machine) / "torch" / "hub" / "checkpoints" / image_quality.LPIPS_BACKBONE
    path.parent.mkdir(parents=True)
    torch.save({**weights, **changed}, path)
    return path, weights


def test_weights_of_the_cache_and_the_package_are_the_ones_used(machine):
    _, weights = fill_cache(machine)
    distance = image_quality.find_lpips()
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 8, 8), dtype=np.uint8)
    found = distance(*images)

    def features(stack):
        coloured = torch.tensor(stack / 127.5 - 1, dtype=torch.float32)[:, None].repeat(1, 3, 1, 1)
        return torch.nn.functional.conv2d(coloured, weights["features.0.weight"])

    expected = 2 * (features(images[0]) - features(images[1])).square().mean((1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert distance(images[0], images[0]).tolist() == [0.0] * 40


def test_without_weights_the_reason_names_where_they_were_looked_for(machine):
    reason = image_quality.find_lpips()
    assert image_quality.LPIPS_BACKBONE in reason
    assert str(machine) in reason
    assert not (machine / "torch").exists()


@pytest.mark.parametrize("missing", ["lpips", "torchvision"])
def test_without_a_package_the_reason_names_it(machine, missing, monkeypatch):
    fill_cache(machine)
    monkeypatch.setattr(
        image_quality.importlib.util, "find_spec", lambda name: None if name == missing else object(), raising=True
    )
    assert image_quality.find_lpips() == f"the package {missing} is not installed"


def test_damaged_or_other_weights_are_a_reason_on_one_line(machine):
    path, weights = fill_cache(machine, **{"features.0.weight": torch.zeros(7, 3, 3, 3)})
    assert "cannot be used" in image_quality.find_lpips()
    assert "\n" not in image_quality.find_lpips()
    torch.save({name: value for name, value in weights.items() if name != "features.3.bias"}, path)
    assert "features.3.bias" in image_quality.find_lpips()
    path.write_bytes(b"not weights")
    assert "cannot be used" in image_quality.find_lpips()
