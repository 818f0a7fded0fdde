"""The small NORB data set: 50 toys photographed from 9 elevations and 18 azimuths under 6 lightings, by two cameras.

The layout of the files is stated by F. J. Huang and Y. LeCun, "The small NORB dataset, v1.0", October 2005
(https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/); the data belong to LeCun, Huang, Bottou (CVPR 2004). For training
and for testing there are three files, gzipped as published or unpacked:

    -dat   (24300, 2, 96, 96) uint8   what the left and the right camera saw
    -cat   (24300,) int32             0 animal, 1 human, 2 plane, 3 truck, 4 car
    -info  (24300, 4) int32           instance of the category 0..9, elevation 0..8 (30 to 70 degrees), azimuth
                                      0, 2, ..., 34 (tens of degrees), lighting 0..5

Each begins with a magic number of its type, the number of its dimensions and their sizes, at least three of them: all
little-endian, 4 bytes each.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.imports import fingerprints
from render.imports.collections.array_file import STREAM_ERRORS, ArrayFile
from render.imports.collections.factors import category, labelled, number_combinations, quantity
from render.imports.labelled_images import LabelledImages, Rows
from render.shards.labels import DEGREES

TRAINING, TESTING = "smallnorb-5x46789x9x18x6x2x96x96-training", "smallnorb-5x01235x9x18x6x2x96x96-testing"
MAGIC = {0x1E3D4C55: "uint8", 0x1E3D4C54: "<i4"}  # the two types that the six files have
FEWEST_SIZES = 3  # that a header has, of fewer dimensions too
CATEGORIES = ("animal", "human", "plane", "truck", "car")
INSTANCES, ELEVATIONS, AZIMUTHS, LIGHTINGS = 10, 9, 36, 6
BACKGROUND = 0.75  # grey value of the backdrop, roughly

Camera = Literal["left", "right"]
CAMERAS: tuple[Camera, ...] = ("left", "right")


def open_smallnorb(folder: Path, camera: Camera = "left") -> LabelledImages:
    """Open the six files in `folder`: every toy is an identity, and those of the -testing- files are for testing.

    Raises BadInput naming the file, what was expected and what was found.
    """
    parts = [_Part(folder, name) for name in (TRAINING, TESTING)]
    side = CAMERAS.index(camera)
    kinds = np.concatenate([part.kinds for part in parts])
    instance, elevation, azimuth, lighting = np.concatenate([part.info for part in parts]).T
    identity = number_combinations([kinds, instance])
    first = np.unique(identity, return_index=True)[1]
    factors = [
        quantity("azimuth", 10 * azimuth, DEGREES, (0.0, 360.0)),
        quantity("elevation", 30 + 5 * elevation, DEGREES),
        category("lighting", lighting, [str(number) for number in range(LIGHTINGS)]),
    ]
    counts = [part.images.shape[0] for part in parts]

    def read(rows: Rows) -> Iterator[NDArray[np.uint8]]:
        split = np.searchsorted(rows, counts[0])
        for part, wanted in zip(parts, (rows[:split], rows[split:] - counts[0]), strict=True):
            for pair in part.images.rows(wanted):
                yield cast(NDArray[np.uint8], pair[side])

    key = fingerprints.of_ends((path for part in parts for path in part.paths), camera)
    test = np.repeat([False, True], counts)
    names = [f"{CATEGORIES[kinds[row]]} {instance[row]}" for row in first]
    return labelled("smallnorb", folder, "toy", key, factors, identity, BACKGROUND, read, test, names)


class _Part:
    """The three files of one split: its images, and for each of them the category and the other numbers."""

    def __init__(self, folder: Path, name: str) -> None:
        self.paths = [_find(folder, f"{name}-{kind}.mat") for kind in ("dat", "cat", "info")]
        self.images = open_matrix(self.paths[0], "uint8", 4)
        count = self.images.shape[0]
        kinds, info = open_matrix(self.paths[1], "<i4", 1), open_matrix(self.paths[2], "<i4", 2)
        for file, shape in ((kinds, (count,)), (info, (count, 4))):
            if file.shape != shape:
                raise BadInput(f"{file.where}: expected {shape} for {count} pairs of images, found {file.shape}")
        if self.images.shape[1] != 2:
            raise BadInput(f"{self.images.where}: expected pairs of images, found an array of {self.images.shape}")
        self.kinds = cast(NDArray[np.int32], kinds.whole())
        self.info = cast(NDArray[np.int32], info.whole())
        _check(kinds.where, "a category", self.kinds, range(len(CATEGORIES)))
        names = ("an instance", "an elevation", "an azimuth", "a lighting")
        allowed = (range(INSTANCES), range(ELEVATIONS), range(0, AZIMUTHS, 2), range(LIGHTINGS))
        for column, (what, numbers) in enumerate(zip(names, allowed, strict=True)):
            _check(info.where, what, self.info[:, column], numbers)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise BadInput(f"{folder}: expected a folder of the six files smallnorb-*.mat.gz, found no {name} or {name}.gz")


def _check(where: str, what: str, numbers: NDArray[np.int32], allowed: range) -> None:
    wrong = np.flatnonzero(~np.isin(numbers, allowed))
    if len(wrong):
        words = f"{allowed[0]}, {allowed[1]}, ..., {allowed[-1]}"
        raise BadInput(f"{where}: expected {what} of {words} in row {wrong[0] + 1}, found {numbers[wrong[0]]}")


def open_matrix(path: Path, dtype: str, dimensions: int) -> ArrayFile:
    """Open a matrix of NORB's format, gzipped or not. Raises BadInput for another type or number of dimensions."""
    packed = path.suffix == ".gz"

    def stream() -> BinaryIO:
        return cast(BinaryIO, gzip.open(path, "rb")) if packed else open(path, "rb")

    try:
        with stream() as file:
            magic, count = struct.unpack("<II", file.read(8))
            if MAGIC.get(magic) != dtype or count != dimensions:
                wanted = next(number for number, kind in MAGIC.items() if kind == dtype)
                found = f"{magic:#x} and {count}"
                raise BadInput(
                    f"{path}: expected a matrix of magic number {wanted:#x} and {dimensions} dimensions, found {found}"
                )
            sizes = max(FEWEST_SIZES, dimensions)
            shape = struct.unpack(f"<{sizes}I", file.read(4 * sizes))[:dimensions]
            start = file.tell()
            size = None if packed else file.seek(0, 2)
    except (*STREAM_ERRORS, struct.error) as error:
        raise BadInput(f"{path}: expected a matrix of the small NORB data set, found {error}") from error
    kind = np.dtype(dtype)
    whole = start + math.prod(shape) * kind.itemsize
    if size not in (None, whole):
        raise BadInput(f"{path}: expected {whole} bytes for an array of {shape}, found {size}")

    return ArrayFile(str(path), kind, shape, stream, start, seekable=not packed)
