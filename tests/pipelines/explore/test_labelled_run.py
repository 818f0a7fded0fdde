"""The explorer of a run whose images others took: any units, categories by name, test images to start from."""

import io
import shlex
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from browser_fixtures import PHONE, canvas_grey, chromium, open_page, scrolls_sideways
from explore_fixtures import SIZE, serving
from labelled_shards import BACKGROUND, FACTORS, LABELS, labelled_images, write_labelled
from PIL import Image
from untrained_run import write_calibrated_labelled

from dcign.engine.drawing import to_uint8
from dcign.engine.image_files import load_grey
from pipelines.commands.explore import command as explore_command
from pipelines.commands.rerender import command as rerender_command
from pipelines.explore.session import compared, open_runs
from pipelines.explore.settings import fitted, read_settings
from render.errors import BadInput

PATIENCE = 60_000  # ms, for busy machines


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_labelled(folder / "shards", counts=dict.fromkeys(FACTORS, 1), split="test")
    write_calibrated_labelled(folder / "run", background=BACKGROUND)
    return folder


@pytest.fixture(scope="module")
def client(work):
    with serving(work / "run", shards=work / "shards") as found:
        yield found


@pytest.fixture(scope="module")
def sliders(work):
    return {slider.name: slider for slider in open_runs([work / "run"], "cpu")[0].sliders}


