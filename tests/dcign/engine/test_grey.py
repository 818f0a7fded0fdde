import numpy as np
import pytest
from PIL import Image
from tiff_fixtures import twelve_bit_tiff

from dcign.engine import image_files as reading
from dcign.errors import RunError

GREY = {"black": 0.0, "red": 0.21, "lime": 0.72, "blue": 0.07, "white": 1.0}


def written(tmp_path, image, name="image.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize(("colour", "grey"), GREY.items())
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_become_the_renderers_grey(tmp_path, mode, colour, grey):
    path = written(tmp_path, Image.new("RGB", (10, 10), colour).convert(mode))
    np.testing.assert_allclose(reading.load_grey(path, 10, 0.0), grey, atol=0.005)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16", "I", "F", "CMYK", "RGB", "YCbCr"])
def test_every_mode_keeps_its_grey_values(tmp_path, mode):
    steps = np.array([0, 255]) if mode == "1" else np.array([0, 51, 102, 153, 204, 255])
    plain = np.repeat(steps, 10).astype(np.uint8)[None].repeat(len(steps) * 10, 0)
    if mode == "I;16":
        image = Image.fromarray(plain.astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(plain.astype(np.int32) * 257)
    elif mode == "F":
        image = Image.fromarray(plain.astype(np.float32) / 255)
    else:
        image = Image.fromarray(plain).convert("RGB" if mode in ("CMYK", "YCbCr") else mode).convert(mode)
    assert image.mode == mode
    name = "image.tif" if mode in ("F", "I", "CMYK", "YCbCr") else "image.png"
    grey = reading.load_grey(written(tmp_path, image, name), plain.shape[0], 0.0)
    assert grey.dtype == np.float32
    np.testing.assert_allclose(grey, plain / 255, atol=0.02)


def test_a_sixteen_bit_image_keeps_more_than_eight_bits(tmp_path):
    path = written(tmp_path, Image.fromarray(np.full((4, 4), 1000, np.uint16)))
    assert reading.load_grey(path, 4, 0.0)[0, 0] == pytest.approx(1000 / 65535, abs=1e-6)


def test_a_twelve_bit_tiff_is_as_bright_as_its_values(tmp_path):
    (tmp_path / "t.tif").write_bytes(twelve_bit_tiff(np.full((6, 6), 2048)))
    np.testing.assert_allclose(reading.load_grey(tmp_path / "t.tif", 6, 0.0), 2048 / 4095, atol=1e-4)
    (tmp_path / "t.tif").write_bytes(twelve_bit_tiff(np.tile([0, 4095], (6, 3))))
    np.testing.assert_array_equal(reading.load_grey(tmp_path / "t.tif", 6, 0.0), np.tile([0.0, 1.0], (6, 3)))


@pytest.mark.parametrize("background", [0.0, 1.0])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_show_the_background_of_the_object(tmp_path, mode, background):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 255, 0, 255), (0, 0, 4, 8))
    options = {}
    if mode == "P":
        image = image.convert("RGB").quantize(2)
        options["transparency"] = image.getpixel((7, 7))
    elif mode == "LA":
        image = image.convert("LA")
    grey = reading.load_grey(written(tmp_path, image, **options), 8, background)
    np.testing.assert_allclose(grey[:, 4:], background)
    assert 0.5 < grey[0, 0] < 0.75  # lime


def test_half_transparent_pixels_mix(tmp_path):
    path = written(tmp_path, Image.new("RGBA", (6, 6), (0, 0, 0, 128)))
    np.testing.assert_allclose(reading.load_grey(path, 6, 1.0), 127 / 255, atol=0.005)


def test_exif_orientation_is_honoured(tmp_path):
    image = Image.new("L", (20, 20), 0)
    image.paste(255, (0, 0, 20, 10))  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise: bright on the right
    grey = reading.load_grey(written(tmp_path, image, "image.jpg", exif=exif, quality=95), 20, 0.0)
    assert grey[:, 15:].min() > 0.9
    assert grey[:, :5].max() < 0.1


def test_the_centred_square_is_taken(tmp_path):
    image = Image.new("L", (90, 30), 0)
    image.paste(255, (30, 0, 60, 30))
    np.testing.assert_allclose(reading.load_grey(written(tmp_path, image), 30, 0.0), 1.0)


def test_an_image_of_the_right_size_is_not_resampled(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (54, 54), dtype=np.uint8)
    np.testing.assert_array_equal(
        reading.load_grey(written(tmp_path, Image.fromarray(pixels)), 54, 0.0), pixels / np.float32(255)
    )


@pytest.mark.parametrize("size", [1, 7, 600])
def test_resampling_is_antialiased_and_stays_within_range(tmp_path, size):
    checkers = (np.indices((size, size)).sum(0) % 2 * 255).astype(np.uint8)
    grey = reading.load_grey(written(tmp_path, Image.fromarray(checkers)), 54, 0.0)
    assert grey.shape == (54, 54)
    assert grey.min() >= 0
    assert grey.max() <= 1
    if size == 600:
        np.testing.assert_allclose(grey[5:-5, 5:-5], 0.5, atol=0.05)


def test_a_box_takes_that_square_of_the_upright_image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 70), dtype=np.uint8)
    path = written(tmp_path, Image.fromarray(pixels))
    expected = pixels[5:25, 30:50] / np.float32(255)
    np.testing.assert_array_equal(reading.load_grey(path, 20, 0.0, (30, 5, 20)), expected)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    turned = written(tmp_path, Image.fromarray(np.rot90(pixels)), "turned.tif", exif=exif)
    np.testing.assert_array_equal(reading.load_grey(turned, 20, 0.0, (30, 5, 20)), expected)


@pytest.mark.parametrize("box", [(51, 5, 20), (30, 21, 20), (0, 0, 41), (-1, 0, 5), (0, 0, 0)])
def test_a_box_that_is_not_within_the_image_is_refused_by_name(tmp_path, box):
    path = written(tmp_path, Image.new("L", (70, 40)))
    with pytest.raises(RunError, match="expected a box within its 70 x 40 pixels") as caught:
        reading.load_grey(path, 20, 0.0, box)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "P"])
def test_grey_values_do_not_depend_on_how_many_rows_are_taken_at_once(mode, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 9, 4), dtype=np.uint8)
    whole = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(pixels)
    image = whole if mode == "I;16" else whole.convert("RGB").quantize(16) if mode == "P" else whole.convert(mode)
    expected = reading.to_grey(image, 1.0)
    monkeypatch.setattr(reading, "BAND", 7)
    np.testing.assert_array_equal(reading.to_grey(image, 1.0), expected)


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_the_transparent_value_of_a_sixteen_bit_image_shows_the_background(tmp_path, background):
    pixels = np.full((4, 4), 30000, np.uint16)
    pixels[:2] = 7
    grey = reading.load_grey(written(tmp_path, Image.fromarray(pixels), transparency=7), 4, background)
    np.testing.assert_allclose(grey[:2], background)
    np.testing.assert_allclose(grey[2:], 30000 / 65535)


def test_floating_point_beyond_grey_values_is_refused_by_name(tmp_path):
    path = written(tmp_path, Image.fromarray(np.full((4, 4), 7.0, np.float32)), "real.tif")
    with pytest.raises(RunError, match=r"real\.tif: floating-point grey values outside"):
        reading.load_grey(path, 54, 0.0)
