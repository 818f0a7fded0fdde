import json
from pathlib import Path

import pytest
from report_fixtures import report, write_report

from dcign.errors import BadInput
from dcign.report.saved import LARGEST, LARGEST_PICTURE, open_reports, unique_names
from dcign.runs.report_file import reach
from dcign.runs.shipped import FOLDER


@pytest.fixture
def two(tmp_path):
    return [write_report(tmp_path / name, report(tmp_path / name, mse)) for name, mse in (("a", 0.01), ("b", 0.02))]


def test_a_report_is_found_by_its_file_its_folder_or_the_run_below_it(tmp_path):
    (tmp_path / "demo" / "run").mkdir(parents=True)
    write_report(tmp_path / "demo", report("elsewhere/run"))  # as `dcign run` leaves it; the folder has moved since
    other = write_report(tmp_path / "other", report("other", 0.02))
    for place in (tmp_path / "demo", tmp_path / "demo" / "report.json", tmp_path / "demo" / "run"):
        first, second = open_reports([place, other])
        assert first.document["run"]["folder"] == "elsewhere/run"
        assert (first.path.resolve(), second.name) == (tmp_path / "demo" / "report.json", "other")
        assert first.name in ("demo", "run")


def test_the_report_above_a_folder_is_not_taken_for_that_of_another_run(tmp_path, two):
    (two[0] / "stranger").mkdir()
    with pytest.raises(BadInput, match=r"stranger.*dcign evaluate RUN SHARDS"):
        open_reports([two[0] / "stranger", two[1]])


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/x/a", "/x/b"], ["a", "b"]),
        (["/x/clamped/run", "/x/entangled/run"], ["clamped", "entangled"]),
        (["/x/faces/clamped", "/x/chairs/clamped", "/x/faces/b"], ["faces/clamped", "chairs/clamped", "b"]),
        (["/run", "/a/run"], ["run", "a/run"]),
    ],
)
def test_names_are_short_and_no_two_alike(paths, names):
    assert unique_names([path.split("/")[1:] for path in paths]) == names


@pytest.mark.parametrize("places", [0, 1])
def test_fewer_than_two_runs_are_refused(two, places):
    with pytest.raises(BadInput, match="two runs or more"):
        open_reports(two[:places])


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [("object", "chair", "objects"), ("split", "train", "splits"), ("fingerprint", "e", "images")],
)
def test_reports_on_different_images_are_refused_and_both_named(two, key, value, named):
    document = report(two[1], 0.02)
    document["data_set"][key] = value
    write_report(two[1], document)
    with pytest.raises(BadInput, match=named) as caught:
        open_reports(two)
    assert all(str(place / "report.json") in str(caught.value) for place in two)


def test_the_same_run_twice_is_refused_wherever_its_report_lies(tmp_path, two):
    copy = write_report(tmp_path / "copy", json.loads((two[0] / "report.json").read_text()))
    for places in ([two[0], two[0]], [*two, two[0] / "report.json"], [two[0], two[1], copy]):
        with pytest.raises(BadInput, match="the same run twice"):
            open_reports(places)


def test_one_run_at_two_steps_is_two_runs(two):
    write_report(two[1], report(two[0], 0.02, step=2000))
    assert [each.document["run"]["step"] for each in open_reports(two)] == [1000, 2000]


def without(*keys):
    document = report("b")
    *above, last = keys
    del reach(document, above)[last]
    return json.dumps(document)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (without("evidence"), "older dcign"),
        (without("made"), "made"),
        (without("data_set", "fingerprint"), "data_set: expected a key 'fingerprint'"),
        ("[1]", "found a list"),
        ("{", "expected JSON"),
        ("[" * 100_000, "levels of brackets"),
        (json.dumps(report("b", float("nan"))), "finite numbers, found NaN"),
        (json.dumps(report("b")).replace("4.0", "1e999"), "finite numbers, found 1e999"),
        (" " * (LARGEST + 1), "at most"),
    ],
)
def test_what_is_no_report_of_today_is_refused_by_name(two, content, named):
    (two[1] / "report.json").write_text(content)
    with pytest.raises(BadInput, match=named) as caught:
        open_reports(two)
    assert str(two[1] / "report.json") in str(caught.value)


def test_a_missing_run_and_a_run_without_report_are_refused(tmp_path, two):
    (tmp_path / "bare").mkdir()
    for name, said in (("nowhere", "nothing of that name"), ("bare", "dcign evaluate RUN SHARDS")):
        with pytest.raises(BadInput, match=f"{name}.*{said}"):
            open_reports([tmp_path / name, two[0]])


def test_pictures_are_png_files_of_a_page_size_or_none(two):
    saved = open_reports(two)[0]
    for content, shown in (
        (b"\x89PNG\r\n\x1a\nxyz", True),
        (b"GIF89a", False),
        (b"\x89PNG\r\n\x1a\n" * LARGEST_PICTURE, False),
    ):
        (two[0] / "strip.png").write_bytes(content)
        assert saved.picture("strip") == (content if shown else None)
    assert saved.picture("none") is None


def test_the_name_of_weights_that_ship_stands_for_their_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = json.loads((FOLDER / "faces" / "report.json").read_text())
    document["reconstruction"]["mse"] /= 2
    mine = write_report(tmp_path / "mine", document)
    first, second = open_reports([Path("faces"), mine])
    assert (first.path, first.name, second.name) == (FOLDER / "faces" / "report.json", "faces", "mine")
