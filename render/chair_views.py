"""The PNG files of one rendered chair as grey images of one size, on white, framed alike."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from assets.errors import AssetError
from render.rendered_chairs import EncodedChair, view_of

LARGEST_SIDE = 1024  # pixels; the collection has 600
GREY = (0.21, 0.72, 0.07, 0.0)  # as in shaders/mesh.frag
INK = 250  # a pixel darker than this shows the chair
MARGIN = 0.05  # of white around the chair, in half widths


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
    """The views of `chair` at `size` x `size` pixels; with `crop` only the window that holds the chair in all of them.

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
        # An average over the area of each pixel: this filter has no negative lobes, hence no ringing.
        images[row] = np.asarray(decoded[view].resize((size, size), Image.Resampling.HAMMING, window))
    angles = np.array(views, np.float32).reshape(-1, 2)
    return ChairViews(chair.id, images, angles[:, 0], angles[:, 1], digest.hexdigest(), faults)


def _decode_grey(data: bytes) -> Image.Image:
    """A PNG file as a square grey image (mode L), on white. Raises AssetError (without a name)."""
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
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB").convert("L", GREY)
    except AssetError:
        raise
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError,
            struct.error, MemoryError) as error:  # fmt: skip
        raise AssetError(f"expected a whole PNG image, found: {error}") from error


def _white_margin(images: list[Image.Image]) -> float:
    """Pixels to cut from each side of square images about their centre so that no image loses more than white."""
    darkest = np.asarray(reduce(ImageChops.darker, images))
    side = len(darkest)
    rows, columns = np.nonzero(darkest < INK)
    if not len(rows):
        return 0.0
    first, last = min(rows.min(), columns.min()), max(rows.max(), columns.max())
    half = (1 + MARGIN) * max(side / 2 - first, last + 1 - side / 2)
    return max(0.0, side / 2 - float(half))
