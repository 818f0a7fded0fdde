"""The latents of each angle: named by the training, or found in its codes."""

import numpy as np
import pytest
from labelled_shards import LABELS

from dcign.errors import RunError
from dcign.model.code import CodeLayout, find_latents, named_latents, stored_latents


def test_named_latents_are_those_of_the_groups_that_bear_an_angles_name():
    angle_latents = named_latents(CodeLayout.parse("light:1,azimuth:2,rest:5"))
    assert {name: latents.tolist() for name, latents in angle_latents.groups.items()} == {
        "azimuth": [1, 2],
        "light": [0],
    }
    assert angle_latents.rest.tolist() == [3, 4, 5, 6, 7]
    assert angle_latents.single == ("light",)
    assert not angle_latents.found


def test_own_latents_are_a_column_or_the_columns_of_the_group():
    angle_latents, codes = named_latents(CodeLayout.parse("light:1,azimuth:2,rest:5")), np.arange(24.0).reshape(3, 8)
    assert angle_latents.own(codes, "light").tolist() == [0, 8, 16]
    assert angle_latents.own(codes, "azimuth").tolist() == [[1, 2], [9, 10], [17, 18]]
    assert angle_latents.own(codes[1], "azimuth").tolist() == [9, 10]


@pytest.mark.parametrize(("code", "factor"), [("azimuth:1,rest:199", "light"), ("azimuth:1,intrinsic:4", "intrinsic")])
def test_a_factor_without_a_latent_of_its_own_is_refused(code, factor):
    with pytest.raises(RunError, match=f"{factor}: .*azimuth"):
        named_latents(CodeLayout.parse(code)).latents(factor)


def moving(kinds, **moved):
    """Codes (M, 12), ten images a mini-batch: noise, but in mini-batches of a factor one latent moves more."""
    rng = np.random.default_rng(0)
    codes = rng.normal(0, 0.1, (10 * len(kinds), 12)) + np.repeat(rng.normal(0, 9, (len(kinds), 12)), 10, axis=0)
    names = np.repeat(kinds, 10)
    for factor, (latent, much) in moved.items():
        codes[names == factor, latent] += rng.normal(0, much, int((names == factor).sum()))
    return codes, names, np.repeat(np.arange(len(kinds)), 10)


def test_found_latents_move_most_within_the_mini_batches_of_their_angle():
    kinds = ["azimuth", "elevation", "light", "intrinsic"] * 3
    codes, names, minibatch = moving(kinds, azimuth=(7, 2), elevation=(3, 1), light=(11, 1), intrinsic=(5, 50))
    angle_latents = find_latents(CodeLayout.parse("azimuth:1,elevation:1,light:1,intrinsic:9"), codes, names, minibatch)
    assert {name: latents.tolist() for name, latents in angle_latents.groups.items()} == {
        "azimuth": [7],
        "elevation": [3],
        "light": [11],
    }
    assert angle_latents.rest.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert angle_latents.found


def test_no_latent_is_found_for_two_angles_and_none_without_mini_batches():
    codes, names, minibatch = moving(["azimuth", "light"] * 3, azimuth=(4, 2), light=(4, 5))
    angle_latents = find_latents(CodeLayout.parse("azimuth:1,elevation:1,light:1,intrinsic:9"), codes, names, minibatch)
    assert angle_latents.groups["azimuth"].tolist() == [4]
    assert angle_latents.groups["light"].tolist() != [4]
    assert "elevation" not in angle_latents.groups


def test_found_latents_are_stored_with_the_calibration_and_checked():
    layout = CodeLayout.parse("azimuth:1,rest:9")
    assert stored_latents(layout, {}).groups["azimuth"].tolist() == [0]
    angle_latents = stored_latents(layout, {"azimuth": (6,)})
    assert angle_latents.groups["azimuth"].tolist() == [6]
    assert angle_latents.rest.tolist() == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    for wrong in ({"azimuth": (10,)}, {"azimuth": (-1,)}, {"azimuth": (3,), "light": (3,)}):
        with pytest.raises(RunError, match="out of the 10 of this code"):
            stored_latents(layout, wrong)


def test_the_latents_of_any_label_are_named_or_found():
    layout = CodeLayout.parse("colour:2,distance:1,intrinsic:9", tuple(LABELS))
    named = named_latents(layout)
    assert {name: latents.tolist() for name, latents in named.groups.items()} == {"distance": [2], "colour": [0, 1]}
    codes, names, minibatch = moving(["distance", "colour", "intrinsic"] * 3, distance=(7, 2), colour=(4, 2))
    found = find_latents(layout, codes, names, minibatch)
    assert found.groups["distance"].tolist() == [7]
    assert 4 in found.groups["colour"]
    with pytest.raises(RunError, match=r"tilt: .* has them for distance, colour"):
        found.latents("tilt")
