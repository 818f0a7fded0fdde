import base64
import io
import json
import re

import numpy as np
import pytest
from page_reader import Page
from PIL import Image
from shard_fixtures import write_synthetic
from untrained_run import write_untrained

from dcign.engine.drawing import Row, Tile, degrees_text, draw_rows, gif, png
from dcign.evaluation.evidence.types import Evidence, Figure, Section
from dcign.evaluation.measures import evaluate
from dcign.report.headline import headlines
from dcign.report.write import write_report
from dcign.runs.run import load_run
from render.shards.data_set import open_data_set

PNG = png(Image.new("L", (120, 120)))
EVIDENCE = {
    "views": Evidence({"error": 0.25}, Section("Views", "All.", [Figure("views", PNG, "A caption.")])),
    "rest": Evidence({"skipped": "no renderer"}, None),
}


def write(folder, object, code=None):
    counts = dict.fromkeys(("azimuth", "elevation", "light", "intrinsic"), 3)
    shards = write_synthetic(folder / "shards", counts=counts, split="test", object=object)
    run = load_run(write_untrained(folder / "a <run>", object=object, code=code))
    data = open_data_set(shards, "test")
    out = folder / "out"
    out.mkdir()
    write_report(run, data, evaluate(run, data), EVIDENCE, out, "dcign evaluate 'a <run>' shards")
    return out


@pytest.fixture(scope="module", params=["face", "chair"])
def written(request, tmp_path_factory):
    return write(tmp_path_factory.mktemp(request.param), request.param)


def test_the_report_and_its_pictures_are_all_there_is(written):
    names = {"report.json", "report.html", "sweeps.png", "scatter.png", "spearman.png", "views.png"}
    assert {path.name for path in written.iterdir()} == names


def test_report_json_is_strict(written):
    def refuse(name):
        raise AssertionError(f"{name} in report.json")

    content = json.loads((written / "report.json").read_text(), parse_constant=refuse)
    assert content["made"]["command"] == "dcign evaluate 'a <run>' shards"
    assert {"python", "torch", "numpy", "scipy"} <= content["made"]["versions"].keys()
    assert content["made"]["config"]["widths"] == [4, 3, 2]
    assert all(line["meaning"] for line in content["headline"])


