"""The pass over the images of an import: those that its mini-batches need, and no others."""

from dataclasses import replace

import numpy as np
import pytest
from image_table_fixtures import labelled

from render.errors import BadInput
from render.imports.image_import import ImageImport, stage_images
from render.imports.image_stage import ImageStage
from render.shards.labels import Label

BAD = {3, 50, 77}


@pytest.fixture
def images():
    """100 images, of which a few cannot be read."""

    def read(rows):
        for row in rows.tolist():
            if row in BAD:
                raise BadInput(f"row {row} is bad")
            yield np.full((4, 4), row, np.uint8)

    values = {"x": np.arange(100) % 10}
    return replace(labelled(values, np.arange(100) // 10, {"x": Label("x", 0, 9, unit="")}), read=read)


def staged(tmp_path, job):
    complaints = []
    with ImageStage(tmp_path, 4, 100) as stage:
        done = stage_images(stage, job, lambda count: None, complaints.append)
        for factor in done.dealing.factors:
            rows = done.dealing.minibatches(factor, "train")
            assert (stage.read(rows)[..., 0, 0] == rows).all()
        read = sorted(set(range(100)) - set(stage.lacks(np.arange(100)).tolist()))
    return done, read, complaints


@pytest.mark.parametrize("limit", [None, 2, 4])
def test_images_that_take_the_place_of_skipped_ones_are_read_too(tmp_path, images, limit):
    job = ImageImport(images, 4, batch_size=5, test_share=0.0, limit=limit, skip=True)
    done, read, complaints = staged(tmp_path, job)
    assert done.unreadable == {row for row in BAD if f"row {row} is bad" in complaints}
    assert not done.unreadable & set(done.dealing.used.tolist())
    assert not set(read) & BAD
    if limit is None:
        assert done.unreadable == BAD
        assert set(read) == set(range(100)) - BAD


def test_only_images_of_the_minibatches_that_are_taken_are_read(tmp_path, images):
    job = ImageImport(images, 4, batch_size=5, test_share=0.0, limit=1, skip=True, unreadable=frozenset(BAD))
    _, read, complaints = staged(tmp_path, job)
    assert read == job.dealing.used.tolist()
    assert not complaints
    assert len(read) <= 10


def test_an_image_that_cannot_be_read_ends_the_import(tmp_path, images):
    with pytest.raises(BadInput, match="row 3 is bad"):
        staged(tmp_path, ImageImport(images, 4, test_share=0.0))
