"""dSprites: a white square, ellipse or heart on black, in all combinations of its size, orientation and place.

The layout is stated by the README of https://github.com/google-deepmind/dsprites-dataset (Matthey, Higgins, Hassabis
and Lerchner, 2017). The archive `dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz` holds

    imgs             (737280, 64, 64) uint8   0 and 1
    latents_values   (737280, 6) float64      colour 1; shape 1 square, 2 ellipse, 3 heart; scale 0.5..1; orientation
                                              0..2 pi, both ends included; x and y 0..1
    latents_classes  the numbers of these values, not read here
    metadata         a pickle, never read

The orientation of a square repeats every 90 degrees and that of an ellipse every 180: from their images it can be told
up to that alone.
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
from render.imports.collections.factors import Factor, category, check_limits, divide, labelled, quantity
from render.imports.collections.npz import open_npz_array
from render.imports.labelled_images import LabelledImages, Rows
from render.shards.labels import DEGREES

IDENTITY = ("object_shape", "scale")
SHAPES = ("square", "ellipse", "heart")
WHITE, BLACK = 255, 0.0


def open_dsprites(path: Path, identity: Sequence[str] = IDENTITY) -> LabelledImages:
    """Open the archive, or the only one in a folder; `identity` names the factors that make up the identity.

    Raises BadInput naming the file, what was expected and what was found.
    """
    file = find_file(path, "dsprites*.npz", "the archive dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz")
    images = open_npz_array(file, "imgs", "uint8", (None, 64, 64))
    latents = open_npz_array(file, "latents_values", "float64", (images.shape[0], 6))

    def read(rows: Rows) -> Iterator[NDArray[np.uint8]]:
        for row, image in zip(rows.tolist(), images.rows(rows), strict=True):
            pixels = cast(NDArray[Any], image)
            if pixels.max() > 1:
                raise BadInput(f"{images.where}: expected pixels of 0 and 1, found {pixels.max()} in row {row + 1}")
            yield pixels * np.uint8(WHITE)

    factors, identities = divide(_factors(latents.where, cast(NDArray[Any], latents.whole())), identity)
    key = fingerprints.of_ends([file], *identity)
    return labelled("dsprites", file, "sprite", key, factors, identities, BLACK, read)


def _factors(where: str, latents: NDArray[np.float64]) -> list[Factor]:
    _, shape, scale, orientation, x, y = latents.T
    check_limits(where, "shape", shape, 1, len(SHAPES))
    check_limits(where, "scale", scale, 0, 10)
    check_limits(where, "orientation", orientation, 0, 2 * math.pi + 1e-6)
    check_limits(where, "x", x, 0, 1)
    check_limits(where, "y", y, 0, 1)
    return [
        category("object_shape", np.round(shape) - 1, SHAPES),
        quantity("scale", scale),
        quantity("orientation", np.minimum(np.rad2deg(orientation), 360), DEGREES, (0.0, 360.0)),
        quantity("x", x),
        quantity("y", y),
    ]