def test_report_html_is_whole_and_refers_to_nothing_outside(written):
    text = (written / "report.html").read_text()
    assert len(Page.of(text).pictures) == 4
    assert not re.search(r"\$\w|{[{%]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))  # no template is left in it
    assert "a &lt;run&gt;" in text
    assert "a <run>" not in text
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text


def test_embedded_pictures_are_the_png_files_beside_it(written):
    text = (written / "report.html").read_text()
    embedded = [base64.b64decode(data) for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", text)]
    assert embedded == [(written / f"{name}.png").read_bytes() for name in ("sweeps", "scatter", "spearman", "views")]
    for content in embedded:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            assert min(image.size) > 100


@pytest.mark.parametrize(
    ("code", "panels", "others"),
    [
        ("azimuth:2,rest:8", 2, set()),  # the plane of the two latents, and the angle read back
        ("azimuth:3,elevation:1,rest:4", 2, {"spearman.png"}),
        ("rest:4", 0, set()),
    ],
)
def test_groups_of_latents_are_drawn_and_what_they_do_not_have_is_left_out(tmp_path, code, panels, others):
    out = write(tmp_path, "chair", code)
    assert {path.name for path in out.glob("*.png")} == {
        "sweeps.png",
        "views.png",
        *others,
        *(["scatter.png"] if panels else []),
    }
    if panels:
        with Image.open(out / "scatter.png") as image:
            assert round(image.width / image.height / (4.2 / 3.9)) == panels
    text = (out / "report.html").read_text()
    assert ("read-back error of azimuth, degrees" in text) == bool(panels)
    assert ("Who knows what" in text) == bool(others)


def test_every_headline_number_is_on_the_page(written):
    text = (written / "report.html").read_text()
    for line in json.loads((written / "report.json").read_text())["headline"]:
        assert line["name"] in text


def test_evidence_is_kept_as_numbers_and_told_where_it_is_missing(written):
    assert json.loads((written / "report.json").read_text())["evidence"] == {
        "views": {"error": 0.25},
        "rest": {"skipped": "no renderer"},
    }
    assert (written / "views.png").read_bytes() == PNG


def measures(own, leak, ratio, object="face", groups=None):
    between = {"value": 0.5, "low": 0.4, "high": 0.6}
    ranks = {latent: dict.fromkeys(("azimuth", "elevation", "light"), between) for latent in own}
    return {
        "run": {"object": object},
        "intervals": {
            "spearman": ranks,
            "circular_r2": {},
            "read_back_degrees": {},
            "read_back_median": {},
            "mse": between,
            "ratio": between,
        },
        "spearman": {"own": own, "largest_leak": leak},
        "circular_r2": {},
        "groups": groups or {},
        "reconstruction": {"mse": 0.01, "mean_image_mse": 0.05, "ratio": ratio},
    }


def test_headlines_tell_reached_from_missed_from_unknown():
    own = {"azimuth": 0.96, "elevation": 0.5, "light": None}
    lines = headlines(measures(own, {"latent": "light", "factor": "azimuth", "value": 0.31}, 0.25), {})
    assert [line.reached for line in lines] == [True, False, None, False, None, None, True]


def test_what_was_drawn_is_at_the_top_with_what_it_compares_with():
    def score(value):
        return {"value": value, "low": value - 0.01, "high": value + 0.01}

    views = {"mse": score(0.02), "copy_input": {"mse": score(0.05)}, "mean_image_mse": score(0.03)}
    evidence = {
        "novel_views": {"factors": {"azimuth": views, "light": None}},
        "recognition": {
            "chance": {"rank1": 0.01},
            "methods": {"rest": {"rank1": score(0.4)}, "pixels": {"rank1": score(0.1)}},
        },
        "groups": {"overall": {"largest_leak": {"factor": "azimuth", "group": "intrinsic", **score(0.9)}}},
        "inference": {"skipped": "none asked for"},
    }
    known = {name: Evidence(measured, None) for name, measured in evidence.items()}
    lines = headlines(measures({}, None, 0.1), known)[-3:]
    assert [(line.name, line.value, line.low, line.high) for line in lines] == [
        ("novel-view MSE, azimuth", 0.02, pytest.approx(0.01), pytest.approx(0.03)),
        ("rank-1 recognition", 0.4, pytest.approx(0.39), pytest.approx(0.41)),
        ("largest leak between groups", 0.9, pytest.approx(0.89), pytest.approx(0.91)),
    ]
    assert "0.05" in lines[0].meaning
    assert "0.1, chance 0.01" in lines[1].meaning
    assert "azimuth as predicted from all other latents" in lines[2].meaning


def test_features_are_at_the_top_where_they_were_seen():
    def boxes(*values):
        found = {"eyes": values[0], "mouth": values[1], "all": values[2]}
        return {part: {"ssim": {"value": value, "low": None, "high": None}} for part, value in found.items()}

    def lines(**found):
        evidence = {"facial_features": Evidence(found, None)}
        return {line.name: line for line in headlines(measures({}, None, 0.1), evidence) if "SSIM" in line.name}

    both = lines(reconstruction=boxes(0.5, 0.7, 0.6), half_profile=boxes(0.3, None, None))
    assert list(both) == ["SSIM of features"]
    assert both["SSIM of features"].value == 0.6
    assert "eyes 0.50, mouth 0.70" in both["SSIM of features"].meaning
    assert lines(reconstruction=boxes(0, 0, 0), half_profile=None).keys() == both.keys()
    assert list(lines(reconstruction=boxes(0, 0, 0), half_profile=boxes(0, 0, 0)))[1].endswith("novel views at ±45°")
    assert lines(skipped="no face") == {}


def test_chairs_have_no_aims_but_the_papers_figure():
    lines = headlines(measures({"azimuth": 0.4}, None, 0.1, object="chair"), {})
    assert {line.reached for line in lines} == {None}
    assert "0.000277" in next(line for line in lines if line.name == "reconstruction MSE").aim


def test_both_readings_of_the_papers_chair_figure_stand_beside_it():
    lines = {line.name: line for line in headlines(measures({"azimuth": 0.4}, None, 0.1, object="chair"), {})}
    plain, third = lines["reconstruction MSE"], lines["reconstruction MSE / 3"]
    assert (plain.value, third.value) == (0.01, pytest.approx(0.01 / 3))
    assert plain.aim == third.aim
    assert "0.00027722" in third.aim
    assert "reconstruction MSE / 3" not in {line.name for line in headlines(measures({}, None, 0.1), {})}


def test_a_group_of_latents_has_its_circular_share_and_its_error_in_degrees_at_the_top():
    group = {"azimuth": {"latents": 2, "circular_r2": 0.8, "read_back_degrees": None}}
    lines = headlines(measures({}, None, 0.1, object="chair", groups=group), {})
    assert [(line.name, line.value) for line in lines[:2]] == [
        ("circular R² of azimuth from its 2 latents", 0.8),
        ("read-back error of azimuth, degrees", None),
    ]


@pytest.mark.parametrize(("angle", "text"), [(-60.0, "−60°"), (12.34, "12.3°"), (-0.01, "0°"), (90, "90°")])
def test_degrees_are_written_shortly(angle, text):
    assert degrees_text(angle) == text


def test_tiles_stand_in_the_picture_pixel_for_pixel():
    tile = np.random.default_rng(0).integers(0, 256, (54, 54), dtype=np.uint8)
    picture = np.asarray(draw_rows([Row([Tile(np.zeros((54, 54)), "input"), Tile(tile / 255, "−60°")], label="light")]))
    windows = np.lib.stride_tricks.sliding_window_view(picture, (54, 54))
    assert (windows == tile).all(axis=(2, 3)).sum() == 1


def test_a_gif_has_a_frame_for_each_picture():
    frames = [Image.new("L", (40, 30), level) for level in (0, 100, 200)]
    with Image.open(io.BytesIO(gif(frames, 100))) as image:
        assert image.n_frames == 3
        assert image.size == (40, 30)
