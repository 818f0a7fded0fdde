"""The two stages stay apart at run time: every module is really imported (`make contract` checks what is written)."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules_of(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(*packages):
    """Top-level names in memory after every module of the packages was imported, in a fresh Python."""
    names = [name for package in packages for name in modules_of(package)]
    assert len(names) > len(packages)
    code = "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]; print(*sys.modules)"
    environment = {**os.environ, "PYOPENGL_PLATFORM": "egl"}  # for modules that may only be imported once it is chosen
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


def test_assets_and_render_never_import_torch():
    assert not imported_by("assets", "render") & {"torch", "dcign", "pipelines"}


def test_assets_import_nothing_above_them():
    assert not imported_by("assets") & {"render", "dcign", "pipelines", "OpenGL", "pyrender"}


def test_training_never_imports_opengl():
    assert not imported_by("dcign") & {"OpenGL", "pyrender", "trimesh", "pyglet", "pipelines"}


@pytest.mark.parametrize("package", ["assets", "render", "dcign", "pipelines"])
def test_every_module_says_what_it_is(package):
    silent = [
        str(path.relative_to(ROOT))
        for path in (ROOT / package).rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


@pytest.mark.parametrize("package", ["assets", "render", "dcign"])
def test_no_error_below_the_command_names_an_option(package):
    """Python has arguments: `size=64`. The command makes options of them; a whole command to run may have its own."""
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {part.value}"
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        if re.search(r"(^|\s)(--[a-z]|-o\b)", re.sub("`dcign [^`]*", "", part.value))
    ]
    assert not named
