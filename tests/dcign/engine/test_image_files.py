import io

import numpy as np
import pytest
from PIL import Image

from dcign.engine import image_files
from dcign.engine.image_files import find_images, read_image
from dcign.errors import RunError


def png_file(size=(80, 80)):
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, size[::-1], dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.png", b"not an image", "not an image"),
        ("empty.png", b"", "not an image"),
        ("cut.png", png_file()[:2000], "damaged or truncated"),
        ("drawing.svg", b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        ("drawing.png", b"<svg width='9' height='9'/>", "an SVG drawing"),
        ("page.jpg", b"<html><body>404</body></html>", "not an image"),
        ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_what_is_not_a_whole_image_is_refused_by_name(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RunError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_more_bytes_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MOST_BYTES", 6000)
    path = tmp_path / "large.png"
    path.write_bytes(png_file())
    with pytest.raises(RunError, match=r"large\.png: too large"):
        read_image(path)


def test_what_is_not_a_file_is_refused_by_name(tmp_path):
    with pytest.raises(RunError, match=r"nothing\.png: no such file"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(RunError, match="not a file"):
        read_image(tmp_path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "c[1].png", "notes.txt", ".hidden.png", "deep/d.webp", "none/readme.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["b.png", "a.JPG"], ["b.png", "a.JPG"]),
        (["."], ["a.JPG", "b.png", "c[1].png"]),
        (["*.png"], ["b.png", "c[1].png"]),
        (["c[1].png"], ["c[1].png"]),
        (["**/*.webp"], ["deep/d.webp"]),
        (["deep", "-", "notes.txt"], ["deep/d.webp", "-", "notes.txt"]),
    ],
)
def test_files_folders_and_globs_are_found_in_order(folder, words, found):
    assert find_images(words) == found


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("x.png", "x.png: no such file"),
        ("none", "none: expected images in this folder"),
        ("*.bmp", r"\*.bmp: expected images"),
        ("f*", r"f\*: expected images"),
    ],
)
def test_words_that_name_no_image_are_refused(folder, word, message):
    with pytest.raises(RunError, match=message):
        find_images(["b.png", word])
