"""The rendered chairs of Aubry et al. (2014): PNG files in a folder, tar or zip, read chair by chair as grey images.

    rendered_chairs/<chair>/renders/image_<index>_p<elevation>_t<azimuth>_r<distance>.png

Files of other names are passed over. Nothing is unpacked to disk, and the files of one chair are in memory at a time.
Images come out grey, of one size, on white, framed alike.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import re
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from assets.errors import AssetError
from render.imports import fingerprints
from render.imports.grey import reduced, to_grey

LAYOUT = "rendered_chairs/<chair>/renders/image_000_p020_t011_r096.png"
LARGEST_IMAGE = 4 * 2**20  # bytes; 600 x 600 RGBA pixels are 1.4 MB before compression
MOST_IMAGES = 128  # of one chair; the collection has 62
LARGEST_NAME = 2**20  # bytes of a long name, or of extended attributes, inside a tar

_CHAIR = re.compile(r"[0-9A-Za-z_-]{1,64}")
_IMAGE = re.compile(r"image_[0-9]{3}_p(020|030)_t([0-2][0-9]{2}|3[0-5][0-9])_r[0-9]{3}\.png")
_NAMES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

LARGEST_SIDE = 1024  # pixels; the collection has 600
INK = 250  # a pixel darker than this shows the chair
MARGIN = 0.05  # of white around the chair, in half widths


@dataclass
class EncodedChair:
    """The PNG files of one chair.

    files   file name -> bytes
    faults  one line for each file that could not be read
    done    how much of the source's `total` was read since the chair before
    """

    id: str
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    done: int = 0

    def add(self, name: str, content: bytes | Exception) -> None:
        """Add a file, or why it could not be read. Raises AssetError for far more files than a chair has."""
        if len(self.files) + len(self.faults) >= MOST_IMAGES:
            raise AssetError(f"{self.id}: expected at most {MOST_IMAGES} images of one chair, found more")
        if isinstance(content, Exception):
            self.faults.append(f"{self.id}/renders/{name}: {content}")
        else:
            self.files[name] = content


class ChairSource(Protocol):
    """A collection of rendered chairs, to be read chair by chair.

    total, unit  how much there is to read, for a progress bar
    fingerprint  hexadecimal: tells sources apart without reading their images
    """

    path: Path
    total: int
    unit: str
    fingerprint: str

    def chairs(self) -> Iterator[EncodedChair]:
        """Yield every chair once: in the order of names from a folder or a zip, as they come from a tar."""


def open_rendered_chairs(path: Path) -> ChairSource:
    """Open the rendered chairs in a folder (or in the one above it), in a zip, or in a tar, compressed or not.

    Raises AssetError naming the path, what was expected and what was found.
    """
    if not path.is_dir() and not path.is_file():
        raise AssetError(f"{path}: expected a folder, tar or zip of {LAYOUT}, found no such file")
    try:
        if path.is_dir():
            return ChairFolder(path)
        return ChairZip(path) if _is_zip(path) else ChairTar(path)
    except OSError as error:
        raise AssetError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error


def _is_zip(path: Path) -> bool:
    with open(path, "rb") as file:
        return path.suffix.lower() == ".zip" or file.read(4) == b"PK\3\4"


def view_of(name: str) -> tuple[int, int]:
    """Parse (elevation, azimuth) in degrees from the file name of an image."""
    matched = _IMAGE.fullmatch(name)
    assert matched is not None
    return int(matched[1]), int(matched[2])


class ListedChairs:
    """Images that can be read in any order. `found` gives the relative name, a handle and the size of each file."""

    unit = "image"

    def __init__(self, path: Path, found: Iterable[tuple[str, Any, int]]) -> None:
        self.path = path
        self._files: dict[str, dict[str, tuple[Any, int]]] = {}
        others = 0
        for name, handle, size in found:
            place = _place(name)
            if place is None:
                others += 1
            else:
                self._files.setdefault(place[0], {})[place[1]] = handle, size
        if not self._files:
            raise _nothing(path, others)
        self.total = sum(map(len, self._files.values()))
        chairs = sorted(self._files.items())
        self.fingerprint = fingerprints.of_names(
            (f"{chair}/{name}", size) for chair, files in chairs for name, (_, size) in sorted(files.items())
        )

    def chairs(self) -> Iterator[EncodedChair]:
        for id in sorted(self._files):
            chair = EncodedChair(id, done=len(self._files[id]))
            for name, (handle, size) in self._files[id].items():
                chair.add(name, self._read(handle) if size <= LARGEST_IMAGE else _too_large(size))
            yield chair

    def _read(self, handle: Any) -> bytes | Exception:
        raise NotImplementedError


class ChairFolder(ListedChairs):
    """The folder `rendered_chairs`, or the one it lies in."""

    def __init__(self, path: Path) -> None:
        within = path / "rendered_chairs"
        super().__init__(path, self._find(within if within.is_dir() else path))

    @staticmethod
    def _find(root: Path) -> Iterator[tuple[str, Path, int]]:
        for chair in root.iterdir():
            renders = chair / "renders"
            if not renders.is_dir():
                yield chair.name, chair, 0
                continue
            with os.scandir(renders) as entries:
                for entry in entries:
                    if entry.is_file():
                        yield f"{chair.name}/renders/{entry.name}", Path(entry.path), entry.stat().st_size

    def _read(self, handle: Path) -> bytes | Exception:
        try:
            with open(handle, "rb") as file:
                return file.read(LARGEST_IMAGE)
        except OSError as error:
            return error


class ChairZip(ListedChairs):
    """A zip, read in place."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise AssetError(f"{path}: expected a zip of {LAYOUT}, found: {error}") from error
        members = (info for info in self._archive.infolist() if not info.is_dir())
        super().__init__(path, ((info.filename, info, info.file_size) for info in members))

    def _read(self, handle: zipfile.ZipInfo) -> bytes | Exception:
        try:
            with self._archive.open(handle) as member:
                return member.read(handle.file_size + 1)  # to its end, where zipfile checks the CRC
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError, EOFError,
                ValueError, OSError) as error:  # fmt: skip
            return error


