"""`dcign evaluate` from the first pixel drawn to the page, on small models of the user's, untrained; then compared."""

import dataclasses
import json

import numpy as np
import pytest
from face_file_fixtures import basel_h5, small_face, write_h5
from hastened import hasten_report
from mesh_fixtures import write_models
from untrained_run import write_untrained

from pipelines.commands.render import command
from pipelines.drawing.evidence import KINDS
from render.shards.data_set import open_data_set

LANDMARKS = [  # of the small face, millimetres
    {"id": name, "coordinates": [3 + 10 * x, -12 + 10 * y, 120]}
    for name, x, y in (
        ("left.eye.corner_inner", 2, 3),
        ("left.eye.corner_outer", 5, 3),
        ("right.eye.corner_inner", -2, 3),
        ("right.eye.corner_outer", -5, 3),
        ("left.eyebrow.inner", 2, 6),
        ("left.eyebrow.outer", 6, 6),
        ("right.eyebrow.inner", -2, 6),
        ("right.eyebrow.outer", -6, 6),
        ("center.nose.tip", 0, 0),
        ("center.nose.base", 0, -2),
        ("left.lips.corner", 3, -6),
        ("right.lips.corner", -3, -6),
    )
]
DRAWN = ("--identities", "6", "--simulations", "40")


def rendered(folder, *words):
    common = ("--split", "test", "--n", 48, "--size", 54, "--batch-size", 4, "--workers", 1, "-o", folder)
    command.main([str(word) for word in (*common, *words)], standalone_mode=False)
    return open_data_set(folder, "test")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_h5(folder / "face.h5", basel_h5(small_face(), metadata__landmarks__json=json.dumps(LANDMARKS)))
    write_models(folder / "chairs", 20)
    faces = rendered(folder / "faces", "--assets", folder / "face.h5", "--full-mesh")
    rendered(folder / "chair-shards", "--assets", folder / "chairs", "--light-range", "0:0")
    for seed, name in enumerate(("one", "two")):
        write_untrained(folder / name, fingerprint=faces.fingerprint, seed=seed)
    write_untrained(folder / "chair-run", object="chair")
    return folder


@pytest.fixture(autouse=True)
def hastened(monkeypatch):
    hasten_report(monkeypatch)


def report(folder):
    return json.loads((folder / "report.json").read_text())


def test_a_report_has_every_kind_of_evidence_and_the_same_command_gives_the_same(dcign, work):
    code, out, err = dcign("evaluate", "one", "faces", "--assets", "face.h5", *DRAWN)
    assert code == 0, err
    first = report(work / "one")
    assert set(first["evidence"]) == set(KINDS)
    assert not [kind for kind, measures in first["evidence"].items() if "skipped" in measures]
    assert first["evidence"]["recognition"]["identities"] == 6
    assert first["evidence"]["novel_views"]["factors"]["azimuth"]["mse"]["value"] > 0
    assert first["evidence"]["clamped_views"]["factors"]["light"]["images"] == 48  # 12 mini-batches of 4
    assert first["evidence"]["facial_features"]["half_profile"]["all"]["ssim"]["value"] < 1
    assert any("40 simulations are too few" in line for line in first["evidence"]["inference"]["warnings"])
    pictures = {path.name for path in (work / "one").glob("*.png")}
    assert {"traversals.png", "novel-views-azimuth.png", "response.png"} <= pictures
    assert "Report: one/report.html" in out
    assert dcign("evaluate", "one", "faces", "--assets", "face.h5", *DRAWN)[0] == 0
    assert report(work / "one")["evidence"] == first["evidence"]


def test_runs_on_the_same_shards_are_compared(dcign, work):
    for name in ("one", "two"):
        assert dcign("evaluate", name, "faces", "--identities", "0")[0] == 0
    code, _, err = dcign("compare", "one", "two", "-o", "both")
    assert code == 0, err
    assert (work / "both" / "compare.html").is_file()
    compared = json.loads((work / "both" / "compare.json").read_text())
    row = next(row for row in compared["measures"] if row["label"].startswith("test MSE"))
    assert row["values"]["one"]["value"] == pytest.approx(report(work / "one")["reconstruction"]["mse"])


def test_chairs_have_no_coefficients_and_one_knob(dcign, work):
    code, _, err = dcign("evaluate", "chair-run", "chair-shards", "--assets", "chairs", *DRAWN, "--split", "test")
    assert code == 0, err
    evidence = report(work / "chair-run")["evidence"]
    assert list(evidence["novel_views"]["factors"]) == ["azimuth"]
    assert evidence["recognition"]["identities"] == 2  # of 20 chairs, the test split
    assert evidence["recognition"]["warnings"]
    assert evidence["facial_features"] == {"skipped": "chairs have no eyes, brows, nose and mouth"}


def test_without_the_models_the_shards_themselves_are_the_evidence_and_what_they_cannot_tell_is_named(dcign, work):
    code, _, err = dcign("evaluate", "one", "faces", "-o", "bare", "--identities", "8")
    assert code == 0, err
    assert "--assets" in err
    document = report(work / "bare")
    evidence = document["evidence"]
    reasons = {name: measures["skipped"] for name, measures in evidence.items() if "skipped" in measures}
    assert set(reasons) == {"facial_features", "inference"}
    assert all("--assets" in reason for reason in reasons.values())
    for kind in ("novel_views", "response", "recognition", "disentanglement", "groups"):
        assert evidence[kind]["basis"]["identities"] == 8
    views = evidence["novel_views"]["factors"]["azimuth"]
    assert (views["minibatches"], views["views"]) == (12, 36)  # each of 4 images, one of them the input
    assert evidence["recognition"]["methods"]["rest"]["rank1"]["value"] is not None
    assert set(evidence["clamped_views"]["factors"]) == {"azimuth", "elevation", "light"}


def test_no_identities_leave_only_what_mini_batches_tell(dcign, work):
    assert dcign("evaluate", "one", "faces", "-o", "quick", "--identities", "0")[0] == 0
    document = report(work / "quick")
    reasons = {name: measures.get("skipped", "") for name, measures in document["evidence"].items()}
    assert {name for name, reason in reasons.items() if "--identities 0" in reason} == set(KINDS) - {"clamped_views"}
    assert np.isfinite(document["reconstruction"]["mse"])


def test_other_models_than_those_of_the_shards_are_refused_and_nothing_is_left(dcign, work):
    face = small_face()
    write_h5(work / "other.h5", basel_h5(dataclasses.replace(face, mean=face.mean * 1.01)))
    code, _, err = dcign("evaluate", "one", "faces", "--assets", "other.h5", "-o", "refused")
    assert code == 2
    assert "other.h5" in err
    assert not (work / "refused").exists()
