"""MPI3D: an object on a robot's arm, drawn simply, drawn realistically or filmed, in all combinations of 7 factors.

The layout is stated by the README of https://github.com/rr-learning/disentanglement_dataset; the data belong to Gondal
et al. (NeurIPS 2019). An `.npz` archive holds `images`, (N, 64, 64, 3) uint8, ordered as all combinations of

    object_color, object_shape, object_size, camera_height, background_color, horizontal_axis, vertical_axis

of which the last changes fastest. mpi3d_toy, mpi3d_realistic and mpi3d_real have 6, 6, 2, 3, 3, 40 and 40 values of
them, the complex objects of the real world 4, 4, 2, 3, 3, 40 and 40. The angles of the two axes are not published: they
are numbers of a step, 0 to 39.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from render.errors import BadInput
from render.imports import fingerprints
from render.imports.collections.array_file import find_file
from render.imports.collections.factors import category, divide, full_grid, labelled, quantity
from render.imports.collections.npz import open_npz_array
from render.imports.grey import array_to_grey
from render.imports.labelled_images import LabelledImages, Rows

IDENTITY = ("object_color", "object_shape", "object_size")
STEPS = 40  # of either axis
BACKGROUND = 0.0  # beside an image that is no square, which none is

Names = dict[str, tuple[str, ...]]

_PLACE: Names = {
    "object_size": ("small", "large"),
    "camera_height": ("top", "center", "bottom"),
    "background_color": ("purple", "sea green", "salmon"),
}
SIMPLE: Names = {
    "object_color": ("white", "green", "red", "blue", "brown", "olive"),
    "object_shape": ("cone", "cube", "cylinder", "hexagonal", "pyramid", "sphere"),
    **_PLACE,
}
COMPLEX: Names = {
    "object_color": ("yellow", "green", "olive", "red"),
    "object_shape": ("coffee-cup", "tennis-ball", "croissant", "beer-cup"),
    **_PLACE,
}


def open_mpi3d(path: Path, identity: Sequence[str] = IDENTITY) -> LabelledImages:
    """Open one archive, or the only one in a folder; `identity` names the factors that make up the identity.

    Raises BadInput naming the file, what was expected and what was found.
    """
    file = find_file(path, "*.npz", "an archive of MPI3D such as mpi3d_real.npz")
    images = open_npz_array(file, "images", "uint8", (None, 64, 64, 3))
    variants = {math.prod(sizes_of(names)): names for names in (SIMPLE, COMPLEX)}
    names = variants.get(images.shape[0])
    if names is None:
        wanted = " or ".join(map(str, variants))
        raise BadInput(f"{images.where}: expected {wanted} images, all combinations, found {images.shape[0]}")
    grid = full_grid(sizes_of(names))
    factors = [category(name, numbers, names[name]) for name, numbers in zip(names, grid, strict=False)]
    factors += [quantity("horizontal_axis", grid[-2]), quantity("vertical_axis", grid[-1])]

    def read(rows: Rows) -> Iterator[NDArray[np.uint8]]:
        for image in images.rows(rows):
            yield array_to_grey(cast(NDArray[Any], image))

    factors, identities = divide(factors, identity)
    key = fingerprints.of_ends([file], *identity)
    return labelled("mpi3d", file, "object", key, factors, identities, BACKGROUND, read)


def sizes_of(names: Names) -> tuple[int, ...]:
    """Return how many values each factor has."""
    return (*(len(names) for names in names.values()), STEPS, STEPS)
