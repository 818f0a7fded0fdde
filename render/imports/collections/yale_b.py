"""The Extended Yale Face Database B: 38 people, lit by one flash at a time from 64 directions, some in 9 poses.

The layout is stated by the readme of the Yale Face Database B (Georghiades, Belhumeur and Kriegman, PAMI 2001;
http://www1.cs.columbia.edu/~belhumeur/pub/images/yalefacesB/readme), which the extension (Lee, Ho and Kriegman, PAMI
2005) and its cropped images follow. A file is called

    yaleB<person>_P<pose>A<azimuth>E<elevation>.pgm     such as yaleB11_P00A-005E+10.pgm

after the direction of the light in degrees: positive azimuths are to the right of the person, positive
elevations above. Files of other names, `..._Ambient.pgm` and the damaged `....pgm.bad` among them, are passed over.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render.errors import BadInput
from render.imports import fingerprints
from render.imports.collections.factors import Factor, category, labelled, quantity
from render.imports.labelled_images import LabelledImages, Rows
from render.shards.labels import DEGREES

PICTURES = "a folder of pictures such as yaleB11_P00A-005E+10.pgm"
LARGEST_FILE = 4 * 2**20  # bytes; a whole picture of 640 x 480 pixels has 0.3 MB
LARGEST_SIDE = 2048  # pixels
MOST_FILES = 2**17  # 64 directions x 9 poses x 38 people are 21,888
MOST_FOLDERS = 4  # below the one that is named
BLACK = 0.0

_NAME = re.compile(r"yaleB([0-9]{2})_P([0-9]{2})A([+-][0-9]{3})E([+-][0-9]{2})\.pgm")


def open_yale_b(folder: Path) -> LabelledImages:
    """Open the pictures in `folder` and the folders below it: every person is an identity.

    Factors are `pose`, a category, `light` and `light_elevation`, of which those that vary are labels. Raises BadInput
    naming the folder or file, what was expected and what was found.
    """
    paths = _find(folder)
    if not paths:
        raise BadInput(f"{folder}: expected {PICTURES}, found none")
    found = [match for path in paths if (match := _NAME.fullmatch(path.name))]
    person, pose, azimuth, elevation = np.array([list(map(int, match.groups())) for match in found]).T
    _check_once(paths)
    poses, pose_numbers = np.unique(pose, return_inverse=True)
    factors: list[Factor] = [
        category("pose", pose_numbers, [f"P{number:02d}" for number in poses.tolist()]),
        quantity("light", azimuth, DEGREES),
        quantity("light_elevation", elevation, DEGREES),
    ]
    people, identity = np.unique(person, return_inverse=True)
    key = fingerprints.of_names((path.name, path.stat().st_size) for path in paths)

    def read(rows: Rows) -> Iterator[NDArray[np.uint8]]:
        for row in rows.tolist():
            yield read_picture(paths[row])

    names = [f"yaleB{number:02d}" for number in people.tolist()]
    labels = [factor for factor in factors if factor.varies]
    numbers = identity.astype(np.int64)
    return labelled("yale-b", folder, "face", key, labels, numbers, BLACK, read, identities=names)


def _find(folder: Path) -> list[Path]:
    """List the pictures in the order of their names. Folders that are symbolic links are not entered.

    BadInput for a folder that cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise BadInput(f"{error.filename}: expected {PICTURES}, found: {error.strerror}")

    paths: list[Path] = []
    for place, below, names in os.walk(folder, onerror=refuse):
        if len(Path(place).relative_to(folder).parts) >= MOST_FOLDERS:
            below.clear()
        paths += [Path(place) / name for name in names if _NAME.fullmatch(name)]
        if len(paths) > MOST_FILES:
            raise BadInput(f"{folder}: expected at most {MOST_FILES} pictures, found more")
    return sorted(paths, key=lambda path: (path.name, path))


def _check_once(paths: list[Path]) -> None:
    for path, following in pairwise(paths):
        if path.name == following.name:
            raise BadInput(f"{following}: expected every picture once, found it as {path} too; name one of the folders")


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Decode a PGM file, (H, W). Raises BadInput naming it."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise ValueError(f"more than {LARGEST_FILE} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is tighter
            image = Image.open(io.BytesIO(data), formats=("PPM",))
        if max(image.size) > LARGEST_SIDE or image.mode != "L":
            raise ValueError(f"{image.width} x {image.height} pixels of mode {image.mode}")
        return np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, MemoryError) as error:
        raise BadInput(f"{path}: expected a whole grey PGM picture, found {error}") from error
