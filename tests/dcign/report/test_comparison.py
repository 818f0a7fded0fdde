import json

import numpy as np
import pytest
from report_fixtures import estimate, report

from dcign.engine.curve_fitting import fit
from dcign.evaluation.encoding import Encoding
from dcign.evaluation.evidence import (
    clamped_views,
    disentanglement,
    facial_features,
    groups,
    inference,
    novel_views,
    recognition,
    response,
)
from dcign.evaluation.evidence import view_errors as views
from dcign.evaluation.evidence.types import Boxes, Coded, Sweep
from dcign.evaluation.intervals import intervals
from dcign.evaluation.metrics import groups as group_metrics
from dcign.evaluation.metrics.image_quality import ReconstructionSums
from dcign.model.code import AngleLatents
from dcign.report.comparison import best, compare, estimate_of
from dcign.report.rows import measures_of
from dcign.report.saved import SavedReport
from dcign.runs.report_file import reach
from render.shards.labels import labels_of


def saved(tmp_path, **documents):
    return [SavedReport(tmp_path / name / "report.json", name, document) for name, document in documents.items()]


def row(comparison, label):
    return next(row for row in comparison["measures"] if row["label"] == label)


def test_values_of_each_run_stand_beside_each_other(tmp_path):
    comparison = compare(saved(tmp_path, a=report("a", 0.01), b=report("b", 0.02)))
    found = row(comparison, "test MSE")
    assert {name: entry["value"] for name, entry in found["values"].items()} == {"a": 0.01, "b": 0.02}
    assert found["values"]["b"]["high"] == pytest.approx(0.022)
    assert found["best"] == "a"
    json.dumps(comparison, allow_nan=False)


@pytest.mark.parametrize(
    ("values", "better", "chosen"),
    [
        ({"a": estimate(0.9), "b": estimate(0.8)}, "higher", "a"),
        ({"a": estimate(0.9), "b": estimate(0.8)}, "lower", "b"),
        ({"a": estimate(0.9), "b": estimate(0.8)}, "", None),
        ({"a": estimate(0.9), "b": estimate(0.89)}, "higher", None),  # they overlap
        ({"a": estimate(0.9), "b": estimate(0.8), "c": estimate(0.5, 0.6)}, "higher", None),  # far, but uncertain
        ({"a": estimate(0.9), "b": {"value": 0.1, "low": None, "high": None}}, "higher", None),
        ({"a": estimate(0.9), "b": {"value": None, "low": None, "high": None}}, "higher", None),
        (
            {"a": estimate(0.9), "b": estimate(0.8), "c": {"value": None, "low": None, "high": None}},
            "higher",
            "a",
        ),
    ],
)
def test_the_best_is_marked_only_where_intervals_lie_apart(values, better, chosen):
    assert best(values, better) == chosen
    assert best(dict(reversed(values.items())), better) == chosen


def test_what_one_run_lacks_has_a_reason_and_what_all_lack_is_listed_apart(tmp_path):
    a, b = report("a"), report("b")
    del b["intervals"]["spearman"]
    b["intervals"]["mse"] = {"value": None, "low": None, "high": None}
    comparison = compare(saved(tmp_path, a=a, b=b))
    assert row(comparison, "|Spearman| of z_azimuth")["values"]["b"]["why"] == "its report does not have it"
    assert "not defined" in row(comparison, "test MSE")["values"]["b"]["why"]
    whys = {entry["label"]: entry["why"] for entry in comparison["not_measured"]}
    assert whys["rank-1 recognition"] == "no renderer at hand"
    shown = {entry["label"] for entry in comparison["measures"]}
    labels = {measure.label for measures in measures_of(a).values() for measure in measures}
    assert not shown & whys.keys()
    assert shown | whys.keys() == labels


@pytest.mark.parametrize(
    "damaged", [True, "0.5", [1], {"value": "x"}, {"value": True}, pytest.param(10**400, id="huge")]
)
def test_what_is_no_number_is_not_taken_for_one(tmp_path, damaged):
    a, b = report("a"), report("b")
    b["intervals"]["mse"] = damaged
    found = row(compare(saved(tmp_path, a=a, b=b)), "test MSE")
    assert found["values"]["b"]["value"] is None
    assert found["best"] is None


