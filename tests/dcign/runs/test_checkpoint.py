"""Checkpoints: whole or absent, checked when read, free of pickled code."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from dcign.config import TrainConfig
from dcign.errors import Failure, RunError
from dcign.model.code import CodeLayout
from dcign.runs.checkpoint import (
    Header,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from dcign.runs.run import load_run

LAYOUT = CodeLayout.parse("azimuth:1,rest:4")
DATA = {"object": "chair", "fingerprint": "f" * 64}


def header(step=5, widths=(3, 2, 2)):
    return Header(step, TrainConfig(widths=widths), LAYOUT, 54, DATA)


def tensors(head, seed=0):
    torch.manual_seed(seed)
    model = dict(head.build_model().named_parameters())
    optimiser = {f"{kind}.{name}": torch.rand_like(p) for name, p in model.items() for kind in ("mean", "square")}
    return model, optimiser


def write(folder, step=5, seed=0):
    head = header(step)
    return save_checkpoint(folder, head, *tensors(head, seed))


def rewrite(path, change):
    """Save the checkpoint again after `change(tensors, document)`."""
    checkpoint = load_checkpoint(path)
    values = {f"model.{name}": value for name, value in checkpoint.model.items()}
    values |= {f"optimiser.{name}": value for name, value in checkpoint.optimiser.items()}
    document = checkpoint.header.to_json()
    change(values, document)
    save_file(values, path, {"dcign": json.dumps(document)})


def test_a_checkpoint_round_trips(tmp_path):
    head = header()
    model, optimiser = tensors(head)
    found = load_checkpoint(save_checkpoint(tmp_path, head, model, optimiser))
    assert found.header == head
    for saved, loaded in ((model, found.model), (optimiser, found.optimiser)):
        assert saved.keys() == loaded.keys()
        assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_a_run_that_averages_its_weights_is_opened_with_the_average(tmp_path):
    head = Header(5, TrainConfig(widths=(3, 2, 2), weight_average=0.9), LAYOUT, 54, DATA)
    model, optimiser = tensors(head)
    with pytest.raises(RunError, match="average"):
        load_checkpoint(save_checkpoint(tmp_path, head, model, optimiser))
    average = {f"average.{name}": torch.rand_like(p) for name, p in model.items()}
    save_checkpoint(tmp_path, head, model, {**optimiser, **average})
    opened = dict(load_run(tmp_path).model.named_parameters())
    assert all(torch.equal(opened[name], average[f"average.{name}"]) for name in model)


def test_channels_last_weights_are_stored_plain(tmp_path):
    head = header()
    model, optimiser = tensors(head)
    plain = save_checkpoint(tmp_path, head, model, optimiser).read_bytes()
    model = {n: p.contiguous(memory_format=torch.channels_last) if p.ndim == 4 else p for n, p in model.items()}
    assert save_checkpoint(tmp_path, head, model, optimiser).read_bytes() == plain


def test_the_two_newest_are_kept(tmp_path):
    for step in (5, 10, 99_999_999, 100_000_000):
        write(tmp_path, step)
    assert [load_checkpoint(path).header.step for path in list_checkpoints(tmp_path)] == [100_000_000, 99_999_999]
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = write(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Failure, match="No space left"):
        write(tmp_path, seed=1)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_nan_is_never_written(tmp_path):
    head = header()
    model, optimiser = tensors(head)
    with torch.no_grad():
        model["encoder.mean.bias"][1] = float("nan")
    with pytest.raises(Failure, match=r"encoder.mean.bias is NaN or infinite after step 5"):
        save_checkpoint(tmp_path, head, model, optimiser)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, d: t.pop("model.encoder.mean.bias"), "model.encoder.mean.bias is missing"),
        (lambda t, d: t.update(extra=torch.zeros(1)), "extra has no place"),
        (lambda t, d: t.update({"model.encoder.mean.bias": torch.zeros(7)}), r"expected F32 \[5\], found F32 \[7\]"),
        (lambda t, d: t.update({"model.encoder.mean.bias": torch.zeros(5).double()}), "found F64"),
        (lambda t, d: t.update({"model.encoder.mean.bias": torch.full((5,), float("inf"))}), "NaN or infinite"),
        (lambda t, d: d.update(format=99), "expected dcign's format 1, found format 99"),
        (lambda t, d: d.pop("step"), "step"),
        (lambda t, d: d["config"].update(widths=[6, 2, 2]), "architecture and settings disagree"),
        (lambda t, d: d["config"].update(surprise=1), "surprise"),
        (lambda t, d: d["config"].update(widths="abc"), "widths: expected a list, found 'abc'"),
        (lambda t, d: d["config"].update(steps="many"), "steps: expected a whole number, found 'many'"),
        (lambda t, d: d["config"].update(widths=7), "training settings"),
        (lambda t, d: d.update(code=[["azimuth", 0]]), "code"),
        (lambda t, d: d["architecture"].update(size=55), "55"),
    ],
)
def test_a_wrong_checkpoint_names_file_and_fault(tmp_path, change, message):
    path = write(tmp_path)
    rewrite(path, change)
    with pytest.raises(RunError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


def test_a_checkpoint_of_other_widths_is_refused(tmp_path):
    def widen(_, document):
        document["config"]["widths"] = document["architecture"]["widths"] = [4, 2, 2]

    path = write(tmp_path)
    rewrite(path, widen)
    with pytest.raises(RunError, match=r"checkpoint-00000005.safetensors: model.*expected F32 \[4, .*found F32 \[3, "):
        load_checkpoint(path)


def test_pickles_and_foreign_files_are_refused_unread(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    path = checkpoint_path(tmp_path, 5)
    for content in (pickle.dumps(Bomb()), b"", b"PK\x03\x04", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"damaged or not a \.safetensors"):
            load_checkpoint(path)
    torch.save({"x": Bomb()}, path)
    with pytest.raises(RunError, match="damaged or not"):
        load_run(tmp_path)
    assert not (tmp_path / "exploded").exists()
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(RunError, match="another program"):
        load_checkpoint(path)


@pytest.mark.parametrize("cut", [1, 0.5, 20])
def test_a_truncated_newest_checkpoint_falls_back(tmp_path, cut, capsys):
    write(tmp_path, 5, seed=1)
    newest = write(tmp_path, 10, seed=2)
    content = newest.read_bytes()
    newest.write_bytes(content[: -cut if cut == 1 else int(len(content) * cut) if cut < 1 else cut])
    checkpoint, problems = newest_checkpoint(tmp_path)
    assert checkpoint.header.step == 5
    assert len(problems) == 1
    assert str(newest) in problems[0]
    run = load_run(tmp_path)
    assert run.step == 5
    assert "using the checkpoint of step 5" in capsys.readouterr().err
    list_checkpoints(tmp_path)[1].write_bytes(b"")
    with pytest.raises(RunError, match="no checkpoint can be read"):
        newest_checkpoint(tmp_path)


def test_load_run_opens_what_was_trained(tmp_path):
    head = header(40)
    model, optimiser = tensors(head)
    save_checkpoint(tmp_path, head, model, optimiser)
    run = load_run(tmp_path)
    assert (run.step, run.layout, run.object, run.size, run.folder) == (40, LAYOUT, "chair", 54, tmp_path)
    assert run.data["fingerprint"] == DATA["fingerprint"]
    assert run.config == head.config
    assert not run.model.training
    assert not any(p.requires_grad for p in run.model.parameters())
    assert torch.equal(run.model.encoder.mean.weight, model["encoder.mean.weight"])


def test_load_run_names_what_is_no_run(tmp_path):
    with pytest.raises(RunError, match="nothing of that name"):
        load_run(tmp_path / "absent")
    with pytest.raises(RunError, match="found no checkpoint"):
        load_run(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="found a file"):
        load_run(tmp_path / "file")


def write_measured(folder, step, bound, keep=2, seed=0):
    head = Header(step, TrainConfig(widths=(3, 2, 2), keep=keep), LAYOUT, 54, DATA, {"bound": bound})
    return save_checkpoint(folder, head, *tensors(head, seed))


def test_the_best_stays_however_old_it_is_and_goes_when_it_is_beaten(tmp_path):
    for step, bound in ((1, 9.0), (2, 5.0), (3, 7.0), (4, None), (5, None), (6, 6.0)):
        write_measured(tmp_path, step, bound)
    assert [load_checkpoint(path).header.step for path in list_checkpoints(tmp_path)] == [6, 5]
    best = tmp_path / "best.safetensors"
    assert (load_checkpoint(best).header.step, load_checkpoint(best).header.bound) == (2, 5.0)
    assert load_run(best).step == 2
    assert load_run(tmp_path).step == 6
    write_measured(tmp_path, 7, 4.5)
    assert best.read_bytes() == checkpoint_path(tmp_path, 7).read_bytes()


def test_a_damaged_best_is_replaced(tmp_path):
    write_measured(tmp_path, 1, 5.0)
    (tmp_path / "best.safetensors").write_bytes(b"half")
    write_measured(tmp_path, 2, 8.0)
    assert load_checkpoint(tmp_path / "best.safetensors").header.step == 2


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_keep_says_how_many_stay(tmp_path, keep):
    for step in range(1, 6):
        write_measured(tmp_path, step, None, keep)
    assert [load_checkpoint(path).header.step for path in list_checkpoints(tmp_path)] == list(range(5, 5 - keep, -1))


def test_damaged_newer_ones_never_push_out_what_was_written_after_going_back(tmp_path):
    for step in (5, 10, 15, 20):
        write_measured(tmp_path, step, None, keep=4)
    for step in (15, 20):
        checkpoint_path(tmp_path, step).write_bytes(b"half")
    found, problems = newest_checkpoint(tmp_path)
    assert found.header.step == 10
    assert len(problems) == 2
    write_measured(tmp_path, 11, None)
    assert [load_checkpoint(path).header.step for path in list_checkpoints(tmp_path)] == [11, 10]


def test_the_best_is_the_last_resort(tmp_path):
    path = write_measured(tmp_path, 5, 3.0, keep=1)
    path.write_bytes(path.read_bytes()[:-50])
    found, problems = newest_checkpoint(tmp_path)
    assert found.header.step == 5
    assert "damaged" in problems[0]
    path.unlink()
    found, problems = newest_checkpoint(tmp_path)
    assert found.header.step == 5
    assert "only best.safetensors is left" in problems[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["config"].update(widths=[10**30, 1, 1]),
        lambda document: document["config"].update(ratio=[1, 1, 1, 10**9]),
        lambda document: document["architecture"].update(size=16 * 10**9 - 90),
        lambda document: document.update(code=[["azimuth", 10**12]]),
    ],
)
def test_a_header_that_asks_for_the_impossible_is_refused_before_memory_is_spent(tmp_path, change):
    path = write(tmp_path)
    rewrite(path, lambda values, document: change(document))
    with pytest.raises(RunError, match=r"checkpoint-00000005\.safetensors"):
        load_checkpoint(path)


def test_a_header_of_endless_brackets_is_refused(tmp_path):
    path = write(tmp_path)
    save_file({"x": torch.zeros(1)}, path, {"dcign": "[" * 100_000})
    with pytest.raises(RunError, match=r"levels|damaged"):
        load_checkpoint(path)
