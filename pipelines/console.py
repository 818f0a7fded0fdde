"""What commands share at the terminal: the progress bar, the folder of `-o`, images from standard input, numbers."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from PIL import Image
from tqdm import tqdm

from dcign.image_files import decode_image
from render.errors import BadInput

STDIN = "-"  # stands for standard input among the names of files
NAME = "stdin"
MOST_PIPED = 512 * 2**20  # bytes


def progress_bar(label: str, total: int, unit: str, **options: Any) -> tqdm:
    """A bar for `total` things called `unit`: what is done, its rate and the time left, on standard error.

    In a log file it prints a line about every 30 seconds.
    """
    interval = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(
        total=total, desc=label, unit=unit, mininterval=interval, maxinterval=interval, dynamic_ncols=True, **options
    )


def make_folder(folder: Path) -> Path:
    """The output folder, made if it is missing. BadInput when something else has its name or it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"-o {folder}: expected a folder, found a file") from None
    except OSError as error:
        raise BadInput(f"-o {folder}: cannot be made ({error.strerror})") from None
    return folder


def check_once(names: Sequence[str]) -> None:
    """BadInput where standard input would be read more than once."""
    if names.count(STDIN) > 1:
        raise BadInput("-: expected standard input once, found it for several images")


def piped_image() -> Image.Image:
    """Reads and decodes it, upright. BadInput for too many bytes or none at all, RunError for what is no image."""
    if sys.stdin is None:
        raise BadInput(f"{NAME}: expected an image from standard input, which is closed")
    content = sys.stdin.buffer.read(MOST_PIPED + 1)
    if len(content) > MOST_PIPED:
        raise BadInput(f"{NAME}: expected an image of at most {MOST_PIPED // 2**20} MiB, found more")
    return decode_image(io.BytesIO(content), NAME)


class Numbers(click.ParamType):
    """`count` whole numbers between separators, or up to `most`: 96/64/32 or 1:1:1:10."""

    name = "numbers"

    def __init__(self, count: int, separator: str, most: int = 0) -> None:
        self.count, self.separator, self.most = count, separator, most or count

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(self.separator)
        if not self.count <= len(parts) <= self.most or not all(part.isascii() and part.isdigit() for part in parts):
            wanted = self.separator.join("N" * self.count)
            self.fail(f"expected {self.count} whole numbers as {wanted}, found {value!r}", param, ctx)
        return tuple(int(part) for part in parts)
