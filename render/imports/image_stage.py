"""A file without a name that holds images of one size until they are written into shards: each is read once only."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from render.errors import Failure


class ImageStage:
    """Square grey images on the disk while a `with` lasts, found again by their place in a collection.

    The file goes with the process, however that ends.
    """

    def __init__(self, folder: Path, size: int, places: int) -> None:
        """Prepare for images of `size` x `size` pixels from a collection of `places` images, in a file in `folder`."""
        self.folder, self.size = folder, size
        self._rows = np.full(places, -1, np.int32)  # place -> row in the file
        self._count = 0
        self._stack = ExitStack()

    def __enter__(self) -> ImageStage:
        try:
            file = tempfile.TemporaryFile(dir=self.folder, prefix=".images.", suffix=".tmp")
        except OSError as error:
            raise self._failure(error) from error
        self._file = self._stack.enter_context(file)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lacks(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some places whose images have not been added."""
        return places[self._rows[places] < 0]

    def add(self, place: int, image: NDArray[np.uint8]) -> None:
        """Add the image, (size, size), of one place. Failure if the disk is full."""
        try:
            self._file.write(np.ascontiguousarray(image).data)
        except OSError as error:
            raise self._failure(error) from error
        self._rows[place] = self._count
        self._count += 1

    def read(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of some places, (*places.shape, size, size)."""
        images = np.empty((*places.shape, self.size, self.size), np.uint8)
        try:
            self._file.flush()
            for image, row in zip(images.reshape(-1, self.size, self.size), self._rows[places].flat, strict=True):
                if row < 0 or os.preadv(self._file.fileno(), [image.data], int(row) * image.nbytes) != image.nbytes:
                    raise Failure(f"{self.folder}: expected the images that were just written there, found fewer")
        except OSError as error:
            raise self._failure(error) from error
        return images

    def _failure(self, error: OSError) -> Failure:
        return Failure(f"{self.folder}: cannot be written: {error.strerror or error}; what was finished is kept")
