"""Image files from anywhere: found, read, and made the grey square that the network reads.

None of the files is trusted: they are decoded in a process of its own, under limits (`image_decoder`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from glob import glob
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.mesh import GREY_WEIGHTS
from dcign.engine.decoder_process import DecoderProcess
from dcign.errors import RunError

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
)  # fmt: skip
MOST_BYTES = 2**30  # of a file
BAND = 256  # rows taken to floating point at once: a large photo in four channels would fill the memory
Box: TypeAlias = tuple[int, int, int]  # left, top, side: a square in pixels of the upright image


def read_image(path: Path) -> Image.Image:
    """Check and decode one image file, upright. RunError, naming it, when that cannot be done."""
    if not path.exists():
        raise RunError(f"{path}: no such file; expected an image")
    if not path.is_file():
        raise RunError(f"{path}: not a file; expected one image")
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except PermissionError:
        raise RunError(f"{path}: no permission to read it") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > MOST_BYTES:
        raise RunError(f"{path}: too large: expected an image of at most {MOST_BYTES // 2**20} MiB")
    return decode_image(content, str(path))


def decode_image(content: bytes, name: str) -> Image.Image:
    """Decode the first image of a file, upright as its EXIF data has it.

    RunError, naming it `name`, when it is not an image of one of `image_decoder.FORMATS`, is damaged, or would take
    more pixels, time or memory than there allowed.
    """
    return _decoder().decode(content, name)


@lru_cache(maxsize=1)
def _decoder() -> DecoderProcess:
    """Return the process that decodes for this one; it stays until this one ends."""
    return DecoderProcess()


def find_images(words: Iterable[str]) -> list[str]:
    """Find the files that `words` name, in their order.

    A word is a file, a folder for all its images, or a glob for its matches by name (`**` goes into folders). '-', for
    standard input, is kept.

    RunError for a folder without images and a glob without matches. What is in the files is not looked at.
    """
    found: list[str] = []
    for word in words:
        path = Path(word)
        if word == "-" or (path.exists() and not path.is_dir()):
            found.append(word)
        elif path.is_dir():
            inside = [each for each in sorted(path.iterdir()) if _is_image_name(each) and each.is_file()]
            if not inside:
                raise RunError(f"{word}: expected images in this folder, found no file that ends in {_suffixes()}")
            found += map(str, inside)
        elif any(sign in word for sign in "*?["):
            matches = sorted(match for match in glob(word, recursive=True) if Path(match).is_file())
            if not matches:
                raise RunError(f"{word}: expected images, found no file of a name like that")
            found += matches
        else:
            raise RunError(f"{word}: no such file; expected an image")
    return found


def _is_image_name(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _suffixes() -> str:
    return f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"


def load_grey(path: Path, size: int, background: float, box: Box | None = None) -> NDArray[np.float32]:
    """Read the image in `path` as grey values in [0, 1], (size, size) float32, row 0 at the top, as `grey_square` does.

    RunError, naming the file, when it is missing, not an image, truncated or too large.
    """
    return grey_square(read_image(path), size, background, str(path), box)


def grey_square(
    image: Image.Image, size: int, background: float, name: str = "image", box: Box | None = None
) -> NDArray[np.float32]:
    """Make an upright image grey values in [0, 1], (size, size) float32, row 0 at the top.

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
    """Return the grey values in [0, 1], (H, W) float32, of an image of any Pillow mode.

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
    """Cut the largest centred square (S, S) out of `grey` (H, W)."""
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return grey[top : top + side, left : left + side]


def resize(grey: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resample `grey` (S, S) to (size, size), antialiased, kept within [0, 1]."""
    if grey.shape == (size, size):
        return np.ascontiguousarray(grey)
    resampled = Image.fromarray(np.ascontiguousarray(grey)).resize((size, size), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(resampled, dtype=np.float32), 0.0, 1.0)
