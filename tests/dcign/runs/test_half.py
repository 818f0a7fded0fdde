import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from untrained_run import write_untrained

from dcign.errors import RunError
from dcign.runs.checkpoint import WEIGHTS, load_weights, newest_checkpoint, save_checkpoint, write_weights
from dcign.runs.run import load_run, read_trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_untrained(tmp_path_factory.mktemp("half") / "run")


@pytest.fixture
def folder(run, tmp_path):
    write_weights(tmp_path, *read_trained(run))
    return tmp_path


def test_a_folder_of_weights_alone_is_a_run_with_the_same_header_and_rounded_weights(run, folder):
    exact, rounded = load_run(run), load_run(folder)
    assert (rounded.layout, rounded.config, rounded.step, rounded.data) == (
        exact.layout,
        exact.config,
        exact.step,
        exact.data,
    )
    for (name, weight), (same, other) in zip(
        exact.model.named_parameters(), rounded.model.named_parameters(), strict=True
    ):
        assert name == same
        assert other.dtype == torch.float32
        assert torch.equal(other, weight.half().float())
    assert load_run(folder / WEIGHTS).folder == folder


def test_the_file_holds_the_weights_and_nothing_else_in_two_bytes_each(run, folder):
    count = sum(weight.numel() for weight in load_run(run).model.parameters())
    assert 2 * count < (folder / WEIGHTS).stat().st_size < 2 * count + 5000
    with safe_open(folder / WEIGHTS, "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


def test_equal_weights_give_equal_bytes(run, folder, tmp_path):
    (tmp_path / "again").mkdir()
    again = write_weights(tmp_path / "again", *read_trained(run))
    assert again.read_bytes() == (folder / WEIGHTS).read_bytes()


def test_of_a_run_that_averages_its_weights_the_average_is_taken(tmp_path):
    found = newest_checkpoint(write_untrained(tmp_path / "plain"))
    assert found is not None
    plain = found[0]
    header = replace(plain.header, config=replace(plain.header.config, weight_average=0.5))
    average = {f"average.{name}": torch.full_like(weight, 0.25) for name, weight in plain.model.items()}
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run", header, plain.model, {**plain.optimiser, **average})
    (tmp_path / "half").mkdir()
    write_weights(tmp_path / "half", *read_trained(tmp_path / "run"))
    assert all((weight == 0.25).all() for weight in load_run(tmp_path / "half").model.parameters())


def test_a_folder_with_checkpoints_too_takes_the_newest_of_those(run, tmp_path):
    folder = write_untrained(tmp_path / "run", step=9)
    write_weights(folder, *read_trained(run))
    assert load_run(folder).step == 9


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70000.0])
def test_weights_beyond_half_precision_are_refused_before_anything_is_written(run, tmp_path, value):
    header, weights = read_trained(run)
    weights["encoder.mean.bias"][0] = value
    with pytest.raises(RunError, match=r"encoder\.mean\.bias: expected weights from -65504 to 65504"):
        write_weights(tmp_path, header, weights)
    assert not list(tmp_path.iterdir())


def _rewrite(path, change):
    with safe_open(path, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def _widen(tensors, metadata):
    tensors["model.encoder.mean.bias"] = tensors["model.encoder.mean.bias"].float()


def _longer(tensors, metadata):
    tensors["model.encoder.mean.bias"] = torch.zeros(3, dtype=torch.float16)


def _lost(tensors, metadata):
    del tensors["model.encoder.mean.bias"]


def _more(tensors, metadata):
    tensors["optimiser.mean.encoder.mean.bias"] = torch.zeros(3)


def _infinite(tensors, metadata):
    tensors["model.encoder.mean.bias"][0] = float("inf")


def _wide(tensors, metadata):
    header = json.loads(metadata["dcign"])
    header["architecture"]["widths"] = header["config"]["widths"] = [4096, 3, 2]
    metadata["dcign"] = json.dumps(header)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_widen, "expected F16 .*found F32"),
        (_longer, r"expected F16 \[200\], found F16 \[3\]"),
        (_lost, r"model\.encoder\.mean\.bias is missing"),
        (_more, r"optimiser\.mean\.encoder\.mean\.bias has no place"),
        (_infinite, "NaN or infinite"),
        (_wide, r"expected F16 \[4096"),
        (lambda tensors, metadata: metadata.pop("dcign"), "of another program"),
    ],
)
def test_a_file_of_other_content_is_refused_by_name(folder, change, message):
    _rewrite(folder / WEIGHTS, change)
    with pytest.raises(RunError, match=rf"weights\.safetensors.*{message}"):
        load_weights(folder / WEIGHTS)


@pytest.mark.parametrize("length", [0, 5, 300, -1])
def test_a_file_that_was_cut_short_is_refused_by_name(folder, length):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:length])
    with pytest.raises(RunError, match=r"weights\.safetensors: damaged"):
        load_run(folder)
