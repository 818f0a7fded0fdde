"""Texture images: decoded within limits, without alpha, no larger than the renders need."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.archives import FileTree
from assets.errors import AssetError, OutOfTime
from assets.mesh import at_full_depth

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

LARGEST_SIDE = 16_384  # pixels
MOST_PIXELS = 64 * 2**20
KEPT_SIDE = 512  # pixels: renders are 150 wide
MOST_TEXTURES = 500  # of one model
FORMATS = ("PNG", "JPEG", "BMP", "TGA", "GIF", "TIFF", "WEBP")
MOST_TILES = 8  # copies of a texture along one side, when its last row is to go on beyond it
WRAPS = ("repeat", "mirror", "clamp")


class Textures:
    """The textures of one model: each is decoded once, and their number is limited."""

    def __init__(self, tree: FileTree) -> None:
        self.tree = tree
        self.decoded: dict[object, tuple[Pixels | None, str]] = {}

    def file(self, name: str) -> tuple[Pixels | None, str]:
        """Return the image file `name` of the tree, as `find` gave it; or None, and what is wrong with it."""
        return self.once(name, name, lambda: self.tree.read(name))

    def once(self, key: object, name: str, read: Callable[[], bytes | memoryview]) -> tuple[Pixels | None, str]:
        """Return the image known as `key`, whose bytes `read` gives when it is new; or None, and what is wrong with it.

        A texture that is missing or damaged costs its surfaces their pixels, not the user the model. `name` is for the
        message. Raises AssetError for too many textures.
        """
        if key not in self.decoded:
            if len(self.decoded) >= MOST_TEXTURES:
                raise AssetError(f"expected at most {MOST_TEXTURES} textures, found more")
            try:
                self.decoded[key] = decode_image(read()), ""
            except OutOfTime:
                raise
            except Exception as error:  # the file is untrusted: any way it breaks a decoder is its fault
                found = " ".join(str(error).removeprefix(f"{name}: ").split()) or type(error).__name__
                self.decoded[key] = None, f"texture {name[:200]} cannot be read: {found[:300]}"
        return self.decoded[key]


def decode_image(data: bytes | memoryview) -> Pixels:
    """Decode an image: (h, w, 3) RGB, sides at most KEPT_SIDE. Raises AssetError (without a name)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limits below are checked before decoding
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except Image.UnidentifiedImageError:  # its text is the address of an object
            raise AssetError(f"expected an image in one of {', '.join(FORMATS)}, found none") from None
        except (Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
            raise AssetError(f"expected an image in one of {', '.join(FORMATS)}, found: {error}") from error
        return _pixels(image)


def _pixels(image: Image.Image) -> Pixels:
    width, height = image.size
    if max(width, height) > LARGEST_SIDE or width * height > MOST_PIXELS or min(width, height) < 1:
        limits = f"{LARGEST_SIDE} px a side and {MOST_PIXELS:,} px"
        raise AssetError(f"expected a texture of at most {limits}, found {width} x {height}")
    try:
        image.load()
        if image.mode.startswith("I") or image.mode == "F":
            image = _in_eight_bits(at_full_depth(image))
        has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
        image = image.convert("RGBA" if has_alpha else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError) as error:
        raise AssetError(f"expected a whole texture image, found: {error}") from error
    shrink = min(1.0, KEPT_SIDE / max(width, height))
    size = (-(-round(width * shrink) // 4) * 4, max(1, round(height * shrink)))  # OpenGL expects rows of 4 n bytes
    if size != image.size:
        image = image.resize(size, Image.Resampling.BOX)  # where there is alpha, colours count by it
    if has_alpha:
        image = _without_alpha(image)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8))


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey of more than 8 bits so that white becomes 255.

    White is 65535 in images of 16 bits and 1 in floating point; integers of 32 bits and floating point may also hold
    values of 8 or 16 bits, or beyond: the least of these scales that holds the brightest pixel counts.
    """
    grey = np.array(image, dtype=np.float32)
    grey[~np.isfinite(grey)] = 0.0
    brightest = float(grey.max())
    whites = {"F": (1.0, 255.0, 65535.0), "I": (255.0, 65535.0)}.get(image.mode, (65535.0,))
    white = next((white for white in whites if brightest <= white), brightest)
    np.clip(np.multiply(grey, 255.0 / white, out=grey), 0, 255, out=grey)
    return Image.fromarray(np.rint(grey, out=grey).astype(np.uint8))


def _without_alpha(image: Image.Image) -> Image.Image:
    """Give clear pixels, whose colour means nothing, the mean colour of the others."""
    rgba = np.asarray(image)
    clear = rgba[..., 3] == 0
    rgb = rgba[..., :3].copy()
    if clear.any() and not clear.all():
        rgb[clear] = rgb[~clear].mean(axis=0).astype(np.uint8)
    return Image.fromarray(rgb)


def wrapped(image: Pixels, uv: Floats, wrap: tuple[str, str]) -> tuple[Pixels, Floats]:
    """Return an image that looks, repeated without end, as `image` does with other WRAPS of u and v; and its uv (V, 2).

    Nothing changes where `uv` stays on the image. Of a clamped one that goes on for more than MOST_TILES, that much.
    """
    columns = []
    for axis, mode, values in ((1, wrap[0], uv[:, 0]), (0, wrap[1], uv[:, 1])):  # v counts rows from the bottom
        low, high = np.floor(values.min() + 1e-6), np.ceil(values.max() - 1e-6)
        if mode == "repeat" or (low >= 0 and high <= 1):
            columns.append(values)
        elif mode == "mirror":  # what repeats is twice as large
            pair = (image, np.flip(image, axis))
            image = np.concatenate(pair if axis else pair[::-1], axis=axis)
            columns.append(values / 2)
        else:
            first = int(np.clip(low, -MOST_TILES // 2, 0))
            end = int(np.clip(high, 1, first + MOST_TILES))
            beyond = (-first * image.shape[axis], (end - 1) * image.shape[axis])
            pads = [(0, 0), beyond, (0, 0)] if axis else [beyond[::-1], (0, 0), (0, 0)]
            image = np.pad(image, pads, mode="edge")
            columns.append((np.clip(values, first, end) - first) / (end - first))
    height, width = image.shape[:2]
    size = (min(width, 2 * KEPT_SIDE), min(height, 2 * KEPT_SIDE))
    if size != (width, height):
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    return np.ascontiguousarray(image), np.stack(columns, axis=1)
