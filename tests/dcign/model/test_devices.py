"""float32 is float32 on a GPU, for whoever asks for one: no command leaves torch's TF32 on."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from shard_fixtures import write_synthetic
from training_fixtures import go
from untrained_run import write_untrained

import dcign
from dcign.engine import engine
from dcign.model.devices import allow_tf32, resolve_device
from dcign.runs import run
from pipelines.commands.encode import command as encode
from pipelines.commands.evaluate import command as evaluate
from pipelines.commands.explore import command as explore
from pipelines.commands.rerender import command as rerender
from pipelines.explore import session

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch is older than 2.9")


def rounded():
    """Whether convolutions and matrix products of float32 are rounded to TF32 on a GPU."""
    found = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    return tuple({"tf32": True, "ieee": False}[word] for word in found)


@pytest.fixture(autouse=True)
def a_gpu(monkeypatch):
    """torch says that there is a GPU, and that float32 is rounded on it; afterwards all is as it was."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    allow_tf32(True, True)
    yield
    allow_tf32()


@pytest.mark.parametrize(("settings", "expected"), [((), (False, False)), ((True,), (True, False)), ((0, 1), (0, 1))])
def test_rounding_is_switched_for_convolutions_and_for_products(settings, expected):
    allow_tf32(*settings)
    assert rounded() == expected


def test_a_torch_older_than_that_is_told_in_its_way(monkeypatch):
    cudnn, matmul = SimpleNamespace(allow_tf32=True), SimpleNamespace(allow_tf32=True)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "backends", SimpleNamespace(cudnn=cudnn, cuda=SimpleNamespace(matmul=matmul)))
        allow_tf32(products=True)
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (False, True)


@pytest.mark.parametrize(("name", "after"), [("cuda", (False, False)), ("auto", (False, False)), ("cpu", (True, True))])
def test_to_choose_a_gpu_turns_rounding_off(name, after):
    assert resolve_device(name).type == ("cpu" if name == "cpu" else "cuda")
    assert rounded() == after


class Opened(Exception):
    """A run was to be opened on a GPU."""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A run and an image; the program stops where the run would go to the GPU."""

    def load_run(path, device, fit=0):
        assert torch.device(device).type == "cuda"
        raise Opened

    write_untrained(tmp_path / "run")
    write_synthetic(tmp_path / "shards")
    Image.fromarray(np.zeros((54, 54), np.uint8)).save(tmp_path / "ann.png")
    for module in (run, engine, session):
        monkeypatch.setattr(module, "load_run", load_run)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "start",
    [
        lambda: dcign.load("run"),
        lambda: encode.main(["run", "ann.png", "-o", "x.json"], standalone_mode=False),
        lambda: evaluate.main(["run", "shards"], standalone_mode=False),
        lambda: rerender.main(["run", "ann.png", "--latent", "5=0", "-o", "x.png"], standalone_mode=False),
        lambda: explore.main(["run"], standalone_mode=False),
    ],
    ids=["load", "encode", "evaluate", "rerender", "explore"],
)
@pytest.mark.usefixtures("work")
def test_every_use_of_a_run_on_a_gpu_turns_rounding_off(start):
    with pytest.raises(Opened):
        start()
    assert rounded() == (False, False)


def test_training_on_a_gpu_turns_rounding_off(work, monkeypatch):
    def open_ranks(device):
        assert device.type == "cuda"
        raise Opened

    monkeypatch.setattr("dcign.training.loop.open_ranks", open_ranks)
    with pytest.raises(Opened):
        go(work / "shards", work / "trained", device="auto")
    assert rounded() == (False, False)


def test_precision_is_set_in_one_place():
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("dcign", "pipelines", "render", "assets")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\.(allow_tf32|fp32_precision)\b|float32_matmul_precision", path.read_text())
    }
    assert found == {"dcign/model/devices.py"}
