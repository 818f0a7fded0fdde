import numpy as np
import pytest

from render.errors import BadInput
from render.factors import FACTORS, MAIN, VIEWS, draw_values, generator, parse_range, pick_values


def test_a_stream_is_a_pure_function_of_its_key():
    first = generator(3, "train", "light", 7, "azimuth").random(4)
    assert np.array_equal(first, generator(3, "train", "light", 7, "azimuth").random(4))


@pytest.mark.parametrize(
    "key",
    [
        (4, "train", "light", 7, "azimuth"),
        (3, "test", "light", 7, "azimuth"),
        (3, "train", "azimuth", 7, "azimuth"),
        (3, "train", "light", 8, "azimuth"),
        (3, "train", "light", 7, "elevation"),
    ],
)
def test_streams_of_other_keys_differ(key):
    assert not np.array_equal(generator(3, "train", "light", 7, "azimuth").random(4), generator(*key).random(4))


def test_angles_fill_their_range():
    angles = draw_values(-90, 90, 5000, generator(0, "train", "azimuth", 0, "azimuth"))
    assert angles.dtype == np.float32
    assert -90 <= angles.min() < -89
    assert 89 < angles.max() <= 90
    assert abs(angles.mean()) < 3


@pytest.mark.parametrize("text", ["", "5", "a:b", "10:5", "0:361", "nan:3", "1:2:3", "-inf:0"])
def test_a_bad_range_names_the_option(text):
    with pytest.raises(BadInput, match=r"--light-range.*found"):
        parse_range(text, "--light-range")


def test_a_range_of_one_angle_is_a_range():
    assert parse_range("-5:-5", "--light-range") == (-5.0, -5.0)


def test_a_factor_is_a_number_of_the_scene_or_parts_of_the_object():
    assert all(bool(factor.sets) != bool(factor.parts) for factor in FACTORS.values())
    assert tuple(FACTORS)[:4] == MAIN


def test_the_paper_s_grid_has_60_views():
    grid = VIEWS["paper"]
    assert (len(set(grid["azimuth"])), len(set(grid["elevation"]))) == (30, 2)
    picked = pick_values(grid["azimuth"], 30, generator(0, "train", "azimuth", 0, "azimuth"))
    assert sorted(picked) == sorted(grid["azimuth"])
    assert len(pick_values(grid["elevation"], 20, generator(0, "train", "elevation", 0, "elevation"))) == 20
