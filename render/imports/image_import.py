"""The import of labelled images: settings, one pass over the images that makes them grey squares, and their shards.

Every image that stands in a mini-batch is read once, in the order of the collection, and waits on the disk, so that
neither what it takes to decode it nor the order of its collection matters to the mini-batches. Nothing is written into
shards before all have been read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render.errors import BadInput, Failure
from render.imports.dealing import Dealing, DealtImages, GivenMiniBatches, counts_of, images_for_testing
from render.imports.grey import grey_square
from render.imports.image_stage import ImageStage
from render.imports.labelled_images import LabelledImages, Rows
from render.imports.shard_writer import add_shard
from render.jobs.job import Task, left_to_do, tasks_of
from render.shards.labels import labels_of, labels_to_json
from render.shards.manifest import NAME, read_manifest
from render.shards.store import Store

TEST_SHARE = 0.1
PAPER_BATCH = 20
LOST = "unreadable"  # in the settings: how many images were skipped


@dataclass(frozen=True, eq=False)
class ImageImport:
    """Everything that decides the shards.

    size        of the images in pixels
    crop        centre or none, as `grey.grey_square` takes it
    test_share  of the identities; None: as the images say, else TEST_SHARE
    limit       mini-batches of each factor and split at most
    skip        images that cannot be read, which otherwise end the import
    unreadable  places of images that turned out to be so
    """

    images: LabelledImages
    size: int
    crop: str = "centre"
    batch_size: int = PAPER_BATCH
    seed: int = 0
    test_share: float | None = None
    limit: int | None = None
    skip: bool = False
    unreadable: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.images.test is not None and self.test_share is not None:
            raise BadInput(f"`test_share`: expected none, since {self.images.title} says what is for testing")
        for (factor, _), rows in (self.images.minibatches or {}).items():
            if rows.shape[1] != self.batch_size:
                wanted = f"the {rows.shape[1]} images that mini-batches of {factor} have in {self.images.title}"
                raise BadInput(f"`batch_size={self.batch_size}`: expected {wanted}")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the manifest."""
        images = self.images
        share = TEST_SHARE if self.test_share is None else self.test_share
        dealt = {"test_share": share} if images.test is None else {}
        limit = {} if self.limit is None else {"minibatches": self.limit}
        lost = {LOST: len(self.unreadable)} if self.unreadable else {}
        return {
            "object": images.object,
            "assets": {
                "name": images.name,
                "models": {images.name: images.fingerprint},
                "parts": {},
                "sampling": {**dealt, **limit, **lost},
                **({"identities": list(images.identities)} if images.identities else {}),
            },
            "size": self.size,
            "batch_size": self.batch_size,
            **labels_to_json(images.labels),
            "seed": self.seed,
            "camera": {"crop": self.crop},
            "shading": {"background": images.background},
            "renderer": "imported",
            "gl": "",
        }

    @cached_property
    def test(self) -> NDArray[np.bool_]:
        """The images for testing, (M,)."""
        share = TEST_SHARE if self.test_share is None else self.test_share
        return images_for_testing(self.images, share, self.seed)

    @cached_property
    def dealing(self) -> Dealing:
        """The mini-batches of the images that can be read. BadInput if there are none."""
        good = np.ones(len(self.images.identity), bool)
        good[list(self.unreadable)] = False
        if self.images.minibatches is not None:
            return GivenMiniBatches.of(self.images, good, self.limit)
        rows = np.flatnonzero(good)
        return DealtImages(self.images, self.test, rows, self.batch_size, self.seed, self.limit)

    def tasks(self) -> list[Task]:
        """List the shards."""
        counts = counts_of(self.dealing)
        return [task for factor, split, count in counts for task in tasks_of(factor, split, count)]


