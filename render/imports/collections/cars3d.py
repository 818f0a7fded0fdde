"""Cars3D: 183 models of cars, each seen from 24 azimuths and 4 elevations.

The data were published with S. Reed, Y. Zhang, Y. Zhang and H. Lee, "Deep Visual Analogy-Making" (NIPS 2015), in the
archive nips2015-analogy-data.tar.gz (http://www.scottreed.info); the cars are those of Fidler, Dickinson and Urtasun
(NIPS 2012). The layout is what the readers of disentanglement_lib and disent state: `data/cars` holds a file
`..._mesh.mat` for each car, whose variable `im` is (128, 128, 3, 24, 4): rows, columns, colours, azimuths, elevations.

The azimuths go around in 24 steps of 15 degrees; the angles of the elevations are not published, so that they are
numbers of a step, 0 to 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.faces.matlab import read_matlab
from render.errors import AssetError, BadInput
from render.imports import fingerprints
from render.imports.collections.factors import full_grid, labelled, quantity
from render.imports.grey import array_to_grey
from render.imports.labelled_images import LabelledImages, Rows
from render.shards.labels import DEGREES

AZIMUTHS, ELEVATIONS = 24, 4
LARGEST_SIDE = 512  # pixels; the collection has 128
LARGEST_IMAGES = LARGEST_SIDE**2 * 3 * AZIMUTHS * ELEVATIONS  # bytes of one car
MOST_CARS = 10_000
FOLDERS = ("", "cars", "data/cars")  # below the one that is named
WHITE = 1.0


def open_cars3d(folder: Path) -> LabelledImages:
    """Open the cars in `folder`, or in cars or data/cars below it; every car is an identity.

    Raises BadInput naming the folder, what was expected and what was found.
    """
    places = (sorted((folder / below).glob("*_mesh.mat"))[: MOST_CARS + 1] for below in FOLDERS)
    paths = next((found for found in places if found), [])
    if not 1 <= len(paths) <= MOST_CARS:
        found = "more" if paths else "none"
        raise BadInput(
            f"{folder}: expected 1 to {MOST_CARS} files *_mesh.mat, such as those of data/cars, found {found}"
        )
    car, azimuth, elevation = full_grid((len(paths), AZIMUTHS, ELEVATIONS))
    factors = [
        quantity("azimuth", azimuth * 360 / AZIMUTHS, DEGREES, (0.0, 360.0)),
        quantity("elevation", elevation),
    ]
    key = fingerprints.of_names((path.name, path.stat().st_size) for path in paths)

    def read(rows: Rows) -> Iterator[NDArray[np.uint8]]:
        images, number = np.empty((0, 0, 3, AZIMUTHS, ELEVATIONS), np.uint8), -1
        for row in rows.tolist():
            if car[row] != number:
                number = int(car[row])
                images = read_car(paths[number])
            yield array_to_grey(np.ascontiguousarray(images[..., azimuth[row], elevation[row]]))

    names = [path.name.removesuffix("_mesh.mat") for path in paths]
    return labelled("cars3d", folder, "car", key, factors, car, WHITE, read, identities=names)


def read_car(path: Path) -> NDArray[np.uint8]:
    """Read the images of one car, (H, W, 3, 24, 4). Raises BadInput naming the file."""
    try:
        images = read_matlab(path, ("im",), LARGEST_IMAGES).get("im")
    except AssetError as error:
        raise BadInput(str(error)) from None
    shape = images.shape if isinstance(images, np.ndarray) else ()
    sides, others = shape[:2], shape[2:]
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or others != (3, AZIMUTHS, ELEVATIONS)
        or not 1 <= min(sides) <= max(sides) <= LARGEST_SIDE
    ):
        found = f"{images.dtype} {shape}" if isinstance(images, np.ndarray) else "none"
        wanted = f"uint8 (H, W, 3, {AZIMUTHS}, {ELEVATIONS}), 128 pixels wide and high"
        raise BadInput(f"{path}: expected im as {wanted}, found {found}")
    return images
