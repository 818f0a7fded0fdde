"""The clamped picture and one other image's, on a toy whose decoder and encoder are known."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic

from dcign.evaluation.encoding import Encoding
from dcign.evaluation.evidence import clamped_views
from dcign.evaluation.evidence.clamped_views import one_other
from dcign.evaluation.metrics.image_quality import ReconstructionSums, mse
from dcign.model.code import AngleLatents
from render.shards.data_set import open_data_set

FACTORS = ("azimuth", "elevation", "light", "intrinsic")
KNOBS = AngleLatents({"azimuth": np.array([0]), "elevation": np.array([1])}, np.array([2, 3]))


class Painter(torch.nn.Module):
    """Paints every pixel in the grey of latent 2, plus latent 0 if it is that of the image's own number."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.0), requires_grad=False)
        self.asked = []

    def decode(self, codes):
        self.asked.append(codes.numpy().copy())
        return codes[:, 2, None, None, None].expand(-1, 1, 16, 16)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_synthetic(folder, split="test", size=16, counts=dict.fromkeys(FACTORS, 6), batch_size=5)
    return open_data_set(folder, "test")


def encoding(data, spread):
    """Latent 2 is the mean grey of an image, off by as much as `spread` says, and by as much again the other way."""
    images, kinds, minibatch, identity = [], [], [], []
    for number, batch in enumerate(data.minibatches()):
        count = len(batch.images)
        images.append(np.asarray(batch.images))
        kinds.append(np.full(count, batch.factor))
        minibatch.append(np.full(count, number))
        identity.append(np.array(batch.identity))
    images, kinds = np.concatenate(images), np.concatenate(kinds)
    minibatch = np.concatenate(minibatch)
    codes = np.random.default_rng(0).normal(size=(len(images), 4)).astype(np.float32)
    for number in np.unique(minibatch):
        rows = minibatch == number
        off = np.linspace(-spread, spread, rows.sum())
        codes[rows, 2] = images[rows].mean() / 255 + off
    errors = mse(np.broadcast_to(codes[:, 2, None, None], images.shape), images)
    sums, keys = ReconstructionSums(), np.arange(len(codes))
    return Encoding(codes, {}, np.concatenate(identity), minibatch, kinds, errors, sums, keys)


def compared(data, spread=0.1):
    run = SimpleNamespace(model=Painter(), folder=Path("toy"), object="face", size=16)
    return run, clamped_views.compare(run, data, encoding(data, spread), KNOBS)


def test_own_latents_stay_and_the_others_are_averaged_or_another_images(data):
    run, _ = compared(data)
    known = encoding(data, 0.1)
    codes = known.codes[known.minibatch == known.minibatch[known.kinds == "azimuth"][0]]
    averaged, other = run.model.asked[:2]
    np.testing.assert_array_equal(averaged[:, 0], codes[:, 0])
    np.testing.assert_allclose(averaged[:, 1:], np.tile(codes[:, 1:].mean(axis=0), (5, 1)), rtol=1e-5)
    np.testing.assert_array_equal(other[:, 0], codes[:, 0])
    pairs = [np.flatnonzero((codes[:, 1:] == row).all(axis=1)) for row in other[:, 1:]]
    assert all(len(pair) == 1 and pair[0] != place for place, pair in enumerate(pairs))


def test_averaging_takes_away_what_images_say_differently(data):
    measures = clamped_views.measure(compared(data)[1])
    assert list(measures["factors"]) == ["azimuth", "elevation"]  # light has no latents of its own here
    found = measures["factors"]["azimuth"]
    off = np.linspace(-0.1, 0.1, 5)
    clamped, other = found["clamped_mse"]["value"], found["one_image_mse"]["value"]
    assert other == pytest.approx(clamped + (off**2).mean(), rel=1e-3)
    assert found["view_share"]["value"] == pytest.approx(1 - clamped / other)
    assert found["images"] == 30


def test_a_code_that_holds_still_leaves_all_of_the_error_to_the_picture(data):
    found = clamped_views.measure(compared(data, 0.0)[1])["factors"]["elevation"]
    assert found["view_share"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["one_image_mse"]["value"] == pytest.approx(found["reconstruction_mse"]["value"])


def test_the_table_has_a_row_for_each_angle_and_without_one_there_is_a_warning(data):
    (table,) = clamped_views.section(clamped_views.measure(compared(data)[1])).parts
    assert [row[0] for row in table.rows] == ["azimuth", "elevation"]
    none = clamped_views.section(clamped_views.measure({}))
    assert none.parts == []
    assert "nothing to clamp" in none.warnings[0]


def test_of_many_mini_batches_some_are_taken_at_even_steps(data, monkeypatch):
    monkeypatch.setattr(clamped_views, "MOST", 2)
    _, views = compared(data)
    assert len(views["azimuth"].identity) == 10
    known = encoding(data, 0.1)
    numbers = np.unique(known.minibatch[known.kinds == "azimuth"])
    assert set(views["azimuth"].identity) == set(known.identity[np.isin(known.minibatch, numbers[[0, -1]])])


def test_another_image_is_never_the_same_one():
    for count in (2, 3, 20):
        found = one_other(count, np.random.default_rng(count))
        assert sorted(found) == list(range(count))
        assert (found != np.arange(count)).all()


def test_the_same_image_twice_is_no_other_one(data):
    known = encoding(data, 0.1)
    first = np.flatnonzero(known.kinds == "azimuth")
    keys = known.keys.copy()
    keys[first[:5]] = keys[first[0]]  # a mini-batch of one image
    keys[first[7]] = keys[first[6]]  # and one of four
    run = SimpleNamespace(model=Painter(), folder=Path("toy"), object="face", size=16)
    views = clamped_views.compare(run, data, dataclasses.replace(known, keys=keys), KNOBS)
    assert len(views["azimuth"].identity) == 4 + 4 * 5
    assert [len(codes) for codes in run.model.asked[:4]] == [4, 4, 5, 5]
    assert len(views["elevation"].identity) == 30