class ChairTar:
    """A tar, plain or compressed, read once from start to end. The files of a chair must follow one another."""

    unit = "B"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = path.stat().st_size
        self.fingerprint = fingerprints.of_ends([path])
        with closing(self._images()) as images:  # the first image, or an error now rather than later
            next(images)

    def chairs(self) -> Iterator[EncodedChair]:
        seen: set[str] = set()
        chair, reached = EncodedChair(""), 0
        for id, name, content, position in self._images():
            if id != chair.id:
                if seen:
                    chair.done, reached = position - reached, position
                    yield chair
                if id in seen:
                    raise AssetError(
                        f"{self.path}: expected the images of a chair one after another, found {id} again after "
                        f"{chair.id}; unpack the archive and import the folder"
                    )
                seen.add(id)
                chair = EncodedChair(id)
            chair.add(name, content)
        chair.done = self.total - reached
        yield chair

    def _images(self) -> Generator[tuple[str, str, bytes | Exception, int], None, None]:
        """Yield chair, file name and content of every image, and the bytes of the archive read so far."""
        images = others = 0
        try:
            with open(self.path, "rb") as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep all of them
                    place = _place(member.name)
                    if place is None or not member.isreg():
                        others += 1
                        continue
                    images += 1
                    reader = archive.extractfile(member)
                    assert reader is not None
                    content = reader.read() if member.size <= LARGEST_IMAGE else _too_large(member.size)
                    yield *place, content, file.tell()
        except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            if images or others:
                raise AssetError(f"{self.path}: expected a whole tar of {LAYOUT}, found: {error}") from error
            found = f"another file ({error})"  # of which tarfile says that a checksum is bad, and the like
            raise AssetError(f"{self.path}: expected a folder, zip or tar of {LAYOUT}, found {found}") from error
        if not images:
            raise _nothing(self.path, others)


