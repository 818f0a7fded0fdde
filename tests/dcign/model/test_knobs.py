import numpy as np
import pytest

from dcign.errors import RunError
from dcign.model.code import CodeLayout, find_latents, named_latents, stored_latents


def test_named_knobs_are_those_of_the_groups_that_bear_an_angles_name():
    knobs = named_latents(CodeLayout.parse("light:1,azimuth:2,rest:5"))
    assert {name: latents.tolist() for name, latents in knobs.groups.items()} == {"azimuth": [1, 2], "light": [0]}
    assert knobs.rest.tolist() == [3, 4, 5, 6, 7]
    assert knobs.single == ("light",)
    assert not knobs.found


def test_own_latents_are_a_column_or_the_columns_of_the_group():
    knobs, codes = named_latents(CodeLayout.parse("light:1,azimuth:2,rest:5")), np.arange(24.0).reshape(3, 8)
    assert knobs.own(codes, "light").tolist() == [0, 8, 16]
    assert knobs.own(codes, "azimuth").tolist() == [[1, 2], [9, 10], [17, 18]]
    assert knobs.own(codes[1], "azimuth").tolist() == [9, 10]


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


def test_found_knobs_move_most_within_the_mini_batches_of_their_angle():
    kinds = ["azimuth", "elevation", "light", "intrinsic"] * 3
    codes, names, minibatch = moving(kinds, azimuth=(7, 2), elevation=(3, 1), light=(11, 1), intrinsic=(5, 50))
    knobs = find_latents(CodeLayout.parse("azimuth:1,elevation:1,light:1,intrinsic:9"), codes, names, minibatch)
    assert {name: latents.tolist() for name, latents in knobs.groups.items()} == {
        "azimuth": [7],
        "elevation": [3],
        "light": [11],
    }
    assert knobs.rest.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert knobs.found


def test_no_latent_is_found_for_two_angles_and_none_without_mini_batches():
    codes, names, minibatch = moving(["azimuth", "light"] * 3, azimuth=(4, 2), light=(4, 5))
    knobs = find_latents(CodeLayout.parse("azimuth:1,elevation:1,light:1,intrinsic:9"), codes, names, minibatch)
    assert knobs.groups["azimuth"].tolist() == [4]
    assert knobs.groups["light"].tolist() != [4]
    assert "elevation" not in knobs.groups


def test_knobs_are_stored_with_the_calibration_and_checked():
    layout = CodeLayout.parse("azimuth:1,rest:9")
    assert stored_latents(layout, {}).groups["azimuth"].tolist() == [0]
    knobs = stored_latents(layout, {"azimuth": (6,)})
    assert knobs.groups["azimuth"].tolist() == [6]
    assert knobs.rest.tolist() == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    for wrong in ({"azimuth": (10,)}, {"azimuth": (-1,)}, {"azimuth": (3,), "light": (3,)}):
        with pytest.raises(RunError, match="out of the 10 of this code"):
            stored_latents(layout, wrong)