def by_command(line, name, content, folder, monkeypatch):
    """Run the command line that the page shows on the picture that it saves, and return what it writes."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    words = shlex.split(line)
    assert words[:2] == ["dcign", "rerender"]
    monkeypatch.chdir(folder)
    rerender_command.main(words[2:], standalone_mode=False)
    (written,) = (folder / words[-1]).glob("*.png")
    with Image.open(written) as image:
        return np.asarray(image).copy()


def test_the_page_is_told_units_ranges_and_names(client):
    session = client.get("/api/session").json
    found = {each["name"]: (each["unit"], each["low"], each["high"], each["circular"]) for each in session["sliders"]}
    assert found == {
        "azimuth": ("°", 0, 360, True), "distance": ("cm", 20, 60, False), "colour": ("", 0, 2, False),
        "tilt": ("", -1, 1, False), "direction-1": ("σ", -3, 3, False),
    }  # fmt: skip
    choices = {each["name"]: each["choices"] for each in session["sliders"] if each["choices"]}
    assert choices == {"colour": ["red", "green", "blue"]}
    (remark,) = session["remarks"]
    assert remark.startswith("The training images were not rendered by dcign, so no true picture stands")
    assert (session["object"], session["notes"], session["compared"]) == ("spot", [], [])


def test_pictures_to_start_from_are_those_of_the_test_shards_and_no_true_ones_are_drawn(client):
    count = client.get("/api/session").json["objects"]
    assert count > 5
    first = client.ask("POST", "/api/objects/0")
    assert (first.json["name"], first.json["drawn"], first.json["kept"]) == ("test-spot-1.png", False, True)
    assert set(first.json["start"]) == set(LABELS)
    shown = client.of(first, "input").grey()[0]
    saved = client.of(first, "input.png").body
    with Image.open(io.BytesIO(saved)) as image:
        assert np.array_equal(np.asarray(image), shown)
    assert client.of(first, "true").status == 400
    assert client.ask("POST", f"/api/objects/{count}").status == 400
    again = client.upload(saved, "mine.png")
    assert np.array_equal(client.of(again, "input").grey()[0], shown)
    assert not again.json["kept"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"azimuth": 359.5}, "--azimuth=359.5"),
        ({"distance": 33.2, "colour": 1}, "--set distance=33.2 --set colour=green"),
        ({"colour": 2, "tilt": -0.02, "direction_1": 1.5}, "--set colour=blue --set tilt=-0.02 --direction 1=1.5"),
    ],
)
def test_a_decoded_picture_is_that_of_the_command_line_shown(client, tmp_path, monkeypatch, settings, words):
    start = client.ask("POST", "/api/objects/1")
    line = client.of(start, "command", **settings).text
    assert f" test-spot-2.png {words} --grid " in line
    written = by_command(line, "test-spot-2.png", client.of(start, "input.png").body, tmp_path, monkeypatch)
    assert np.array_equal(client.of(start, "decoded", **settings).grey()[0], written)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("colour=0.5", "colour: expected the number of a category, 0, 1, 2; found '0.5'"),
        ("colour=red", "colour: expected a number from 0 to 2, found 'red'"),
        ("distance=61", "distance: expected a number from 20 to 60, found '61'"),
    ],
)
def test_a_value_that_the_factor_does_not_have_is_refused_in_one_line(client, query, said):
    start = client.ask("POST", "/api/objects/0")
    answer = client.ask("GET", f"/api/pictures/{start.json['id']}/decoded?{query}")
    assert (answer.status, answer.text) == (400, said)


def test_a_sweep_of_categories_shows_each_once_and_one_of_a_circle_goes_round(client):
    start = client.ask("POST", "/api/objects/0")
    for name, steps, frames, milliseconds in (("colour", 24, 3, 800), ("azimuth", 6, 6, 80), ("distance", 6, 10, 80)):
        query = [("sweep-of", name), ("sweep-steps", str(steps))]
        with Image.open(io.BytesIO(client.of(start, "sweep.gif", query).body)) as gif:
            assert (gif.n_frames, gif.info["duration"]) == (frames, milliseconds), name


def test_categories_of_another_run_are_found_by_their_names(sliders):
    colour, distance = sliders["colour"], sliders["distance"]
    other = [replace(colour, choices=("blue", "black", "red")), replace(distance, high=50.0)]
    for value, expected in ((0, {"colour": 2}), (1, {}), (2, {"colour": 0})):
        assert fitted({"colour": value}, sliders.values(), other) == expected
    assert fitted({"distance": 55.0, "tilt": 1.0}, sliders.values(), other) == {"distance": 50.0}
    inches = [replace(distance, unit="in"), replace(colour, choices=())]
    assert fitted({"distance": 30.0, "colour": 1}, sliders.values(), inches) == {}
    first, second = (
        SimpleNamespace(word=word, sliders=found) for word, found in (("a", sliders.values()), ("b", other))
    )
    assert compared([first, second]) == (
        "b has no slider for azimuth, tilt, intrinsic 1.",
        "b holds distance at 20 to 50 cm.",
        "b leaves colour as it is for green.",
    )


def test_a_category_that_was_not_tested_cannot_be_asked_for(sliders):
    untested = replace(sliders["colour"], knots=(0.0, 2.0))
    with pytest.raises(BadInput, match=r"a category, 0, 2; found '1'"):
        read_settings([("colour", "1")], [untested])


def test_shards_and_models_are_not_both_named(work):
    words = [str(work / "run"), "--shards", str(work / "shards"), "--assets", "models"]
    with pytest.raises(BadInput, match="--shards: expected without --assets"):
        explore_command.main(words, standalone_mode=False)


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def shown_text(page, selector, text):
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(text, timeout=PATIENCE)


def test_four_free_factors_on_the_page(browser, client, tmp_path, monkeypatch):
    with open_page(browser, client.address) as page:
        shown_text(page, "#status", "test-spot-1.png is shown")
        assert page.locator("legend").all_text_contents() == ["Factors", "Identity"]
        labels = page.locator(".control label").all_text_contents()
        assert labels == ["azimuth 0 to 360°", "distance 20 to 60 cm", "colour", "tilt −1 to 1", "intrinsic 1"]
        assert page.locator(".unit").all_text_contents() == ["°", "cm", "", "σ"]
        assert page.locator("#notes p").count() == 1
        assert not page.locator("#true").is_visible()
        before = canvas_grey(page, "#decoded")
        offered = page.locator("#slider-colour option").all_text_contents()
        assert offered[0].startswith("as in the image: ")
        assert offered[1:] == ["red", "green", "blue"]
        other = next(name for name in offered[1:] if name not in offered[0])
        page.select_option("#slider-colour", label=other)
        page.fill("#number-distance", "45.5")
        page.focus("#slider-azimuth")
        for key, angle in {"Home": 0, "ArrowLeft": 359, "End": 360, "ArrowRight": 1, "PageDown": 325}.items():
            page.keyboard.press(key)
            assert page.input_value("#number-azimuth") == str(angle)
        page.fill("#number-azimuth", "370")
        line = f"dcign rerender {{}} test-spot-1.png --azimuth=10 --set distance=45.5 --set colour={other} --grid"
        shown_text(page, "#command", f"{line.format(page.text_content('#title'))} -o rerendered/")
        with page.expect_download() as saved_input:
            page.click("#save-input")
        content = saved_input.value.path().read_bytes()
        command = page.text_content("#command")
        written = by_command(command, "test-spot-1.png", content, tmp_path, monkeypatch)
        with page.expect_download() as saved:
            page.click("#save")
        assert saved.value.suggested_filename == f"test-spot-1-azimuth=10,distance=45.5,colour={other}.png"
        assert np.array_equal(canvas_grey(page, "#decoded"), written)
        assert not np.array_equal(written, before)
        assert page.input_value("#swept") == "azimuth"
        page.click(".control:has(#slider-colour) .clear")
        shown_text(page, "#command", command.replace(f" --set colour={other}", ""))
        page.click("#title")  # letters choose in a drop-down that has the focus
        page.keyboard.press("x")
        assert page.input_value("#slider-colour") in ("0", "1", "2")
        page.keyboard.press("r")
        assert page.input_value("#slider-colour") == ""
        assert page.problems == []


def test_on_a_phone_a_category_is_chosen_and_nothing_scrolls_sideways(browser, client):
    with open_page(browser, client.address, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        shown_text(page, "#status", "test-spot-1.png is shown")
        before = canvas_grey(page, "#decoded")
        for value in ("0", "1", "2"):
            page.select_option("#slider-colour", value)
        page.fill("#number-distance", "20")
        page.fill("#number-tilt", "-0.55")
        words = "test-spot-1.png --set distance=20 --set colour=blue --set tilt=-0.55 --grid -o rerendered/"
        shown_text(page, "#command", f"dcign rerender {page.text_content('#title')} {words}")
        assert not np.array_equal(canvas_grey(page, "#decoded"), before)
        for width in (320, 390, 700):
            page.set_viewport_size({"width": width, "height": 800})
            assert not scrolls_sideways(page), width
        page.click("#another")
        shown_text(page, "#input-caption", "test-spot-2.png")


def test_a_picture_of_ones_own_is_put_on_the_background_of_the_training_images(client, tmp_path):
    values = {name: np.array([label.low]) for name, label in LABELS.items()}
    grey = labelled_images(values, [4], SIZE)[0]
    picture = Image.fromarray(np.stack([grey, grey, grey, np.full_like(grey, 90)], axis=-1))
    picture.save(tmp_path / "clear.png")
    uploaded = client.upload((tmp_path / "clear.png").read_bytes(), "clear.png")
    expected = to_uint8(load_grey(tmp_path / "clear.png", SIZE, BACKGROUND))
    assert np.array_equal(client.of(uploaded, "input").grey()[0], expected)
