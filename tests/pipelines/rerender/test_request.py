import numpy as np
import pytest
from labelled_shards import LABELS

from dcign.errors import BadInput
from pipelines.rerender.pictures import different_stems
from pipelines.rerender.request import (
    Request,
    parse_angles,
    parse_box,
    parse_direction,
    parse_factors,
    parse_latent,
    read_values,
)
from render.shards.labels import Label


@pytest.mark.parametrize(
    ("text", "angles"),
    [("-60:60:5", [-60, -30, 0, 30, 60]), ("60:-60:3", [60, 0, -60]), ("-12.5", [-12.5]), ("0:1:2", [0, 1])],
)
def test_angles_are_read_with_both_ends(text, angles):
    assert parse_angles(text, "--azimuth").tolist() == angles


@pytest.mark.parametrize(
    "text", ["", "a", "1:2", "1:2:3:4", "0:10:1", "0:10:0", "0:10:-3", "0:10:2.5", "nan", "0:inf:3", "0:9:999"]
)
def test_ill_formed_angles_are_refused_by_option(text):
    with pytest.raises(BadInput, match="--light: expected"):
        parse_angles(text, "--light")


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [("17=-2:2:5", "17", [-2, -1, 0, 1, 2]), ("azimuth=-3", "azimuth", [-3]), (" 4 =1e2", "4", [100])],
)
def test_a_raw_latent_is_read_with_its_values(text, name, values):
    found, numbers = parse_latent(text)
    assert (found, numbers.tolist()) == (name, values)


@pytest.mark.parametrize("text", ["", "17", "=3", "17=", "17=a", "17=1:2", "17=nan", "17=1e9", "17=0:1:1"])
def test_ill_formed_latents_are_refused(text):
    with pytest.raises(BadInput, match="--latent: expected"):
        parse_latent(text)


def test_a_direction_is_read_with_its_deviations():
    number, values = parse_direction("2=-3:3:3")
    assert (number, values.tolist()) == (2, [-3, 0, 3])


@pytest.mark.parametrize("text", ["", "1", "=3", "one=1", "-1=1", "²=1", "1=nan", "1=11", "1=0:1:1", f"{'9' * 5000}=1"])
def test_ill_formed_directions_are_refused(text):
    with pytest.raises(BadInput, match="--direction: expected"):
        parse_direction(text)


def test_a_box_is_read_as_left_top_and_side():
    assert parse_box("120, 40,512") == (120, 40, 512)


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4", "1.5,2,3", "-1,0,5", "0,-1,5", "0,0,0", "a,b,c"])
def test_ill_formed_boxes_are_refused(text):
    with pytest.raises(BadInput, match="--box: expected"):
        parse_box(text)


def request(**asked):
    nothing = {
        "factors": {},
        "latents": [],
        "directions": [],
        "grid": False,
        "like": None,
        "parts": (),
        "towards": None,
    }
    return Request(**{**nothing, "steps": 9, "random": 0, "seed": 0, **asked})


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({}, "expected at least one of --azimuth"),
        ({"like": "a.png"}, "--like and --of"),
        ({"parts": ("light",), "random": 1}, "--like and --of"),
        ({"like": "a.png", "parts": ("light", "light")}, "--of: expected each part once"),
        ({"grid": True, "random": 1}, "--grid"),
    ],
)
def test_options_that_miss_what_they_belong_to_are_refused(asked, named):
    with pytest.raises(BadInput, match=named):
        request(**asked)


def test_each_kind_of_change_is_enough_by_itself():
    one = np.zeros(1)
    for asked in (
        {"factors": {"light": one}},
        {"latents": [("3", one)]},
        {"like": "a.png", "parts": ("light",)},
        {"towards": "a.png"},
        {"random": 1},
    ):
        request(**asked)


def test_names_of_files_begin_differently_for_each_input():
    names = ["ann.png", "b/ann.jpg", "ann-2.png", "ANN.tif", "dr.who", "stdin"]
    stems = different_stems(names)
    assert stems[:2] == ["ann", "ann-2"]
    assert stems[4:] == ["dr.who", "stdin"]
    assert len({stem.casefold() for stem in stems}) == len(names)


def test_factors_are_gathered_from_the_short_options_and_from_set():
    found = parse_factors({"azimuth": "0:90:3", "light": None}, ["colour = red,green", "distance=20:60:3"])
    assert list(found) == ["azimuth", "colour", "distance"]
    assert found["azimuth"].tolist() == [0, 45, 90]
    assert (found["colour"], found["distance"]) == ("red,green", "20:60:3")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (["colour"], "--set: expected NAME=A:B:STEPS or NAME=A,B,.* found 'colour'"),
        (["=red"], "--set: expected NAME="),
        (["colour="], "--set: expected NAME="),
        (["colour=red", "colour=blue"], "--set: expected each factor once, found colour twice"),
        (["azimuth=3"], "--set: expected each factor once, found azimuth twice"),
    ],
)
def test_ill_formed_settings_are_refused(settings, found):
    with pytest.raises(BadInput, match=found):
        parse_factors({"azimuth": "5"}, settings)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("distance", "20:60:3", [20, 40, 60]),
        ("distance", "20, 33.5", [20, 33.5]),
        ("tilt", "-0.5", [-0.5]),
        ("colour", "blue, red", [2, 0]),
        ("colour", "green", [1]),
    ],
)
def test_values_are_read_in_the_terms_of_the_label(name, text, values):
    assert read_values(text, LABELS[name]).tolist() == values


def test_a_category_may_have_a_comma_in_its_name():
    label = Label("kind", 0, 2, "", categories=("a,b", "a", "b"))
    assert read_values("a,b", label).tolist() == [0]
    assert read_values("b,a", label).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("colour", "purple", "--set colour: expected one of red, green, blue, or several, found 'purple'"),
        ("colour", "0:2:3", "--set colour: expected one of red, green, blue, or several, found '0:2:3'"),
        ("colour", "red,,blue", "found ''"),
        ("distance", "far", r"--set distance: expected A:B:STEPS in cm \(such as 20:60:9\) or A,B,\.\.\., found 'far'"),
        ("distance", "20:60", "--set distance: expected A:B:STEPS in cm"),
        ("distance", "20,30:60:2", "--set distance: expected A:B:STEPS in cm"),
        ("distance", "nan", "--set distance: expected A:B:STEPS in cm"),
        ("tilt", "x", r"--set tilt: expected A:B:STEPS \(such as -1:1:9\)"),
        ("tilt", "0:1:1", "--set tilt: expected 2 to 360 steps"),
        ("tilt", ",".join("1" * 361), "--set tilt: expected at most 360 values, found 361"),
    ],
)
def test_values_that_are_none_are_refused(name, text, found):
    with pytest.raises(BadInput, match=found):
        read_values(text, LABELS[name])
