import pytest

from render.shards.documents import Unexpected
from render.shards.labels import Label, check_labels, is_name, labels_of, labels_to_json

RENDERED = {"object": "chair", "ranges": {"light": [-80, 80], "azimuth": [0, 360], "elevation": [0, 30]}}
TAKEN = {
    "distance": Label("distance", 20, 60, "cm", values=(20, 40, 60), tolerance=0.5),
    "hue": Label("hue", 0, 1, "", circular=True),
    "colour": Label("colour", 0, 2, "", categories=("red", "green", "blue")),
}


def test_labels_of_what_was_rendered_are_degrees_in_the_renderers_order():
    labels = labels_of(RENDERED)
    assert list(labels) == ["azimuth", "elevation", "light"]
    assert [label.circular for label in labels.values()] == [True, False, False]
    assert labels["light"].text(-12.5) == "-12.5°"


def test_labels_come_back_from_json_as_they_were():
    settings = {"object": "garden gnome", **labels_to_json(TAKEN)}
    check_labels(settings)
    assert labels_of(settings) == TAKEN


def test_values_are_written_for_people():
    assert [label.text(1) for label in TAKEN.values()] == ["1 cm", "1", "green"]


@pytest.mark.parametrize(
    "name", ["", "2nd", "light dir", "a/b", "identity", "intrinsic", "images", "all", "é", "x" * 33]
)
def test_names_that_mean_something_else_or_cannot_be_typed_are_none(name):
    assert not is_name(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"object": "boat"}, "object: expected one of face, chair"),
        ({"ranges": {"zoom": [0, 1]}}, "ranges: expected keys of azimuth, elevation, light, found 'zoom'"),
        ({"labels": {}}, "ranges: expected factors that labels has, found 'light'"),
        ({"ranges": {}, "labels": {"zoom": {}}}, "labels: expected labels of factors in ranges, found 'zoom'"),
        ({"ranges": {"rest": [0, 1]}, "labels": {"rest": {}}}, "labels: expected names of factors, .*found 'rest'"),
        ({"ranges": {"a": [1, 0]}, "labels": {"a": {}}}, "ranges.a: expected the lower end first, found 1 and 0"),
        ({"ranges": {"a": [0, 1]}, "labels": {"a": {"categories": ["x"]}}}, "labels.a: expected different categories"),
        ({"ranges": {"a": [0, 0]}, "labels": {"a": {"circular": True}}}, "labels.a: expected a range of a full turn"),
        ({"ranges": {"a": [0, 2]}, "labels": {"a": {"values": [0, 2, 1]}}}, "labels.a.values: expected 0 to 2"),
        ({"ranges": {"a": [0, 2]}, "labels": {"a": {"values": [0, 1, 1, 2]}}}, "labels.a.values: expected ascending"),
    ],
)  # fmt: skip
def test_labels_that_contradict_themselves_are_refused_with_the_place(change, said):
    with pytest.raises(Unexpected, match=said):
        check_labels({**RENDERED, **change})


def test_a_turn_is_the_range_and_of_angles_360_degrees_at_most():
    assert Label("hue", 0, 1, "", circular=True).period == 1
    assert Label("azimuth", 0, 180, circular=True).period == 180  # of what looks the same from behind
    assert Label("azimuth", -360, 360, circular=True).period == 360


def test_a_category_has_a_number():
    colour = Label("colour", 0, 2, "", categories=("red", "green", "blue"))
    assert [colour.number(colour.text(number)) for number in range(3)] == [0, 1, 2]
