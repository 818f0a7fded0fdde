"""The explorer's page in a real browser: sliders, uploads, touch; what it shows is what the command line writes."""

import io
import re
import shlex
import time

import numpy as np
import pytest
from browser_fixtures import PHONE, canvas_grey, chromium, open_page, scrolls_sideways
from explore_fixtures import SIZE, Discs, serving
from PIL import Image
from shard_fixtures import synthetic_images
from untrained_run import write_calibrated, write_untrained

from dcign.engine.drawing import to_uint8
from dcign.engine.image_files import load_grey
from pipelines.commands.rerender import command as rerender_command
from pipelines.explore import uploads

CLOSE = 2  # grey levels of 255
PATIENCE = 60_000  # ms, for busy machines
SLIDERS = ("azimuth", "elevation", "light", "direction-1", "direction-2")
TOUCH = {"viewport": PHONE, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    write_calibrated(folder / "other", seed=1)
    write_untrained(folder / "uncalibrated", gain=300.0)
    angles = [np.array([angle]) for angle in (20.0, 10.0, 30.0)]
    face = Image.fromarray(synthetic_images(*angles, np.array([3]), 90)[0])
    face.save(folder / "plain.png")
    face.convert("RGB").save(folder / "photo.jpg")
    Image.fromarray(np.asarray(face).astype(np.uint16) * 257).save(folder / "deep.png")
    face.convert("RGB").convert("CMYK").save(folder / "print.jpg")
    face.resize((8000, 5000), Image.Resampling.NEAREST).save(folder / "large.png", compress_level=1)
    (folder / "text.png").write_text("hello")
    (folder / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return folder


@pytest.fixture(scope="module")
def address(work):
    with serving(work / "run", true=Discs()) as client:
        yield client.address


@pytest.fixture(scope="module")
def plain(work):
    """The address of a server without a renderer."""
    with serving(work / "run") as client:
        yield client.address


def settled(page, wanted, canvas="#decoded"):
    """Asserts that a canvas comes to show the grey picture `wanted`, within 2/255."""
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        found = canvas_grey(page, canvas)
        if found.shape == wanted.shape and np.abs(found.astype(int) - wanted).max() <= CLOSE:
            return
        time.sleep(0.02)
    raise AssertionError(f"{canvas} is off by {np.abs(found.astype(int) - wanted).max()} after {PATIENCE} ms")


def shown_text(page, selector, pattern):
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(re.compile(pattern), timeout=PATIENCE)


def give(page, path):
    """Chooses a file by the upload button's dialogue, and waits until the page shows it."""
    with page.expect_file_chooser() as chosen:
        page.click("#choose")
    chosen.value.set_files(path)
    shown_text(page, "#status", f"^{re.escape(path.name)} is shown$")


def by_command(page, folder, tmp_path, monkeypatch):
    """The picture that the command line shown on the page writes in `tmp_path` of a file in `folder`."""
    words = shlex.split(page.locator("#command").text_content().split("\n")[0])
    words[3] = str(folder / words[3])
    monkeypatch.chdir(tmp_path)
    rerender_command.main(words[2:], standalone_mode=False)
    newest = max((tmp_path / words[-1]).glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    with Image.open(newest) as image:
        return np.asarray(image).copy()


def test_each_slider_by_keyboard_gives_the_picture_of_the_command_line(browser, plain, work, tmp_path, monkeypatch):
    with open_page(browser, plain) as page:
        give(page, work / "plain.png")
        before = canvas_grey(page, "#decoded")
        for name, key, count in zip(
            SLIDERS, ("ArrowRight", "PageDown", "Home", "End", "ArrowLeft"), (7, 2, 1, 1, 3), strict=True
        ):
            page.focus(f"#slider-{name}")
            for _ in range(count):
                page.keyboard.press(key)
            value = float(page.input_value(f"#number-{name}"))
            shown_text(page, "#command", f"{name.partition('-')[0]}[ =].*{re.escape(f'{value:g}')}")
            wanted = by_command(page, work, tmp_path, monkeypatch)
            settled(page, wanted)
            assert not np.array_equal(wanted, before), name
            before = wanted
        page.keyboard.press("r")
        shown_text(page, "#command", "^Move a slider")
        page.focus("#number-light")
        page.keyboard.type("-33.5")
        shown_text(page, "#command", "--light=-33.5 ")
        settled(page, by_command(page, work, tmp_path, monkeypatch))
        assert page.input_value("#slider-light") in ("-33", "-34")


def test_a_mouse_drags_a_slider_and_the_last_of_many_moves_is_what_stays(browser, plain, work, tmp_path, monkeypatch):
    with open_page(browser, plain) as page:
        give(page, work / "plain.png")
        for name in ("azimuth", "direction-1"):
            box = page.locator(f"#slider-{name}").bounding_box()
            middle = box["y"] + box["height"] / 2
            page.mouse.move(box["x"] + box["width"] / 2, middle)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=25)
            page.mouse.up()
            assert float(page.input_value(f"#number-{name}")) > 0
            shown_text(page, "#command", name[:7])
            settled(page, by_command(page, work, tmp_path, monkeypatch))


def test_a_finger_drags_a_slider_on_a_phone_and_the_picture_stays_in_view(browser, address):
    with open_page(browser, address, **TOUCH) as page:
        shown_text(page, "#status", "is shown$")
        assert not scrolls_sideways(page)
        page.locator("#slider-direction-2").scroll_into_view_if_needed()
        before = canvas_grey(page, "#decoded")
        box = page.locator("#slider-direction-2").bounding_box()
        fingers = page.context.new_cdp_session(page)
        y = box["y"] + box["height"] / 2
        for kind, share in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.75), ("touchEnd", None)):
            points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": y}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert 1 < float(page.input_value("#number-direction-2")) < 2
        shown_text(page, "#command", "--direction 2=1")
        assert not np.array_equal(canvas_grey(page, "#decoded"), before)
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        picture = page.locator("#decoded").bounding_box()
        assert 0 <= picture["y"] < PHONE["height"] / 4
        assert picture["width"] > PHONE["width"] / 4


