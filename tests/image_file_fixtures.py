"""Image files of every mode, and small ones that take long to decode, or much memory."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def jpeg_of_scans(scans: int, width: int = 64, height: int = 64) -> bytes:
    """A progressive JPEG of so many scans, the last one again and again, which claims to be of any size."""
    file = io.BytesIO()
    Image.new("L", (64, 64), 128).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    frame = content.index(b"\xff\xc2") + 5
    content = content[:frame] + struct.pack(">HH", height, width) + content[frame + 4 :]
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (scans - content.count(b"\xff\xda")) + content[-2:]


def jpeg_of_segments(count: int) -> bytes:
    """A JPEG with so many empty segments of metadata."""
    content = jpeg_of_scans(6)
    return content[:2] + b"\xff\xe1\x00\x02" * count + content[2:]


def png_claiming(width: int, height: int) -> bytes:
    """A small PNG file whose header claims another size."""
    file = io.BytesIO()
    Image.new("L", (80, 80), 9).save(file, "PNG")
    content = file.getvalue()
    head = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
    return content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]


def plain_ppm(side: int) -> bytes:
    """A picture written out in digits."""
    return b"P3 %d %d 9\n" % (side, side) + b"1 2 3 " * side * side


def noise(mode, size=(13, 9)):
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), np.uint8)
    return Image.frombytes(mode, size, values.tobytes())


def file_of(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def wide(kind):
    values = np.random.default_rng(0).integers(0, 65536, (9, 13), np.uint16)
    return file_of(Image.fromarray(values), kind)


PALETTE = noise("RGB").quantize(7)
FILES = {
    "grey": file_of(noise("L"), "PNG"),
    "colour": file_of(noise("RGB"), "PNG"),
    "alpha": file_of(noise("RGBA"), "PNG"),
    "grey and alpha": file_of(noise("LA"), "PNG"),
    "palette": file_of(PALETTE, "PNG"),
    "palette with a clear colour": file_of(PALETTE, "PNG", transparency=2),
    "palette with alphas": file_of(PALETTE, "PNG", transparency=bytes([0, 90, 255, 7])),
    "clear grey": file_of(noise("L").point(lambda v: v // 64), "PNG", transparency=2),
    "clear colour": file_of(Image.new("RGB", (5, 5), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
    "bits": file_of(noise("L").convert("1"), "PNG"),
    "16 bits": wide("PNG"),
    "16 bits in TIFF": wide("TIFF"),
    "32 bits": file_of(Image.fromarray(np.arange(12, dtype=np.int32).reshape(3, 4) * 5000), "TIFF"),
    "real": file_of(Image.fromarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)), "TIFF"),
    "JPEG": file_of(noise("RGB"), "JPEG"),
    "print colours": file_of(noise("CMYK"), "JPEG"),
    "print colours in TIFF": file_of(noise("CMYK"), "TIFF"),
    "Lab": file_of(noise("LAB"), "TIFF"),
    "GIF": file_of(PALETTE, "GIF", transparency=1),
    "frames": file_of(noise("L"), "GIF", save_all=True, append_images=[noise("L").point(lambda v: 255 - v)]),
    "WebP": file_of(noise("RGBA"), "WEBP", lossless=True),
    "BMP": file_of(noise("RGB"), "BMP"),
    "TGA": file_of(noise("RGBA"), "TGA"),
    "PPM": file_of(noise("RGB"), "PPM"),
    "many scans": jpeg_of_scans(100),
}
