"""Reading recipes: what is shipped fits the commands, and what is wrong is refused by name."""

import pytest

from pipelines.commands.run import stages
from pipelines.recipes.recipe import (
    LARGEST,
    check_same,
    check_stages,
    option_words,
    parse_recipe,
    read_recipe,
    shipped,
)
from render.errors import BadInput

SMALL = """
about = "a test"
[render]
n = 4
test-n = { azimuth = 2, intrinsic = 3 }
[train]
widths = "4/4/4"
steps = 8
[rerender]
azimuth = "-75:75:9"
turning = "-75:75:31"
"""

REFINED = SMALL.replace("[rerender]", '[refine]\nsteps = 9\nlikelihood = "gaussian"\n[rerender]')


def recipe(text=SMALL, name="mine.toml"):
    return parse_recipe(name, text.encode())


def check(asked, folder):
    check_stages(asked, [stage.words for stage in stages(asked, folder)])


@pytest.mark.parametrize("name", shipped())
def test_the_commands_accept_what_is_shipped(name, tmp_path):
    asked = read_recipe(name)
    assert asked.about
    assert asked.time
    check(asked, tmp_path)


def test_all_recipes_are_shipped():
    sizes = {f"{objects}-{size}" for objects in ("faces", "chairs") for size in ("small", "tuned", "paper")}
    assert set(shipped()) == {"demo", *sizes}


def test_the_papers_recipes_have_its_numbers():
    faces, chairs = read_recipe("faces-paper"), read_recipe("chairs-paper")
    assert faces.counts("train") == {"all": 12000}
    for paper in (faces, chairs):
        assert sum(paper.counts("train").values()) == 12000
        assert sum(paper.counts("test").values()) == 1400
        assert paper.options("train")["widths"] == "96/64/32"
        assert paper.options("train")["ratio"] == "1:1:1:10"
    assert chairs.options("train")["code"] == "azimuth:1,rest:199"


def test_each_training_begins_with_weights_and_options_of_the_one_before(tmp_path):
    more = "[[refine]]\nsteps = 9\nseed = 5\n[[refine]]\nseed = 6\n[[refine]]\nsteps = 7\n[rerender]"
    asked = recipe(SMALL.replace("[rerender]", more))
    check(asked, tmp_path)
    trained = [stage.words for stage in stages(asked, tmp_path) if stage.words[0] == "train"]
    folders = [str(tmp_path / name) for name in ("first", "round-1", "round-2", "run")]
    assert [words[3] for words in trained] == folders
    taken = (("--steps=9", "--seed=5"), ("--steps=9", "--seed=6"), ("--steps=7", "--seed=6"))
    for words, before, options in zip(trained[1:], folders, taken, strict=False):
        assert {*options, f"--start-from={before}"} < set(words)
    wrong = recipe(SMALL.replace("[rerender]", more.replace("seed = 6", "seed = 'x'")))
    with pytest.raises(BadInput, match=r"\[refine\].*seed"):
        check(wrong, tmp_path)


def test_the_last_training_takes_what_refine_says_over_what_train_says(tmp_path):
    asked = recipe(REFINED.replace("steps = 8", 'steps = 8\nsteps-fp32 = 4\nstart-from = "faces"'))
    check(asked, tmp_path)
    assert recipe().training == recipe().options("train") == {"widths": "4/4/4", "steps": 8}
    assert asked.training["steps"] == 9
    first, last = ([*stage.words] for stage in stages(asked, tmp_path, fp32=True) if stage.words[0] == "train")
    shards, middle = str(tmp_path / "shards"), ["--widths=4/4/4"]
    assert first == ["train", shards, "-o", str(tmp_path / "first"), *middle, "--steps=4", "--start-from=faces"]
    start = f"--start-from={tmp_path / 'first'}"
    assert last == ["train", shards, "-o", str(tmp_path / "run"), *middle, "--steps=9", start, "--likelihood=gaussian"]


def test_each_option_is_one_word_and_a_flag_is_given_or_not():
    options = {"steps": 8, "learning-rate": 5e-4, "azimuth": "-75:75:9", "walk": True, "strict": False}
    assert option_words(options) == ["--steps=8", "--learning-rate=0.0005", "--azimuth=-75:75:9", "--walk"]


