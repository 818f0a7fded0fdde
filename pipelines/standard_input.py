"""An image from standard input, which `-` stands for among the names of files."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from PIL import Image

from dcign.errors import BadInput
from dcign.image_files import decode_image

STDIN = "-"
NAME = "stdin"
MOST_PIPED = 512 * 2**20  # bytes


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
