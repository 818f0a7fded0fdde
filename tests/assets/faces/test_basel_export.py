"""Models written in Basel's layout come back bit for bit, and one face is the same face out of every layout."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from face_file_fixtures import Face, basel_2009, basel_h5, coefficients, flame, small_face, write_h5, write_mat

from assets.errors import AssetError, Failure
from assets.faces.basel_2017 import read_basel_h5, write_basel_h5
from assets.faces.catalog import read_face_model
from assets.head.model import built_in_face_model
from assets.morphable import Modes, MorphableModel
from render.opengl.reference import shared_renderer
from render.scene import Scene, Shading, frame_camera


def small_model(face: Face | None = None) -> MorphableModel:
    """The small face as float32 arrays, with blend shapes, a mode that does nothing, and odd landmarks."""
    face = face or small_face()
    rng = np.random.default_rng(11)
    pressed = rng.normal(size=(3, face.mean.size)).astype(np.float32) * np.float32(0.2)
    pressed[1] = 0
    return MorphableModel(
        name="small",
        triangles=face.triangles.astype(np.int32),
        shape_mean=face.mean.astype(np.float32),
        shape=Modes(face.shape_basis.T.astype(np.float32), face.shape_deviations.astype(np.float32)),
        albedo_mean=face.colour.astype(np.float32),
        albedo=Modes(face.colour_basis.T.astype(np.float32), face.colour_deviations.astype(np.float32)),
        expression=Modes.from_displacements(pressed, ("jawOpen", "ßmile", "x"), one_sided=True),
        expression_mean=face.expression_mean.astype(np.float32),
        landmarks={"center.nose.tip": (0.1, 1 / 3, -2e-7), 'say "ah"': (-0.0, 12.345678901234567, 1e2)},
    )


def assert_same(found: MorphableModel, model: MorphableModel) -> None:
    for part in ("shape", "albedo", "expression"):
        a, b = getattr(found, part), getattr(model, part)
        if len(b):
            np.testing.assert_array_equal(a.components, b.components)
        assert len(a) == len(b)
        assert (a.deviations.dtype, a.components.dtype) == (np.float32, np.float32)
        np.testing.assert_array_equal(a.deviations, b.deviations)
        assert (a.names, a.one_sided) == (b.names, b.one_sided)
    for array in ("shape_mean", "albedo_mean", "triangles", "expression_mean"):
        a, b = getattr(found, array), getattr(model, array)
        assert (a is None) == (b is None)
        if b is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    assert dict(found.landmarks) == dict(model.landmarks)


def test_a_model_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    model = small_model()
    for changed in (
        model,
        replace(model, expression_mean=None),
        replace(model, expression=replace(model.expression, names=(), one_sided=False)),
        replace(model, expression=Modes.none(0), expression_mean=None),
        replace(model, albedo=Modes.none(len(model.shape_mean)), landmarks={}),
    ):
        write_basel_h5(changed, tmp_path / "m.h5")
        assert_same(read_basel_h5(tmp_path / "m.h5"), changed)


def test_the_built_in_head_is_read_back_bit_for_bit_and_draws_the_same_mesh(tmp_path: Path) -> None:
    whole = built_in_face_model()
    shape, albedo = (Modes(modes.components[:8], modes.deviations[:8]) for modes in (whole.shape, whole.albedo))
    model = replace(whole, shape=shape, albedo=albedo)
    write_basel_h5(model, tmp_path / "m.h5")
    found = read_basel_h5(tmp_path / "m.h5")
    assert_same(found, model)
    a = np.random.default_rng(4).standard_normal(sum(model.parts.values()), np.float32)
    np.testing.assert_array_equal(found.mesh(a).surfaces[0].vertices, model.mesh(a).surfaces[0].vertices)


def test_the_layout_is_that_of_basel_2019(tmp_path: Path) -> None:
    model = small_model()
    write_basel_h5(model, tmp_path / "m.h5")
    count = len(model.shape_mean)
    with h5py.File(tmp_path / "m.h5") as file:
        for group, modes in (("shape", model.shape), ("color", model.albedo), ("expression", model.expression)):
            assert file[f"{group}/model/mean"].shape == (3 * count,)
            assert file[f"{group}/model/pcaBasis"].shape == (3 * count, len(modes))
            assert file[f"{group}/model/pcaVariance"].shape == (len(modes),)
            assert file[f"{group}/model/noiseVariance"][()] == 0
            assert file[f"{group}/representer/points"].shape == (3, count)
            assert file[f"{group}/representer/cells"].shape == (3, len(model.triangles))
        assert (file["version/majorVersion"][()], file["version/minorVersion"][()]) == (0, 9)
        variances = file["shape/model/pcaVariance"][()]
        extent = np.ptp(file["shape/representer/points"][()], axis=1)
        landmarks = json.loads(file["metadata/landmarks/json"][()])
    np.testing.assert_allclose(variances, (model.shape.deviations * 10) ** 2, rtol=1e-6)  # square millimetres
    np.testing.assert_allclose(extent, 10 * np.ptp(model.shape_mean, axis=0), rtol=1e-6)
    assert [item["id"] for item in landmarks] == list(model.landmarks)
    np.testing.assert_allclose(landmarks[0]["coordinates"], [1, 10 / 3, -2e-6])


def test_the_same_model_is_the_same_bytes_and_replaces_what_was_there(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).write_text("old")
        write_basel_h5(small_model(), tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.h5"
    path.write_text("old")
    create = h5py.File.create_dataset

    def full(self: Any, name: str, **options: Any) -> Any:
        if name.startswith("color"):
            raise OSError(28, "No space left on device")
        return create(self, name, **options)

    monkeypatch.setattr(h5py.File, "create_dataset", full)
    with pytest.raises(Failure, match=r"/m\.h5: cannot be written: .*No space left"):
        write_basel_h5(small_model(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(AssetError, match=r"/gone/m\.h5: expected a folder"):
        write_basel_h5(small_model(), tmp_path / "gone" / "m.h5")


def in_every_layout(face: Face, folder: Path) -> dict[str, MorphableModel]:
    """`face` as read from a file of each layout. FLAME has no colour, and 300 modes of shape."""
    write_basel_h5(small_model(face), folder / "exported.h5")
    np.savez(folder / "flame.npz", **flame(face))
    paths = {
        "Basel 2009": write_mat(folder / "2009.mat", basel_2009(face)),
        "Basel 0.9": write_h5(folder / "0.9.h5", basel_h5(face)),
        "Basel 0.8": write_h5(folder / "0.8.h5", basel_h5(face, scaled=True)),
        "exported": folder / "exported.h5",
        "FLAME": folder / "flame.npz",
    }
    return {layout: read_face_model(path)[0] for layout, path in paths.items()}


def test_a_face_is_the_same_vertices_and_picture_from_every_layout(tmp_path: Path) -> None:
    models = in_every_layout(small_face(), tmp_path)
    renderer, camera = shared_renderer(150), frame_camera((0.0, 0.0, 8.0), 13.0, 150)
    for seed in range(3):
        vertices, pictures = [], []
        for layout, model in models.items():
            a = coefficients(seed)
            if layout == "FLAME":
                a = np.concatenate([a[:3], np.zeros(297 + len(model.albedo), np.float32)])
            mesh = model.mesh(a)
            vertices.append(mesh.surfaces[0].vertices)
            if layout != "FLAME":
                scene = Scene(mesh, 30.0, 10.0, -20.0, camera, Shading())
                pictures.append(renderer.draw(scene).astype(float))
        size = float(np.ptp(vertices[0], axis=0).max())
        for other in vertices[1:]:
            np.testing.assert_allclose(other, vertices[0], rtol=0, atol=2e-6 * size)
        assert pictures[0].std() > 20
        for picture in pictures[1:]:
            assert np.abs(picture - pictures[0]).mean() < 0.01  # of 255 grey levels
            assert np.abs(picture - pictures[0]).max() <= 2
