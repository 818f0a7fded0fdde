"""Cached files come back byte for byte or not at all; their names change with all code that decides their content."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import assets
from assets.cache import arrays_sha256, code_sha256, keep_arrays, read_arrays
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


ARRAYS = {
    "numbers": np.arange(12, dtype=np.int32).reshape(3, 4),
    "words": np.array(["a", "bc"]),
    "none": np.zeros((0, 3)),
}


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_come_back_as_they_were(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "folder" / "kept.npz"
    keep_arrays(path, ARRAYS, packed)
    found = read_arrays(path)
    assert found is not None
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    content = path.read_bytes()
    keep_arrays(path, ARRAYS, packed)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["kept.npz"]
    with np.load(path) as file:  # a plain .npz for everyone else
        assert set(file.files) == set(ARRAYS)


def test_a_byte_that_changed_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    keep_arrays(path, ARRAYS)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert read_arrays(path) is None
    for other in (b"", content[:-1], content[1:], content + b"\0"):
        path.write_bytes(other)
        assert read_arrays(path) is None


def test_what_something_else_stored_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    assert read_arrays(path) is None
    np.savez(path, **ARRAYS)
    assert read_arrays(path) is None
    keep_arrays(path, ARRAYS)
    assert read_arrays(path.rename(tmp_path / "other.npz")) is None  # another file's content
    path.mkdir()
    assert read_arrays(path) is None


def test_a_place_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep_arrays(tmp_path / "file" / "kept.npz", ARRAYS)
    (tmp_path / "folder").mkdir()
    keep_arrays(tmp_path / "folder", ARRAYS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_the_hash_of_arrays_knows_their_shape_and_type() -> None:
    arrays = [np.zeros(4, np.int32), np.zeros((2, 2), np.int32), np.zeros(4, np.float32), np.zeros(2, np.int64)]
    assert len({arrays_sha256(array) for array in arrays}) == len(arrays)
    assert arrays_sha256(np.arange(6).reshape(2, 3).T) == arrays_sha256(np.arange(6).reshape(2, 3).T.copy())
