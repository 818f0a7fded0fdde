"""What a run logs for TensorBoard; the package itself is an extra, so most of it is read back only where it is."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from dcign.errors import RunError
from dcign.training.monitor import TENSORBOARD, curves, open_board

TRAINED = {"minibatches": 3, "reconstruction": 6000.0, "kl": 20.0, "inactive_variance": 0.1}
LOOKED = {"reconstruction": 6100.0, "kl": 21.0, "inactive_variance": None}


def line(step, held_out=True):
    value = {"step": step, "images": step * 20, "images_per_second": 300.5, "factors": {"azimuth": TRAINED}}
    measured = {"bound": 6121.0, "mse": 0.004, "images": 40, "leak": None, "spearman": {"azimuth": 0.9}}
    return {**value, "held_out": {**measured, "factors": {"azimuth": LOOKED}} if held_out else None}


def test_tags_name_split_factor_and_measure_and_undefined_numbers_are_left_out():
    assert dict(curves(line(50))) == {
        "train/images_per_second": 300.5,
        "train/azimuth/reconstruction": 6000.0,
        "train/azimuth/kl": 20.0,
        "train/azimuth/inactive_variance": 0.1,
        "held_out/bound": 6121.0,
        "held_out/mse": 0.004,
        "held_out/spearman/azimuth": 0.9,
        "held_out/azimuth/reconstruction": 6100.0,
        "held_out/azimuth/kl": 21.0,
    }


def test_a_line_without_held_out_measures_has_training_curves_only():
    without = line(50)
    del without["held_out"]
    assert dict(curves(without)) == dict(curves(line(50, held_out=False)))
    assert all(tag.startswith("train/") for tag, _ in curves(without))


def test_an_unwanted_board_writes_nothing_and_needs_no_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    board = open_board(tmp_path, wanted=False)
    board.scalars(line(50))
    board.picture(50, Image.new("L", (4, 4)))
    board.close()
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_error_names_the_option_and_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(RunError, match=r"^tensorboard: .*pip install 'dcign\[tensorboard\]'"):
        open_board(tmp_path, wanted=True)
    assert list(tmp_path.iterdir()) == []


def read(folder):
    """tag -> [(step, value)], and the pictures as [(step, array)]."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder / TENSORBOARD))
    events.Reload()
    tags = events.Tags()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    return scalars, events, tags


def test_curves_and_pictures_can_be_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    board = open_board(tmp_path, wanted=True)
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    for step in (50, 100):
        board.scalars(line(step))
    board.picture(100, picture)
    board.close()
    scalars, events, tags = read(tmp_path)
    assert scalars["train/azimuth/kl"] == [(50, 20.0), (100, 20.0)]
    assert scalars.keys() == dict(curves(line(50))).keys()
    assert tags["images"] == ["progress"]
    (shown,) = events.Images("progress")
    assert shown.step == 100
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(shown.encoded_image_string)).convert("L")), np.asarray(picture)
    )


def test_a_resumed_run_hides_what_was_logged_beyond_its_start(tmp_path):
    pytest.importorskip("tensorboard")
    first = open_board(tmp_path, wanted=True)
    for step in (50, 100, 150):
        first.scalars({**line(step, held_out=False), "images_per_second": 1.0})
    first.close()
    again = open_board(tmp_path, wanted=True, start=100)
    for step in (150, 200):
        again.scalars({**line(step, held_out=False), "images_per_second": 2.0})
    again.close()
    scalars, _, _ = read(tmp_path)
    assert scalars["train/images_per_second"] == [(50, 1.0), (100, 1.0), (150, 2.0), (200, 2.0)]