class _Member(tarfile.TarInfo):
    """A member whose headers have a size limit, and whose damage is an error where tarfile sees the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:  # type: ignore[override]
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Refuse a long name before it is read. Every tarfile calls this; since Python 3.14.8 it calls no `frombuf`."""
        if self.type in _NAMES and self.size > LARGEST_NAME:
            raise tarfile.HeaderError(f"a name of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def _place(name: str) -> tuple[str, str] | None:
    """Return chair and file name, if `name` is that of an image of the collection, below whatever folders."""
    parts = name.split("/")[-3:]
    if len(parts) == 3 and parts[1] == "renders" and _CHAIR.fullmatch(parts[0]) and _IMAGE.fullmatch(parts[2]):
        return parts[0], parts[2]
    return None


def _too_large(size: int) -> AssetError:
    return AssetError(f"expected at most {LARGEST_IMAGE} bytes, found {size}")


def _nothing(path: Path, others: int) -> AssetError:
    return AssetError(f"{path}: expected {LAYOUT}, found no such file among {others}")


@dataclass(frozen=True, eq=False)
class ChairViews:
    """One chair seen from V different directions, in the order of (elevation, azimuth).

    images     (V, H, W) uint8, row 0 at the top
    elevation  (V,) float32 degrees
    azimuth    (V,) float32 degrees
    sha256     of the PNG files, in the order of their names
    faults     one line for each file that could not be used
    """

    id: str
    images: NDArray[np.uint8]
    elevation: NDArray[np.float32]
    azimuth: NDArray[np.float32]
    sha256: str
    faults: list[str]


def decode_chair(chair: EncodedChair, size: int, crop: bool) -> ChairViews:
    """Decode the views of `chair` at `size` x `size` pixels; `crop` cuts them to a window that holds it in all of them.

    The window is a square about the centre of the image and the same for all views, so that the chair turns in place.
    """
    digest = hashlib.sha256()
    decoded: dict[tuple[int, int], Image.Image] = {}
    faults, side = list(chair.faults), 0
    for name in sorted(chair.files):
        digest.update(chair.files[name])
        view = view_of(name)
        try:
            if view in decoded:
                raise AssetError("expected one image of each view, found a second")
            grey = _decode_grey(chair.files[name])
            if side and grey.width != side:
                raise AssetError(f"expected {side} x {side} pixels as before, found {grey.width} x {grey.width}")
        except AssetError as error:
            faults.append(f"{chair.id}/renders/{name}: {error}")
            continue
        decoded[view], side = grey, grey.width
    views = sorted(decoded)
    margin = _white_margin(list(decoded.values())) if crop and views else 0.0
    images = np.empty((len(views), size, size), np.uint8)
    for row, view in enumerate(views):
        window = (margin, margin, side - margin, side - margin)
        images[row] = np.asarray(reduced(decoded[view], size, window))
    angles = np.array(views, np.float32).reshape(-1, 2)
    return ChairViews(chair.id, images, angles[:, 0], angles[:, 1], digest.hexdigest(), faults)


def _decode_grey(data: bytes) -> Image.Image:
    """Decode a PNG file as a square grey image (mode L), on white. Raises AssetError (without a name)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is tighter
            image: Image.Image = Image.open(io.BytesIO(data), formats=("PNG",))
        width, height = image.size
        if width != height or width > LARGEST_SIDE:
            limit = f"a square of at most {LARGEST_SIDE} x {LARGEST_SIDE} pixels"
            raise AssetError(f"expected {limit}, found {width} x {height}")
        if image.mode.startswith("I"):
            raise AssetError("expected 8 bits a channel, found 16")
        image.load()
        return to_grey(image, 1.0)
    except AssetError:
        raise
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError,
            struct.error, MemoryError) as error:  # fmt: skip
        raise AssetError(f"expected a whole PNG image, found: {error}") from error


def _white_margin(images: list[Image.Image]) -> float:
    """Return the pixels to cut from each side of square images so that no image loses more than white."""
    darkest = np.asarray(reduce(ImageChops.darker, images))
    side = len(darkest)
    rows, columns = np.nonzero(darkest < INK)
    if not len(rows):
        return 0.0
    first, last = min(rows.min(), columns.min()), max(rows.max(), columns.max())
    half = (1 + MARGIN) * max(side / 2 - first, last + 1 - side / 2)
    return max(0.0, side / 2 - float(half))
