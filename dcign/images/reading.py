"""Image files from anywhere: found, checked, decoded. None of them is trusted: sizes are checked before pixels are."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from glob import glob
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps

from dcign.errors import RunError

# Plain raster formats only: some readers of Pillow start other programs (EPS), are rarely exercised, or decode an image
# before its size can be asked for (ICO).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA")
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
)  # fmt: skip
MAX_PIXELS = 100_000_000
HEAD = 4096  # bytes in which a drawing says what it is


def read_image(path: Path) -> Image.Image:
    """Checks and decodes one image file, upright. RunError, naming it, when that cannot be done."""
    if not path.exists():
        raise RunError(f"{path}: no such file; expected an image")
    if not path.is_file():
        raise RunError(f"{path}: not a file; expected one image")
    try:
        with open(path, "rb") as file:
            return decode_image(file, str(path))
    except PermissionError:
        raise RunError(f"{path}: no permission to read it") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None


def decode_image(file: BinaryIO, name: str) -> Image.Image:
    """The first image in an open file, upright as its EXIF data has it, pixels decoded.

    RunError, naming it `name`, when it is not an image of one of `FORMATS`, has more than `MAX_PIXELS`, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is tighter than its error
            image = Image.open(file, formats=FORMATS)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise RunError(
                f"{name}: too many pixels: expected at most {MAX_PIXELS // 10**6} million, found {width} x {height}"
            )
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except RunError:
        raise
    except Image.DecompressionBombError:
        raise RunError(f"{name}: too many pixels: expected at most {MAX_PIXELS // 10**6} million") from None
    except Image.UnidentifiedImageError:
        file.seek(0)
        if b"<svg" in file.read(HEAD):
            raise RunError(f"{name}: an SVG drawing, not an image of pixels; export it as PNG first") from None
        raise RunError(f"{name}: not an image that can be read; expected one of {', '.join(FORMATS)}") from None
    except MemoryError:
        raise RunError(f"{name}: too large for the memory of this machine") from None
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise RunError(f"{name}: damaged or truncated image ({' '.join(str(error).split())})") from None
    return image


def find_images(words: Iterable[str]) -> list[str]:
    """The files that `words` name, in their order: files, all images of a folder, the matches of a glob (`**` goes into
    folders) by name. '-', which stands for standard input, is kept.

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
