"""A recipe: a short TOML file that says what to render and how to train on it. Those that ship lie beside this file.

    about = "..."             one line
    time = "..."              how long it takes, and on what

    [render]                  options of `dcign render` by their names, and
    n = 600                   mini-batches over the four factors, or { azimuth = 300, intrinsic = 300 }
    test-n = 80               the same for the test split

    [train]                   options of `dcign train`, and
    steps-fp32 = 4500         steps where the convolutions run in float32

    [refine]                  a second training, from the weights of the first: by its options, and over them these.
                              Several trainings are [[refine]] each, from weights and options of the one before

    [evaluate]                options of `dcign evaluate`
    [rerender]                angles A:B:STEPS of `dcign rerender` for rerender.png, and
    turning = "-75:75:31"     the azimuth of turning.gif; without this section nothing is re-rendered

What an option may be is for its command to say (`check_stages`); here is only what a recipe may hold.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import click

from render.errors import BadInput
from render.factors import FACTORS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST = 64 * 1024  # bytes of a recipe
MOST_TRAININGS = 9  # that follow the first
HEADINGS = ("about", "time")
SECTIONS = ("render", "train", "refine", "evaluate", "rerender")
OWN = {  # keys that are no options
    "render": ("n", "test-n"),
    "train": ("steps-fp32",),
    "rerender": ("turning",),
}
# Options that are not a recipe's to set: where things go, and what is said once for the machine.
WITHHELD = {
    "render": ("factor", "output", "split", "workers", "part", "ray", "dry-run"),
    "train": ("output",),
    "refine": ("output", "start-from", "network", "widths", "code"),  # it goes on with the network of [train]
    "evaluate": ("output", "split"),
    "rerender": ("output", "device", "assets", "objects"),
}
Value = str | int | float | bool


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been read. `name` is that of a shipped one, or the path of the file."""

    name: str
    text: bytes
    about: str
    time: str
    sections: Mapping[str, Mapping[str, Any]]  # only those that the file has, without [refine]
    refinements: Sequence[Mapping[str, Value]]  # one for each [refine]

    @property
    def stem(self) -> str:
        """The name without folder and suffix."""
        return Path(self.name).stem

    @property
    def object(self) -> str:
        """The kind of object, 'face' or 'chair', or the path of `assets`, whose kind only rendering finds out."""
        render = self.sections["render"]
        return str(render.get("object", render.get("assets", "face")))

    def counts(self, split: str) -> dict[str, int]:
        """Return the mini-batches to render: factor, or 'all', -> how many."""
        count = self.sections["render"]["n" if split == "train" else "test-n"]
        return dict(count) if isinstance(count, dict) else {"all": count}

    def options(self, section: str) -> dict[str, Value]:
        """Return the options of a section's command: name without dashes -> value."""
        own = OWN.get(section, ())
        return {name: value for name, value in self.sections.get(section, {}).items() if name not in own}

    @property
    def training(self) -> dict[str, Value]:
        """The options of the last training, which makes the run."""
        return self.training_of(len(self.refinements))

    def training_of(self, number: int) -> dict[str, Value]:
        """Return the options of training `number`: 0 that of [train], then one for each [refine], over those before."""
        options = self.options("train")
        for refinement in self.refinements[:number]:
            options |= refinement
        return options


def option_words(options: Mapping[str, Value]) -> list[str]:
    """Write options as command-line words, one each, so that no value is taken for another option."""
    set_ones = {name: value for name, value in options.items() if value is not False}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in set_ones.items()]


def shipped() -> dict[str, bytes]:
    """Read the recipes in `pipelines/recipes/`: name -> content, in the order of the names."""
    files = [file for file in (resources.files("pipelines") / "recipes").iterdir() if _is_file(file.name)]
    return {Path(file.name).stem: file.read_bytes() for file in sorted(files, key=lambda file: file.name)}


def read_recipe(name: str) -> Recipe:
    """Read the recipe of a shipped `name`, or at a path that ends in .toml. BadInput names the file and the fault."""
    if not _is_file(name):
        known = shipped()
        if name not in known:
            raise BadInput(f"recipe {name!r}: expected {', '.join(known)} or the path of a .toml file")
        return parse_recipe(name, known[name])
    try:
        with open(name, "rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise BadInput(f"{name}: expected a recipe, but it cannot be read: {error.strerror or error}") from None
    return parse_recipe(name, text)


def parse_recipe(name: str, text: bytes) -> Recipe:
    """Read the recipe in a file of this name and content; BadInput as `read_recipe`."""
    if len(text) > LARGEST:
        raise BadInput(f"{name}: expected a recipe of at most {LARGEST} bytes, found more")
    try:
        document = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name}: expected a recipe in TOML, found: {error or 'too many brackets'}") from None
    _check_keys(name, "", document, (*HEADINGS, *SECTIONS))
    for key in HEADINGS:
        if not _is_line(document.get(key, "")):
            raise BadInput(f"{name}: {key}: expected a line of text, found {document[key]!r}")
    several = document.get("refine", [])
    refinements = several if isinstance(several, list) else [several]
    if len(refinements) > MOST_TRAININGS:
        raise BadInput(f"{name}: [[refine]]: expected at most {MOST_TRAININGS}, found {len(refinements)}")
    sections = {section: document[section] for section in SECTIONS if section in document and section != "refine"}
    for section, found in (*sections.items(), *(("refine", each) for each in refinements)):
        if not isinstance(found, dict):
            raise BadInput(f"{name}: {section}: expected a section [{section}], found {_shown(found)}")
        for key, value in found.items():
            _check_value(name, section, key, value)
    for key in OWN["render"]:
        if key not in document.get("render", {}):
            raise BadInput(f"{name}: [render] {key}: expected a number of mini-batches, found none")
    return Recipe(name, text, document.get("about", ""), document.get("time", ""), sections, refinements)


