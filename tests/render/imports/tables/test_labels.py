"""What columns mean: quantities on circles and grids, categories, units; and what contradicts itself."""

import numpy as np
import pytest

from render.errors import BadInput
from render.imports.tables.columns import LabelColumn, PathColumn, TextColumn
from render.imports.tables.labels import LabelOptions, name_and_unit, read_label
from render.shards.labels import Label, check_labels, labels_of, labels_to_json


def column_of(cells, name="x", decimal_comma=False):
    column = LabelColumn(name, lambda line: f"t.csv, line {line}", decimal_comma)
    column.extend(range(2, 2 + len(cells)), [str(cell) for cell in cells])
    return column


def read(cells, name="x", unit=None, given=None, decimal_comma=False, **options):
    label, values = read_label(column_of(cells, name, decimal_comma), unit, LabelOptions(**options), given)
    settings = {"object": "x", **labels_to_json({name: label})}
    check_labels(settings)
    assert labels_of(settings) == {name: label}
    assert values.dtype == np.float32
    return label, values


def test_few_values_are_a_grid_and_many_a_range():
    label, values = read([20, 40.5, 20, 40.5], unit="cm")
    assert label == Label("x", 20.0, 40.5, "cm", values=(20.0, 40.5))
    assert values.tolist() == [20, 40.5, 20, 40.5]
    free = np.random.default_rng(0).uniform(-1, 1, 100)
    label, values = read(free)
    assert label == Label("x", free.min(), free.max(), "")
    assert (values == free.astype(np.float32)).all()


@pytest.mark.parametrize(
    ("name", "options", "unit"),
    [
        ("azimuth", {}, "degrees"),
        ("elevation", {}, "degrees"),
        ("light", {"units": {"light": "lux"}}, "lux"),
        ("hue", {}, ""),
        ("hue", {"circular": {"hue": 360.0}}, "degrees"),
        ("hue", {"circular": {"hue": 1.0}}, ""),
    ],
)
def test_units(name, options, unit):
    assert read([0, 0.5, 0.25], name, **options)[0].unit == unit
    assert read([0, 0.5, 0.25], name, unit="m", **{k: v for k, v in options.items() if k != "units"})[0].unit == "m"


@pytest.mark.parametrize(
    ("cells", "ends", "values"),
    [
        ([0, 90, 180, 270] * 2, (0, 360), [0, 90, 180, 270] * 2),
        ([0, 90, 360, 450, -90] * 2, (0, 360), [0, 90, 360, 90, 270] * 2),
        ([-90, 0, 90] * 2, (-90, 270), [-90, 0, 90] * 2),
        ([6, 186] * 2, (6, 366), [6, 186] * 2),
        ([1, 2, 359.5], (0, 360), [1, 2, 359.5]),
        ([-179, 100.5, 7], (-180, 180), [-179, 100.5, 7]),
    ],
)
def test_a_circle_is_cut_where_the_values_are_not(cells, ends, values):
    label, found = read(cells, circular={"x": 360.0})
    assert (label.low, label.high, label.circular) == (*ends, True)
    assert found.tolist() == values


def test_categories_are_numbered_by_the_alphabet_and_numbers_by_their_size():
    label, values = read(["red", "blue", "red", "green"])
    assert label == Label("x", 0, 2, "", categories=("blue", "green", "red"))
    assert values.tolist() == [2, 0, 2, 1]
    label, values = read(["10", "9", "10.0", "9"], categorical=frozenset("x"))
    assert label.categories == ("9", "10")
    assert values.tolist() == [1, 0, 1, 0]


def test_the_same_number_in_other_digits_is_the_same():
    label, values = read(["10", "10.0", "1e1", "+10.", "5"])
    assert values.tolist() == [10, 10, 10, 10, 5]
    assert label.values == (5.0, 10.0)


def test_a_semicolon_table_may_have_decimal_commas():
    assert read(["1,5", "2,25", "3"], decimal_comma=True)[1].tolist() == [1.5, 2.25, 3]


def test_what_lies_beside_the_table_counts_and_options_count_more():
    given = Label("x", 0.0, 360.0, circular=True, tolerance=2.0)
    assert read([3, 4, 5], given=given)[0] == given
    label, _ = read([3, 4, 5], given=given, tolerance={"x": 1.0}, units={"x": "gon"})
    assert (label.tolerance, label.unit, label.high) == (1.0, "gon", 360.0)
    grid = Label("x", 0.0, 90.0, values=(0.0, 45.0, 90.0))
    assert read([0, 45, 0], given=grid)[0] == grid
    assert read([0, 46, 0], given=grid)[0] == Label("x", 0.0, 90.0)
    names = Label("x", 0.0, 2.0, "", categories=("red", "green", "blue"))
    label, values = read(["blue", "red"], given=names)
    assert (label, values.tolist()) == (names, [2, 0])


