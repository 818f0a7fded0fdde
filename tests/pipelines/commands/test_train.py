"""`dcign train` from the command line."""

import dataclasses
import sys

import pytest
from click.testing import CliRunner
from shard_fixtures import write_synthetic

from dcign.config import CHOICES, TrainConfig
from pipelines import cli
from pipelines.commands.train import HELP, command

QUICK = ["--widths", "4/3/2", "--precision", "fp32", "--device", "cpu"]


def dcign(monkeypatch, *arguments):
    """Exit code of the `dcign` command."""
    monkeypatch.setattr(sys, "argv", ["dcign", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code or 0


def test_training_twice_finishes_at_once(tmp_path, monkeypatch, capsys):
    shards = write_synthetic(tmp_path / "shards")
    arguments = ["train", shards, "-o", tmp_path / "run", "--steps", 3, *QUICK]
    assert dcign(monkeypatch, *arguments) == 0
    held = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert held == [
        "checkpoint-00000003.safetensors",
        "config.json",
        "identities.npy",
        "progress.png",
        "rendering.json",
        "stats.jsonl",
    ]
    assert dcign(monkeypatch, *arguments) == 0
    assert "is trained: step 3 of 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--widths", "4/3"], "--widths"),
        (["--widths", "4/x/2"], "--widths"),
        (["--widths", "0/3/2"], "--widths"),
        (["--steps", "0"], "--steps"),
        (["--ratio", "1"], "--ratio"),
        (["--ratio", "0:0:0:0"], "--ratio"),
        (["--ratio", "0:1:1:1"], "--ratio"),  # only azimuth is there
        (["--learning-rate", "0"], "--learning-rate"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--invariance-strength", "-1"], "--invariance-strength"),
        (["--inactive-gradient", "none"], "--inactive-gradient"),
        (["--precision", "fp8"], "--precision"),
        (["--device", "tpu"], "--device"),
        (["--checkpoint-every", "0"], "--checkpoint-every"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_bad_options_exit_2_naming_the_option(tmp_path, monkeypatch, capsys, options, named):
    shards = write_synthetic(tmp_path / "shards", counts={"azimuth": 1})
    assert dcign(monkeypatch, "train", shards, "-o", tmp_path / "run", *options) == 2
    errors = capsys.readouterr().err
    assert named in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()


def test_bad_shards_exit_2_naming_the_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name in ("absent", "empty", "file"):
        assert dcign(monkeypatch, "train", tmp_path / name, "-o", tmp_path / "run") == 2
        errors = capsys.readouterr().err
        assert str(tmp_path / name) in errors
        assert "Traceback" not in errors
    shards = write_synthetic(tmp_path / "shards", counts={"azimuth": 1})
    shard = next(shards.glob("*.npz"))
    shard.write_bytes(shard.read_bytes()[:-10])
    assert dcign(monkeypatch, "train", shards, "-o", tmp_path / "run") == 2
    assert shard.name in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_of_other_widths_exits_2(tmp_path, monkeypatch, capsys):
    shards = write_synthetic(tmp_path / "shards", counts={"azimuth": 1})
    arguments = ["train", shards, "-o", tmp_path / "run", "--steps", 1]
    assert dcign(monkeypatch, *arguments, *QUICK) == 0
    assert dcign(monkeypatch, *arguments, "--widths", "5/3/2", "--precision", "fp32") == 2
    assert "--widths: the run in" in capsys.readouterr().err


def test_help_gives_units_defaults_and_an_example():
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    for text in ("dcign train shards/", "96/64/32", "1:1:1:10", "12000", "0.01", "0.0005", "invariance"):
        assert text in result.output


def test_every_setting_is_an_option_with_help_and_the_default_of_the_dataclass():
    settings = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    assert set(HELP) == set(settings)
    assert command.make_context("train", ["shards"]).params["config"] == TrainConfig()
    for name, known in CHOICES.items():
        option = next(each for each in command.params if each.name == name)
        assert tuple(option.type.choices) == known
