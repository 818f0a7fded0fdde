"""The `dcign` command: lazily loaded, documented, and one line for an error."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from assets.errors import BadInput, Failure
from dcign.errors import ArgumentError
from pipelines import cli
from pipelines.commands.bench import BENCHMARKS
from pipelines.console import with_options

HEAVY = {"torch", "sklearn", "matplotlib", "scipy.stats", "onnx", "OpenGL", "pyrender", "trimesh", "pyglet"}


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("`match`: expected 1, found 2", "--match: expected 1, found 2"),
        (ArgumentError("learning_rate", "expected `steps`"), "--learning-rate: expected --steps"),
        (ArgumentError("latent", "no such latent", "-1"), "--latent -1: no such latent"),
        ("try `front_first=1000` `seed`", "try --front-first 1000 --seed"),
        ("a/b: run `dcign evaluate RUN SHARDS`, `make setup`", "a/b: run `dcign evaluate RUN SHARDS`, `make setup`"),
    ],
)
def test_arguments_in_messages_of_the_python_api_become_options(message, line):
    assert with_options(message) == line


def run(*arguments, **variables):
    """Run `dcign` in its own process."""
    code = "from pipelines.cli import main; main()"
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)


def imported_for_help(*modules):
    """The modules in memory after the group printed its help and these modules of commands were imported for theirs."""
    code = f"""if True:
        import importlib, sys
        from pipelines.cli import group
        group(["--help"], standalone_mode=False)
        for name in {list(modules)!r}:
            importlib.import_module(name)
        print("MODULES", *sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def every_command():
    """The words of each sub-command, those of a group's own sub-commands among them."""
    for name in cli.COMMANDS:
        yield (name,)
        context = click.Context(cli.group)
        found = cli.group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from ((name, below) for below in found.list_commands(context))


@pytest.fixture(params=every_command(), ids=" ".join)
def command(request):
    """Each sub-command, with a context to ask it for help in."""
    found, context = (
        cli.group,
        cli.group.make_context("dcign", [*request.param], resilient_parsing=True, terminal_width=80),
    )
    for word in request.param:
        found = found.get_command(context, word)
        context = found.make_context(word, [], parent=context, resilient_parsing=True)
    return found, context


def test_help_ends_in_an_example(command):
    found, context = command
    description = found.get_help(context).split("\nOptions:")[0]
    head, example = description.split("  Example")[0], description.split("  Example")[-1]
    assert len(head.strip().splitlines()) >= 2, "usage and a description come before the example"
    assert context.command_path in example


def test_help_names_every_default(command):
    found, context = command
    for option in found.params:
        has_default = not option.required and option.to_info_dict()["default"] is not None
        if isinstance(option, click.Option) and not option.is_flag and has_default:
            assert "default: " in option.get_help_record(context)[1], option.name


def test_help_fits_80_columns(command):
    found, context = command
    assert not [line for line in found.get_help(context).splitlines() if len(line) > 80]


def test_every_option_has_help(command):
    found, _ = command
    assert not [option.name for option in found.params if isinstance(option, click.Option) and not option.help]


def test_group_lists_every_command_without_loading_any():
    listed = run("--help")
    assert listed.returncode == 0
    for name, (_, line) in cli.COMMANDS.items():
        assert name in listed.stdout
        assert line.split(",")[0].split(";")[0] in " ".join(listed.stdout.split())
    assert not imported_for_help() & (HEAVY | {"numpy"})


def test_the_help_of_no_command_loads_what_is_heavy():
    modules = [module for module, _ in (*cli.COMMANDS.values(), *BENCHMARKS.values())]
    assert not imported_for_help(*modules) & HEAVY


@pytest.mark.parametrize("words", [(), ("import",), ("assets",), ("bench",)])
def test_a_group_by_itself_shows_its_help(words):
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run(*words, "--help").stdout


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["rendr"], "'render'"), (["bench", "loads"], "'load'"), (["assets", "chek"], "'check'"), (["xyzzy"], "")],
)
def test_a_mistyped_command_gets_a_suggestion(words, meant):
    said = run(*words).stderr
    assert words[-1] in said
    assert ("Did you mean" in said) == bool(meant)
    assert meant in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_the_shell_loads(shell):
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_DCIGN_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("re", {"render", "rerender"}),
        ("bench l", {"load"}),
        ("train --learning", {"--learning-rate", "--learning-rate-fall"}),
    ],
)
def test_the_shell_is_told_how_words_may_end(words, completed):
    code = "import sys; sys.argv[0] = 'dcign'; from pipelines.cli import main; main()"
    typed = ["dcign", *words.split()]
    variables = {"_DCIGN_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(typed), "COMP_CWORD": str(len(typed) - 1)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **variables})
    assert {line.split(",")[1] for line in done.stdout.splitlines()} == completed


def test_python_m_runs_the_command():
    done = subprocess.run([sys.executable, "-m", "dcign", "--version"], capture_output=True, text=True)
    assert done.stdout == run("--version").stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["paint"], "paint"), (["render", "--brightness", "3"], "--brightness"), (["doctor", "more"], "more")],
)
def test_what_is_not_known_exits_2_and_is_named(arguments, named):
    done = run(*arguments)
    assert done.returncode == 2
    assert named in done.stderr.splitlines()[-1]
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("--n: expected 1 or more, found 0"), 2),
        (Failure("disk full"), 1),
        (FileNotFoundError(2, "No such file or directory", "a.npz"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_are_one_line_and_an_exit_code(monkeypatch, capsys, error, code):
    def fail(**_):
        raise error

    monkeypatch.setattr(cli, "group", fail)
    for debug in (False, True):
        monkeypatch.setattr(sys, "argv", ["dcign", "render", *["--debug"] * debug])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == code
        said = capsys.readouterr().err
        assert ("Traceback" in said) == debug
        assert debug or len(said.splitlines()) == 1


def test_version_is_the_package_version():
    from importlib.metadata import version

    assert run("--version").stdout.strip() == f"dcign {version('dcign')}"


def test_a_closed_pipe_ends_quietly():
    read, write = os.pipe()
    os.close(read)
    code = "from pipelines.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert "Traceback" not in done.stderr


def test_the_guide_has_a_section_on_every_command():
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
    headings = " ".join(line for line in guide.splitlines() if line.startswith("## "))
    assert not [name for name in cli.COMMANDS if f"dcign {name}" not in headings]


def test_every_option_in_the_documents_exists():
    known = {"--help", "--debug", "--json", "--no-python", "--nproc-per-node"}  # the last two are those of torchrun
    known |= {"--only", "--wheels"}  # of scripts/gpu-check
    for words in every_command():
        found = cli.group
        for word in words:
            found = found.get_command(click.Context(found), word)
        known |= {spelling for option in found.params for spelling in (*option.opts, *option.secondary_opts)}
    for document in ("docs/guide.md", "README.md"):
        text = (Path(__file__).parents[2] / document).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if "pip" not in line]
        used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(lines)))
        assert used <= known, document
