"""Grey frames of one size -> an animation: GIF, WebP, or MP4 with the ffmpeg that the extra `video` brings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
from PIL import Image

from dcign.errors import BadInput, Failure
from dcign.images.drawing import PAPER, gif

SUFFIXES = (".gif", ".webp", ".mp4")
LARGEST_SIDE = {".gif": 65535, ".webp": 16383, ".mp4": 8192}  # pixels: of the first two by their format


def check_movie(path: Path) -> None:
    """BadInput, naming `path`, when a movie of its suffix cannot be written here: MP4 without ffmpeg."""
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
    """The file of an animation, endless for .gif and .webp, of grey frames (mode L) of one size, each shown so long.

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
    """An endless WebP animation, lossless."""
    file = io.BytesIO()
    first, *others = (frame.convert("RGB") for frame in frames)
    first.save(file, "WEBP", save_all=True, append_images=others, duration=milliseconds, loop=0, lossless=True)
    return file.getvalue()


def mp4(frames: Sequence[Image.Image], milliseconds: int) -> bytes:
    """H.264 in MP4, as browsers and phones play it. Sides are padded with white to even numbers of pixels."""
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
