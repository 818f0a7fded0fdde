"""The cache of models: the same mesh as from the file, never out of date, never in the way."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in, write_models

from assets.cache import cached_files
from assets.cad import cache
from assets.cad import models as cad_models
from assets.errors import AssetError
from assets.mesh import Mesh


@pytest.fixture(autouse=True)
def a_cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_models(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the models that were parsed, as they are."""
    parsed: list[str] = []
    real = cad_models.mesh_of_parts

    def counting(name: str, *rest: object) -> Mesh:
        parsed.append(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cad_models, "mesh_of_parts", counting)
    return parsed


def assert_same(one: Mesh, other: Mesh) -> None:
    assert (one.name, one.remarks) == (other.name, other.remarks)
    for a, b in zip(one.surfaces, other.surfaces, strict=True):
        for name in ("vertices", "triangles", "normals", "albedo", "uv", "texture"):
            x, y = getattr(a, name), getattr(b, name)
            assert (x is None) == (y is None)
            if x is not None:
                assert x.dtype == y.dtype
                assert x.tobytes() == y.tobytes()
                assert x.shape == y.shape


def entries() -> list[Path]:
    return sorted(cache.folder().glob("*"))


def test_a_cached_model_is_the_parsed_model_bit_for_bit(models: Path, parses: list[str]) -> None:
    (models / "t.jpg").write_text("no image")
    assert any("t.jpg cannot be read" in remark for model in models_in(models) for remark in model.read().remarks)
    parses.clear()
    cache.folder().rename(cache.folder().with_name("other"))
    first = [model.read() for model in models_in(models)]
    assert len(set(parses)) == len(parses) > 8
    count = len(parses)
    again = [model.read() for model in models_in(models)]
    assert len(parses) == count
    for one, other in zip(first, again, strict=True):
        assert_same(one, other)


def test_equal_content_shares_an_entry_under_each_id(models: Path, parses: list[str]) -> None:
    found = {model.id: model for model in models_in(models)}
    assert found["all.zip!box.obj"].read().name == "all.zip!box.obj"
    assert found["box.obj"].read().name == "box.obj"
    (alone,) = models_in(models / "box.obj")
    assert alone.read().name == "box.obj"
    assert parses == ["all.zip!box.obj"]
    count, size = cached_files()["CAD models"]
    assert (count, size) == (1, entries()[0].stat().st_size)


def test_reading_hashing_and_reading_again_opens_the_files_once(
    models: Path, monkeypatch: pytest.MonkeyPatch, parses: list[str]
) -> None:
    (model,) = models_in(models / "box.obj")
    mesh = model.read()
    monkeypatch.setattr(cad_models, "Folder", None)  # whatever opens the files now fails
    digest = model.sha256()
    worker = pickle.loads(pickle.dumps(model))
    assert_same(worker.read(), mesh)
    assert worker.sha256() == digest
    assert parses == ["box.obj"]


@pytest.mark.parametrize("name", ["box.obj", "box.mtl", "t.png"])
def test_a_changed_file_is_read_anew(models: Path, parses: list[str], name: str) -> None:
    (before,) = models_in(models / "box.obj")
    before.read()
    with (models / name).open("ab") as file:
        file.write(b"\n")
    (after,) = models_in(models / "box.obj")
    after.read()
    assert len(parses) == 2
    assert after.sha256() != before.sha256()


def test_files_that_change_after_they_were_listed_are_an_error_where_nothing_is_cached(models: Path) -> None:
    (model,) = models_in(models / "box.obj")
    model.sha256()
    with (models / "box.obj").open("ab") as file:
        file.write(b"\n")
    with pytest.raises(AssetError, match=r"box\.obj: .*found them changed"):
        model.read()


def test_another_version_of_the_readers_has_its_own_entries(
    models: Path, monkeypatch: pytest.MonkeyPatch, parses: list[str]
) -> None:
    models_in(models / "box.off")[0].read()
    monkeypatch.setattr(cache, "code_sha256", lambda *places: "another")
    models_in(models / "box.off")[0].read()
    assert len(parses) == len(entries()) == 2


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "other arrays", "wrong index", "moved", "folder"])
def test_a_damaged_entry_is_ignored_and_rebuilt(models: Path, parses: list[str], damage: str) -> None:
    (model,) = models_in(models / "box.obj")
    mesh = model.read()
    (entry,) = entries()
    data = entry.read_bytes()
    arrays = dict(np.load(entry))
    if damage == "wrong index":
        arrays["triangles"][0, 0] = 10**6
    elif damage == "moved":
        arrays["vertices"][0, 0] += 0.5
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
    elif damage in ("wrong index", "moved", "other arrays"):
        np.savez(entry, **({"x": np.zeros(3)} if damage == "other arrays" else arrays))
    else:
        noise = np.random.default_rng(0).bytes(len(data))
        entry.write_bytes({"cut": data[: len(data) // 2], "noise": noise, "empty": b""}[damage])
    (model,) = models_in(models / "box.obj")
    assert_same(model.read(), mesh)
    assert len(parses) == 2
    if damage != "folder":
        models_in(models / "box.obj")[0].read()
        assert len(parses) == 2  # it was rebuilt


@pytest.mark.parametrize("place", ["a file", "/dev/null/x"])
def test_without_a_place_for_it_models_are_simply_read(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
    for _ in range(2):
        assert models_in(models / "box.off")[0].read().triangle_count == 12
    assert cached_files()["CAD models"] == (0, 0)


def test_what_is_unreadable_is_not_cached(tmp_path: Path) -> None:
    (tmp_path / "m.off").write_text("OFF\n")
    with pytest.raises(AssetError):
        models_in(tmp_path / "m.off")[0].read()
    assert not entries()


def test_the_entries_used_longest_ago_make_room(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LOOKED_AT_EVERY", 0)
    found = models_in(models)
    found[0].read()
    (first,) = entries()
    monkeypatch.setattr(cache, "LARGEST", 4 * first.stat().st_size)
    os.utime(first, (1, 1))
    found[0].read()  # used again: now it is the newest
    assert first.stat().st_mtime > 1e9
    for age, model in enumerate(found[1:]):
        model.read()
        for path in set(entries()) - {first}:
            os.utime(path, (1000 + age, 1000 + age))
    assert first in entries()
    assert len(entries()) > 1
    assert cached_files()["CAD models"][1] <= cache.LARGEST
