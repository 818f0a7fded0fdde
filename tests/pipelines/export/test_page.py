"""The exported page in a real browser, from a plain web server: what it shows is what the command line writes."""

import functools
import hashlib
import http.server
import json
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from browser_fixtures import PHONE, canvas_grey, chromium, open_page, scrolls_sideways
from labelled_shards import BACKGROUND
from PIL import Image
from shard_fixtures import synthetic_images
from untrained_run import write_calibrated, write_calibrated_labelled, write_untrained

import dcign as package
from dcign.engine import calibration
from dcign.engine import variations as sliders
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve, GroupCurve
from dcign.engine.drawing import to_uint8
from dcign.engine.image_files import load_grey
from dcign.runs.run import load_run
from pipelines.commands.export import command as export_command
from pipelines.commands.rerender import command as rerender_command
from pipelines.export.page import RUNTIME_FILES

CLOSE = 2  # grey levels of 255
SIZE = 54
VENDOR = Path(__file__).parents[3] / "pipelines" / "web" / "vendor" / "onnxruntime-web"
IDLE = "document.querySelector('main').getAttribute('aria-busy') === 'false'"
SLIDERS = {"azimuth": "45", "elevation": "-12", "light": "60", "direction-1": "1.5", "direction-2": "-2.3"}


def test_the_vendored_runtime_is_the_one_that_was_published():
    origin = json.loads((VENDOR / "origin.json").read_text())
    files = {path.name for path in VENDOR.iterdir()} - {"origin.json"}
    assert files == set(origin["sha256"]) == set(RUNTIME_FILES)
    for name, digest in origin["sha256"].items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", origin["integrity"])
    assert f"ONNX Runtime Web v{origin['version']}".encode() in (VENDOR / "ort.wasm.bundle.min.mjs").read_bytes()[:200]
    assert "MIT License" in (VENDOR / "LICENSE").read_text()