def check_stages(recipe: Recipe, stages: Iterable[list[str]]) -> None:
    """Let the commands of `stages`, words each, parse them without running; BadInput names section and key."""
    found = [(section, section, recipe.options(section)) for section in recipe.sections]
    found += [("refine", "train", dict(refinement)) for refinement in recipe.refinements]
    for section, command_name, options in found:
        known = {_key(option): option for option in _command(command_name).params if isinstance(option, click.Option)}
        allowed = [key for key in known if key not in WITHHELD[section] and key not in OWN.get(section, ())]
        _check_keys(recipe.name, f"[{section}] ", options, (*allowed, *OWN.get(section, ())))
        for key, value in options.items():
            if known[key].is_flag != isinstance(value, bool):
                wanted = "true or false" if known[key].is_flag else "text or a number"
                raise BadInput(f"{recipe.name}: [{section}] {key}: expected {wanted}, found {_shown(value)}")
    trained = False
    for command_name, *words in stages:
        section = "refine" if trained and command_name == "train" else command_name
        trained = trained or command_name == "train"
        if section in recipe.sections or section == "refine":
            try:
                with _command(command_name).make_context(f"dcign {command_name}", list(words)):
                    pass
            except click.UsageError as error:
                raise BadInput(f"{recipe.name}: [{section}] {error.format_message()}") from None


def _command(name: str) -> click.Command:
    command: click.Command = importlib.import_module(f"pipelines.commands.{name}").command
    return command


def check_same(begun: Recipe, now: Recipe, free: Iterable[str], folder: Path) -> None:
    """Raise BadInput, naming the setting, if `folder` was begun with a recipe that differs from the one of `now`.

    There may be more steps of the last training, to go on with it; the `free` options of `dcign train`, and how the run
    is evaluated and re-rendered, may change at any time.
    """
    count = len(begun.refinements)
    if count != len(now.refinements):
        first, second = (f"{len(recipe.refinements) or 'no'} [refine]" for recipe in (begun, now))
        raise _begun_otherwise(folder, begun, first, now, second)
    both = zip(_settings(begun), _settings(now), strict=True)
    for number, ((section, was), (_, wanted)) in enumerate(both):
        for key in dict.fromkeys((*was, *wanted)):
            old, new = was.get(key), wanted.get(key)
            more = number == count + 1 and key in ("steps", "steps-fp32")  # of the last training
            more = more and isinstance(old, int) and isinstance(new, int) and new > old
            if old != new and not more and not (section != "render" and key in free and key != "steps"):
                raise _begun_otherwise(folder, begun, f"[{section}] {key} {_shown(old)}", now, _shown(new))


def _settings(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """List what decides the outcome: [render], [train], then of each [refine] also what it takes over."""
    for section in ("render", "train"):
        yield section, recipe.sections.get(section, {})
    for number in range(1, len(recipe.refinements) + 1):
        yield "refine", recipe.training_of(number)


def _begun_otherwise(folder: Path, begun: Recipe, expected: str, now: Recipe, found: str) -> BadInput:
    return BadInput(
        f"-o {folder}: begun with another recipe: expected {expected} as in {begun.name}, found {found} in {now.name}; "
        "name another -o"
    )


def _check_keys(name: str, place: str, found: Mapping[str, Any], known: Iterable[str]) -> None:
    expected = list(known)
    for key in found:
        if key not in expected:
            raise BadInput(f"{name}: {place}expected one of {', '.join(sorted(expected))}, found {key!r}")


def _check_value(name: str, section: str, key: str, value: Any) -> None:
    place = f"{name}: [{section}] {key}"
    if key in ("n", "test-n", "steps-fp32"):
        if key in ("n", "test-n") and isinstance(value, dict) and value:
            _check_keys(name, f"[{section}] {key}: ", value, FACTORS)
            counts = list(value.values())
        else:
            counts = [value]
        for count in counts:
            if type(count) is not int or count < 1:
                raise BadInput(f"{place}: expected a whole number from 1, found {_shown(count)}")
    elif key == "turning" and not isinstance(value, str):
        raise BadInput(f"{place}: expected A:B:STEPS in degrees, found {_shown(value)}")
    elif not (isinstance(value, (int, float)) or _is_line(value)):  # bool is an int
        raise BadInput(f"{place}: expected a line of text, a number, true or false, found {_shown(value)}")


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_file(name: str) -> bool:
    return name.endswith(".toml")


def _key(option: click.Option) -> str:
    return max(option.opts, key=len).lstrip("-")


def _shown(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
