"""One pass over a data set: every image encoded once, its mean kept; pixels only pass through sums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcign.engine.codes import decode, encode
from dcign.errors import RunError, ShardError
from dcign.evaluation.metrics.image_quality import ReconstructionSums
from dcign.evaluation.units import range_text
from dcign.runs.run import Run
from render.shards.data_set import DataSet, MiniBatch
from render.shards.labels import Label

AT_ONCE = 20  # images; a mini-batch's worth


@dataclass(frozen=True)
class Encoding:
    """The result of the pass: M images of the whole set, Z latents.

    codes      (M, Z) float32, means of Q(z | x)
    values     labelled factor -> (M,) float32, the true ones, in its unit
    identity   (M,) int64
    minibatch  (M,) int64, running number of the mini-batch of each image
    kinds      (M,) str, the factor that varies in it
    errors     (M,) float64, mean squared error of each image decoded from its mean, grey values in [0, 1]
    sums       sums of pixels and squared errors (`dcign.evaluation.metrics.image_quality`)
    keys       (M,) uint64, equal for the same image of the same identity under the same labels: an image may stand in
               several mini-batches, and in one mini-batch more than once
    """

    codes: NDArray[np.float32]
    values: dict[str, NDArray[np.float32]]
    identity: NDArray[np.int64]
    minibatch: NDArray[np.int64]
    kinds: NDArray[np.str_]
    errors: NDArray[np.float64]
    sums: ReconstructionSums
    keys: NDArray[np.uint64]

    @property
    def different(self) -> NDArray[np.int64]:
        """Rows of the different images, ascending: the first of those that are the same."""
        return np.sort(np.unique(self.keys, return_index=True)[1]).astype(np.int64)


def check_match(run: Run, data: DataSet) -> None:
    """RunError unless the run was trained for images of this size, kind of object and meaning of labels."""
    how = "import images" if data.imported else "render shards"
    if run.size != data.size:
        raise RunError(
            f"{run.folder} was trained on {run.size} x {run.size} images, but {data.folder} holds "
            f"{data.size} x {data.size}; {how} with `size={run.size}`"
        )
    if run.object != data.object:
        raise RunError(
            f"{run.folder} was trained on {run.object}s, but {data.folder} holds {data.object}s; "
            f"{how} with `object={run.object}`"
        )
    for name in sorted(run.labels.keys() & data.labels.keys()):
        ours, theirs = run.labels[name], data.labels[name]
        if (ours.unit, ours.categories) != (theirs.unit, theirs.categories):
            raise RunError(
                f"{run.folder} was trained on {name} {_meaning(ours)}, but {data.folder} has it {_meaning(theirs)}"
            )


def _meaning(label: Label) -> str:
    if label.categories:
        return f"out of {range_text(label)}"
    return f"in {label.unit}" if label.unit else "without a unit"


def encode_data_set(run: Run, data: DataSet, advance: Callable[[int], object] = lambda images: None) -> Encoding:
    """Encode every image of `data` and decode it from its mean, mini-batch by mini-batch.

    `advance` is told how many images each mini-batch has added. RunError when run and data set do not fit each other or
    the run gives numbers that are not finite; ShardError for values that are not finite.
    """
    check_match(run, data)
    run.model.eval()
    sums = ReconstructionSums()
    codes, identity, numbers, kinds, errors, keys = [], [], [], [], [], []
    values: dict[str, list[NDArray[np.float32]]] = {name: [] for name in data.ranges}
    for number, minibatch in enumerate(data.minibatches()):
        count = len(minibatch.images)
        means = encode(run, minibatch.images.astype(np.float32) / 255.0)
        reconstructions = decode(run, means)
        if not np.isfinite(reconstructions).all():
            raise RunError(f"{run.folder}: the decoder gives pixels that are not finite numbers; the training diverged")
        errors.append(sums.add(np.asarray(minibatch.images), reconstructions))
        for name, column in minibatch.values.items():
            found = np.array(column, dtype=np.float32)
            if not np.isfinite(found).all():
                raise ShardError(f"{minibatch.shard}: expected finite values of {name}, found some that are not")
            values[name].append(found)
        codes.append(means)
        identity.append(np.array(minibatch.identity, dtype=np.int64))
        numbers.append(np.full(count, number, dtype=np.int64))
        keys.append(image_keys(minibatch))
        kinds.append(np.full(count, minibatch.factor))
        advance(count)
    return Encoding(
        np.concatenate(codes),
        {name: np.concatenate(parts) for name, parts in values.items()},
        np.concatenate(identity),
        np.concatenate(numbers),
        np.concatenate(kinds),
        np.concatenate(errors),
        sums,
        np.concatenate(keys),
    )


def image_keys(minibatch: MiniBatch) -> NDArray[np.uint64]:
    """Return keys (N,) that are equal for the same image of the same identity under the same labels."""
    known = np.stack([minibatch.identity.astype(np.float64), *minibatch.values.values()], axis=1)
    digests = [
        hashlib.blake2b(image.tobytes() + row.tobytes(), digest_size=8).digest()
        for image, row in zip(np.asarray(minibatch.images), known, strict=True)
    ]
    return np.frombuffer(b"".join(digests), "<u8")


def encode_images(
    run: Run, images: NDArray[np.uint8], advance: Callable[[int], object] = lambda images: None
) -> NDArray[np.float32]:
    """Encode `images` (M, H, W), a few at a time: means of the codes, (M, Z) float32. RunError if not finite."""
    run.model.eval()
    codes = np.empty((len(images), run.layout.latents), np.float32)
    for first in range(0, len(images), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        codes[some] = encode(run, images[some].astype(np.float32) / 255.0)
        advance(len(images[some]))
    return codes