@contextmanager
def serving(folder):
    """The address of a web server of `folder` that knows nothing but files, and the paths it is asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            asked.append((self.path, int(code)))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'dcign[export]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'dcign[export]'")
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    write_untrained(folder / "uncalibrated", gain=300.0)
    for number, name in enumerate(("ann", "bob")):
        angles = [np.array([angle]) for angle in (20.0, 10.0 * number, 30.0)]
        Image.fromarray(synthetic_images(*angles, np.array([3 + number]), SIZE)[0]).save(folder / f"{name}.png")
    (folder / "web" / "deep").mkdir(parents=True)
    write_calibrated_labelled(folder / "labelled", background=BACKGROUND)
    for run, where in (("run", "web/deep/site"), ("uncalibrated", "web/plain"), ("labelled", "web/labelled")):
        words = [folder / run, "-o", folder / where, "--image", folder / "ann.png", "--image", folder / "bob.png"]
        export_command.main(list(map(str, words)), standalone_mode=False)
    return folder


@pytest.fixture(scope="module")
def web(work):
    with serving(work / "web") as found:
        yield found


@contextmanager
def opened(browser, web, path="deep/site/", **context):
    with open_page(browser, f"{web[0]}/{path}", **context) as page:
        page.wait_for_function(IDLE)
        yield page


@pytest.fixture(scope="module")
def visited(browser, web):
    with opened(browser, web) as page:
        yield page


@pytest.fixture
def page(visited):
    """The exported page, at its first image: one for several tests, as it takes a second to start."""
    visited.get_by_title("ann.png").click()
    visited.wait_for_function(IDLE)
    return visited


def move(page, name, value):
    """Sets a slider as a hand would, in one movement, and waits for the picture."""
    page.locator(f"#slider-{name}").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )
    page.wait_for_function(IDLE)


def close(found, wanted):
    return found.shape == wanted.shape and np.abs(found.astype(int) - wanted).max() <= CLOSE


def rerendered(work, tmp_path, image, *words):
    """The picture that the command line writes."""
    tmp_path.mkdir(exist_ok=True)
    asked = [str(work / "run"), str(image), *words, "--grid", "-o", str(tmp_path / "out"), "--device", "cpu"]
    rerender_command.main(asked, standalone_mode=False)
    (written,) = (tmp_path / "out").iterdir()
    with Image.open(written) as picture:
        return np.asarray(picture)


def test_each_slider_shows_what_the_command_line_writes(page, work, tmp_path):
    before = canvas_grey(page, "#decoded")
    for name, value in SLIDERS.items():
        words = ["--direction", f"{name[-1]}={value}"] if name.startswith("direction") else [f"--{name}={value}"]
        wanted = rerendered(work, tmp_path / name, work / "ann.png", *words)
        assert np.abs(before.astype(int) - wanted).max() > 10 * CLOSE, name
        move(page, name, value)
        assert close(canvas_grey(page, "#decoded"), wanted), name
        page.get_by_role("button", name="Reset").click()
        page.wait_for_function(IDLE)
        assert close(canvas_grey(page, "#decoded"), before), name


def test_all_sliders_together_on_another_image_and_reset(page, work, tmp_path):
    words = [f"--{name}={value}" for name, value in SLIDERS.items() if "direction" not in name]
    words += [
        word for name, value in SLIDERS.items() if "dir" in name for word in ("--direction", f"{name[-1]}={value}")
    ]
    wanted = rerendered(work, tmp_path, work / "bob.png", *words)
    engine = package.load(work / "run", "cpu")
    page.get_by_title("bob.png").click()
    page.wait_for_function(IDLE)
    for name, value in SLIDERS.items():
        move(page, name, value)
    assert close(canvas_grey(page, "#decoded"), wanted)
    page.keyboard.press("r")
    page.wait_for_function(IDLE)
    assert close(canvas_grey(page, "#decoded"), to_uint8(engine.decode(engine.encode(work / "bob.png"))))
    np.testing.assert_array_equal(canvas_grey(page, "#image"), to_uint8(load_grey(work / "bob.png", SIZE, 0.0)))
    still = canvas_grey(page, "#decoded")
    page.keyboard.press("x")
    page.wait_for_function(IDLE)
    assert not close(canvas_grey(page, "#decoded"), still)


def test_it_asks_its_own_folder_only_and_for_nothing_that_is_missing(browser, web):
    address, asked = web
    with browser.new_context(permissions=[]) as context:
        page = context.new_page()
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        asked.clear()
        page.goto(f"{address}/deep/site/")
        page.wait_for_function(IDLE)
        move(page, "azimuth", "10")
        assert len(requests) > 8
        assert all(url.startswith((f"{address}/deep/site/", "data:", "blob:")) for url in requests), requests
        assert page.evaluate("crossOriginIsolated") is False
    assert [each for each in asked if not (each[0].startswith("/deep/site/") and each[1] in (200, 304))] == []


def test_own_images_are_encoded_in_the_browser(page, work, tmp_path):
    angles = [np.array([angle]) for angle in (-40.0, 5.0, -30.0)]
    face = synthetic_images(*angles, np.array([2]), 90)[0]
    wide = np.stack([np.pad(face, ((0, 0), (30, 40)))] * 3, axis=-1)
    wide[..., 1] //= 2  # the weights of the colours matter
    Image.fromarray(wide).save(tmp_path / "wide.png")
    engine = package.load(work / "run", "cpu")
    for path in (work / "bob.png", tmp_path / "wide.png"):
        page.set_input_files("#file", path)
        page.locator("#status").filter(has_text=path.name).wait_for(state="attached")
        page.wait_for_function(IDLE)
        seen, wanted = canvas_grey(page, "#image"), to_uint8(load_grey(path, SIZE, 0.0))
        assert np.abs(seen.astype(int) - wanted).mean() < 1
        assert close(canvas_grey(page, "#decoded"), to_uint8(engine.decode(engine.encode(seen))))
    page.set_input_files("#file", {"name": "text.png", "mimeType": "image/png", "buffer": b"hello"})
    page.locator("#message").filter(has_text="text.png: not an image that this browser can read").wait_for()
    move(page, "light", "60")
    assert close(canvas_grey(page, "#decoded"), to_uint8(engine.rerender(seen, light=60)))


def test_the_saved_picture_is_the_one_shown(page):
    move(page, "azimuth", "45")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save the picture").click()
    assert waiting.value.suggested_filename == "Faces.png"
    with Image.open(waiting.value.path()) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("L")), canvas_grey(page, "#decoded"))


def test_it_fits_a_phone_and_answers_to_a_finger(browser, web):
    with opened(browser, web, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        assert not scrolls_sideways(page)
        before = canvas_grey(page, "#decoded")
        page.locator("#slider-light").scroll_into_view_if_needed()
        box = page.locator("#slider-light").bounding_box()
        page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_function(IDLE)
        assert not close(canvas_grey(page, "#decoded"), before)
        assert page.locator("#decoded").bounding_box()["y"] >= 0  # the picture stays in view


def test_without_calibration_it_still_decodes(browser, web, work):
    engine = package.load(work / "uncalibrated", "cpu")
    with opened(browser, web, "plain/") as page:
        assert page.locator("input[type=range]").count() == 0
        assert "no sliders in degrees" in page.locator("header").inner_text()
        assert close(canvas_grey(page, "#decoded"), to_uint8(engine.decode(engine.encode(work / "ann.png"))))


@pytest.mark.parametrize("missing", ["decoder.onnx", "ort-wasm-simd-threaded.wasm", "engine.json"])
def test_what_cannot_be_loaded_is_said_on_the_page(browser, web, missing):
    with open_page(browser, "about:blank") as page:
        page.route(f"**/{missing}", lambda route: route.fulfill(status=404))
        page.goto(f"{web[0]}/deep/site/")
        page.wait_for_function(IDLE)
        text = page.locator("#message").inner_text()
        assert "could not be started here" in text
        assert "Safari 16.4" in text
        page.problems.clear()


@pytest.mark.parametrize("answer", [{"status": 404}, {"body": "1", "content_type": "text/plain"}])
@pytest.mark.parametrize("script", ["export.js", "code.js", "ort.wasm.bundle.min.js"])
def test_a_script_that_cannot_be_loaded_is_said_on_the_page(browser, web, script, answer):
    with open_page(browser, "about:blank") as page:
        page.route(f"**/{script}", lambda route: route.fulfill(**answer))
        page.goto(f"{web[0]}/deep/site/")
        page.wait_for_function(IDLE)
        assert "scripts of this page cannot be loaded" in page.locator("#message").inner_text()
        assert page.locator("#caption").inner_text() == "not loaded"
        page.problems.clear()


def test_opened_as_a_file_it_says_how_to_serve_it(browser, work):
    with open_page(browser, (work / "web" / "deep" / "site" / "index.html").as_uri()) as page:
        page.locator("#message").filter(has_text="python -m http.server").wait_for()
        page.problems.clear()


def some_sliders(tmp_path):
    """Write a run with a circle in two latents, a line and a direction: run, curves, codes, and a source of noise."""
    run = load_run(write_untrained(tmp_path / "run", code="azimuth:2,elevation:1,rest:7"))
    noise = np.random.default_rng(5)
    turn = np.linspace(0.0, 2 * np.pi, 9)
    pairs = np.stack([3 * np.cos(turn), 2 * np.sin(turn) + 0.1], axis=1)
    pairs[-1] = pairs[0]
    circle = GroupCurve("azimuth", tuple(np.linspace(-180, 180, 9)), tuple(map(tuple, pairs)), True, 3.0, 0.9, 100, 100)
    line = Curve("elevation", (-30.0, -11.3, 30.0), (1.7, -0.2, -4.1), False, 3.0, 0.9, 100, 100)
    direction = np.r_[np.zeros(3), noise.standard_normal(7)]
    curves = Calibration({"azimuth": circle, "elevation": line}, 7, {}, {}, (), (tuple(direction.tolist()),))
    calibration.save(run.folder, curves)
    return run, curves, noise.standard_normal((40, 10), np.float32), noise


def labelled_sliders(tmp_path):
    """Write one with a circle, a line in two pieces, categories, another line and a direction: the same four."""
    run = load_run(write_calibrated_labelled(tmp_path / "run"))
    noise = np.random.default_rng(6)
    return run, calibration.load(run.folder), 9 * noise.standard_normal((40, 12), np.float32), noise


@pytest.mark.parametrize("some", [some_sliders, labelled_sliders])
def test_codes_are_moved_and_read_as_in_python(browser, web, tmp_path, some):
    run, curves, codes, noise = some(tmp_path)
    angle_latents = sliders.sliders_of(run, curves)
    asked = []
    for number in range(40):
        values = {each.name: float(noise.uniform(each.low, each.high)) for each in angle_latents}
        ends = {each.name: each.low if number == 1 else each.high for each in angle_latents}
        values.update({each.name: float(noise.choice(each.knots)) for each in angle_latents if each.choices})
        asked.append(ends if number in (1, 2) else {name: v for name, v in values.items() if noise.random() < 0.8})
    with open_page(browser, f"{web[0]}/deep/site/README.md") as page:
        found = page.evaluate(
            """async ([codes, sliders, settings]) => {
              const {applySliders, valuesOf} = await import("/deep/site/page/code.js");
              return [codes.map((code, i) => [...applySliders(Float32Array.from(code), sliders, settings[i])]),
                      codes.map((code) => valuesOf(code, sliders))];
            }""",
            [codes.tolist(), sliders.sliders_to_json(angle_latents), asked],
        )
        page.problems.clear()  # a page of mere text asks for an icon that there is none of
    moved = [sliders.apply_sliders(code, angle_latents, settings) for code, settings in zip(codes, asked, strict=True)]
    np.testing.assert_array_equal(np.float32(found[0]), moved)
    own = curves.angle_latents(run.layout).own
    assert set(curves.curves) >= {"azimuth"}
    for name, curve in curves.curves.items():
        np.testing.assert_allclose([each[name] for each in found[1]], curve.to_value(own(codes, name)), atol=1e-6)


def test_factors_of_any_unit_and_categories_by_name(browser, web, work):
    engine = package.load(work / "labelled", "cpu")
    with opened(browser, web, "labelled/") as page:
        assert page.locator(".control label").all_text_contents()[:4] == [
            "azimuth 0 to 360°", "distance 20 to 60 cm", "colour", "tilt −1 to 1",
        ]  # fmt: skip
        assert page.locator(".unit").all_text_contents()[:3] == ["°", "cm", ""]
        for name in ("blue", "red"):
            page.select_option("#slider-colour", label=name)
            page.wait_for_function(IDLE)
            move(page, "distance", "33.2")
            seen = engine.rerender(work / "ann.png", colour=name, distance=33.2)
            assert close(canvas_grey(page, "#decoded"), to_uint8(seen)), name
        page.focus("#slider-azimuth")
        page.keyboard.press("End")
        page.keyboard.press("ArrowRight")
        assert page.input_value("#number-azimuth") == "1"
        for width in (320, 390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert not scrolls_sideways(page), width


def test_clear_parts_of_ones_own_image_get_the_background_of_the_training_images(browser, web, work, tmp_path):
    clear = np.zeros((SIZE, SIZE, 4), np.uint8)
    clear[10:20, 10:20] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    with opened(browser, web, "labelled/") as page:
        page.set_input_files("#file", tmp_path / "clear.png")
        page.locator("#status").filter(has_text="clear.png").wait_for(state="attached")
        page.wait_for_function(IDLE)
        assert close(canvas_grey(page, "#image"), to_uint8(load_grey(tmp_path / "clear.png", SIZE, BACKGROUND)))
