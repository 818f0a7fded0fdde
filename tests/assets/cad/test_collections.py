"""Collections: ids and textures of ShapeNet and ModelNet from any folder above; what cannot be opened."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in
from PIL import Image

from assets.cad.models import find_models
from assets.chairs.catalog import open_chairs
from assets.errors import AssetError

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 2 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\nf 1/1 2/2 3/3\nf 3/3 2/2 1/1\n"
OFF = "OFF\n3 1 0\n0 0 0\n1 0 0\n0 0 5\n3 0 1 2\n"
IDS = ("1a6f615e8b1b5ae4dbbc9440457e303e", "2ba8eb5ec0a05694593ebeeedbff73b")


@pytest.fixture
def shapenet(tmp_path: Path) -> Path:
    root = tmp_path / "ShapeNetCore.v2"
    for number, name in enumerate(IDS):
        model = root / "03001627" / name
        (model / "models").mkdir(parents=True)
        (model / "images").mkdir()
        (model / "models" / "model_normalized.obj").write_text("mtllib model_normalized.mtl\n" + TRIANGLE)
        (model / "models" / "model_normalized.mtl").write_text("newmtl m\nmap_Kd ../images/texture0.jpg\n")
        (model / "models" / "model_normalized.json").write_text("{}")
        Image.new("RGB", (4, 4), (200, 100 * number, 0)).save(model / "images" / "texture0.jpg")
    return root


@pytest.mark.parametrize("below", ["", "03001627", f"03001627/{IDS[0]}", f"03001627/{IDS[0]}/models",
                                   f"03001627/{IDS[0]}/models/model_normalized.obj"])  # fmt: skip
@pytest.mark.parametrize("relative", [False, True])
def test_a_shapenet_model_is_the_same_whichever_folder_is_given(
    shapenet: Path, below: str, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {model.id: model.sha256() for model in models_in(shapenet)}
    assert list(whole) == [f"03001627/{name}" for name in IDS]
    path = shapenet / below
    if relative:
        monkeypatch.chdir(path if path.is_dir() else path.parent)
        path = Path(".") if path.is_dir() else Path(path.name)
    models = models_in(path)
    assert len(models) == (2 if below in ("", "03001627") else 1)
    for model in models:
        mesh = model.read()
        assert whole[model.id] == model.sha256()
        assert mesh.triangle_count == 1  # duplicates are dropped
        assert mesh.surfaces[0].texture is not None
        assert mesh.surfaces[0].vertices[:, 0].argmax() == 0  # turned about: its first corner is now the rightmost


def test_a_shapenet_model_reads_nothing_outside_its_own_folder(shapenet: Path) -> None:
    Image.new("RGB", (4, 4)).save(shapenet / "secret.png")
    library = shapenet / "03001627" / IDS[0] / "models" / "model_normalized.mtl"
    library.write_text("newmtl m\nmap_Kd ../../../secret.png\n")
    assert [m.read().surfaces[0].texture is None for m in models_in(shapenet)] == [True, False]


def test_equal_names_in_two_copies_of_a_collection_stay_apart(shapenet: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    os.rename(shapenet, tmp_path / "copy" / "v2")
    for name in IDS[:1]:
        models = tmp_path / "other" / "03001627" / name / "models"
        models.mkdir(parents=True)
        (models / "model_normalized.obj").write_text(TRIANGLE)
    ids = [model.id for model in models_in(tmp_path)]
    assert ids == sorted(set(ids))
    assert len(ids) == 3
    assert f"03001627/{IDS[1]}" in ids


def test_shapenet_without_its_synset_folder_is_named_by_model(shapenet: Path) -> None:
    os.rename(shapenet / "03001627", shapenet / "chairs")
    assert [m.id for m in models_in(shapenet)] == [f"chairs/{name}" for name in IDS]
    assert [m.id for m in models_in(shapenet / "chairs")] == list(IDS)
    assert [m.id for m in models_in(shapenet / "chairs" / IDS[0] / "models")] == [IDS[0]]


@pytest.mark.parametrize("below", ["", "chair", "chair/train", "chair/train/chair_0001.off"])
def test_a_modelnet_model_is_the_same_whichever_folder_is_given(tmp_path: Path, below: str) -> None:
    for split, number in (("train", 1), ("test", 890)):
        (tmp_path / "chair" / split).mkdir(parents=True)
        (tmp_path / "chair" / split / f"chair_{number:04d}.off").write_text(OFF)
    models = {model.id: model for model in models_in(tmp_path / below)}
    assert models["chair/train/chair_0001.off"].read().bounds[1, 1] > 0.9  # its Z went up
    assert set(models) <= {"chair/train/chair_0001.off", "chair/test/chair_0890.off"}


def test_other_off_files_stand_up_too_and_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "stool.off").write_text(OFF)
    (model,) = models_in(tmp_path)
    assert model.id == "stool.off"
    assert model.read().bounds[1, 1] > 0.9


def test_a_checksum_does_not_depend_on_the_folder_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "m.obj").write_text("mtllib m.mtl\n" + TRIANGLE)
    (tmp_path / "a" / "b" / "m.mtl").write_text("newmtl m\nKd 1 0 0\n")
    digests = {models_in(folder)[0].sha256() for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")}
    assert len(digests) == 1


def broken_library(folder: Path, name: str = "broken.sh3f") -> Path:
    (folder / name).write_bytes(b"PK\x03\x04 but not a zip")
    return folder / name


@pytest.mark.parametrize("matching", ["", "good"])
def test_a_broken_library_among_others_is_named_and_left_out(tmp_path: Path, matching: str) -> None:
    (tmp_path / "good.obj").write_text(TRIANGLE)
    broken_library(tmp_path)
    models, unreadable = find_models(tmp_path, matching)
    assert [model.id for model in models] == ["good.obj"]
    assert [f"{tmp_path}/broken.sh3f: expected a zip library" in str(error) for error in unreadable] == [True]
    catalog, left_out = open_chairs(tmp_path, matching)
    assert list(catalog.models) == ["good.obj"]
    assert list(map(str, left_out)) == list(map(str, unreadable))


def test_a_broken_library_is_an_error_where_it_is_all_there_is(tmp_path: Path) -> None:
    for path in (broken_library(tmp_path), tmp_path):
        with pytest.raises(AssetError, match=r"broken\.sh3f: expected a zip library"):
            models_in(path)


def test_a_library_with_a_broken_catalog_is_named(tmp_path: Path) -> None:
    (tmp_path / "good.obj").write_text(TRIANGLE)
    path = tmp_path / "l.sh3f"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "name#1=A chair\nmodel#1=/m.obj\n" * 20)
        archive.writestr("m.obj", TRIANGLE)
    data = bytearray(path.read_bytes())
    data[90] ^= 1
    path.write_bytes(bytes(data))
    models, (error,) = find_models(tmp_path, "chair|good")
    assert [model.id for model in models] == ["good.obj"]
    assert "l.sh3f: PluginFurnitureCatalog.properties: cannot be unpacked" in str(error)


def test_folders_that_may_not_be_listed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good.obj").write_text(TRIANGLE)
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:  # the tests may run as root, whom no folder is closed to
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    closed = tmp_path / "closed"
    (good,), (error,) = find_models(tmp_path)
    assert good.read().triangle_count == 1
    assert str(error) == f"{tmp_path}/closed: cannot be read: Permission denied"
    closed = tmp_path
    with pytest.raises(AssetError, match="expected a folder of models, found: Permission denied"):
        models_in(tmp_path)


def test_files_that_may_not_be_read_are_asset_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.obj").write_text(TRIANGLE)
    (tmp_path / "l.zip").write_text("")

    def refuse(self: Path, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AssetError, match=r"/m\.obj: cannot be read: Permission denied"):
        models_in(tmp_path / "m.obj")[0].read()
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(AssetError, match=r"l\.zip: expected"):
        models_in(tmp_path / "l.zip")


def test_a_loop_of_links_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(AssetError, match="loop: expected"):
        models_in(tmp_path / "loop")


def test_the_order_of_identities_is_that_of_the_ids(shapenet: Path) -> None:
    catalog, _ = open_chairs(shapenet)
    below, _ = open_chairs(shapenet / "03001627")
    assert list(catalog.models) == sorted(catalog.models) == list(below.models)
    assert catalog.splits == below.splits
    np.testing.assert_array_equal(sorted(catalog.splits["train"] + catalog.splits["test"]), [0, 1])
