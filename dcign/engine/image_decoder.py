"""Decodes one untrusted image file under limits; `decoder_process` runs this in a process of its own.

Imports nothing but Pillow, so that the process starts in a tenth of a second. Three limits hold together:

scans    of a JPEG, counted before anything is decoded: each goes over the whole picture, and a file may hold thousands
time     of the processor, by a timer whose signal ends the process wherever it is, in the midst of a decoder too
memory   of the process: its address space
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image, ImageOps

# Plain raster formats only: some readers of Pillow start other programs (EPS), are rarely exercised, or decode an image
# before its size can be asked for (ICO).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA")
MAX_PIXELS = 100_000_000
MAX_SCANS = 100  # of a JPEG; encoders write about ten
HEAD = 4096  # bytes in which a drawing says what it is
BAND = 256  # rows sent at once
BITS_PER_SAMPLE = 258  # a tag of TIFF
START_SECONDS = 1.0  # of CPU time to find out what a file is; an ordinary one takes a hundredth
SECONDS_PER_MEGAPIXEL = 0.1  # more to decode it: an ordinary file takes a third of it at most
START_BYTES = 512 * 2**20  # of address space; Python and Pillow take a third of it
BYTES_PER_PIXEL = 32  # more to decode it: an ordinary file takes a third of it at most
BYTES = {"1": 1 / 8, "L": 1, "RGB": 3, "RGBA": 4, "I": 4, "F": 4, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
MARKER = re.compile(rb"\xff([^\x00\xff\x01\xd0-\xd8])")  # of JPEG, but those without a segment behind them


class Undecodable(Exception):
    """A fault of a file, in half a sentence."""


def decode(content: bytes, allow: Callable[[int], None] = lambda pixels: None) -> Image.Image:
    """Decode the first image of a file, upright as its EXIF data has it, in one of the modes of `BYTES`.

    allow  is told the number of pixels before they are decoded

    Undecodable when it is no image of one of `FORMATS`, has more than `MAX_PIXELS` or `MAX_SCANS`, or is damaged.
    """
    if content.startswith(b"\xff\xd8") and (found := count_scans(content)) > MAX_SCANS:
        raise Undecodable(f"a JPEG of at least {found} scans; expected at most {MAX_SCANS}, such as any encoder writes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's limit of pixels, which is laxer, and of odd metadata
            image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Undecodable(f"{_too_many()}, found {width} x {height}")
            allow(width * height)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _plain(image)
    except Undecodable:
        raise
    except Image.DecompressionBombError:
        raise Undecodable(_too_many()) from None
    except Image.UnidentifiedImageError:
        if b"<svg" in content[:HEAD]:
            raise Undecodable("an SVG drawing, not an image of pixels; export it as PNG first") from None
        raise Undecodable(f"not an image that can be read; expected one of {', '.join(FORMATS)}") from None
    except MemoryError:
        raise Undecodable("takes more memory to decode than an image of its size should") from None
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise Undecodable(f"damaged or truncated image ({' '.join(str(error).split())})") from None


def count_scans(content: bytes) -> int:
    """Count the scans of a JPEG file, up to one more than `MAX_SCANS`. Thumbnails within its segments are not counted.

    A scan is `FF DA`; in compressed data a zero follows each FF (ITU T.81, B.1.1).
    """
    if content.count(b"\xff\xda") <= MAX_SCANS:  # quick, and no less than there are
        return 0
    scans, place = 0, 2
    while scans <= MAX_SCANS and (marker := MARKER.search(content, place)):
        place = marker.end()
        if marker[1] == b"\xd9":  # the end: what follows is not part of the picture
            break
        scans += marker[1] == b"\xda"
        place += int.from_bytes(content[place : place + 2], "big")
    return scans


def _too_many() -> str:
    return f"too many pixels: expected at most {MAX_PIXELS // 10**6} million"


def _plain(image: Image.Image) -> Image.Image:
    """Bring palettes, colour keys and rare colour spaces to RGB or RGBA, as Pillow does; all else stays."""
    keyed = "transparency" in image.info
    if image.mode in ("LAB", "HSV", "CMYK", "YCbCr"):
        return image.convert("RGB")
    if image.mode.startswith("I") or image.mode in ("F", "RGBA") or (image.mode in ("1", "L", "RGB") and not keyed):
        return image
    return image.convert("RGBA")


def serve() -> None:
    """Answer on standard output what comes on standard input, until that ends.

    A request is the number of bytes of a file in a line, and the file. An answer is a line of JSON, either
    `{"problem": ...}` or `{"mode": ..., "size": [W, H], "transparency": grey value or null, "bits": of
    the samples of a TIFF or null}` and the pixels as `Image.tobytes` gives them.
    """
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while line := requests.readline():
        size = int(line)
        _allow(size, 0)  # before the file is read, whose size the last one's limit may not hold
        _answer(requests.read(size), answers)
        answers.flush()


def _answer(content: bytes, answers: BinaryIO) -> None:
    try:
        image = decode(content, lambda pixels: _allow(len(content), pixels))
    except Undecodable as problem:
        answers.write(json.dumps({"problem": str(problem)}).encode() + b"\n")
        return
    key, bits = image.info.get("transparency"), getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE)
    head = {
        "mode": image.mode,
        "size": image.size,
        "transparency": key if isinstance(key, int) else None,
        "bits": bits[0] if bits is not None and len(bits) == 1 else None,
    }
    answers.write(json.dumps(head).encode() + b"\n")
    for top in range(0, image.height, BAND):
        answers.write(image.crop((0, top, image.width, min(top + BAND, image.height))).tobytes())


def _allow(size: int, pixels: int) -> None:
    """Allow this process as much time and memory as a file of `size` bytes and as many pixels may take, from now on."""
    signal.setitimer(signal.ITIMER_PROF, START_SECONDS + SECONDS_PER_MEGAPIXEL * pixels / 10**6)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    memory = START_BYTES + 2 * size + BYTES_PER_PIXEL * pixels  # a file from a pipe is in memory twice
    resource.setrlimit(resource.RLIMIT_AS, (memory if hard == resource.RLIM_INFINITY else min(memory, hard), hard))
