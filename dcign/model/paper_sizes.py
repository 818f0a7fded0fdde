"""The image sizes that the paper's network can be built for. Knows nothing of torch."""

from __future__ import annotations

from dcign.errors import RunError

PAPER_SIZE = 150
SMALLEST_GRID = 9  # the decoder's start for 54 x 54; a smaller one would leave the encoder 2 x 2 pixels or fewer
DOUBLINGS = 16  # four up-convolutions h -> 2h - 6 end at 16h - 90
BORDER = 90


def decoder_grid(size: int) -> int:
    """Return side h of the decoder's first feature map: four up-convolutions h -> 2h - 6 end at 16h - 90 = size.

    Raises RunError for an image size that the decoder cannot end at.
    """
    grid, remainder = divmod(size + BORDER, DOUBLINGS)
    if remainder or grid < SMALLEST_GRID:
        low = max(grid, SMALLEST_GRID)
        near = f"{_size(low)} or {_size(low + 1)}" if grid >= SMALLEST_GRID else f"{_size(SMALLEST_GRID)}"
        raise RunError(
            f"images of {size} x {size} do not fit the network: possible sizes are 54, 70, ..., 134, 150, ... "
            f"(16 h - 90; nearest: {near}); render with another `size`"
        )
    return grid


def nearest_size(side: int) -> int:
    """Return the possible size nearest to `side` pixels, the paper's at most: larger ones are slow to train."""
    return min(_size(max(round((side + BORDER) / DOUBLINGS), SMALLEST_GRID)), PAPER_SIZE)


def _size(grid: int) -> int:
    return DOUBLINGS * grid - BORDER
