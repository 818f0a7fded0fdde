"""Rows of grey images with captions, and animations of such pictures: PNG, GIF, WebP, or MP4 with the extra `video`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dcign.errors import BadInput, Failure
from render.shards.labels import DEGREES, Label

INK, PAPER = 30, 255  # grey levels
MARGIN = 6  # pixels between tiles
READABLE = 100  # pixels; smaller images are enlarged for the picture
STILL_SUFFIXES = (".png", ".jpg", ".jpeg")
MOVIE_SUFFIXES = (".gif", ".webp", ".mp4")
LARGEST_SIDE = {
    ".jpg": 65500,
    ".gif": 65535,
    ".webp": 16383,
    ".mp4": 8192,
}  # pixels; all but MP4's by their format


@dataclass(frozen=True)
class Tile:
    """One grey image (H, W) in [0, 1] and the caption over it."""

    image: NDArray[np.floating]
    caption: str = ""


@dataclass(frozen=True)
class Row:
    """Tiles side by side, `label` to their left; a `heading` starts a block of rows."""

    tiles: Sequence[Tile]
    label: str = ""
    heading: str = ""


def degrees_text(angle: float) -> str:
    """Write an angle: -60.0 as '−60°', 12.34 as '12.3°'."""
    return f"{round(float(angle), 1) + 0.0:g}°".replace("-", "−")


def value_text(label: Label, value: float) -> str:
    """Write a value of a factor: '−60°', '12.3 cm', 'red'."""
    if label.unit == DEGREES:
        return degrees_text(value)
    return label.text(value) if label.categories else label.text(value + 0.0).replace("-", "−")


@lru_cache
def font(pixels: int) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, which matplotlib carries with it."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), pixels)


def to_uint8(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Turn grey values in [0, 1] into 0..255, rounded."""
    return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def readable_scale(size: int) -> int:
    """Return how many times images of `size` pixels a side are enlarged to be seen well."""
    return max(1, -(-READABLE // size))


def draw_rows(rows: Sequence[Row], scale: int = 1) -> Image.Image:
    """Draw a grey picture of `rows`; a tile is enlarged `scale` times and otherwise left as it is, pixel for pixel."""
    tiles = [tile for row in rows for tile in row.tiles]
    height = scale * max(tile.image.shape[0] for tile in tiles)
    pixels = max(11, min(16, height // 9))
    letters, line = font(pixels), pixels + 5
    width = max(scale * tile.image.shape[1] for tile in tiles)
    cell = max([width, *(int(letters.getlength(tile.caption)) + 2 for tile in tiles)])
    gutter = max([0, *(int(letters.getlength(row.label)) + 2 * MARGIN for row in rows if row.label)])
    columns = max(len(row.tiles) for row in rows)
    headings = sum(bool(row.heading) for row in rows)
    longest = max(int(letters.getlength(row.heading)) for row in rows)
    size = (
        max(gutter + MARGIN + columns * (cell + MARGIN), longest + 2 * MARGIN),
        MARGIN + headings * (line + MARGIN) + len(rows) * (line + height + MARGIN),
    )
    picture = Image.new("L", size, PAPER)
    pen = ImageDraw.Draw(picture)
    y = MARGIN
    for row in rows:
        if row.heading:
            pen.text((MARGIN, y + MARGIN), row.heading, fill=INK, font=letters)
            y += line + MARGIN
        if row.label:
            pen.text((MARGIN, y + line + height // 2), row.label, fill=INK, font=letters, anchor="lm")
        for column, tile in enumerate(row.tiles):
            x = gutter + MARGIN + column * (cell + MARGIN)
            pen.text((x + cell // 2, y + line - 3), tile.caption, fill=INK, font=letters, anchor="ms")
            picture.paste(_enlarge(tile.image, scale), (x + (cell - width) // 2, y + line))
        y += line + height + MARGIN
    return picture


def _enlarge(image: NDArray[np.floating], scale: int) -> Image.Image:
    plain = Image.fromarray(to_uint8(image))
    return plain.resize((plain.width * scale, plain.height * scale), Image.Resampling.NEAREST) if scale > 1 else plain


def png(picture: Image.Image) -> bytes:
    """Write a picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def still(picture: Image.Image, suffix: str) -> bytes:
    """Write a picture as a PNG or JPEG file, as the end of its name, one of `STILL_SUFFIXES`, asks for."""
    if suffix == ".png":
        return png(picture)
    if max(picture.size) > LARGEST_SIDE[".jpg"]:
        raise BadInput(f"a {suffix} picture: expected at most {LARGEST_SIDE['.jpg']} pixels a side; write .png")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def gif(frames: Sequence[Image.Image], milliseconds: int) -> bytes:
    """Write grey frames of one size as an endless GIF animation; equal neighbours become one longer frame."""
    file = io.BytesIO()
    first, *others = frames
    first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)
    return file.getvalue()


def check_movie(path: Path) -> None:
    """Raise BadInput, naming `path`, if a movie of its suffix cannot be written here: MP4 without ffmpeg."""
    if path.suffix.lower() == ".mp4":
        try:
            _ffmpeg().get_ffmpeg_exe()
        except (ImportError, RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise BadInput(
                f"{path}: MP4 needs the package imageio-ffmpeg, which cannot be used ({reason}); "
                "pip install 'dcign[video]', or write .gif or .webp"
            ) from None


def movie(frames: Sequence[Image.Image], suffix: str, milliseconds: int) -> bytes:
    """Write an animation, endless for .gif and .webp, of grey frames (mode L) of one size, each shown so long.

    BadInput for frames that are too large for the format, Failure when ffmpeg cannot encode them.
    """
    largest, limit = max(frames[0].size), LARGEST_SIDE[suffix]
    if largest > limit:
        raise BadInput(
            f"a movie that ends in {suffix}: expected frames of at most {limit} pixels a side, found {largest}; "
            "take fewer images or write to a folder"
        )
    return {".gif": gif, ".webp": webp, ".mp4": mp4}[suffix](frames, milliseconds)


def webp(frames: Sequence[Image.Image], milliseconds: int) -> bytes:
    """Write an endless WebP animation, lossless."""
    file = io.BytesIO()
    first, *others = (frame.convert("RGB") for frame in frames)
    first.save(file, "WEBP", save_all=True, append_images=others, duration=milliseconds, loop=0, lossless=True)
    return file.getvalue()


def mp4(frames: Sequence[Image.Image], milliseconds: int) -> bytes:
    """Write H.264 in MP4, as browsers and phones play it. Sides are padded with white to even numbers of pixels."""
    width, height = (side + side % 2 for side in frames[0].size)
    page = Image.new("L", (width, height), PAPER)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "movie.mp4"  # ffmpeg goes back in what it wrote, so it needs a file
        output = _ffmpeg().write_frames(
            str(path),
            (width, height),
            pix_fmt_in="gray",
            fps=Fraction(1000, milliseconds),
            codec="libx264",
            quality=None,
            macro_block_size=2,
            ffmpeg_log_level="error",
            # One thread: with several, the bytes depend on how many there are.
            output_params=["-crf", "12", "-threads", "1", "-bitexact", "-movflags", "+faststart"],
        )
        try:
            output.send(None)
            for frame in frames:
                page.paste(frame, (0, 0))
                output.send(np.asarray(page).tobytes())
            output.close()
            return path.read_bytes()
        except OSError as error:
            raise Failure(f"ffmpeg cannot encode the movie: {' '.join(str(error).split())}") from None


def _ffmpeg() -> ModuleType:
    import imageio_ffmpeg

    return imageio_ffmpeg
