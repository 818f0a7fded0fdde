"""The layout of the graphics code."""

import numpy as np
import pytest

from dcign.errors import RunError
from dcign.model.code import CodeLayout
from render.factors import MAIN


def test_the_paper_s_face_code():
    layout = CodeLayout.for_object("face")
    assert layout.latents == 200
    assert [layout.indices(name).tolist() for name in ("azimuth", "elevation", "light")] == [[0], [1], [2]]
    assert layout.indices("intrinsic").tolist() == list(range(3, 200))
    assert sum(layout.active(factor).astype(int) for factor in MAIN).tolist() == [1] * 200  # a partition


def test_on_chairs_every_factor_but_azimuth_moves_the_rest():
    layout = CodeLayout.for_object("chair")
    assert layout.latents == 200
    assert layout.active("azimuth").nonzero()[0].tolist() == [0]
    for factor in ("elevation", "light", "intrinsic"):
        np.testing.assert_array_equal(layout.active(factor), ~layout.active("azimuth"))


def test_groups_without_a_factor_s_name_move_together():
    layout = CodeLayout.parse("azimuth:2,shape:3,albedo:4")
    assert layout.active("azimuth").nonzero()[0].tolist() == [0, 1]
    assert layout.active("intrinsic").nonzero()[0].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert layout.groups == {"azimuth": 2, "shape": 3, "albedo": 4}


def test_json_and_text_round_trips():
    layout = CodeLayout.for_object("face")
    assert CodeLayout.from_json(layout.to_json()) == layout
    assert CodeLayout.parse(str(layout)) == layout


def test_order_distinguishes_layouts():
    assert CodeLayout.parse("azimuth:1,light:1") != CodeLayout.parse("light:1,azimuth:1")


@pytest.mark.parametrize("text", ["", "azimuth", "azimuth:0", "azimuth:-1", "azimuth:1,azimuth:2", ":3", "azimuth:x"])
def test_bad_layouts_are_refused(text):
    with pytest.raises(RunError, match="graphics code"):
        CodeLayout.parse(text)


@pytest.mark.parametrize("value", [None, 3, [["azimuth"]], [["azimuth", "1"]], [["azimuth", True]], [["azimuth", 1.0]]])
def test_bad_json_is_refused(value):
    with pytest.raises(RunError):
        CodeLayout.from_json(value)


def test_a_factor_without_a_place_is_refused():
    with pytest.raises(RunError, match="light"):
        CodeLayout.parse("azimuth:1,elevation:1").active("light")
    with pytest.raises(RunError, match="table"):
        CodeLayout.for_object("table")


def test_parts_of_the_object_move_the_group_they_are_in():
    layout = CodeLayout.for_object("face")
    for part in ("shape", "albedo", "expression"):
        np.testing.assert_array_equal(layout.active(part), layout.active("intrinsic"))
    layout = CodeLayout.parse("azimuth:1,shape:3,albedo:2,rest:2")
    assert layout.groups_of("shape") == ("shape",)
    assert layout.groups_of("intrinsic") == ("shape", "albedo", "rest")
    assert layout.groups_of("expression") == ("rest",)
    with pytest.raises(RunError, match="expression"):
        CodeLayout.parse("azimuth:1,shape:3,albedo:2").active("expression")


def test_extrinsic_latents_are_those_of_angles():
    assert CodeLayout.parse("azimuth:2,intrinsic:2,light:1").extrinsic.tolist() == [True, True, False, False, True]