def test_counts_may_be_over_all_factors_or_of_each():
    assert recipe().counts("train") == {"all": 4}
    assert recipe().counts("test") == {"azimuth": 2, "intrinsic": 3}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('about = "a test"', "about = 3", ["about", "3"]),
        ('about = "a test"', 'about = "a\\u001b[31m"', ["about", "\\x1b"]),
        ('about = "a test"', 'titel = "a test"', ["titel", "about"]),
        ("[render]", "[render]\nn = 5", ["TOML"]),
        ("[train]", "[trian]", ["trian", "train"]),
        ("[train]", "[[train]]", ["train", "section"]),
        ("n = 4\n", "", ["[render] n", "none"]),
        ("n = 4\n", "n = 0\n", ["[render] n", "0"]),
        ("n = 4\n", "n = true\n", ["[render] n", "true"]),
        ("n = 4\n", 'n = "4"\n', ["[render] n", "'4'"]),
        ("n = 4\n", "n = {}\n", ["[render] n", "{}"]),
        ("azimuth = 2", "azimut = 2", ["[render] test-n", "azimut", "azimuth"]),
        ("azimuth = 2", "azimuth = -2", ["[render] test-n", "-2"]),
        ("steps = 8", "steps = 8\nsteps-fp32 = 0.5", ["[train] steps-fp32", "0.5"]),
        ("steps = 8", "steps = [8]", ["[train] steps", "[8]"]),
        ("steps = 8", "steps = 2020-01-01", ["[train] steps"]),
        ('widths = "4/4/4"', 'widths = "4/4/4\\u0000"', ["[train] widths", "\\x00"]),
        ("[rerender]", "[[refine]]\n" * 10 + "[rerender]", ["[[refine]]", "at most 9", "10"]),
        ('about = "a test"', 'refine = "twice"', ["refine", "expected a section [refine]", "'twice'"]),
        ('about = "a test"', "refine = [3]", ["refine", "expected a section [refine]", "3"]),
        ('turning = "-75:75:31"', "turning = 3", ["[rerender] turning", "3"]),
    ],
)
def test_a_recipe_of_the_wrong_form_is_refused_by_file_and_key(old, new, named):
    assert old in SMALL
    with pytest.raises(BadInput) as refused:
        recipe(SMALL.replace(old, new))
    assert refused.value.exit_code == 2
    for word in ("mine.toml", *named):
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("steps = 8", "step = 8", ["[train]", "'step'", "steps"]),
        ("steps = 8", "steps = 8.5", ["[train]", "--steps", "8.5"]),
        ("steps = 8", "steps = false", ["[train] steps", "false"]),
        ("steps = 8", 'output = "/etc"', ["[train]", "'output'"]),
        ("n = 4\n", 'n = 4\nsplit = "test"\n', ["[render]", "'split'"]),
        ("n = 4\n", 'n = 4\nwalk = "yes"\n', ["[render] walk", "true or false", "'yes'"]),
        ("n = 4\n", 'n = 4\nobject = "--dry-run"\n', ["[render]", "--object", "--dry-run"]),
        ('"4/4/4"', '"4/4"', ["[train]", "--widths", "4/4"]),
        ('azimuth = "', '"azimuth=3 -o x" = "', ["[rerender]", "azimuth=3 -o x"]),
        ("[rerender]", "[evaluate]\nsplit = 'train'\n[rerender]", ["[evaluate]", "'split'"]),
        ("[rerender]", "[refine]\nstart-from = 'faces'\n[rerender]", ["[refine]", "'start-from'"]),
        ("[rerender]", "[refine]\nwidths = '4/4/4'\n[rerender]", ["[refine]", "'widths'"]),
        ("[rerender]", "[refine]\nsteps-fp32 = 3\n[rerender]", ["[refine]", "'steps-fp32'"]),
        ("[rerender]", "[refine]\nsteps = 0\n[rerender]", ["[refine]", "--steps", "0"]),
    ],
)
def test_what_no_command_understands_is_refused_before_anything_runs(old, new, named, tmp_path):
    assert old in SMALL
    asked = recipe(SMALL.replace(old, new))
    with pytest.raises(BadInput) as refused:
        check(asked, tmp_path)
    for word in ("mine.toml", *named):
        assert word in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff", b"x = " + b"[" * 20_000, b"#" * (LARGEST + 1), b"x = " + b"9" * 5000])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, content):
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"odd\.toml"):
        read_recipe(str(path))


