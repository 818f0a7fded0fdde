import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from dcign.engine.drawing import Row, Tile, check_movie, draw_rows, movie
from dcign.errors import BadInput


def frames(count=4, size=(41, 30)):
    """Slopes that move, of odd width."""
    slope = np.add.outer(np.arange(size[1]) * 2, np.arange(size[0]) * 3)
    return [Image.fromarray(((slope + 25 * k) % 230).astype(np.uint8)) for k in range(count)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_holds_every_frame_pixel_for_pixel_and_its_time(suffix):
    with Image.open(io.BytesIO(movie(frames(), suffix, 120))) as read:
        shown = [np.asarray(page.convert("L")) for page in ImageSequence.Iterator(read)]
        assert read.format == suffix[1:].upper()
        assert read.info["loop"] == 0
        assert read.info["duration"] == 120
    np.testing.assert_array_equal(shown, [np.asarray(frame) for frame in frames()])


def test_an_mp4_shows_every_frame_with_sides_padded_to_even(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    (tmp_path / "movie.mp4").write_bytes(movie(frames(), ".mp4", 125))
    read = ffmpeg.read_frames(str(tmp_path / "movie.mp4"), pix_fmt="gray", bits_per_pixel=8)
    about = next(read)
    assert about["size"] == (42, 30)
    assert about["fps"] == 8
    assert about["pix_fmt"].startswith("yuv420p")  # what browsers and phones play
    shown = [np.frombuffer(frame, np.uint8).reshape(30, 42)[:, :41].astype(int) for frame in read]
    assert len(shown) == 4
    for decoded, frame in zip(shown, frames(), strict=True):
        assert np.abs(decoded - np.asarray(frame)).mean() < 2


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_the_same_frames_give_the_same_bytes(suffix):
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    assert movie(frames(), suffix, 120) == movie(frames(), suffix, 120)


def test_frames_too_large_for_the_format_are_refused():
    with pytest.raises(BadInput, match=r"\.webp: expected frames of at most 16383 pixels a side, found 16384"):
        movie([Image.new("L", (1, 16384))], ".webp", 120)


def test_mp4_without_its_package_is_refused_and_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(BadInput, match=r"morph\.MP4: MP4 needs the package imageio-ffmpeg.*dcign\[video\]"):
        check_movie(Path("morph.MP4"))
    check_movie(Path("morph.gif"))


def test_a_heading_is_not_cut_off_where_there_are_few_tiles():
    tile = Tile(np.zeros((54, 54)))
    short, wide = (draw_rows([Row([tile], heading=heading)]).width for heading in ("spot 1", "spot 1, " * 20))
    assert short < 100
    assert wide > 500
