"""Symbolic links: followed in folders, wherever they lead; what is left out is named; never followed in archives."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in
from PIL import Image

from assets import archives
from assets.cad.models import find_models

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "else" / "deep").mkdir(parents=True)
    (tmp_path / "else" / "deep" / "m.obj").write_text("mtllib m.mtl\n" + TRIANGLE)
    (tmp_path / "else" / "deep" / "m.mtl").write_text("newmtl m\nKd 0.3 0.3 0.3\nmap_Kd t.png\n")
    Image.fromarray(np.full((4, 4, 3), 200, np.uint8)).save(tmp_path / "else" / "deep" / "t.png")
    return tmp_path / "root"


def said(root: Path) -> tuple[list[str], list[str]]:
    """The ids of the models, and what is said of what is left out."""
    models, unreadable = find_models(root)
    return [model.id for model in models], [str(error).removeprefix(f"{root}/") for error in unreadable]


def test_a_linked_model_with_linked_material_and_texture_is_read(root: Path) -> None:
    """As model hubs keep their snapshots: names that are links into a store of files without names."""
    store = root.parent / "blobs"
    store.mkdir()
    for number, path in enumerate(sorted((root.parent / "else" / "deep").iterdir())):
        path.rename(store / f"{number}f00")
        (root / path.name).symlink_to(os.path.relpath(store / f"{number}f00", root))
    (model,) = models_in(root)
    assert model.id == "m.obj"
    assert model.read().surfaces[0].texture is not None
    assert models_in(root / "m.obj")[0].sha256() == model.sha256()


def test_linked_folders_are_searched(root: Path) -> None:
    (root / "near").symlink_to(root.parent / "else")
    (root / "top").symlink_to("near/deep")
    assert said(root) == (["near/deep/m.obj", "top/m.obj"], [])
    assert all(model.read().surfaces[0].texture is not None for model in models_in(root))
    (root.parent / "name").symlink_to(root)
    assert said(root.parent / "name")[0] == ["near/deep/m.obj", "top/m.obj"]


def test_links_that_lead_back_are_named_and_not_followed(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "m.obj").write_text(TRIANGLE)
    (root / "a" / "b" / "up").symlink_to(root / "a")
    (root / "a" / "self").symlink_to("self")
    models, left_out = said(root)
    assert models == ["a/b/m.obj"]
    assert left_out == [
        "a/b/up: cannot be read: a symbolic link to a folder that it lies in",
        "a/self: cannot be read: a symbolic link to nothing",
    ]


def test_folders_that_link_to_each_other_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_LINKS", 30)
    for name in "abcdef":
        (root / name).mkdir()
        (root / name / "m.obj").write_text(TRIANGLE)
        for other in "abcdef":
            if other != name:
                (root / name / other).symlink_to(root / other)
    models, left_out = said(root)
    assert {f"{name}/m.obj" for name in "abcdef"} <= set(models)
    assert len(models) == 6 + 30
    assert any("more than 30 links to folders" in line for line in left_out)


def test_links_to_nothing_are_named_where_they_may_have_been_models(root: Path) -> None:
    (root / "m.obj").write_text(TRIANGLE)
    for name in ("gone.obj", "gone.zip", "gone", "gone.txt", ".gone.obj"):
        (root / name).symlink_to(root.parent / "nowhere")
    models, left_out = said(root)
    assert models == ["m.obj"]
    assert [line.partition(":")[0] for line in left_out] == ["gone", "gone.obj", "gone.zip"]


def test_a_linked_material_that_is_gone_is_named_as_missing(root: Path) -> None:
    (root / "m.obj").write_text("mtllib m.mtl\n" + TRIANGLE)
    (root / "m.mtl").symlink_to(root.parent / "nowhere.mtl")
    (model,) = models_in(root)
    assert model.read().remarks == ("material library m.mtl is missing",)


def test_links_to_what_is_no_file_are_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    for name, target in (("pipe.obj", root / "pipe"), ("zero.obj", Path("/dev/zero"))):
        (root / name).symlink_to(target)
    (root / "m.obj").write_text(TRIANGLE)
    assert said(root)[0] == ["m.obj"]


def test_links_in_archives_are_named_and_not_followed(root: Path) -> None:
    with zipfile.ZipFile(root / "l.zip", "w") as archive:
        archive.writestr("m.obj", TRIANGLE)
        for name in ("out.obj", "folder", "t.png"):
            link = zipfile.ZipInfo(name)
            link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "../else/deep/m.obj")
    models, left_out = said(root)
    assert models == ["l.zip!m.obj"]
    why = "cannot be read: a symbolic link in an archive, which is not followed"
    assert left_out == [f"l.zip!folder: {why}", f"l.zip!out.obj: {why}"]
