"""Grey images of one size out of decoded pictures of any kind: on a background, by the renderer's weights, square."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from assets.mesh import GREY_WEIGHTS
from render.errors import BadInput

WHITE = 65535  # of 16 bits
CROPS = ("centre", "none")


def is_coloured(image: Image.Image) -> bool:
    """Tell whether any pixel has a colour."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    red, green, blue = image.split()[:3]
    return any(ImageChops.difference(red, other).getbbox() is not None for other in (green, blue))


def to_grey(image: Image.Image, background: float) -> Image.Image:
    """Return an image as grey of 8 bits (mode L), transparent pixels on the grey value `background` in 0..1.

    Colours count by `GREY_WEIGHTS`; grey of 16 bits is rounded. Raises BadInput, without a name, for floating point
    and for integers beyond 16 bits.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _in_eight_bits(image, background)
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        level = round(255 * background)
        image = Image.alpha_composite(Image.new("RGBA", image.size, (level, level, level, 255)), image)
    return image.convert("RGB").convert("L", (*GREY_WEIGHTS, 0.0))


def array_to_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image of three colours, (H, W, 3), as grey, (H, W)."""
    return np.asarray(to_grey(Image.fromarray(image), 0.0))


def _in_eight_bits(image: Image.Image, background: float) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > WHITE:
        found = "floating point" if image.mode == "F" else f"{values.min()} to {values.max()}"
        raise BadInput(f"expected grey values from 0 to {WHITE}, found {found}")
    clear = values == image.info.get("transparency", -1)
    grey = np.rint(values.astype(np.float64) * (255 / WHITE))
    return Image.fromarray(np.where(clear, round(255 * background), grey).astype(np.uint8))


def grey_square(image: Image.Image, size: int, crop: str, background: float) -> Image.Image:
    """Make a grey image `size` x `size` pixels.

    crop  centre: the largest square about its centre is kept; none: all of it, with `background` on two sides
    """
    width, height = image.size
    side = min(width, height) if crop == "centre" else max(width, height)
    if crop != "centre" and width != height:
        padded = Image.new("L", (side, side), round(255 * background))
        padded.paste(image, ((side - width) // 2, (side - height) // 2))
        image, width, height = padded, side, side
    left, top = (width - side) // 2, (height - side) // 2
    return reduced(image, size, (left, top, left + side, top + side))


def reduced(image: Image.Image, size: int, window: tuple[float, float, float, float]) -> Image.Image:
    """Resample a window of an image to `size` x `size` pixels, each the average over the area that it shows.

    The filter has no negative lobes, hence no ringing.
    """
    return image.resize((size, size), Image.Resampling.HAMMING, window)
