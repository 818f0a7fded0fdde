"""Every link, anchor, picture, file and module that the documents name exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("assets", "render", "dcign", "pipelines")
FOLDERS = (*PACKAGES, "tests", "scripts", "docs")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "dcign").rglob("*.md")])
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".js"})
LINK = re.compile(r'\]\(([^)\s]+)\)|<img src="([^"]+)"')
# dcign/model/step.py, docs/decisions, dcign/weights/NAME/, mesh.frag; capitals stand for any name
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})(?:/[\w.*-]+)+/?")
SOURCE_FILE = re.compile(r"[\w.-]+\.(?:py|frag|vert|glsl)")
MODULE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+")


def in_backticks(path):
    """Words that stand between backticks; in code those of comments and docstrings."""
    return re.findall(r"`([^`\s]+)`", path.read_text(encoding="utf-8"))


def relative(path):
    return str(path.relative_to(ROOT))


@cache
def anchors(document):
    """The anchors of its headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
        found.add(words.replace(" ", "-"))
    return found


@cache
def file_names():
    return {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}


@cache
def names_in(module):
    """Return the names at the top level of a module of ours, None if there is no such module."""
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return None
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.If):
            found |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
            found |= {name.name for name in ast.walk(node) if isinstance(name, ast.alias)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {name.asname or name.name for name in node.names}
    return found


def module_exists(dotted):
    """Is it a module of ours, a name that one has, or something within such a name?"""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        names = names_in(".".join(parts[:end]))
        if names is not None:
            return end == len(parts) or parts[end] in names
    return False


def path_exists(word):
    pattern = re.sub(r"\b[A-Z]+\b", "*", word.rstrip("/"))
    return any(ROOT.glob(pattern))


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document):
    broken = []
    for target in (link or picture for link, picture in LINK.findall(document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        path = (document.parent / place).resolve() if place else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_files_that_documents_name_exist(document):
    words = re.findall(r"[^\s`()\[\],;:]+", document.read_text(encoding="utf-8"))
    paths = [word.rstrip(".") for word in words if PATH.fullmatch(word.rstrip("."))]
    files = [word for word in in_backticks(document) if SOURCE_FILE.fullmatch(word)]
    assert not [word for word in paths if not path_exists(word)]
    assert not [word for word in files if word not in file_names()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_modules_that_documents_name_exist(document):
    words = [word for word in in_backticks(document) if MODULE.fullmatch(word)]
    assert not [word for word in words if not module_exists(word)]


def test_files_and_modules_that_comments_name_exist():
    missing = []
    for source in SOURCES:
        words = re.findall(r"[\w./-]+", source.read_text(encoding="utf-8"))
        paths = [word.strip(".") for word in words if word.strip(".").endswith((".py", ".md"))]
        missing += [f"{relative(source)}: {word}" for word in paths if PATH.fullmatch(word) and not path_exists(word)]
        modules = [word for word in in_backticks(source) if MODULE.fullmatch(word)]
        missing += [f"{relative(source)}: {word}" for word in modules if not module_exists(word)]
    assert not missing


def test_scripts_import_what_is_there():
    missing = []
    for script in sorted(path for path in (ROOT / "scripts").rglob("*") if path.is_file() and path.suffix != ".pyc"):
        if script.suffix != ".py" and "python" not in script.read_text(encoding="utf-8").partition("\n")[0]:
            continue
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in PACKAGES:
                names = [f"{node.module}.{name.name}" for name in node.names]
                missing += [f"{script.name}: {name}" for name in names if not module_exists(name)]
    assert not missing
