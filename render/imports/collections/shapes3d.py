"""3D Shapes: one of four solids in a room, in all combinations of three hues, its size and the direction of view.

The layout is stated by the README of https://github.com/google-deepmind/3d-shapes (Burgess and Kim, 2018). The HDF5
file `3dshapes.h5` holds

    images  (480000, 64, 64, 3) uint8
    labels  (480000, 6) float64   hue of floor, wall and object 0..0.9; scale; shape 0..3; orientation -30..30

Which solids the numbers of shapes are, it does not say. In grey, hues of the same brightness look alike, so that a hue
can hardly be told from an image: by default the three hues belong to the identity.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from assets.faces.hdf5 import HDF5_ERRORS, find_node
from render.errors import BadInput
from render.imports import fingerprints
from render.imports.collections.array_file import MOST_ROWS, find_file
from render.imports.collections.factors import Factor, category, check_limits, divide, labelled, quantity
from render.imports.grey import array_to_grey
from render.imports.labelled_images import LabelledImages, Rows
from render.shards.labels import DEGREES

IDENTITY = ("floor_hue", "wall_hue", "object_hue", "object_shape")
SHAPES = 4
BACKGROUND = 0.0  # beside an image that is no square, which none is
LARGEST_CHUNK = 2**26  # bytes that HDF5 unpacks at a time
MOST_CHUNKS = 2**22  # of a dataset: one for each image would be 480,000
MOST_AT_ONCE = 4096  # images that are in memory, 50 MB: those of one row of chunks


def open_shapes3d(path: Path, identity: Sequence[str] = IDENTITY) -> LabelledImages:
    """Open the file, or the only one in a folder; `identity` names the factors that make up the identity.

    Raises BadInput naming the file, what was expected and what was found.
    """
    path = find_file(path, "*.h5", "the file 3dshapes.h5")
    try:
        with h5py.File(path, "r") as file:
            count = _dataset(path, file, "images", "uint8", (None, 64, 64, 3)).shape[0]
            labels = _dataset(path, file, "labels", "float64", (count, 6))[()]
    except HDF5_ERRORS as error:
        raise BadInput(f"{path}: expected a whole HDF5 file, found: {error}") from error

    def read(rows: Rows) -> Iterator[NDArray[np.uint8]]:
        row = 0
        try:
            with h5py.File(path, "r") as file:
                images = _dataset(path, file, "images", "uint8", (count, 64, 64, 3))
                for piece in _pieces(rows, images.chunks[0] if images.chunks else 1):
                    row = int(piece[0])
                    yield from map(array_to_grey, _read(images, piece))
        except HDF5_ERRORS as error:
            raise BadInput(f"{path} images: cannot be read from row {row + 1} on: {error}") from error

    factors, identities = divide(_factors(path, labels), identity)
    key = fingerprints.of_ends([path], *identity)
    return labelled("shapes3d", path, "solid", key, factors, identities, BACKGROUND, read)


def _dataset(path: Path, file: Any, name: str, dtype: str, shape: Sequence[int | None]) -> Any:
    """Find a dataset of this type and shape, None standing for any number of rows, whose chunks are not too large."""
    found = find_node(path, file, name)
    if not isinstance(found, h5py.Dataset):
        raise BadInput(f"{path}: expected {name}, found {'nothing' if found is None else 'no dataset'}")
    sizes: tuple[int, ...] = found.shape or ()
    fits = len(sizes) == len(shape) and all(b in (None, a) for a, b in zip(sizes, shape, strict=True))
    if found.dtype != dtype or not fits or not 1 <= sizes[0] <= MOST_ROWS:
        wanted = ", ".join(f"1..{MOST_ROWS}" if size is None else str(size) for size in shape)
        raise BadInput(f"{path}: expected {name} as {dtype} ({wanted}), found {found.dtype} {sizes}")
    chunk = found.chunks or (1, *sizes[1:])
    count = math.prod(-(-length // step) for length, step in zip(sizes, chunk, strict=True))
    if math.prod(chunk) * found.dtype.itemsize > LARGEST_CHUNK or count > MOST_CHUNKS:
        wanted = f"at most {MOST_CHUNKS} chunks of {name} of at most {LARGEST_CHUNK} bytes"
        raise BadInput(f"{path}: expected {wanted}, found chunks of shape {chunk}")
    return found


def _pieces(rows: NDArray[np.int64], tall: int) -> Iterator[NDArray[np.int64]]:
    """Cut ascending rows where chunks of so many rows end, and into pieces that fit into memory."""
    ends = np.flatnonzero(np.diff(rows // tall)) + 1
    for piece in np.split(rows, ends):
        for first in range(0, len(piece), MOST_AT_ONCE):
            yield piece[first : first + MOST_AT_ONCE]


def _read(images: Any, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Read rows of one row of chunks, one chunk at a time: each holds a few pixels of many images."""
    first, end = int(rows[0]), int(rows[-1]) + 1
    found = np.empty((len(rows), *images.shape[1:]), np.uint8)
    sizes = images.chunks[1:] if images.chunks else images.shape[1:]
    spans = [range(0, length, size) for length, size in zip(images.shape[1:], sizes, strict=True)]
    for corner in product(*spans):
        tile = tuple(slice(start, start + size) for start, size in zip(corner, sizes, strict=True))
        found[(slice(None), *tile)] = images[(slice(first, end), *tile)][rows - first]
    return found


def _factors(path: Path, labels: NDArray[np.float64]) -> list[Factor]:
    names = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    limits = ((0, 1), (0, 1), (0, 1), (0, 10), (0, SHAPES - 1), (-90, 90))
    for name, values, (low, high) in zip(names, labels.T, limits, strict=True):
        check_limits(f"{path} labels", name, values, low, high)
    floor, wall, thing, scale, shape, orientation = labels.T
    return [
        quantity("floor_hue", floor, circle=(0.0, 1.0)),
        quantity("wall_hue", wall, circle=(0.0, 1.0)),
        quantity("object_hue", thing, circle=(0.0, 1.0)),
        quantity("scale", scale),
        category("object_shape", np.round(shape), [str(number) for number in range(SHAPES)]),
        quantity("orientation", orientation, DEGREES),
    ]
