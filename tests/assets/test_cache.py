"""The names of cached files change with the code that fills them: no module that decides their content is forgotten."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import assets
from assets.cache import code_sha256
from assets.cad import cache, models
from assets.faces import albedo_transfer
from assets.head import model

ROOT = Path(assets.__file__).parents[1]
# Types, errors, and where caches lie: they decide nothing.
HARMLESS = {f"assets/{name}.py" for name in ("cache", "catalog", "errors", "files")}


def imported(path: Path) -> set[Path]:
    """The modules of `assets` that a module imports, whatever it takes from them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "assets":
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = {ROOT / (name.replace(".", "/") + ".py") for name in names}
    return {path for path in found if path.is_file()}


def behind(module: ModuleType) -> set[str]:
    """The module and all that it imports of `assets`, directly or not, as paths below the root."""
    waiting, seen = [Path(inspect.getfile(module))], set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += imported(path)
    return {path.relative_to(ROOT).as_posix() for path in seen}


def covered(places: tuple[str | Path, ...]) -> set[str]:
    """The modules that `code_sha256` reads for `places`, as paths below the root."""
    paths = [path for place in map(Path, places) for path in (place.glob("*.py") if place.is_dir() else [place])]
    return {path.relative_to(ROOT).as_posix() for path in paths}


@pytest.mark.parametrize(
    ("module", "places"),
    [(model, model.CODE), (albedo_transfer, (*albedo_transfer.CODE, *model.CODE)), (models, cache.CODE)],
)
def test_every_module_behind_a_cached_file_counts_in_its_name(module: ModuleType, places: tuple[str | Path]) -> None:
    assert behind(module) - HARMLESS <= covered(places)


def test_the_name_changes_with_any_module_of_a_folder_and_with_new_ones(tmp_path: Path) -> None:
    hashes = []
    for content in (b"a = 1", b"a = 2"):
        folder = tmp_path / content.decode()
        folder.mkdir()
        (folder / "b.py").write_bytes(content)
        (folder / "notes.txt").write_bytes(content)
        hashes.append(code_sha256(folder))
        (folder / "c.py").write_bytes(b"")
        (folder / "d.py").write_bytes(b"d = 1")
        code_sha256.cache_clear()
        hashes.append(code_sha256(folder))
    assert len(set(hashes)) == 4


def test_a_module_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        code_sha256(tmp_path / "gone.py")
