"""Test images to start from: which of the shards they are, and when there are none."""

from pathlib import Path

import numpy as np
import pytest
from labelled_shards import FACTORS, LABELS, OBJECT, labelled_images, write_labelled
from untrained_run import write_untrained

from dcign.errors import RunError
from dcign.runs.run import load_run
from pipelines.drawing import unseen_images
from pipelines.drawing.unseen_images import open_unseen_images
from render.errors import ShardError
from render.shards.data_set import open_data_set

SIZE = 54


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_labelled(folder / "shards", counts=dict.fromkeys(FACTORS, 1))
    write_labelled(folder / "shards", counts=dict.fromkeys(FACTORS, 3), split="test")
    return folder


def run_of(work, name, **facts):
    fingerprint = open_data_set(work / "shards").fingerprint
    known = {"folder": str(work / "shards"), "fingerprint": fingerprint, **facts}
    return load_run(write_untrained(work / name, object=OBJECT, labels=LABELS, code="azimuth:2,intrinsic:8", **known))


def test_they_show_the_test_split_of_the_training_shards_nobody_twice_before_all_were_shown(work):
    images = open_unseen_images(run_of(work, "run"))
    assert len(images) > 12
    for image in images:
        values = {name: np.array([value]) for name, value in image.values.items()}
        np.testing.assert_array_equal(labelled_images(values, [image.identity], SIZE)[0], image.pixels)
        assert image.identity % 2 == 1  # those of the test split are odd
    seen = [image.identity for image in images]
    people = len(set(seen))
    assert len(set(seen[:people])) == people > 8
    pairs = {(image.identity, *image.values.values()) for image in images}
    assert len(pairs) == len(images)


def test_there_are_no_more_than_are_of_use(work, monkeypatch):
    monkeypatch.setattr(unseen_images, "IMAGES", 7)
    assert len(open_unseen_images(run_of(work, "few"))) == 7


@pytest.mark.parametrize("facts", [{"folder": "nowhere"}, {"fingerprint": "of others"}])
def test_there_are_none_where_the_shards_are_gone_or_others_by_now(work, facts):
    assert open_unseen_images(run_of(work, next(iter(facts)), **facts)) == ()


def test_shards_that_were_named_are_taken_or_refused(work):
    moved = run_of(work, "moved", folder="nowhere")
    assert open_unseen_images(moved, work / "shards")
    with pytest.raises(ShardError, match="nothing"):
        open_unseen_images(moved, Path("nothing"))
    with pytest.raises(RunError, match="48 x 48"):
        open_unseen_images(run_of(work, "small", size=48), work / "shards")