@pytest.mark.parametrize(
    ("cells", "options", "named"),
    [
        (["Red", "blue", "red"], {}, "line 4, column x: expected one spelling of each category, found 'red' and"),
        (["Red", "blue", "red"], {}, "found 'red' and 'Red' (line 2)"),
        (["a  b", "a b"], {}, "line 3, column x: expected one spelling"),
        (["30", "3O"], {}, "line 3, column x: expected a number as in other rows"),
        (["30", ""], {}, "line 3, column x: expected a value, found nothing"),
        (["30", "NaN"], {}, "line 3, column x: expected a value, found NaN"),
        (["30", "inf"], {}, "line 3, column x: expected a number as in other rows"),
        (["30", "1e99"], {}, "line 3, column x: expected a number of at most 1e+30, found 1e99"),
        (["30", "1_000"], {}, "line 3, column x: expected a number as in other rows"),
        (["a", "b"], {"circular": {"x": 360.0}}, "line 2, column x: expected a number, since `circular` speaks of it"),
        (["a", "b"], {"units": {"x": "cm"}}, "expected a number, since `unit` speaks of it"),
        (["a", "b\x07"], {}, "line 3, column x: expected a line of text"),
        (["a", "b" * 300], {}, "line 3, column x: expected at most 200 characters, found 300"),
    ],
)  # fmt: skip
def test_labels_that_contradict_themselves_are_named_with_line_and_column(cells, options, named):
    with pytest.raises(BadInput) as refused:
        read(cells, **options)
    assert str(refused.value).startswith("t.csv, line ")
    assert named in str(refused.value)


def test_a_given_category_is_not_added_to():
    names = Label("x", 0.0, 1.0, "", categories=("red", "green"))
    with pytest.raises(BadInput, match="line 3, column x: expected one of red, green, found 'blue'"):
        read(["red", "blue"], given=names)


def test_more_values_than_categories_may_have_are_kept_as_numbers_alone():
    cells = [str(number / 4) for number in range(70_000)]
    column = column_of(cells)
    assert not column.texts
    label, values = read_label(column, None, LabelOptions(), None)
    assert (label.high, values[69_999]) == (17499.75, 17499.75)
    with pytest.raises(BadInput, match="line 70002, column x: expected a number, since no factor has"):
        column.extend([70_002], ["red"])
    with pytest.raises(BadInput, match=r"line 2, column x: expected a number"):
        column_of([f"name {number}" for number in range(70_000)])


@pytest.mark.parametrize("head", ["distance (cm)", "distance(cm)", "distance ( cm )"])
def test_a_head_may_hold_the_unit(head):
    assert name_and_unit(head) == ("distance", "cm")
    assert name_and_unit("pan (°)") == ("pan", "degrees")
    assert name_and_unit("distance") == ("distance", None)


@pytest.mark.parametrize("options", [{"circular": {"y": 1.0}}, {"categorical": frozenset("y")}, {"units": {"y": "m"}}])
def test_options_name_factors_that_are_there(options):
    with pytest.raises(BadInput, match="expected one of the factors x, found 'y'"):
        LabelOptions(**options).check(["x"])
    with pytest.raises(BadInput, match="`tolerance`: expected a quantity, found 'x'"):
        LabelOptions(categorical=frozenset("x"), tolerance={"x": 1.0}).check(["x"])


def test_identities_in_two_spellings_are_refused():
    column = TextColumn("identity", lambda line: f"t.csv, line {line}")
    column.extend([2, 3, 4], ["cup", "jug", "Cup"])
    with pytest.raises(BadInput, match="line 4, column identity: expected one spelling of each"):
        column.check_spellings()
    numbers = TextColumn("identity", str)
    numbers.extend([2, 3], ["9007199254740992", "9007199254740993"])
    numbers.check_spellings()
    numbers.extend([4], ["9007199254740993.0"])


def test_paths_are_kept_and_those_that_come_twice_found():
    column = PathColumn("path", str)
    column.extend(range(5), ["a/b.png", "./a//c.png", "a/b.png", "ä.png", "a/b.png"])
    assert [column[row] for row in range(5)] == ["a/b.png", "a/c.png", "a/b.png", "ä.png", "a/b.png"]
    assert sorted(column.repeated()) == [(2, 0), (4, 0)]


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.png", "a/../../b.png", "", ".", "a\udfffb\ud800", "x" * 5000])
def test_paths_that_leave_the_folder_by_their_words_are_refused(path):
    with pytest.raises(BadInput, match="line 7, column path: expected a path below the folder of the table, found"):
        PathColumn("path", lambda line: f"line {line}").extend([7], [path])
