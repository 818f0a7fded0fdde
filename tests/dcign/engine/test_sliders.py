import json
from types import SimpleNamespace

import numpy as np
import pytest

from dcign.engine import variations
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve, GroupCurve
from dcign.model.code import CodeLayout

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
CODE = np.arange(8, dtype=np.float32)
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
        variations.angle_setting(CURVES, angle_latents, "azimuth", np.array([azimuth])),
        variations.angle_setting(CURVES, angle_latents, "elevation", np.array([elevation])),
        variations.direction_setting(CURVES, LAYOUT, 1, np.array([one])),
        variations.direction_setting(CURVES, LAYOUT, 2, np.array([two])),
    ]
    asked = {"direction-2": two, "elevation": elevation, "direction-1": one, "azimuth": azimuth}
    np.testing.assert_allclose(
        variations.apply_sliders(CODE, FOUND, asked), variations.grid(CODE, settings).codes[0], rtol=1e-6, atol=1e-6
    )


def test_what_is_not_set_stays_and_the_code_is_not_written_to():
    before = CODE.copy()
    np.testing.assert_array_equal(variations.apply_sliders(CODE, FOUND, {}), before)
    moved = variations.apply_sliders(CODE, FOUND, {"direction-1": 1.0})
    np.testing.assert_allclose(moved - before, [0, 0, 0, 0, 1, 2, 0, 0])
    np.testing.assert_array_equal(CODE, before)
    with pytest.raises(KeyError):
        variations.apply_sliders(CODE, FOUND, {"light": 1.0})
