"""What is decoded and how, in this process: the same pixels as Pillow's, no more scans and pixels than allowed."""

import io
import time

import numpy as np
import pytest
from image_file_fixtures import FILES, file_of, jpeg_of_scans, png_claiming
from PIL import Image, ImageFile

from dcign.engine.image_decoder import BYTES, MAX_PIXELS, MAX_SCANS, Undecodable, count_scans, decode
from dcign.engine.image_files import to_grey


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("background", [0.0, 1.0])
def test_any_mode_comes_out_as_the_grey_of_pillows_own(kind, background):
    image = decode(FILES[kind])
    assert image.mode in BYTES
    with Image.open(io.BytesIO(FILES[kind])) as opened:
        np.testing.assert_array_equal(to_grey(image, background), to_grey(opened, background))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation):
    upright = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    stored = {  # what a camera held that way writes: EXIF 2.3, 4.6.4, tag 274
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = file_of(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(np.asarray(decode(content)), upright)


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (60_000, 60_000)])
def test_more_pixels_than_the_limit_are_refused_before_memory_is_spent(width, height, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("pixels were decoded"))
    with pytest.raises(Undecodable, match="too many pixels: expected at most 100 million"):
        decode(png_claiming(width, height))


def test_as_many_pixels_as_the_limit_are_decoded():
    assert MAX_PIXELS == 10_000 * 10_000
    told = []
    with pytest.raises(Undecodable, match="damaged or truncated"):  # it went on to the pixels, which the file has not
        decode(png_claiming(10_000, 10_000), told.append)
    assert told == [MAX_PIXELS]


@pytest.mark.parametrize("scans", [MAX_SCANS + 1, 1000, 20_000])
def test_a_jpeg_of_more_scans_than_any_encoder_writes_is_refused_before_it_is_decoded(scans, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    content = jpeg_of_scans(scans, 5000, 5000)
    assert content.count(b"\xff\xda") == scans
    with pytest.raises(Undecodable, match="a JPEG of at least 101 scans; expected at most 100"):
        decode(content)


def test_scans_of_thumbnails_and_of_what_follows_the_picture_do_not_count():
    content = jpeg_of_scans(9)
    many = b"\xff\xda" * 500
    segment = b"\xff\xe1" + (2 + len(many)).to_bytes(2, "big") + many
    for odd in (content[:2] + segment + content[2:], content + many):
        assert count_scans(odd) <= MAX_SCANS
        decode(odd)


def test_counting_scans_takes_a_moment_whatever_is_in_the_file():
    started = time.process_time()
    for content in (
        b"\xff\xd8" + b"\xff" * 2**22 + b"\xff\xda" * 200 + b"\xff" * 2**22,
        b"\xff\xd8" + b"\xff\xc0" * 2**20,
    ):
        count_scans(content)
    assert time.process_time() - started < 2