def test_a_name_that_is_unknown_is_answered_with_those_that_are_known(tmp_path):
    with pytest.raises(BadInput, match="faces-small"):
        read_recipe("face-small")
    with pytest.raises(BadInput, match=r"gone\.toml"):
        read_recipe(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("steps = 8", "steps = 9"),
        ("steps = 8", 'steps = 8\ndevice = "cpu"'),
        ('"-75:75:9"', '"-60:60:5"'),
        ("a test", "another"),
        ("[train]", "# a word\n[train]"),
    ],
)
def test_what_harms_nothing_may_change(old, new, tmp_path):
    assert old in SMALL
    check_same(recipe(), recipe(SMALL.replace(old, new)), {"device", "steps"}, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("steps = 8", "steps = 7", ["steps", "8", "7"]),
        ("steps = 8", "", ["steps", "8", "none"]),
        ("n = 4\n", "n = 5\n", ["[render] n", "4", "5"]),
        ("n = 4\n", "n = 4\nseed = 1\n", ["[render] seed", "none", "1"]),
        ("4/4/4", "4/4/8", ["widths", "4/4/4", "4/4/8"]),
    ],
)
def test_another_recipe_is_refused_naming_the_first_difference(old, new, named, tmp_path):
    with pytest.raises(BadInput) as refused:
        check_same(recipe(), recipe(SMALL.replace(old, new), "other.toml"), {"device", "steps"}, tmp_path)
    for word in (str(tmp_path), "mine.toml", "other.toml", *named):
        assert word in str(refused.value)


@pytest.mark.parametrize(("old", "new"), [("steps = 9", "steps = 10"), ("[refine]", '[refine]\ndevice = "cpu"')])
def test_the_last_training_goes_on(old, new, tmp_path):
    assert old in REFINED
    check_same(recipe(REFINED), recipe(REFINED.replace(old, new)), {"device", "steps"}, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("steps = 9", "steps = 7", ["[refine] steps", "9", "7"]),
        ("steps = 8", "steps = 9", ["[train] steps", "8", "9"]),  # the second training has begun with its weights
        ("gaussian", "bernoulli", ["[refine] likelihood", "gaussian", "bernoulli"]),
        ("[refine]", "[refine]\nseed = 1", ["[refine] seed", "none", "1"]),
        ("[refine]", "[[refine]]\n[[refine]]", ["expected 1 [refine]", "found 2 [refine]"]),
        ('[refine]\nsteps = 9\nlikelihood = "gaussian"\n', "", ["expected 1 [refine]", "found no [refine]"]),
    ],
)
def test_what_the_last_training_began_with_does_not_change(old, new, named, tmp_path):
    assert old in REFINED
    with pytest.raises(BadInput) as refused:
        check_same(recipe(REFINED), recipe(REFINED.replace(old, new), "other.toml"), {"device", "steps"}, tmp_path)
    for word in (str(tmp_path), "mine.toml", "other.toml", *named):
        assert word in str(refused.value)


def test_a_folder_begun_without_a_second_training_gets_none(tmp_path):
    with pytest.raises(BadInput, match=r"expected no \[refine\] as in mine.toml, found 1 \[refine\]"):
        check_same(recipe(), recipe(SMALL + "[refine]\n"), (), tmp_path)


def test_steps_that_refine_takes_over_may_be_more_of_its_own(tmp_path):
    begun = recipe(REFINED.replace("steps = 9\n", ""))
    check_same(begun, recipe(REFINED), (), tmp_path)
    with pytest.raises(BadInput, match=r"\[refine\] steps 8"):
        check_same(begun, recipe(REFINED.replace("steps = 9", "steps = 7")), (), tmp_path)
