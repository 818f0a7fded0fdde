"""An image file of any size or mode -> the grey square the network reads."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dcign.errors import RunError

# Plain raster formats only: some readers of Pillow start other programs (EPS) or are rarely exercised.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "ICO")
GREY_WEIGHTS = (0.21, 0.72, 0.07)  # of red, green, blue, as the renderers have it
BACKGROUND = {"face": 0.0, "chair": 1.0}  # grey value behind the object, for transparent pixels


def load_grey(path: Path, size: int, background: float) -> NDArray[np.float32]:
    """The image in `path` as grey values in [0, 1], (size, size) float32, row 0 at the top.

    Honours EXIF orientation, puts transparent pixels on grey value `background`, takes the largest centred square and
    resamples it with an antialiased Lanczos filter (not at all if it has the right size). First frame of an animation.
    RunError, naming the file, when it is missing, not an image, truncated or too large.
    """
    grey = to_grey(read_image(path), background, str(path))
    return resize(centre_square(grey), size)


def read_image(path: Path) -> Image.Image:
    """Opens, checks and decodes one image file, upright. RunError when that cannot be done."""
    if not path.exists():
        raise RunError(f"{path}: no such file; expected an image")
    if not path.is_file():
        raise RunError(f"{path}: not a file; expected one image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                image.load()
                upright = ImageOps.exif_transpose(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RunError(f"{path}: too many pixels to be safe ({error})") from None
    except Image.UnidentifiedImageError:
        raise RunError(f"{path}: not an image that can be read; expected one of {', '.join(FORMATS)}") from None
    except PermissionError:
        raise RunError(f"{path}: no permission to read it") from None
    except MemoryError:
        raise RunError(f"{path}: too large for the memory of this machine") from None
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise RunError(f"{path}: damaged or truncated image ({error})") from None
    return upright


def to_grey(image: Image.Image, background: float, name: str = "image") -> NDArray[np.float32]:
    """Grey values in [0, 1], (H, W) float32, of an image of any Pillow mode.

    16-bit grey is read at full depth. RunError for 32-bit integers beyond 16 bits and floating point beyond [0, 1].
    """
    if image.mode.startswith("I;16"):
        return np.asarray(image, dtype=np.float32) / 65535.0
    if image.mode == "I":  # how some files with 16-bit grey arrive
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise RunError(f"{name}: 32-bit grey values from {values.min()} to {values.max()}; expected 0 to 65535")
        return values.astype(np.float32) / 65535.0
    if image.mode == "F":
        real = np.asarray(image)
        if not np.isfinite(real).all() or real.min() < 0 or real.max() > 1:
            raise RunError(f"{name}: floating-point grey values outside [0, 1]")
        return real.astype(np.float32)
    if image.mode in ("L", "1") and "transparency" not in image.info:
        return np.asarray(image.convert("L"), dtype=np.float32) / 255.0
    if image.mode in ("LAB", "HSV", "CMYK", "YCbCr"):
        image = image.convert("RGB")
    rgba = np.asarray(image.convert("RGBA"), dtype=np.float32) / 255.0  # (H, W, 4)
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
