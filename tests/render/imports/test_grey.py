"""Grey squares of pictures of all kinds."""

import numpy as np
import pytest
from PIL import Image

from render.errors import BadInput
from render.imports.grey import grey_square, is_coloured, to_grey

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 8)).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_a_grey_picture_keeps_its_bytes_in_every_mode(mode):
    image = Image.fromarray(PIXELS).convert(mode)
    assert (np.asarray(to_grey(image, 0.0)) == PIXELS).all()
    assert not is_coloured(image)


def test_colours_count_by_the_weights_of_the_renderer():
    pixels = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    grey = np.asarray(to_grey(image, 0.0)).astype(float)
    assert np.abs(grey - pixels @ [0.21, 0.72, 0.07]).max() <= 0.51
    assert is_coloured(image)


@pytest.mark.parametrize(("background", "level"), [(0.0, 0), (1.0, 255), (0.5, 128)])
def test_transparent_pixels_show_the_background(background, level):
    rgba = np.dstack([PIXELS] * 3 + [np.where(PIXELS > 100, 255, 0).astype(np.uint8)])
    grey = np.asarray(to_grey(Image.fromarray(rgba), background))
    assert (grey == np.where(PIXELS > 100, PIXELS, level)).all()


def test_sixteen_bits_are_rounded_to_eight():
    image = Image.fromarray(PIXELS.astype(np.uint16) * 257 + 100)
    assert np.abs(np.asarray(to_grey(image, 0.0)).astype(int) - PIXELS).max() <= 1
    assert (np.asarray(to_grey(Image.fromarray(PIXELS.astype(np.uint16) * 257), 0.0)) == PIXELS).all()


@pytest.mark.parametrize("pixels", [PIXELS.astype(np.float32), PIXELS.astype(np.int32) * 1000])
def test_values_without_a_white_are_refused(pixels):
    with pytest.raises(BadInput, match="from 0 to 65535, found"):
        to_grey(Image.fromarray(pixels), 0.0)


def test_squares_keep_the_middle_or_everything():
    image = Image.fromarray(PIXELS)
    assert (np.asarray(grey_square(image, 6, "centre", 1.0)) == PIXELS[:, 1:7]).all()
    whole = np.asarray(grey_square(image, 8, "none", 1.0))
    assert (whole[1:7] == PIXELS).all()
    assert (whole[[0, 7]] == 255).all()
    assert (np.asarray(grey_square(Image.fromarray(PIXELS.T), 8, "none", 0.0))[:, 1:7] == PIXELS.T).all()


def test_reducing_keeps_the_mean_and_never_rings():
    edges = np.kron([[0, 255], [255, 0]], np.ones((40, 40))).astype(np.uint8)
    small = np.asarray(grey_square(Image.fromarray(edges), 10, "centre", 1.0)).astype(float)
    assert abs(small.mean() - 127.5) < 2
    assert small[0, 0] == 0
    assert small[0, 9] == 255
