"""The pictures that a table names: found below its folder, decoded within limits, turned grey."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render.errors import BadInput
from render.imports.grey import is_coloured, to_grey
from render.imports.labelled_images import Rows
from render.imports.read_ahead import read_ahead
from render.imports.tables.columns import PathColumn

FOLDERS = 4096  # whose real places are remembered
MOST_BYTES = 128 * 2**20  # of a picture
Decode: TypeAlias = Callable[[bytes, str], Image.Image]  # content and name of a file; BadInput for what is no image


class Pictures:
    """The pictures of a table, a row each.

    paths       below `folder`
    name        says in an error which picture that of a row is
    decode      is called from several threads
    background  grey value for transparent pixels
    """

    def __init__(
        self, folder: Path, paths: PathColumn, name: Callable[[int], str], decode: Decode, background: float
    ) -> None:
        self.folder, self.paths, self.name, self.decode, self.background = folder, paths, name, decode, background
        self._root = os.path.realpath(folder)
        self._real_folder = lru_cache(FOLDERS)(lambda above: os.path.realpath(os.path.join(self._root, above)))
        self._coloured = np.zeros(len(paths), bool)
        self._sides = np.zeros((len(paths), 2), np.int32)  # width, height; 0 before it is read

    def digest(self, stop: bool) -> bytes:
        """Return a hash of the sizes of all files. With `stop` BadInput names the first that is not there."""
        digest = hashlib.sha256()
        for row in range(len(self.paths)):
            try:
                size = self._find(row)[1]
            except BadInput:
                if stop:
                    raise
                size = -1
            digest.update(b"%d\n" % size)
        return digest.digest()

    def read(self, rows: Rows) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures of some rows as `LabelledImages.read` says."""
        for row, grey, coloured in read_ahead(self._grey, map(int, rows)):
            self._coloured[row] = coloured
            self._sides[row] = grey.size
            yield np.asarray(grey)

    def remarks(self) -> list[str]:
        """Say how many were in colour, and of which sizes they were."""
        lines = []
        if self._coloured.any():
            lines.append(f"images in colour, turned grey: {self._coloured.sum()}")
        sides = self._sides[self._sides[:, 0] > 0]
        if len(sides) and (sides != sides[0]).any():
            areas = np.prod(sides, axis=1, dtype=np.int64)
            ends = [f"{width} x {height}" for width, height in (sides[areas.argmin()], sides[areas.argmax()])]
            lines.append(f"images of several sizes, {ends[0]} to {ends[1]} pixels: all made alike")
        return lines

    def _find(self, row: int) -> tuple[str, int]:
        """Return where a picture really lies, and its size in bytes. BadInput if that is outside of the folder."""
        path = self.paths[row]
        above, _, name = path.rpartition("/")
        try:
            folder = self._real_folder(above)
            real = os.path.join(folder, name)
            found = os.lstat(real)
            if stat.S_ISLNK(found.st_mode):
                real = os.path.realpath(real, strict=True)
                found = os.stat(real)
        except OSError as error:
            advice = "; folders are parted by /" if "\\" in path else ""
            why = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or error
            raise BadInput(f"{self.name(row)}: {why}{advice}") from None
        if not real.startswith(os.path.join(self._root, "")):
            raise BadInput(f"{self.name(row)}: a link that leads out of the folder {self.folder}")
        if not stat.S_ISREG(found.st_mode):
            raise BadInput(f"{self.name(row)}: expected a file")
        if found.st_size > MOST_BYTES:
            raise BadInput(f"{self.name(row)}: expected a picture of at most {MOST_BYTES // 2**20} MiB, found more")
        return real, found.st_size

    def _grey(self, row: int) -> tuple[int, Image.Image, bool]:
        real, _ = self._find(row)
        name = self.name(row)
        try:
            with open(real, "rb") as file:
                content = file.read(MOST_BYTES)
        except OSError as error:
            raise BadInput(f"{name}: cannot be read: {error.strerror or error}") from None
        image = self.decode(content, name)
        try:
            return row, to_grey(image, self.background), is_coloured(image)
        except BadInput as error:
            raise BadInput(f"{name}: {error}") from None