def test_an_interval_the_wrong_way_round_is_none(tmp_path):
    a, b = report("a"), report("b", 0.5)
    b["intervals"]["mse"] = {"value": 0.5, "low": 0.6, "high": 0.4}
    assert row(compare(saved(tmp_path, a=a, b=b)), "test MSE")["best"] is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"step": 2000}, "same steps"),
        ({"widths": [16, 8, 4]}, "same size"),
        ({"seed": 1}, "random draws"),
    ],
)
def test_runs_that_were_not_trained_alike_are_warned_of(tmp_path, change, named):
    (line,) = compare(saved(tmp_path, a=report("a"), b=report("b", **change)))["warnings"]
    assert named in line
    assert "a:" in line
    assert "b:" in line


def test_other_training_images_are_warned_of_and_another_procedure_is_not(tmp_path):
    a, b = report("a"), report("b", procedure="entangled", beta=1.0)
    comparison = compare(saved(tmp_path, a=a, b=b))
    assert comparison["warnings"] == []
    differing = [setting["label"] for setting in comparison["settings"] if setting["differs"]]
    assert differing == ["procedure", "beta"]
    b["made"]["training_data"]["fingerprint"] = "ef" * 32
    assert "same training images" in compare(saved(tmp_path, a=a, b=b))["warnings"][0]


def test_labels_of_measures_are_unique():
    labels = [measure.label for measures in measures_of({}).values() for measure in measures]
    assert len(set(labels)) == len(labels)


IDENTITIES, VIEWS = 12, 10
RANGES = {"azimuth": (-180.0, 180.0), "elevation": (-30.0, 30.0), "light": (-60.0, 60.0)}
LABELS = labels_of({"ranges": RANGES})
KNOBS = AngleLatents({name: np.array([place]) for place, name in enumerate(RANGES)}, np.arange(3, 6))


def coded(rng, identity):
    """Images whose code is what is true of them; the coefficients of an object are drawn from its number."""
    degrees = {name: rng.uniform(*ends, len(identity)).astype(np.float32) for name, ends in RANGES.items()}
    coefficients = np.random.default_rng(1).normal(size=(1000, 3)).astype(np.float32)[identity]
    codes = np.column_stack([*degrees.values(), coefficients]).astype(np.float32)
    images = rng.integers(0, 256, (len(identity), 4, 4)).astype(np.uint8)
    return Coded(images, codes, degrees, identity, coefficients)


def measured_on_shards(probes):
    """The intervals of a report, as if each ten images were a mini-batch of one factor in turn."""
    minibatch = np.arange(len(probes.codes)) // VIEWS
    kinds = np.array([*RANGES, "intrinsic"])[minibatch % 4]
    encoding = Encoding(
        codes=probes.codes,
        values=probes.values,
        identity=probes.identity,
        minibatch=minibatch,
        kinds=kinds,
        errors=np.linspace(0.01, 0.02, len(kinds)),
        sums=ReconstructionSums(),
        keys=np.arange(len(kinds)),
    )
    own = {name: KNOBS.own(probes.codes, name) for name in RANGES}
    curves = {name: fit(label, probes.values[name], own[name], np.arange(len(kinds))) for name, label in LABELS.items()}
    inactive = dict.fromkeys((*RANGES, "intrinsic"), KNOBS.rest)
    return intervals(encoding, own, curves, 0.1, inactive, LABELS, {}, False)


def novel(sweeps, identity):
    """Novel views that are all as wrong as each other."""
    wrong = np.full((IDENTITIES, VIEWS), 0.1)
    scores = views.Scores(mse=wrong, psnr=wrong, ssim=wrong, lpips=None)
    flat = np.full(IDENTITIES, 0.1)
    seen = {
        name: views.FactorViews(
            label=LABELS[name],
            values=sweep.values,
            asked=sweep.asked,
            identity=identity,
            start=flat,
            change=wrong,
            decoded=scores,
            copied=scores,
            mean_image=wrong,
            relative=flat,
            strips=[],
            images=np.zeros((IDENTITIES, VIEWS, 1, 1), np.float32),
        )
        for name, sweep in sweeps.items()
    }
    return novel_views.measure(views.NovelViews(seen, identity, flat, flat, ""))


