"""An image of any size or mode -> the grey square the network reads."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcign.errors import RunError
from dcign.images.reading import read_image

GREY_WEIGHTS = (0.21, 0.72, 0.07)  # of red, green, blue, as the renderers have it
BACKGROUND = {"face": 0.0, "chair": 1.0}  # grey value behind the object, for transparent pixels
BAND = 256  # rows taken to floating point at once: a large photo in four channels would fill the memory
Box: TypeAlias = tuple[int, int, int]  # left, top, side: a square in pixels of the upright image


def load_grey(path: Path, size: int, background: float, box: Box | None = None) -> NDArray[np.float32]:
    """The image in `path` as grey values in [0, 1], (size, size) float32, row 0 at the top; as `grey_square` has it.

    RunError, naming the file, when it is missing, not an image, truncated or too large.
    """
    return grey_square(read_image(path), size, background, str(path), box)


def grey_square(
    image: Image.Image, size: int, background: float, name: str = "image", box: Box | None = None
) -> NDArray[np.float32]:
    """An upright image as grey values in [0, 1], (size, size) float32, row 0 at the top.

    Puts transparent pixels on grey value `background`, takes the square `box`, by default the largest centred one, and
    resamples it with an antialiased Lanczos filter (not at all if it has the right size). RunError, naming the image
    `name`, when the box is not within it.
    """
    if box is None:
        return resize(centre_square(to_grey(image, background, name)), size)
    left, top, side = box
    if not (side >= 1 and 0 <= left <= image.width - side and 0 <= top <= image.height - side):
        raise RunError(
            f"{name}: expected a box within its {image.width} x {image.height} pixels, "
            f"found {left},{top},{side} (left, top, side)"
        )
    return resize(to_grey(image.crop((left, top, left + side, top + side)), background, name), size)


def to_grey(image: Image.Image, background: float, name: str = "image") -> NDArray[np.float32]:
    """Grey values in [0, 1], (H, W) float32, of an image of any Pillow mode.

    16-bit grey is read at full depth. RunError for 32-bit integers beyond 16 bits and floating point beyond [0, 1].
    """
    grey = np.empty((image.height, image.width), np.float32)
    for top in range(0, image.height, BAND):
        band = image.crop((0, top, image.width, min(top + BAND, image.height)))
        grey[top : top + BAND] = _band_to_grey(band, background, name)
    return grey


def _band_to_grey(image: Image.Image, background: float, name: str) -> NDArray[np.float32]:
    if image.mode.startswith("I"):  # 16-bit grey, which some files hold as 32-bit
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise RunError(f"{name}: 32-bit grey values from {values.min()} to {values.max()}; expected 0 to 65535")
        clear = values == image.info["transparency"] if "transparency" in image.info else False
        return np.where(clear, np.float32(background), values.astype(np.float32) / np.float32(65535))
    if image.mode == "F":
        real = np.asarray(image)
        if not np.isfinite(real).all() or real.min() < 0 or real.max() > 1:
            raise RunError(f"{name}: floating-point grey values outside [0, 1]")
        return real.astype(np.float32)
    if image.mode in ("L", "1") and "transparency" not in image.info:
        return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
    if image.mode in ("LAB", "HSV", "CMYK", "YCbCr"):
        image = image.convert("RGB")
    rgba = np.asarray(image.convert("RGBA"), dtype=np.float32) / np.float32(255)  # (H, W, 4)
    alpha = rgba[..., 3]
    grey = rgba[..., :3] @ np.asarray(GREY_WEIGHTS, np.float32)
    return (grey * alpha + np.float32(background) * (1.0 - alpha)).astype(np.float32)


def centre_square(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest centred square (S, S) of `grey` (H, W)."""
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return grey[top : top + side, left : left + side]


def resize(grey: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """`grey` (S, S) resampled to (size, size), antialiased, kept within [0, 1]."""
    if grey.shape == (size, size):
        return np.ascontiguousarray(grey)
    resampled = Image.fromarray(np.ascontiguousarray(grey)).resize((size, size), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(resampled, dtype=np.float32), 0.0, 1.0)
