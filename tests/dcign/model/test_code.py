"""The layout of the graphics code."""

from dataclasses import replace

import numpy as np
import pytest
from labelled_shards import FACTORS as LABELLED
from labelled_shards import LABELS

from dcign.errors import RunError
from dcign.model.code import CodeLayout
from render.factors import MAIN
from render.shards.labels import Label


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


def test_imported_images_have_a_latent_a_label_two_for_a_circle_and_one_less_than_categories():
    layout = CodeLayout.for_data(LABELS, LABELLED)
    assert str(layout) == "azimuth:2,distance:1,colour:2,tilt:1,intrinsic:194"
    assert layout.latents == 200
    assert sum(layout.active(factor).astype(int) for factor in LABELLED).tolist() == [1] * 200  # a partition
    assert layout.extrinsic.tolist() == [True] * 6 + [False] * 194
    one = {
        "pair": Label("pair", 0, 1, "", categories=("no", "yes")),
        "sole": Label("sole", 0, 0, "", categories=("x",)),
    }
    assert CodeLayout.for_data(one, ["pair", "sole"]).groups == {"pair": 1, "sole": 1, "intrinsic": 198}


def test_a_label_without_mini_batches_has_no_latents_and_moves_none():
    layout = CodeLayout.for_data(LABELS, ["colour", "azimuth", "intrinsic"])
    assert str(layout) == "azimuth:2,colour:2,intrinsic:196"
    with pytest.raises(RunError, match="tilt"):
        layout.active("tilt")


def test_labels_that_leave_the_identity_no_latents_ask_for_a_code():
    many = Label("kind", 0, 299, "", categories=tuple(map(str, range(300))))
    with pytest.raises(RunError, match=r"kind:299.*leaves none of 200 .*`code`"):
        CodeLayout.for_data({"kind": many}, ["kind"])


def test_a_group_is_a_factor_s_by_the_labels_of_the_data():
    """`light` is no label of these images, so a group of that name moves with all that no label has."""
    layout = CodeLayout.parse("distance:1,light:3,intrinsic:2", tuple(LABELS))
    assert layout.groups_of("distance") == ("distance",)
    assert layout.groups_of("colour") == ("light",)
    assert layout.extrinsic.tolist() == [True, False, False, False, False, False]
    assert CodeLayout.from_json(layout.to_json(), tuple(LABELS)) == layout
    assert CodeLayout.from_json(layout.to_json()) == replace(layout, labels=CodeLayout.for_object("face").labels)
