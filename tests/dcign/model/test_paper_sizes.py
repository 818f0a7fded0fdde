"""Sizes that the paper's network takes."""

import pytest

from dcign.errors import RunError
from dcign.model.paper_sizes import decoder_grid, nearest_size

POSSIBLE = [size for size in range(54, 151) if (size + 90) % 16 == 0]


@pytest.mark.parametrize("side", [1, 54, 61, 63, 96, 128, 149, 150])
def test_the_nearest_size_is_the_nearest_possible_one(side):
    chosen = nearest_size(side)
    decoder_grid(chosen)
    assert abs(chosen - side) == min(abs(size - side) for size in POSSIBLE)


@pytest.mark.parametrize("side", [200, 640, 10_000])
def test_large_images_are_made_as_large_as_the_paper_s(side):
    assert nearest_size(side) == 150


def test_a_size_that_does_not_fit_names_its_neighbours():
    with pytest.raises(RunError, match="nearest: 134 or 150"):
        decoder_grid(149)
    with pytest.raises(RunError, match="nearest: 54"):
        decoder_grid(20)
