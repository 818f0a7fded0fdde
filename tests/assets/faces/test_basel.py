"""Basel Face Models of 2009 (.mat) and 2017/2019 (.h5), written here in every layout and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from face_file_fixtures import (
    Face,
    basel_2009,
    basel_2009_expression,
    basel_h5,
    basel_h5_expression,
    coefficients,
    outward_share,
    small_face,
    write_h5,
    write_mat,
)

from assets.errors import AssetError
from assets.faces import arrays, matlab
from assets.faces.arrays import SKIN
from assets.faces.basel_2009 import read_basel_2009
from assets.faces.basel_2017 import BLEND_SHAPES, read_basel_h5
from assets.faces.catalog import open_faces
from assets.morphable import MorphableModel


@pytest.fixture
def face() -> Face:
    return small_face()


def assert_reads_back(model: MorphableModel, face: Face) -> None:
    assert (len(model.shape), len(model.albedo)) == (3, 2)
    np.testing.assert_allclose(np.linalg.norm(model.shape.components, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(model.albedo.components, axis=1), 1, atol=1e-4)
    for seed in range(3):
        a = coefficients(seed)
        (surface,) = model.mesh(a).surfaces
        np.testing.assert_allclose(surface.vertices, face.vertices(a), atol=1e-4)
        np.testing.assert_allclose(surface.albedo, np.clip(face.albedo(a), 0, 1), atol=1e-5)
        assert surface.vertices.dtype == surface.albedo.dtype == np.float32
    assert outward_share(model.mesh(np.zeros(5, np.float32))) > 0.95
    canonical = [{tuple(np.roll(t, -t.argmin())) for t in triangles} for triangles in (model.triangles, face.triangles)]
    assert canonical[0] == canonical[1]


@pytest.mark.parametrize("compressed", [True, False])
def test_basel_2009_is_read(tmp_path: Path, face: Face, compressed: bool) -> None:
    path = write_mat(tmp_path / "01_MorphableModel.mat", basel_2009(face), compressed)
    assert_reads_back(read_basel_2009(path), face)
    assert open_faces(path).name == "basel-2009"


def test_basel_2009_repacked_into_a_struct_is_read(tmp_path: Path, face: Face) -> None:
    lying = face.triangles.T.astype(np.int32) + 1  # (3, F)
    for k, variables in enumerate((basel_2009(face), basel_2009(face, tl=None, tri=lying))):
        path = write_mat(tmp_path / f"{k}.mat", {"model": variables})
        assert_reads_back(read_basel_2009(path), face)


def test_basel_2009_wound_outward_already_is_left_so(tmp_path: Path, face: Face) -> None:
    path = write_mat(tmp_path / "m.mat", basel_2009(face, tl=face.triangles + 1))
    assert_reads_back(read_basel_2009(path), face)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
def test_basel_h5_is_read(tmp_path: Path, face: Face, scaled: bool, legacy: bool) -> None:
    path = write_h5(tmp_path / "m.h5", basel_h5(face, scaled, legacy))
    assert_reads_back(read_basel_h5(path), face)
    assert open_faces(path).name == "basel-h5"


def test_basel_h5_wound_inward_is_turned_over(tmp_path: Path, face: Face) -> None:
    inward = face.triangles[:, [0, 2, 1]].T.astype(np.int32)
    path = write_h5(tmp_path / "m.h5", basel_h5(face, shape__representer__cells=inward))
    assert_reads_back(read_basel_h5(path), face)


def test_the_version_of_a_group_goes_before_that_of_the_file_and_old_files_have_none(
    tmp_path: Path, face: Face
) -> None:
    none = {"version__majorVersion": None, "version__minorVersion": None}
    assert_reads_back(read_basel_h5(write_h5(tmp_path / "none.h5", basel_h5(face, scaled=True, **none))), face)
    own = {
        f"{group}__version__{name}Version": n
        for group in ("shape", "color")
        for name, n in (("major", 0), ("minor", 9))
    }
    path = write_h5(tmp_path / "own.h5", basel_h5(face, version__minorVersion=8, **own))
    assert_reads_back(read_basel_h5(path), face)


def test_modes_cut_after_the_analysis_keep_their_size(tmp_path: Path, face: Face) -> None:
    """Cropped models keep rows of the full basis, so that its columns are shorter than 1."""
    shorter = (face.shape_basis * 0.8).astype(np.float32)
    model = read_basel_h5(write_h5(tmp_path / "m.h5", basel_h5(face, shape__model__pcaBasis=shorter)))
    np.testing.assert_allclose(np.linalg.norm(model.shape.components, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(model.shape.deviations, 0.8 * face.shape_deviations, rtol=1e-4)


def test_a_model_without_colour_gets_skin(tmp_path: Path, face: Face) -> None:
    mat = write_mat(tmp_path / "m.mat", basel_2009(face, texMU=None, texPC=None, texEV=None))
    datasets = {name: value for name, value in basel_h5(face).items() if not name.startswith("color")}
    h5 = write_h5(tmp_path / "m.h5", datasets)
    for model in (read_basel_2009(mat), read_basel_h5(h5)):
        assert sum(model.parts.values()) == 3
        (surface,) = model.mesh(coefficients()[:3]).surfaces
        np.testing.assert_allclose(surface.vertices, face.vertices(coefficients()), atol=1e-4)
        np.testing.assert_allclose(surface.albedo, np.tile(SKIN, (len(face.mean), 1)), atol=1e-6)


def assert_expressions_read_back(model: MorphableModel, face: Face) -> None:
    assert model.parts == {"shape": 3, "albedo": 2, "expression": 2}
    assert (model.expression.names, model.expression.one_sided) == ((), False)
    np.testing.assert_allclose(np.linalg.norm(model.expression.components, axis=1), 1, atol=1e-4)
    a, smile = coefficients(), np.array([-1.3, 0.7], np.float32)
    np.testing.assert_allclose(model.mesh(a).surfaces[0].vertices, face.vertices(a), atol=1e-4)
    moved = model.mesh(np.concatenate([a, smile])).surfaces[0].vertices
    np.testing.assert_allclose(moved, face.with_expression(a, smile), atol=1e-4)


@pytest.mark.parametrize("scaled", [False, True])
def test_expressions_of_an_h5_file_are_added_to_the_neutral_face(tmp_path: Path, face: Face, scaled: bool) -> None:
    path = write_h5(tmp_path / "m.h5", basel_h5(face, scaled, **basel_h5_expression(face, scaled)))
    assert_expressions_read_back(read_basel_h5(path), face)


@pytest.mark.parametrize("nested", [False, True])
def test_expressions_of_a_repacked_mat_file_are_added_to_the_neutral_face(
    tmp_path: Path, face: Face, nested: bool
) -> None:
    variables = basel_2009(face, **basel_2009_expression(face))
    path = write_mat(tmp_path / "m.mat", {"model": variables} if nested else variables)
    assert_expressions_read_back(read_basel_2009(path), face)


def test_a_mean_expression_of_zeros_is_none(tmp_path: Path, face: Face) -> None:
    zeros = {"expression__model__mean": np.zeros(face.mean.size, np.float32)}
    h5 = write_h5(tmp_path / "m.h5", basel_h5(face, **basel_h5_expression(face) | zeros))
    mat = write_mat(tmp_path / "m.mat", basel_2009(face, **basel_2009_expression(face) | {"expMU": None}))
    for model in (read_basel_h5(h5), read_basel_2009(mat)):
        assert model.expression_mean is None
        assert len(model.expression) == 2


LANDMARKS = {"center.nose.tip": (3.0, -12.0, 156.0), "left eye": (41.5, 32.75, 88.25)}
AS_JSON = json.dumps([{"id": k, "coordinates": v, "uncertainty": {"stddevs": [1, 1, 1]}} for k, v in LANDMARKS.items()])
AS_BYTES = np.frombuffer(AS_JSON.encode(), np.int8)


@pytest.mark.parametrize("stored", [AS_JSON, np.bytes_(AS_JSON), [AS_JSON], AS_BYTES], ids=str)
def test_landmarks_of_an_h5_file_are_read_however_they_are_stored(tmp_path: Path, face: Face, stored: Any) -> None:
    path = write_h5(tmp_path / "m.h5", basel_h5(face, metadata__landmarks__json=stored))
    expected = {name: [x / 10 for x in point] for name, point in LANDMARKS.items()}
    found = read_basel_h5(path).landmarks
    assert found.keys() == expected.keys()
    for name, point in found.items():
        np.testing.assert_allclose(point, expected[name], atol=2e-6)


def test_landmarks_are_read_from_lines_of_text(tmp_path: Path, face: Face) -> None:
    text = "a 30 -1.2e1 156\n\nb 1 30 -12 156 0.5\nc,30,-12,156\nd 1 2\ne 1 x y z\nf 1 2 nan\ng 0 0 1e9\n"
    path = write_h5(tmp_path / "m.h5", basel_h5(face, metadata__landmarks__json=None, metadata__landmarks__text=text))
    found = read_basel_h5(path).landmarks
    assert list(found) == ["a", "b", "c"]
    np.testing.assert_allclose(list(found.values()), [[3, -1.2, 15.6]] * 3, atol=2e-6)


def test_landmarks_go_from_the_reference_mesh_to_the_mean_face(tmp_path: Path, face: Face) -> None:
    """They are vertices of the reference, which need not be the mean."""
    reference = face.mean[:, ::-1] * 3 - 7
    stored = json.dumps([{"id": "tip", "coordinates": (reference[-1] * 10).tolist()}])
    changed = {"shape__representer__points": reference.T * 10, "metadata__landmarks__json": stored}
    found = read_basel_h5(write_h5(tmp_path / "m.h5", basel_h5(face, **changed))).landmarks
    np.testing.assert_allclose(found["tip"], face.mean[-1], atol=1e-5)


@pytest.mark.parametrize(
    "stored",
    ["", "[", "[" * 100_000, "7", "[3]", '[{"id": 3, "coordinates": [1, 2, 3]}]', '[{"id": "a"}]', h5py.Empty("f"),
     '[{"id": "a", "coordinates": [1, 2, NaN]}]', '[{"id": "a", "coordinates": [1, 2, 1e999999999]}]', ["[]", "[]"],
     '[{"id": "a", "coordinates": [1, 2]}]', '[{"id": "a", "coordinates": [1, 2, "3"]}]', np.ones(5), b"\xff\xfe["],
    ids=lambda stored: str(stored)[:40],
)  # fmt: skip
def test_malformed_landmarks_are_passed_over(tmp_path: Path, face: Face, stored: Any) -> None:
    model = read_basel_h5(write_h5(tmp_path / "m.h5", basel_h5(face, metadata__landmarks__json=stored)))
    assert model.landmarks == {}


def test_landmarks_too_large_are_refused(tmp_path: Path, face: Face) -> None:
    for stored in ("[" + " " * 2**20, np.bytes_(b"x" * (2**20 + 1)), np.zeros(2**20 + 1, np.int8)):
        path = write_h5(tmp_path / "m.h5", basel_h5(face, metadata__landmarks__json=stored))
        with pytest.raises(AssetError, match=r"/m\.h5: expected metadata/landmarks/json of at most 1048576 bytes"):
            read_basel_h5(path)


def test_units_are_converted_before_rounding(tmp_path: Path, face: Face) -> None:
    centimetres = face.mean.astype(np.float32)
    millimetres = centimetres.astype(np.float64).ravel() * 10
    model = read_basel_h5(write_h5(tmp_path / "m.h5", basel_h5(face, shape__model__mean=millimetres)))
    np.testing.assert_array_equal(model.shape_mean, centimetres)


def test_modes_of_no_deviation_are_kept_as_they_are(tmp_path: Path, face: Face) -> None:
    basis = face.shape_basis.astype(np.float32)
    basis[:, 2] = 0
    changed = {"shape__model__pcaBasis": basis, "shape__model__pcaVariance": np.array([3600.0, 1225.0, 0.0])}
    model = read_basel_h5(write_h5(tmp_path / "m.h5", basel_h5(face, **changed)))
    np.testing.assert_array_equal(model.shape.components, basis.T)
    assert model.shape.deviations.tolist() == [6, 3.5, 0]


NAN = np.full(3 * 199, np.nan, np.float32)
EXPRESSION = basel_h5_expression(small_face())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shapeEV": None}, r"expected shapeEV, found .*shapePC"),
        ({"tl": None}, r"expected triangles \(tl\)"),
        ({"texPC": None}, r"expected texPC, found"),
        ({"shapeMU": NAN[:, None]}, "expected finite numbers in shapeMU"),
        ({"shapeMU": np.ones((7, 1))}, r"expected shapeMU \(3V,\), found \(7, 1\)"),
        ({"shapeMU": "text"}, "expected shapeMU, found shapePC"),
        ({"shapeMU": {"a": 1}}, "expected shapeMU, found shapePC"),
        ({"shapeMU": np.full((597, 1), 1j)}, "expected shapeMU, found shapePC"),
        ({"shapePC": np.ones((30, 3))}, r"expected shapePC \(3V, K\), V = 199, found \(30, 3\)"),
        ({"shapePC": np.ones((597, 3))}, "expected columns of shapePC as long as 1"),
        ({"shapeEV": np.ones((4, 1))}, "expected 3 deviations of shapePC"),
        ({"shapeEV": np.array([[1.0], [-1.0], [1.0]])}, "expected deviations of shapePC from 0"),
        ({"shapeEV": np.array([[36e8], [12e8], [4e8]])}, r"expected shapes to vary by at most"),  # variances
        ({"texMU": np.full((597, 1), 0.5)}, r"expected a mean colour in 0\.\.1"),
        ({"tl": np.array([[0, 1, 2]])}, r"expected vertices 1\.\.199 in tl, found 0\.\.2"),
        ({"tl": np.array([[1, 2, 200]])}, r"expected vertices 1\.\.199 in tl, found 1\.\.200"),
        ({"tl": np.array([[1, 2, np.nan]])}, r"expected vertices 1\.\.199 in tl, found nan"),
        ({"tl": np.ones((5, 4))}, "expected tl of 3 vertices a triangle"),
        ({"expPC": np.ones((597, 2))}, "expected expEV, found"),
        ({"expPC": np.ones((30, 2)), "expEV": np.ones(2)}, r"expected expPC \(3V, K\), V = 199, found \(30, 2\)"),
        ({"expPC": np.ones((597, 2)), "expEV": np.full(2, 1e6)}, "expected expressions to vary by at most"),
        ({"expPC": np.ones((597, 2)), "expEV": np.ones(2), "expMU": np.ones((9, 1))}, "expected 199 vertices in expMU"),
    ],
)  # fmt: skip
def test_faults_of_a_mat_file_are_named(tmp_path: Path, face: Face, changed: dict[str, Any], message: str) -> None:
    path = write_mat(tmp_path / "m.mat", basel_2009(face, **changed))
    with pytest.raises(AssetError, match=rf"/m\.mat: {message}"):
        read_basel_2009(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape__model__mean": None}, "expected shape/model/mean, found nothing"),
        ({"color__model__pcaVariance": None}, "expected color/model/pcaVariance, found nothing"),
        ({"shape__representer__cells": None}, "expected shape/representer/cells or .*, found neither"),
        ({"version__minorVersion": 7}, r"expected version 0\.8, 0\.9 or 1, found"),
        ({"version__minorVersion": 8}, "expected columns of shape/model/pcaBasis as long as the standard deviations"),
        ({"shape__model__mean": NAN}, "expected finite numbers in shape/model/mean"),
        ({"shape__model__mean": np.ones(7)}, "expected shape/model/mean"),
        ({"shape__model__mean": "text"}, "expected numbers in shape/model/mean"),
        ({"shape__model__mean": h5py.Empty("f")}, "expected numbers in shape/model/mean"),
        ({"shape__model__pcaBasis": np.ones((3, 597))}, r"expected shape/model/pcaBasis \(3V, K\), V = 199"),
        ({"shape__model__pcaVariance": -np.ones(3)}, "expected shape/model/pcaVariance from 0"),
        ({"shape__model__pcaVariance": np.ones((3, 3))}, "expected 3 deviations"),
        ({"color__model__mean": np.ones(6)}, r"expected color/model/pcaBasis|expected 199 vertices in color"),
        ({"color__model__mean": np.full(597, 128.0)}, r"expected a mean colour in 0\.\.1"),
        ({"shape__representer__cells": np.ones((4, 5), np.int32)}, "expected shape/representer/cells of 3 vertices"),
        ({"shape__representer__cells": np.full((3, 2), 199)}, r"expected vertices 0\.\.198"),
        ({"shape__representer__cells": np.full((3, 2), -1)}, r"expected vertices 0\.\.198"),
        ({"shape__representer__cells": np.full((3, 2), 2**32 - 1, np.uint32)}, r"expected vertices 0\.\.198"),
        (
            {"shape__model__pcaBasis": np.ones((597, 0)), "shape__model__pcaVariance": np.ones(0)},
            "expected at least one mode of shape, found none",
        ),
        (EXPRESSION | {"expression__model__mean": None}, "expected expression/model/mean, found nothing"),
        (EXPRESSION | {"expression__model__mean": np.ones(9)}, "expected 199 vertices in expression as in shape"),
        (EXPRESSION | {"expression__model__mean": np.full(597, 1e3)}, "expected expressions to vary by at most"),
        (EXPRESSION | {"expression__model__pcaBasis": np.ones((9, 2))}, "expected expression/model/pcaBasis"),
        (EXPRESSION | {BLEND_SHAPES: '["a"]'}, "expected 2 names in expression/metadata/blend_shapes"),
        (EXPRESSION | {BLEND_SHAPES: "["}, "expected 2 names in expression/metadata/blend_shapes"),
        (EXPRESSION | {BLEND_SHAPES: '{"names": ["a"], "one_sided": true}'}, "expected 2 names"),
        (EXPRESSION | {BLEND_SHAPES: '{"names": ["a", "b"], "one_sided": "no"}'}, "expected 2 names"),
    ],
)  # fmt: skip
def test_faults_of_an_h5_file_are_named(tmp_path: Path, face: Face, changed: dict[str, Any], message: str) -> None:
    path = write_h5(tmp_path / "m.h5", basel_h5(face, **changed))
    with pytest.raises(AssetError, match=rf"/m\.h5: ({message})"):
        read_basel_h5(path)


def test_the_wrong_unit_is_noticed(tmp_path: Path, face: Face) -> None:
    metres = face.mean.ravel().astype(np.float32) / 100
    h5 = write_h5(tmp_path / "m.h5", basel_h5(face, shape__model__mean=metres))
    with pytest.raises(AssetError, match=r"/m\.h5: expected a head of 100 to 600 mm .*, found 0\.217"):
        read_basel_h5(h5)
    mat = write_mat(tmp_path / "m.mat", basel_2009(face, shapeMU=face.mean.reshape(-1, 1) * 10))
    with pytest.raises(AssetError, match=r"/m\.mat: expected a head of 1e\+05 to 6e\+05 micrometres .*, found 217"):
        read_basel_2009(mat)


def test_links_to_other_files_and_places_are_not_followed(tmp_path: Path, face: Face) -> None:
    write_h5(tmp_path / "other.h5", basel_h5(face))
    for link in (h5py.ExternalLink("other.h5", "shape/model/mean"), h5py.SoftLink("/color/model/mean")):
        path = write_h5(tmp_path / "m.h5", basel_h5(face, shape__model__mean=link))
        with pytest.raises(AssetError, match=r"/m\.h5: expected shape/model/mean itself, found a link"):
            read_basel_h5(path)
    datasets = {name: value for name, value in basel_h5(face).items() if not name.startswith("shape")}
    path = write_h5(tmp_path / "m.h5", {**datasets, "shape": h5py.ExternalLink("other.h5", "shape")})
    with pytest.raises(AssetError, match=r"/m\.h5: expected shape/.* itself, found a link"):
        read_basel_h5(path)


def test_data_kept_in_other_files_is_not_read(tmp_path: Path, face: Face) -> None:
    (tmp_path / "secret").write_bytes(bytes(4 * face.mean.size))
    path = write_h5(tmp_path / "m.h5", basel_h5(face, shape__model__mean=None))
    with h5py.File(path, "a") as file:
        outside = [(str(tmp_path / "secret"), 0, 4 * face.mean.size)]
        file.create_dataset("shape/model/mean", (face.mean.size,), np.float32, external=outside)
    with pytest.raises(AssetError, match=r"/m\.h5: expected shape/model/mean in this file"):
        read_basel_h5(path)
    with h5py.File(path, "a") as file:
        del file["shape/model/mean"]
        layout = h5py.VirtualLayout((face.mean.size,), np.float32)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "color/model/mean", (face.mean.size,))
        file.create_virtual_dataset("shape/model/mean", layout)
    with pytest.raises(AssetError, match=r"/m\.h5: expected shape/model/mean in this file"):
        read_basel_h5(path)


def test_sizes_are_refused_before_memory_is_spent(tmp_path: Path, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_h5(tmp_path / "m.h5", basel_h5(face, shape__model__pcaBasis=None))
    with h5py.File(path, "a") as file:  # a terabyte that takes no space
        file.create_dataset("shape/model/pcaBasis", (3 * 10**7, 10_000), np.float32, chunks=(1000, 100))
    with pytest.raises(AssetError, match=r"/m\.h5: expected shape/model/pcaBasis of at most \d+ bytes"):
        read_basel_h5(path)
    mat, h5 = write_mat(tmp_path / "m.mat", basel_2009(face)), write_h5(tmp_path / "n.h5", basel_h5(face))
    with monkeypatch.context() as patch:
        patch.setattr(matlab, "LARGEST_VARIABLE", 4 * 3 * 199)
        with pytest.raises(AssetError, match=r"/m\.mat: expected .*, found \d+ bytes"):
            read_basel_2009(mat)
    monkeypatch.setattr(arrays, "MOST_VERTICES", 100)
    with pytest.raises(AssetError, match="expected at most 100 vertices in shapeMU, found 199"):
        read_basel_2009(mat)
    with pytest.raises(AssetError, match="expected at most 100 vertices in shape/model/mean, found 199"):
        read_basel_h5(h5)


def test_matlab_files_of_version_7_3_are_refused_with_a_way_out(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.mat", "w", userblock_size=512) as file:
        file["shapeMU"] = np.ones((1, 9))
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with (tmp_path / "m.mat").open("r+b") as stream:
        stream.write(header)
    with pytest.raises(AssetError, match=r"/m\.mat: expected .* of version 5 to 7, found version 7\.3; save\(.*'-v7'"):
        read_basel_2009(tmp_path / "m.mat")


def test_files_that_are_cut_or_something_else_are_named(tmp_path: Path, face: Face) -> None:
    mat, h5 = write_mat(tmp_path / "m.mat", basel_2009(face)), write_h5(tmp_path / "m.h5", basel_h5(face))
    for path in (mat, h5):
        whole = path.read_bytes()
        pieces = [whole[: len(whole) * k // 8] for k in range(8)]
        for content in (*pieces, b"no face model at all" * 40, np.random.default_rng(0).bytes(4000)):
            path.write_bytes(content)
            with pytest.raises(AssetError, match=rf"/{path.name}: expected"):
                open_faces(path)


def test_damaged_mat_files_read_or_are_asset_errors(tmp_path: Path, face: Face) -> None:
    rng, path = np.random.default_rng(5), tmp_path / "m.mat"
    for compressed in (True, False):
        whole = write_mat(path, basel_2009(face), compressed).read_bytes()
        for _ in range(60):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), 3):
                data[at] = int(rng.integers(256))
            path.write_bytes(bytes(data))
            try:
                vertices, message = read_basel_2009(path).mesh(coefficients()).surfaces[0].vertices, ""
            except AssetError as error:
                vertices, message = np.zeros((1, 3)), str(error)
            assert message == "" or message.startswith(f"{path}: expected")
            assert np.isfinite(vertices).all()


def test_what_is_no_face_model_is_told_what_would_be_one(tmp_path: Path) -> None:
    (tmp_path / "face.obj").write_text("v 0 0 0\n")
    for path in (tmp_path, tmp_path / "face.obj"):
        with pytest.raises(AssetError, match=r"expected .*ICT-FaceKit.*Basel.*\.mat.*\.h5.*FLAME.*\.npz.*, found"):
            open_faces(path)
