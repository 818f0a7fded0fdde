"""The process that decodes: it ends with its limits, when told to, and by itself; the next image finds another."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from image_file_fixtures import FILES, file_of, jpeg_of_scans, jpeg_of_segments, noise, plain_ppm
from PIL import Image

from dcign.engine import decoder_process, image_decoder
from dcign.engine.decoder_process import DecoderProcess
from dcign.errors import RunError

FILE = FILES["alpha"]


@pytest.fixture(scope="module")
def decoder():
    found = DecoderProcess()
    yield found
    found.stop()


@pytest.mark.parametrize("kind", FILES)
def test_pixels_come_through_the_pipe_as_they_are(decoder, kind):
    image, expected = decoder.decode(FILES[kind], "a.png"), image_decoder.decode(FILES[kind])
    assert (image.mode, image.size) == (expected.mode, expected.size)
    assert image.tobytes() == expected.tobytes()
    key = expected.info.get("transparency") if expected.mode.startswith("I") else None
    assert image.info.get("transparency") == key


def test_more_rows_than_are_sent_at_once_and_a_colour_key_of_16_bits_come_through(decoder):
    tall = noise("L", (7, image_decoder.BAND * 2 + 5))
    for image in (tall, tall.convert("1")):
        assert decoder.decode(file_of(image, "PNG"), "a.png").tobytes() == image.tobytes()
    values = Image.fromarray(np.full((3, 3), 300, np.uint16))
    assert decoder.decode(file_of(values, "PNG", transparency=300), "a.png").info["transparency"] == 300


def test_what_is_no_image_is_named_and_the_process_stays(decoder):
    with pytest.raises(RunError, match=r"a\.png: not an image that can be read"):
        decoder.decode(b"hello", "a.png")
    process = decoder._process
    decoder.decode(FILE, "b.png")
    assert decoder._process is process


@pytest.fixture
def limited(monkeypatch):
    """Makes a decoder with other limits."""
    made = []

    def make(limits):
        start = (
            f"from dcign.engine import image_decoder; image_decoder.__dict__.update({limits}); image_decoder.serve()"
        )
        monkeypatch.setattr(decoder_process, "START", f"import sys; sys.path[:] = sys.argv[1:]; {start}")
        made.append(DecoderProcess())
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.mark.parametrize("content", [plain_ppm(1000), jpeg_of_segments(2_000_000)], ids=["digits", "segments"])
def test_an_image_that_takes_too_long_is_left_off_and_the_next_one_decoded(limited, content):
    decoder = limited({"START_SECONDS": 0.2, "SECONDS_PER_MEGAPIXEL": 0.02})
    with pytest.raises(RunError, match=r"slow\.jpg: takes far longer to decode than an image of its size should"):
        decoder.decode(content, "slow.jpg")
    assert decoder.decode(FILE, "b.png").size == (13, 9)


def test_memory_is_limited_by_the_pixels_of_the_file(limited):
    decoder = limited({"BYTES_PER_PIXEL": -10})
    with pytest.raises(RunError, match=r"a\.png: takes more memory to decode than"):
        decoder.decode(file_of(Image.new("1", (8000, 6000)), "PNG"), "a.png")
    assert decoder.decode(FILE, "b.png").size == (13, 9)


def test_stop_ends_it_in_the_midst_of_an_image_and_for_good():
    decoder, said = DecoderProcess(), []
    decoder.decode(FILE, "a.png")

    def ask():
        try:
            decoder.decode(jpeg_of_scans(100, 10_000, 10_000), "slow.jpg")
        except RunError as error:
            said.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    started = time.monotonic()
    decoder.stop()
    asking.join(20)
    assert time.monotonic() - started < 5
    assert said == ["slow.jpg: not decoded: the program ends"]
    with pytest.raises(RunError, match=r"a\.png: not decoded"):
        decoder.decode(FILE, "a.png")


def test_a_process_that_died_between_two_images_is_replaced():
    decoder = DecoderProcess()
    decoder.decode(FILE, "a.png")
    os.kill(decoder._process.pid, signal.SIGKILL)
    decoder._process.wait()
    assert decoder.decode(FILE, "a.png").size == (13, 9)
    decoder.stop()


def test_ctrl_c_leaves_no_half_an_answer_for_the_next_image(monkeypatch):
    decoder = DecoderProcess()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(decoder_process, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            decoder.decode(FILE, "a.png")
    assert decoder.decode(FILES["grey"], "b.png").mode == "L"
    decoder.stop()


def test_a_forked_process_gets_a_decoder_of_its_own():
    decoder = DecoderProcess()
    decoder.decode(FILE, "a.png")
    child = os.fork()
    if child == 0:
        fine = decoder.decode(FILE, "a.png").size == (13, 9)
        decoder.stop()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert decoder.decode(FILE, "b.png").size == (13, 9)
    decoder.stop()


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"[]\n", b'{"mode": "P", "size": [1, 1], "transparency": null, "bits": null}\n', b"7\n",
        b'{"mode": "L", "size": [100000, 100000], "transparency": null, "bits": null}\n',
        b'{"mode": "L", "size": [9, 9], "transparency": null, "bits": null}\n12345', b"x" * 20_000,
    ],
)  # fmt: skip
def test_an_answer_out_of_bounds_is_not_believed(monkeypatch, line):
    monkeypatch.setattr(
        decoder_process, "START", f"import sys; sys.stdin.buffer.readline(); sys.stdout.buffer.write({line!r})"
    )
    decoder = DecoderProcess()
    with pytest.raises(RunError, match=r"a\.png: damaged image: its decoder broke off"):
        decoder.decode(b"", "a.png")