def clamped(identity):
    """Errors that grow from the image's own code over the clamped picture to that of one other image."""
    return clamped_views.ClampedViews(identity, *(np.full(len(identity), error) for error in (0.1, 0.2, 0.3)))


def features():
    """Errors inside one box around each feature."""
    names = np.array(["left eye", "left brow", "nose", "mouth"])
    boxes = Boxes(np.arange(4), names, np.zeros((4, 4), np.int64))
    images = np.zeros((4, 1, 1), np.uint8)
    found = facial_features.Measured(boxes, np.arange(4), np.full(4, 0.1), np.full(4, 0.5), images, images)
    return facial_features.FeatureErrors(found, found, {})


@pytest.fixture(scope="module")
def measured():
    """What is measured of a perfect code by all that goes into a report; azimuth goes round a circle."""
    rng = np.random.default_rng(0)
    probes = coded(rng, np.repeat(np.arange(IDENTITIES), VIEWS))
    inputs = probes.rows(np.arange(IDENTITIES) * VIEWS)
    sweeps = {}
    for place, (name, ends) in enumerate(RANGES.items()):
        angles = np.linspace(*ends, VIEWS)
        codes = np.repeat(inputs.codes[:, None], VIEWS, axis=1)
        codes[:, :, place] = angles
        sweeps[name] = Sweep.even(angles, np.zeros((*codes.shape[:2], 4, 4), np.uint8), codes)
    table, parts = coded(rng, np.arange(100, 1000)), {"shape": 3}
    with pytest.MonkeyPatch.context() as patch:  # trees take most of the time, and are tested elsewhere
        patch.setattr(group_metrics, "tree_predictions", lambda codes, target, fold: np.zeros_like(target))
        group_scores = groups.measure(probes, KNOBS, LABELS, parts)
    return {
        "spearman": report("a")["spearman"],
        "intervals": measured_on_shards(probes),
        "evidence": {
            "novel_views": novel(sweeps, inputs.identity),
            "clamped_views": clamped_views.measure(dict.fromkeys(RANGES, clamped(inputs.identity))),
            "facial_features": facial_features.measure(features(), ""),
            "response": response.measure(inputs, sweeps, probes, KNOBS, LABELS),
            "recognition": recognition.measure(inputs, probes, KNOBS, LABELS, table.images),
            "disentanglement": {"scores": dict.fromkeys(disentanglement.SCORES, estimate(0.5))},
            "groups": group_scores,
            "inference": inference.measure(table, inputs, RANGES, parts)[0],
        },
    }


def test_every_row_finds_its_value_in_what_is_really_measured(measured):
    document = json.loads(json.dumps(measured))
    rows = [measure for group in measures_of(document).values() for measure in group]
    missing = {row.label for row in rows if estimate_of(reach(document, row.keys))["value"] is None}
    on_a_circle = {
        "error of azimuth read back, degrees", "median error of azimuth read back, degrees", "R² of a line, z_azimuth",
    }  # fmt: skip
    on_a_line = {
        f"{what} z_{name}" for what in ("circular R² of", "R² of a sinusoid,") for name in ("elevation", "light")
    }
    assert missing == on_a_circle | on_a_line


def test_what_was_drawn_for_one_and_taken_from_the_shards_for_another_is_not_the_best_of_anything(tmp_path):
    found = {"methods": {"rest": {"rank1": estimate(0.9)}}}
    basis = {"from": "shards", "images": 80, "identities": 9, "minibatches": 7, "dependence": None}
    a, b, c = report("a"), report("b"), report("c")
    a["evidence"]["recognition"] = found
    b["evidence"]["recognition"] = {"methods": {"rest": {"rank1": estimate(0.5)}}, "basis": basis}
    apart = compare(saved(tmp_path, a=a, b=b))
    assert row(apart, "rank-1 recognition")["best"] is None
    (warning,) = apart["warnings"]
    assert "a: drawn; b: 80 images of 9 identities of the shards" in warning
    assert "recognition" in warning
    a["evidence"]["recognition"] = {**found, "basis": basis}
    alike = compare(saved(tmp_path, a=a, b=b))
    assert row(alike, "rank-1 recognition")["best"] == "a"
    assert alike["warnings"] == []
    c["evidence"]["recognition"] = {"skipped": "no renderer at hand"}
    assert compare(saved(tmp_path, a=a, c=c))["warnings"] == []
