"""The model card: all figures are the report's, and what has none is named as not measured."""

import json

import pytest
from labelled_shards import LABELS
from report_fixtures import estimate
from untrained_run import write_calibrated_labelled, write_untrained

from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve, GroupCurve
from dcign.errors import BadInput
from dcign.export.model_card import limits, model_card
from dcign.report.saved import report_of
from dcign.runs.run import load_run
from render.shards.labels import labels_to_json

LINE = Curve("azimuth", (-90.0, 0.0, 90.0), (-1.0, 0.0, 1.0), False, 12.3, 0.87, 100, 100)
CIRCLE = Curve("azimuth", (0.0, 180.0, 360.0), (1.0, -1.0, 1.0), True, None, 0.66, 100, 100)
PAIR = GroupCurve("azimuth", (0.0, 180.0, 360.0), ((1.0, 0.0), (-1.0, 0.0), (1.0, 0.0)), True, 21.5, 0.91, 100, 100)
REPORT = {
    "run": {"folder": "somewhere/run", "step": 7},
    "data_set": {
        "split": "test", "fingerprint": "cafe", "images": 1234, "identities": 56, "object": "face",
        "seen_in_training": "no",
    },
    "reconstruction": {"mse": 0.0123, "ratio": 0.36},
    "spearman": {"largest_leak": {"latent": "light", "factor": "azimuth", "value": 0.234}},
    "headline": [
        {"name": "|Spearman| of z_azimuth", "value": 0.91234, "aim": "at least 0.95", "reached": False, "meaning": "x",
         "low": 0.88, "high": 0.93},
        {"name": "ratio", "value": None, "aim": "", "reached": None, "meaning": ""},
    ],
    "evidence": {
        "novel_views": {"factors": {"azimuth": {
            "mse": estimate(0.0444), "copy_input": {"mse": estimate(0.0333)}, "mean_image_mse": estimate(0.0222),
        }}},
        "recognition": {
            "methods": {"rest": {"rank1": estimate(0.61)}, "pixels": {"rank1": estimate(0.29)}},
            "chance": {"rank1": 0.01},
        },
        "groups": {"overall": {"largest_leak": {"group": "rest", "factor": "light", **estimate(0.777)}}},
        "inference": {"skipped": "nobody asked"},
    },
    "warnings": ["identity 5 | was <b>seen</b>"],
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(write_untrained(tmp_path_factory.mktemp("work") / "run", fingerprint="f00d"))


def test_without_report_and_calibration_nothing_is_measured_and_no_figure_is_made_up(run):
    card = model_card(run, None, None, name="mine")
    reached = card.partition("## What it reached")[2].partition("## Limits")[0]
    assert "Not measured" in reached
    assert not any(sign.isdigit() for sign in reached)
    lines = list(limits(run, None, None))
    for subject in ("photograph", "angle in degrees", "reconstructs", "at another angle", "identity"):
        assert any(subject in line and "not measured" in line for line in lines), subject


def test_the_figures_of_the_report_are_in_the_card_with_their_intervals(run):
    card = model_card(run, Calibration({"azimuth": LINE}, 7, {}), REPORT, name="mine")
    assert "| \\|Spearman\\| of z_azimuth | 0.912, 0.880 to 0.930 | at least 0.95: missed |" in card
    assert "| ratio | not defined |  |" in card
    assert "1,234 images of 56 unseen faces (`test` split, fingerprint `cafe`)" in card
    assert "| azimuth | -90° to 90° | 12.3° | 87% |" in card
    assert "Not measured: inference." in card


def test_limits_follow_the_figures(run):
    text = "\n".join(limits(run, Calibration({"azimuth": LINE}, 7, {}), REPORT))
    for figure in (
        "12.3°",
        "87%",
        "36% of what",
        "0.0123",
        "0.234",
        "0.0444",
        "0.0333",
        "0.0222",
        "61%",
        "29%",
        "0.777",
    ):
        assert figure in text, figure
    assert "no better than the best of these two" in text
    assert "Aims that it misses: |Spearman| of z_azimuth." in text
    assert "guess at the middle of -90° to 90° would be by 52°" in text


def test_a_circle_in_one_latent_is_named_as_what_cannot_be_turned_through(run):
    assert "at two angles or more" in "\n".join(limits(run, Calibration({"azimuth": CIRCLE}, 7, {}), None))
    assert "wrong by 21.5°" in "\n".join(limits(run, Calibration({"azimuth": PAIR}, 7, {}), None))
    card = model_card(run, Calibration({"azimuth": CIRCLE}, 7, {}), None, name="mine")
    assert "| azimuth | 0° to 360° | no way back on a circle | 66% |" in card


def test_text_of_a_report_cannot_break_the_card(run):
    card = model_card(run, None, REPORT, name="my <script>\n# name")
    assert "<b>" not in card
    assert "<script>" not in card
    assert "\n# name" not in card
    heads = [line for line in card.splitlines() if line.startswith("| --- ")]
    assert len(heads) >= 3
    for row in (line for line in card.splitlines() if line.startswith("| \\|")):
        assert row.replace("\\|", "").count("|") == 4


def test_data_and_settings_are_those_of_the_run(run):
    rendering = {"assets": {"name": "ict-facekit", "models": {"ict": "0"}}}
    card = model_card(
        run, None, None, name="mine", rendering=rendering, facts={"commit": "deadbeef"}, use="## Use\n\nso"
    )
    assert "ict-facekit: ICT-FaceKit, MIT licence" in card
    assert card.startswith("---\nlicense: mit\n")
    assert "azimuth -90° to 90°" in card
    for row in ("| fingerprint | `f00d` |", "| step | 7 |", "| widths | 4/3/2 |", "| commit | deadbeef |"):
        assert row in card
    assert "\n\n## Use\n\nso\n\n" in card


@pytest.mark.parametrize(("rendering", "line"), [(None, ""), ({"assets": {"name": "bfm"}}, "license: other\n")])
def test_a_licence_that_is_not_known_is_not_claimed(run, rendering, line):
    card = model_card(run, None, None, name="mine", rendering=rendering)
    assert card.startswith(f"---\n{line}library_name: dcign\n")
    assert "MIT" not in card
    assert ("not recorded" if rendering is None else "licence not known here") in card


def write_report(folder, **changes):
    (folder / "report.json").write_text(json.dumps({**REPORT, **changes}))


def test_the_report_of_these_weights_is_found_in_the_folder_or_above_it(tmp_path):
    run = load_run(write_untrained(tmp_path / "run"))
    assert report_of(run) is None
    write_report(tmp_path, run={"folder": "else/where", "step": 7})
    assert report_of(run) is None
    write_report(tmp_path)
    assert report_of(run)["reconstruction"]["mse"] == 0.0123
    write_report(tmp_path / "run", run={"folder": "x", "step": 6})
    assert report_of(run)["run"]["folder"] == "somewhere/run"
    write_report(tmp_path / "run", run={"folder": "x", "step": 7})
    assert report_of(run)["run"]["folder"] == "x"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"headline": [{"name": 3}]}', '{"headline": [{"name": "a", "value": "1"}]}',
     '{"headline": [{"name": "a", "value": NaN}]}', "[" * 100_000, '{"headline": [], "data_set": "x"}',
     '{"headline": [], "evidence": []}'],
)  # fmt: skip
def test_a_damaged_report_is_refused_by_name(tmp_path, content):
    run = load_run(write_untrained(tmp_path / "run"))
    (tmp_path / "run" / "report.json").write_text(content)
    with pytest.raises(
        BadInput, match=r"run/report\.json: .*expected .*, found .*measure the run again with `dcign evaluate`"
    ):
        report_of(run)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = write_calibrated_labelled(tmp_path_factory.mktemp("work") / "spots")
    return load_run(folder), calibration.load(folder)


