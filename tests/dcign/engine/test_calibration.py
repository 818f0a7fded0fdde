"""The file of a run's calibration."""

import json

import numpy as np
import pytest
from labelled_shards import LABELS
from untrained_run import write_calibrated_labelled

from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curve_fitting import fit
from dcign.errors import BadInput, RunError
from dcign.model.code import CodeLayout
from render.shards.labels import Label

ANGLES = np.random.default_rng(0).uniform(-90, 90, 900)


@pytest.fixture
def stored(tmp_path):
    curve = fit(Label("azimuth", -90.0, 90.0), ANGLES, -ANGLES, np.arange(900))
    source = {"folder": "shards", "split": "test", "fingerprint": "abc"}
    errors = tuple(np.linspace(0.001, 0.02, 101).tolist())
    saved = Calibration(
        {"azimuth": curve}, 1200, source, {"azimuth": (4,)}, errors, ((0.0, 7.5), (0.25, 1.0)), (0.5, 2)
    )
    calibration.save(tmp_path, saved)
    return tmp_path, saved


def test_a_stored_calibration_is_read_back_as_it_was(stored):
    folder, saved = stored
    assert calibration.load(folder) == saved
    assert [path.name for path in folder.iterdir()] == ["calibration.json"]


def test_people_are_offered_six_directions_and_identities_are_drawn_along_all():
    layout, many = CodeLayout.parse("azimuth:1,rest:7"), tuple(map(tuple, np.eye(8)[1:].tolist()))
    known = Calibration({}, 7, {}, directions=many, mean_identity=(0.0,) * 8)
    assert known.directions_of(layout).tolist() == np.eye(8)[1:7].tolist()
    assert known.identities_of(layout)[1].tolist() == np.eye(8)[1:].tolist()
    assert Calibration({}, 7, {}, directions=many).identities_of(layout) is None


def test_a_mean_identity_of_another_width_is_refused(stored):
    path = stored[0] / "calibration.json"
    content = json.loads(path.read_text())
    content["mean_identity"].append(1.0)
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match="mean_identity: expected as many numbers as a direction has, found 3"):
        calibration.load(stored[0])


def test_a_factor_without_a_curve_is_named(stored):
    with pytest.raises(BadInput, match="light: this run has no calibration for it \\(it has azimuth\\)"):
        calibration.load(stored[0]).curve("light")


def test_a_missing_calibration_says_what_to_run(tmp_path):
    with pytest.raises(RunError, match=r"dcign evaluate .* SHARDS` first"):
        calibration.load(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"format": 1', '"format": 9'),
        lambda text: text.replace('"circular": false', '"circular": "x"').replace('"degrees"', '"other"'),
        lambda text: text.replace("-90.0", "NaN"),
        lambda text: text.replace("-90.0", "95.0"),
        lambda text: text.replace("0.001,", "NaN,"),
        lambda text: text.replace("0.001,", ""),
        lambda text: text.replace("   4\n", '   "z"\n'),
        lambda text: text.replace("7.5", "NaN"),
        lambda text: text.replace("7.5", "0.0"),
        lambda text: text.replace("7.5", "7.5, 1.0"),
    ],
    ids=[
        "truncated",
        "list",
        "format",
        "keys",
        "nan",
        "order",
        "percentile",
        "percentiles",
        "found",
        "infinite",
        "zeros",
        "widths",
    ],
)
def test_a_damaged_calibration_is_refused_by_name(stored, damage):
    path = stored[0] / "calibration.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(RunError, match=r"calibration\.json"):
        calibration.load(stored[0])


def test_the_file_is_strict_json(stored):
    def refuse(name):
        raise AssertionError(name)

    content = json.loads((stored[0] / "calibration.json").read_text(), parse_constant=refuse)
    assert content["curves"]["azimuth"]["draws"] == 900


@pytest.fixture
def labelled(tmp_path):
    return write_calibrated_labelled(tmp_path / "run")


def test_labels_are_stored_with_their_curves_under_a_format_of_their_own(labelled):
    known = calibration.load(labelled)
    assert {name: curve.label for name, curve in known.curves.items()} == LABELS
    assert known.curve("colour").to_latent(2).tolist() == [5, 5]
    content = json.loads((labelled / "calibration.json").read_text())
    assert content["format"] == 3
    assert content["labels"]["distance"] == {"unit": "cm", "circular": False, "values": [20, 40, 60]}
    calibration.save(labelled, known)
    assert calibration.load(labelled) == known


def test_a_name_that_the_renderer_has_not_needs_a_label(labelled):
    path = labelled / "calibration.json"
    content = json.loads(path.read_text())
    del content["labels"], content["ranges"]
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"calibration\.json: curves: expected keys of azimuth, .*, found 'distance'"):
        calibration.load(labelled)


def test_latents_may_be_found_of_a_factor_without_a_curve(tmp_path):
    calibration.save(tmp_path, Calibration({}, 7, {}, {"colour": (3, 5)}))
    assert calibration.load(tmp_path).found == {"colour": (3, 5)}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["curves"]["colour"].update(degrees=[0, 1, 3]),
        lambda content: content["curves"]["colour"].update(degrees=[0, 0.5, 2]),
        lambda content: content["curves"]["colour"].update(circular=True),
        lambda content: content["curves"]["colour"].update(residual_degrees=None),
        lambda content: content["labels"]["colour"].update(categories=["red", "red", "blue"]),
        lambda content: content["labels"]["colour"].update(categories=["red"]),
        lambda content: content["labels"]["distance"].update(values=[20, 90]),
        lambda content: content["labels"].pop("colour"),
        lambda content: content["ranges"].pop("tilt"),
        lambda content: content.update(found={"no name": [1]}),
    ],
    ids=["unknown", "between", "circle", "residual", "twice", "few", "grid", "label", "range", "found"],
)
def test_labels_that_contradict_their_curves_are_refused(labelled, damage):
    path = labelled / "calibration.json"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"calibration\.json"):
        calibration.load(labelled)
