import json
from types import SimpleNamespace

import numpy as np
import pytest
from labelled_shards import CODE, LABELS
from untrained_run import write_calibrated_labelled

from dcign.engine import calibration, variations
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Centroids, Curve, GroupCurve
from dcign.model.code import CodeLayout
from render.shards.labels import Label

LAYOUT = CodeLayout.parse("azimuth:2,elevation:1,light:1,intrinsic:4")
RUN = SimpleNamespace(layout=LAYOUT)
CURVES = Calibration(
    {
        "azimuth": GroupCurve(
            "azimuth", (0.0, 180.0, 360.0), ((1.0, 0.0), (-1.0, 0.5), (1.0, 0.0)), True, 1.0, 0.9, 9, 9
        ),
        "elevation": Curve("elevation", (-30.0, 0.0, 30.0), (30.0, 10.0, -30.0), False, 1.0, 0.9, 9, 9),
    },
    7,
    {},
    directions=((0, 0, 0, 0, 1, 2, 0, 0), (0, 0, 0, 0, 0, 1, 0, -4)),
)
START = np.arange(8, dtype=np.float32)
FOUND = variations.sliders_of(RUN, CURVES)


def test_there_is_a_slider_for_each_calibrated_angle_and_each_direction():
    assert [slider.name for slider in FOUND] == ["azimuth", "elevation", "direction-1", "direction-2"]
    assert [(slider.low, slider.high, slider.unit) for slider in FOUND[::2]] == [(0, 360, "°"), (-3, 3, "σ")]
    assert [slider.circular for slider in FOUND] == [True, False, False, False]
    assert json.loads(json.dumps(variations.sliders_to_json(FOUND)))[1]["knots"] == [-30, 0, 30]


@pytest.mark.parametrize("seed", range(5))
def test_sliders_do_what_the_same_settings_do_in_a_grid(seed):
    rng = np.random.default_rng(seed)
    azimuth, elevation, one, two = rng.uniform([0, -30, -3, -3], [360, 30, 3, 3])
    angle_latents = CURVES.angle_latents(LAYOUT)
    settings = [
        variations.factor_setting(CURVES, angle_latents, "azimuth", np.array([azimuth])),
        variations.factor_setting(CURVES, angle_latents, "elevation", np.array([elevation])),
        variations.direction_setting(CURVES, LAYOUT, 1, np.array([one])),
        variations.direction_setting(CURVES, LAYOUT, 2, np.array([two])),
    ]
    asked = {"direction-2": two, "elevation": elevation, "direction-1": one, "azimuth": azimuth}
    np.testing.assert_allclose(
        variations.apply_sliders(START, FOUND, asked), variations.grid(START, settings).codes[0], rtol=1e-6, atol=1e-6
    )


def test_what_is_not_set_stays_and_the_code_is_not_written_to():
    before = START.copy()
    np.testing.assert_array_equal(variations.apply_sliders(START, FOUND, {}), before)
    moved = variations.apply_sliders(START, FOUND, {"direction-1": 1.0})
    np.testing.assert_allclose(moved - before, [0, 0, 0, 0, 1, 2, 0, 0])
    np.testing.assert_array_equal(START, before)
    with pytest.raises(KeyError):
        variations.apply_sliders(START, FOUND, {"light": 1.0})


@pytest.fixture
def labelled(tmp_path):
    """The sliders of images with labels of all kinds."""
    run = SimpleNamespace(layout=CodeLayout.parse(CODE, tuple(LABELS)))
    return variations.sliders_of(run, calibration.load(write_calibrated_labelled(tmp_path)))


def test_a_slider_has_the_unit_of_its_factor_and_a_step_that_suits_its_range(labelled):
    found = {slider.name: (slider.unit, slider.low, slider.high, slider.step, slider.choices) for slider in labelled}
    assert found == {
        "azimuth": ("°", 0, 360, 1, ()),
        "distance": ("cm", 20, 60, 0.2, ()),
        "colour": ("", 0, 2, 1, ("red", "green", "blue")),
        "tilt": ("", -1, 1, 0.02, ()),
        "direction-1": ("σ", -3, 3, 0.1, ()),
    }


def test_a_slider_of_categories_sets_their_centroids(labelled):
    moved = variations.apply_sliders(np.zeros(12), labelled, {"colour": 1, "distance": 30})
    np.testing.assert_allclose(moved, [0, 0, 15, 0, 9, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0, 1, 0.01), (0, 100, 1), (0, 99, 0.5), (-5, 5, 0.1), (0, 3e6, 2e4), (0, 0.07, 0.0005)]
)
def test_steps_are_round_numbers(low, high, step):
    curve = Curve("tilt", (low, high), (0.0, 1.0), False, 1.0, 0.9, 9, 9, label=Label("tilt", low, high, "kg"))
    run = SimpleNamespace(layout=CodeLayout.parse("tilt:1,rest:1", ("tilt",)))
    (slider,) = variations.sliders_of(run, Calibration({"tilt": curve}, 7, {}))
    assert (slider.step, slider.unit) == (step, "kg")


def test_categories_that_were_not_tested_say_so():
    label = Label("kind", 0, 3, "", categories=("a", "b", "c", "d"))
    curve = Centroids("kind", (0.0, 2.0), (1.0, 5.0), False, 0.1, 0.9, 9, 9, label=label)
    run = SimpleNamespace(layout=CodeLayout.parse("kind:1,rest:1", ("kind",)))
    (slider,) = variations.sliders_of(run, Calibration({"kind": curve}, 7, {}))
    assert slider.choices == ("a", "b (not tested)", "c")
