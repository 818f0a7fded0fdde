"""The weights that a training begins with: where they are is recorded by a path that moves along, and they must fit."""

from pathlib import Path

import pytest
import torch
from untrained_run import write_untrained

from dcign.config import TrainConfig
from dcign.errors import RunError
from dcign.model.code import CodeLayout
from dcign.runs.checkpoint import Header, list_checkpoints, load_checkpoint
from dcign.runs.run import load_run
from dcign.runs.starting_weights import read_starting_weights, recorded_start, start_path
from pipelines.console import with_options

FACES = CodeLayout.for_object("face")


@pytest.fixture
def other(tmp_path):
    return write_untrained(tmp_path / "other")


def header(layout=FACES, size=54, **settings):
    return Header(0, TrainConfig(**{"widths": (4, 3, 2), **settings}), layout, size, {})


@pytest.mark.parametrize(
    ("asked", "folder", "recorded"),
    [
        ("x/first", "x/run", "../first"),
        ("first/", "run", "../first"),
        ("./first/best.safetensors", "x/../run", "../first/best.safetensors"),
        ("../first", "run", "../../first"),
        ("/a/b/first", "/a/run", "../b/first"),
        ("./faces", "run", "../faces"),
        ("faces", "x/run", "faces"),  # ships
    ],
)
def test_a_run_is_recorded_by_its_path_from_the_folder_and_weights_that_ship_by_name(asked, folder, recorded):
    assert recorded_start(asked, Path(folder)) == recorded
    assert start_path(recorded, Path(folder)) == Path(asked)


def test_folder_and_checkpoint_give_the_weights_to_use(other):
    checkpoint = list_checkpoints(other)[0]
    expected = load_checkpoint(checkpoint).trained
    for place in (other, checkpoint):
        found, weights = read_starting_weights(place, header())
        assert found.step == 7
        assert set(weights) == set(expected)
        assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_weights_that_ship_are_found_by_name():
    run = load_run(Path("faces"))
    network = {name: getattr(run.config, name) for name in ("network", "widths", "depth")}
    wanted = Header(0, TrainConfig(**network), run.layout, run.size, {})
    found, weights = read_starting_weights(Path("faces"), wanted)
    assert found.step == run.step
    assert all(torch.equal(weights[name], value) for name, value in run.model.state_dict().items())


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            header(network="modulated", widths=(8, 8, 8, 8, 8)),
            "network paper 4/3/2, but this run has modulated 8/8/8/8/8; ask for --network paper and --widths 4/3/2",
        ),
        (header(widths=(6, 5, 4)), "network paper 4/3/2, but this run has paper 6/5/4; ask for --widths 4/3/2"),
        (header(size=70), "images of 54 x 54 pixels, but those of this run have 70 x 70; take shards of that size"),
        (
            header(CodeLayout.parse("azimuth:2,rest:8")),
            f"graphics code {FACES}, but this run has azimuth:2,rest:8; ask for --code {FACES}",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_what_to_ask_for(other, wanted, message):
    with pytest.raises(RunError) as refused:
        read_starting_weights(other, wanted)
    assert with_options(refused.value) == f"{other}: {message}"


@pytest.mark.parametrize(
    ("widths", "advice"),
    [
        ("96/64/32", "--network modulated and --depth 3"),
        ("6/5/4", "--network modulated, --widths 16/24/48/96/256 and --depth 3"),
    ],
)
def test_the_usual_widths_of_a_network_need_not_be_asked_for(widths, advice):
    with pytest.raises(RunError) as refused:
        read_starting_weights(Path("faces"), header(widths=tuple(map(int, widths.split("/"))), size=150))
    misfit = f"faces: network modulated 16/24/48/96/256, depth 3, but this run has paper {widths}; ask for {advice}"
    assert with_options(refused.value) == misfit


def test_images_of_another_object_do(other):
    labels = CodeLayout(FACES.parts, ("azimuth", "distance"))
    assert read_starting_weights(other, header(labels))[0].layout == FACES


def test_what_is_damaged_or_missing_is_refused_as_anywhere(other):
    with pytest.raises(RunError, match="found nothing of that name"):
        read_starting_weights(other / "gone", header())
    checkpoint = list_checkpoints(other)[0]
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    with pytest.raises(RunError, match="damaged"):
        read_starting_weights(other, header())