def test_no_window_is_scrolled_sideways(browser, address):
    with open_page(browser, address) as page:
        shown_text(page, "#command", "^Move a slider")
        page.fill("#number-azimuth", "-40")
        shown_text(page, "#command", "--azimuth=-40")
        for width in (320, 360, 390, 700, 1000, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert not scrolls_sideways(page), width


def test_each_kind_of_file_shows_its_picture_or_says_what_is_wrong(browser, plain, work):
    with open_page(browser, plain) as page:
        for name in ("photo.jpg", "deep.png", "print.jpg", "large.png"):
            give(page, work / name)
            expected = to_uint8(load_grey(work / name, SIZE, 0.0))
            settled(page, expected, "#input")
            assert page.text_content("#message") == ""
        for name, said in (("text.png", "not an image that can be read"), ("drawing.svg", "an SVG drawing")):
            page.set_input_files("#file", work / name)
            shown_text(page, "#message", f"^{name}: {said}")
            page.problems.clear()  # the browser logs the refusal
            settled(page, expected, "#input")  # the picture before
        give(page, work / "plain.png")
        settled(page, to_uint8(load_grey(work / "plain.png", SIZE, 0.0)), "#input")
        assert page.text_content("#message") == ""


def test_a_file_that_is_too_large_is_not_even_sent(browser, work, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 2**10)
    with serving(work / "run") as client, open_page(browser, client.address) as page:
        shown_text(page, "#status", "^Choose an image$")
        page.set_input_files("#file", work / "photo.jpg")
        shown_text(page, "#message", "^photo.jpg: expected at most 0.00")
        assert page.problems == []  # the browser would log a refusal by the server


HAND_OVER = """async ([kind, bytes]) => {
  const file = new File([new Uint8Array(bytes)], "shot.png", {type: "image/png"});
  if (kind === "paste") {
    await navigator.clipboard.write([new ClipboardItem({"image/png": file})]);
    return;
  }
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(file);
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, cancelable: true, bubbles: true}));
}"""


@pytest.mark.parametrize(("kind", "name"), [("drop", "shot.png"), ("paste", "pasted.png")])
def test_a_picture_can_be_dropped_and_pasted(browser, plain, work, kind, name):
    expected = to_uint8(load_grey(work / "plain.png", SIZE, 0.0))
    with open_page(browser, plain, permissions=["clipboard-read", "clipboard-write"]) as page:
        shown_text(page, "#status", "^Choose an image$")
        page.evaluate(HAND_OVER, [kind, list((work / "plain.png").read_bytes())])
        if kind == "paste":
            page.keyboard.press("Control+v")
        shown_text(page, "#status", f"^{name} is shown$")
        settled(page, expected, "#input")
        assert page.locator("#save-input").is_visible() == (kind == "paste")  # what was dropped is a file already
        if kind == "paste":
            with page.expect_download() as download:
                page.click("#save-input")
            assert download.value.suggested_filename == "pasted.png"
            assert np.array_equal(to_uint8(load_grey(download.value.path(), SIZE, 0.0)), expected)


def test_the_true_picture_follows_when_the_slider_rests_with_the_error_of_the_decoded_one(browser, work):
    discs = Discs()
    with serving(work / "run", true=discs) as client, open_page(browser, client.address) as page:
        shown_text(page, "#error", r"MSE 0\.\d")
        drawn = discs.drawn
        page.focus("#slider-azimuth")
        for _ in range(20):
            page.keyboard.press("ArrowRight")
        page.locator("#true").and_(page.locator(".stale #true")).wait_for()
        page.locator(".true:not(.stale) #true").wait_for()
        angle = float(page.input_value("#number-azimuth"))
        true = discs.draw(discs.frontal(0), {"azimuth": angle})
        settled(page, true, "#true")
        decoded = canvas_grey(page, "#decoded").astype(float)
        error = np.mean((decoded - true) ** 2) / 255**2
        shown_text(page, "#error", f"MSE {error:.4f}")
        expected = np.clip(128 + 2 * (decoded - true), 0, 255)
        settled(page, expected.round().astype(np.uint8), "#difference")
        assert discs.drawn - drawn < 8  # not one for each move
        page.focus("#slider-direction-1")
        page.keyboard.press("ArrowRight")
        shown_text(page, "#true-caption", "none with intrinsic 1 moved")
        assert page.text_content("#error") == ""
        page.click("#another")
        shown_text(page, "#input-caption", "test-face-2.png")


def test_reset_and_randomise_by_button_and_key_stay_within_the_ranges(browser, address):
    with open_page(browser, address) as page:
        shown_text(page, "#status", "is shown$")
        untouched = canvas_grey(page, "#decoded")
        for press in (lambda: page.click("#randomise"), lambda: page.keyboard.press("x")):
            press()
            for name in SLIDERS:
                low, high = (float(page.get_attribute(f"#slider-{name}", end)) for end in ("min", "max"))
                assert low <= float(page.input_value(f"#number-{name}")) <= high
            page.keyboard.press("r")
            assert [page.input_value(f"#number-{name}") for name in SLIDERS] == [""] * 5
            settled(page, untouched)
        page.focus("#number-azimuth")
        page.keyboard.type("x999")  # a letter is no shortcut in a field
        page.keyboard.press("Tab")
        assert page.input_value("#number-azimuth") == "90"
        page.click(".control:has(#slider-azimuth) .clear")
        settled(page, untouched)


def test_what_is_saved_and_copied_is_what_is_shown(browser, plain, work, tmp_path, monkeypatch):
    with open_page(browser, plain, permissions=["clipboard-read", "clipboard-write"]) as page:
        give(page, work / "plain.png")
        page.fill("#number-light", "20")
        page.fill("#number-direction-1", "-1.5")
        shown_text(page, "#command", "--light=20 --direction 1=-1.5 ")
        wanted = by_command(page, work, tmp_path, monkeypatch)
        page.click("#copy")
        shown_text(page, "#copy", "Copied")
        assert page.evaluate("navigator.clipboard.readText()") == page.text_content("#command")
        with page.expect_download() as download:
            page.click("#save")
        assert download.value.suggested_filename == "plain-light=20,direction-1=-1.5.png"
        with Image.open(download.value.path()) as saved:
            assert np.array_equal(np.asarray(saved), wanted)
        page.select_option("#swept", "azimuth")
        with page.expect_download() as download:
            page.click("#record")
        assert download.value.suggested_filename == "plain-azimuth.gif"
        with Image.open(io.BytesIO(download.value.path().read_bytes())) as gif:
            assert gif.n_frames > 20


def test_two_runs_stand_side_by_side_under_the_same_sliders(browser, work, tmp_path, monkeypatch):
    with serving(work / "run", work / "other") as client, open_page(browser, client.address) as page:
        give(page, work / "plain.png")
        page.fill("#number-azimuth", "-40")
        shown_text(page, "#command", r"azimuth=-40[\s\S]*azimuth=-40")
        settled(page, by_command(page, work, tmp_path, monkeypatch))
        one, two = canvas_grey(page, "#decoded"), canvas_grey(page, "#decoded-b")
        assert np.abs(one.astype(int) - two).max() > CLOSE
        assert not scrolls_sideways(page)


def test_a_run_without_calibration_says_so_and_turns_raw_latents(browser, work):
    with serving(work / "uncalibrated") as client, open_page(browser, client.address) as page:
        shown_text(page, "#notes", "not calibrated")
        give(page, work / "plain.png")
        before = canvas_grey(page, "#decoded")
        page.focus("#slider-latent-azimuth")
        page.keyboard.press("End")
        shown_text(page, "#command", "--latent azimuth=10 ")
        assert not np.array_equal(canvas_grey(page, "#decoded"), before)


def test_every_control_has_a_name_a_screen_reader_can_say_and_shows_its_focus(browser, address):
    with open_page(browser, address) as page:
        shown_text(page, "#status", "is shown$")
        seen = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            name, outlined, label = page.evaluate("""() => {
              const it = document.activeElement, style = getComputedStyle(it);
              const label = it.getAttribute("aria-label") || it.labels?.[0]?.textContent || it.textContent;
              return [it.id || label, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, label];
            }""")
            if name in seen:
                break
            if page.evaluate("document.activeElement !== document.body"):
                seen.add(name)
                assert outlined, name
                assert label.strip(), name
        assert {f"slider-{name}" for name in SLIDERS} | {f"number-{name}" for name in SLIDERS} < seen
        assert {"choose", "another", "reset", "randomise", "save", "record", "swept"} < seen


def test_a_server_that_has_ended_is_said_aloud(browser, work):
    with serving(work / "run") as client, open_page(browser, client.address) as page:
        give(page, work / "plain.png")
        page.context.set_offline(True)
        page.focus("#slider-light")
        page.keyboard.press("ArrowRight")
        shown_text(page, "#message[role=alert]", "The server does not answer")
        page.context.set_offline(False)
        page.problems.clear()
        page.keyboard.press("ArrowRight")
        shown_text(page, "#command", "--light")
