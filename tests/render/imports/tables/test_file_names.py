"""Labels out of file names."""

import pytest

from render.errors import BadInput
from render.imports.tables.file_names import Pattern

SIMPLE = "{identity}_P{azimuth}_L{light}.png"


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        (SIMPLE, "cup_P030_L-5.png", ["cup", "030", "-5"]),
        (SIMPLE, "a_cup_P1_L2.png", ["a_cup", "1", "2"]),
        (SIMPLE, "cup_P030_L-5.jpg", None),
        (SIMPLE, "_P030_L-5.png", None),
        (SIMPLE, "cup_P_L5.png", None),
        (SIMPLE, "a/cup_P1_L2.png", None),
        ("{identity}/{azimuth}.png", "cup/30.png", ["cup", "30"]),
        ("{identity}/{azimuth}.png", "cup/a/30.png", None),
        ("{identity}/{identity}-{azimuth}.png", "cup/cup-7.png", ["cup", "7"]),
        ("{identity}/{identity}-{azimuth}.png", "cup/jug-7.png", None),
        ("{_}/{identity}_{_}_{azimuth}", "x/cup_y_7", ["cup", "7"]),
        ("set/{identity}.{azimuth}.png", "set/cup.7.png", ["cup", "7"]),
        ("set/{identity}.{azimuth}.png", "other/cup.7.png", None),
    ],
)
def test_what_names_stand_for(pattern, path, values):
    assert Pattern(pattern).match(path) == values


@pytest.mark.parametrize(
    "text", ["", "a.png", "{}", "{a}{b}.png", "../{a}.png", "/{a}.png", "{a}/./{b}", "{a}//{b}", "{a.png", "{a}-" * 40]
)
def test_patterns_that_cannot_be_followed_are_refused(text):
    with pytest.raises(BadInput, match="`pattern`: expected a path below the folder"):
        Pattern(text)


def test_a_hostile_name_takes_no_time():
    pattern = Pattern("-".join("{" + name + "}" for name in "abcdefghijkl") + "-.png")
    assert pattern.match("-" * 255) is None
    assert pattern.match("--" * 60 + "x" * 100) is None


def test_the_walk_is_in_order_and_leaves_out_hidden_files_other_depths_and_linked_folders(tmp_path):
    for name in ("b/2.png", "b/1.png", "a/1.png", "1.png", "a/.hidden.png", ".b/1.png", "a/c/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert list(Pattern("{identity}/{azimuth}.png").walk(tmp_path)) == ["a/1.png", "b/1.png", "b/2.png"]