def is_finished(folder: Path, job: ImageImport) -> bool:
    """Tell whether the locked `folder` holds the import already, every shard whole.

    Raises ShardError if it holds another data set or other files, Failure if the disk has no room for what is left.
    """
    store, settings = Store(folder), job.settings
    lost = _lost_before(folder) if job.skip else {}
    settings["assets"]["sampling"] |= lost
    manifest = store.manifest(settings)
    store.clear()
    left = left_to_do(store, manifest, job.tasks())
    image = job.size**2 + 4 * len(job.images.labels) + 8
    shards = [task.count * job.batch_size * image for task in left]
    needed, free = store.room([*shards, len(job.dealing.used) * job.size**2], 1)
    if left and needed > free:
        raise Failure(f"{folder}: {needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free; nothing was imported")
    return not left and not lost


def _lost_before(folder: Path) -> dict[str, Any]:
    """Return how many images an import into `folder` could not read, as its settings say."""
    if not (folder / NAME).is_file():
        return {}
    sampling = read_manifest(folder).settings["assets"].get("sampling", {})
    return {LOST: sampling[LOST]} if LOST in sampling else {}


def given_batch_size(images: LabelledImages) -> int:
    """Return how many images the mini-batches have that come with the images; as many as the paper's without any."""
    return next((rows.shape[1] for rows in (images.minibatches or {}).values()), PAPER_BATCH)


def first_side(images: LabelledImages, crop: str, skip: bool) -> int:
    """Return the side in pixels of the square that the first image is, of those that can be read if `skip`.

    BadInput if there is none.
    """
    every = np.arange(len(images.identity), dtype=np.int64)
    for _, image in _readable(images, every, skip, set(), lambda line: None):
        if image is not None:
            return min(image.shape) if crop == "centre" else max(image.shape)
    raise BadInput(f"{images.title}: expected an image that can be read, found none among {len(every)}")


def stage_images(
    stage: ImageStage, job: ImageImport, tick: Callable[[int], object], complain: Callable[[str], None]
) -> ImageImport:
    """Read every image that stands in a mini-batch, and return the import of those that could be read.

    Where images are skipped, others may take their places, and are read too. Calls `tick(n)` as n more are done, and
    `complain` with a line for each that is skipped.
    """
    images = job.images
    while len(wanted := stage.lacks(job.dealing.used)):
        lost: set[int] = set()
        for place, image in _readable(images, wanted, job.skip, lost, complain):
            if image is not None:
                square = grey_square(Image.fromarray(image), job.size, job.crop, images.background)
                stage.add(place, np.asarray(square))
            tick(1)
        if lost:
            job = replace(job, unreadable=job.unreadable | lost)
    return job


def _readable(
    images: LabelledImages, rows: Rows, skip: bool, lost: set[int], complain: Callable[[str], None]
) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
    """Yield each place and its image: None for one that cannot be read and may be skipped; `lost` gets its place."""
    done = 0
    while done < len(rows):
        try:
            for image in images.read(rows[done:]):
                yield int(rows[done]), image
                done += 1
        except BadInput as error:
            if not skip:
                raise
            complain(str(error))
            lost.add(int(rows[done]))
            yield int(rows[done]), None
            done += 1


def write_shards(folder: Path, job: ImageImport, stage: ImageStage, tick: Callable[[int], object]) -> None:
    """Write the shards that are not there yet into the locked `folder`.

    Calls `tick(n)` as n more mini-batches are done. The same bytes result whatever the number of threads, and however
    often an import was stopped before. Raises ShardError if the folder holds those of other images, which could be read
    in their place.
    """
    store, images = Store(folder), job.images
    manifest = store.manifest(job.settings)
    for factor, split, count in counts_of(job.dealing):
        left = left_to_do(store, manifest, tasks_of(factor, split, count))
        tick(count - sum(task.count for task in left))
        if not left:
            continue
        rows = job.dealing.minibatches(factor, split)
        for task in left:
            places = rows[task.first : task.first + task.count]
            members: dict[str, NDArray[Any]] = {"images": stage.read(places)}
            members |= {name: images.values[name][places] for name in labels_of(job.settings)}
            members["identity"] = images.identity[places]
            add_shard(folder, manifest, task, members)
            tick(task.count)
