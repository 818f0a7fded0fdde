"""`dcign evaluate` and `dcign compare` on images that no renderer drew: all they can tell, and what they cannot."""

import json

import numpy as np
import pytest
from command import dcign as run_dcign
from hastened import hasten_report
from labelled_shards import CODE, FACTORS, LABELS, OBJECT, write_labelled
from matplotlib.figure import Figure
from PIL import Image
from untrained_run import write_untrained

from dcign.evaluation.metrics import groups as group_metrics
from pipelines.drawing.evidence import KINDS
from render.shards.data_set import open_data_set
from render.shards.labels import Label

SHARDS = {"size": 54, "split": "test", "batch_size": 5}


def blank(figure, file, **_):
    Image.new("L", (8, 8)).save(file, "PNG")


def hasten(patch, charts=False):
    """No trees, which are tested elsewhere, and no charts unless asked for."""
    hasten_report(patch)
    patch.setattr(group_metrics, "tree_predictions", lambda codes, target, fold: np.zeros_like(target))
    if not charts:
        patch.setattr(Figure, "savefig", blank)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_labelled(folder / "spots", counts=dict.fromkeys(FACTORS, 6), **SHARDS)
    fingerprint = open_data_set(folder / "spots", "test").fingerprint
    for seed, name in enumerate(("one", "two")):
        labelled = {"object": OBJECT, "labels": LABELS, "code": CODE}
        write_untrained(folder / name, fingerprint=fingerprint, seed=seed, **labelled)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("one", "two"):
            hasten(patch, charts=name == "one")
            code, out, err = run_dcign("evaluate", name, "spots", "--identities", "8")
            assert code == 0, err
            (folder / name / "said.txt").write_text(out)
    return folder


@pytest.fixture(autouse=True)
def hastened(monkeypatch):
    hasten(monkeypatch)


def report(folder):
    return json.loads((folder / "report.json").read_text())


def test_all_is_measured_that_needs_no_renderer_and_what_needs_one_is_named(work):
    document = report(work / "one")
    evidence = document["evidence"]
    assert set(evidence) == set(KINDS)
    assert {name for name, found in evidence.items() if "skipped" in found} == {"facial_features", "inference"}
    assert "imported" in evidence["inference"]["skipped"]
    assert set(evidence["novel_views"]["factors"]) == set(LABELS)
    assert set(evidence["response"]["factors"]) == set(LABELS)
    assert document["categories"]["colour"]["categories"] == 3
    assert set(document["spearman"]["matrix"]) == {"distance", "tilt"}  # a circle has two latents, colours no order
    with Image.open(work / "one" / "scatter.png") as image:
        assert round(image.width / image.height / (4.2 / 3.9)) == 6  # circle and colour have a plane too


def test_each_figure_says_what_it_rests_on(work):
    document = report(work / "one")
    assert document["data_set"]["rests_on"]["azimuth"] == {
        "minibatches": 6,
        "images": 30,
        "identities": 6,
        "values": 30,
    }
    assert {found["basis"]["identities"] for found in document["evidence"].values() if "basis" in found} == {8}
    assert "intervals" in document
    page = (work / "one" / "report.html").read_text()
    assert "What these figures rest on" in page
    assert "Nothing was drawn for this" in page


def test_the_page_has_units_and_degrees_only_where_they_are(work):
    page = (work / "one" / "report.html").read_text()
    assert "20 cm to 60 cm" in page
    assert "red, green or blue" in page
    assert "error of tilt read back" not in page  # of the comparison
    assert "tilt, degrees" not in page
    assert ">-1 to 1<" in page
    assert "0° to 360°" in page
    assert "colour read right by the calibration" in (work / "one" / "said.txt").read_text()


def test_runs_on_the_same_images_are_compared_by_the_names_and_units_of_their_labels(dcign, work):
    code, out, err = dcign("compare", "one", "two", "-o", "both")
    assert code == 0, err
    compared = json.loads((work / "both" / "compare.json").read_text())
    rows = {row["label"] for row in (*compared["measures"], *compared["not_measured"])}
    assert {"error of tilt read back", "error of distance read back, cm", "colour read back right"} <= rows
    assert {"novel-view MSE, tilt", "R² of categories, z_colour"} <= rows
    assert not any("elevation" in row or "eyes" in row for row in rows)
    assert "|Spearman| of z_colour" not in rows
    assert compared["warnings"] == []
    assert "Novel views: tilt" in (work / "both" / "compare.html").read_text()
    assert "error of distance read back, cm" in out


@pytest.mark.parametrize(
    ("counts", "batch_size"),
    [
        pytest.param({"azimuth": 1}, 2, id="two images"),
        pytest.param({"azimuth": 2, "colour": 1}, 4, id="three people"),
        pytest.param({"intrinsic": 2}, 5, id="no factor alone"),
        pytest.param({"distance": 4, "intrinsic": 1}, 2, id="pairs"),
    ],
)
def test_few_images_do_not_crash_and_their_figures_say_how_few(dcign, work, tmp_path, counts, batch_size):
    write_labelled(tmp_path / "few", **{**SHARDS, "batch_size": batch_size}, counts=counts)
    code, out, err = dcign("evaluate", "one", str(tmp_path / "few"), "-o", str(tmp_path / "out"))
    assert code == 0, err
    document = report(tmp_path / "out")
    people = document["data_set"]["identities"]
    if people < 5:
        assert f"These images show {people} identit" in out
        assert document["intervals"]["mse"]["low"] is None
    for name in counts:
        if name in LABELS:
            assert f"{name} rests on {counts[name]} mini-batches" in out
    assert "No mini-batches of" in out
    assert (tmp_path / "out" / "report.html").is_file()


def test_labels_that_mean_something_else_are_refused(dcign, work, tmp_path):
    inches = {**LABELS, "distance": Label("distance", 8.0, 24.0, "inches")}
    write_untrained(tmp_path / "run", object=OBJECT, labels=inches, code=CODE)
    code, _, err = dcign("evaluate", str(tmp_path / "run"), "spots")
    assert code == 2
    assert "was trained on distance in inches, but spots has it in cm" in err
    paints = {**LABELS, "colour": Label("colour", 0, 2, "", categories=("red", "blue", "green"))}
    write_untrained(tmp_path / "other", object=OBJECT, labels=paints, code=CODE)
    code, _, err = dcign("evaluate", str(tmp_path / "other"), "spots")
    assert code == 2
    assert "colour out of red, blue or green, but spots has it out of red, green or blue" in err