def test_the_card_of_images_taken_elsewhere_has_their_factors_in_their_units(labelled):
    run, curves = labelled
    report = {
        **REPORT,
        "data_set": {**REPORT["data_set"], **labels_to_json(LABELS)},
        "categories": {"colour": {"linear": 0.875, "chance": 0.375}},
        "intervals": {"read_back_median": {"distance": {"value": 0.25}, "tilt": {"value": "0.1"}}},
    }
    rendering = {"assets": {"name": "smallnorb", "models": {"smallnorb": "0" * 64}}}
    card = model_card(run, curves, report, name="spots", rendering=rendering)
    assert "| azimuth | 0° to 360° | 1.0° | 90% |" in card
    assert "| distance | 20 cm to 60 cm | 1 cm | 90% |" in card
    assert "| colour | red, green or blue | 100% wrong | 90% |" in card
    assert "| tilt | -1 to 1 | 1 | 90% |" in card
    assert "azimuth 0° to 360°; distance 20 cm to 60 cm; colour red, green or blue; tilt -1 to 1" in card
    assert "taken elsewhere (smallnorb)" in card
    assert "license: other" in card
    assert "rendering" not in card.partition("## Limits")[2].partition("## Training data")[0]
    lines = list(limits(run, curves, report))
    assert any("colour is read right in 88% of the images" in line for line in lines)
    assert any(
        "The distance read from an image is wrong by 1 cm" in line and "half of all images by at most 0.25 cm" in line
        and "11.5 cm" in line for line in lines
    )  # fmt: skip
    assert not any("The tilt read" in line and "half" in line for line in lines)  # a report that somebody damaged
    assert not any("angle" in line or "pose" in line for line in lines)


def test_without_a_report_nothing_is_said_of_angles_that_there_are_not(labelled):
    lines = list(limits(labelled[0], None, None))
    assert any("stands for which value of a factor was not measured" in line for line in lines)
