"""Texture images: decoded within limits, without alpha, no larger than the renders need."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.archives import FileTree
from assets.errors import AssetError
from assets.mesh import at_full_depth

LARGEST_SIDE = 16_384  # pixels
MOST_PIXELS = 64 * 2**20
KEPT_SIDE = 512  # pixels: renders are 150 wide
MOST_TEXTURES = 500  # of one model
FORMATS = ("PNG", "JPEG", "BMP", "TGA", "GIF", "TIFF", "WEBP")


class Textures:
    """The textures of one model: each is decoded once, and their number is limited."""

    def __init__(self, tree: FileTree) -> None:
        self.tree = tree
        self.decoded: dict[object, NDArray[np.uint8]] = {}

    def file(self, name: str) -> NDArray[np.uint8]:
        """Return the image file `name` of the tree, as `find` gave it."""
        return self.once(name, lambda: decode_texture(self.tree, name))

    def once(self, key: object, decode: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return the image known as `key`, which `decode` makes when it is new."""
        if key not in self.decoded:
            if len(self.decoded) >= MOST_TEXTURES:
                raise AssetError(f"expected at most {MOST_TEXTURES} textures, found more")
            self.decoded[key] = decode()
        return self.decoded[key]


def decode_texture(tree: FileTree, name: str) -> NDArray[np.uint8]:
    """Decode the image file `name`: (h, w, 3) RGB, sides at most KEPT_SIDE. Raises AssetError naming it."""
    try:
        return decode_image(tree.read(name))
    except AssetError as error:
        raise AssetError(f"texture {name}: {str(error).removeprefix(f'{name}: ')}") from error


def decode_image(data: bytes | memoryview) -> NDArray[np.uint8]:
    """Decode an image: (h, w, 3) RGB, sides at most KEPT_SIDE. Raises AssetError (without a name)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limits below are checked before decoding
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except (Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
            raise AssetError(f"expected a texture in one of {', '.join(FORMATS)}, found: {error}") from error
        return _pixels(image)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
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
