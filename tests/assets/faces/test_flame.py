"""FLAME as an `.npz` written here; its pickle is refused with the command that converts it."""

from __future__ import annotations

import pickle
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from face_file_fixtures import Face, coefficients, flame, outward_share, small_face

from assets.errors import AssetError
from assets.faces import arrays
from assets.faces.arrays import SKIN
from assets.faces.catalog import open_faces
from assets.faces.flame import read_flame


@pytest.fixture
def face() -> Face:
    return small_face()


def write_npz(path: Path, members: dict[str, Any]) -> Path:
    np.savez(path, **members)
    return path


@pytest.mark.parametrize("inward", [False, True])
def test_identities_and_expressions_are_read(tmp_path: Path, face: Face, inward: bool) -> None:
    triangles = face.triangles[:, ::-1] if inward else face.triangles
    path = write_npz(tmp_path / "flame.npz", flame(face, f=triangles))
    model = read_flame(path)
    assert model.parts == {"shape": 300, "albedo": 0, "expression": 100}
    assert (model.expression.names, model.expression.one_sided, model.expression_mean) == ((), False, None)
    np.testing.assert_allclose(model.shape.deviations[:3], face.shape_deviations, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(model.shape.components[:3], axis=1), 1, atol=1e-4)
    a = np.zeros(300, np.float32)
    a[:3] = coefficients()[:3]
    mesh = model.mesh(a)
    np.testing.assert_allclose(mesh.surfaces[0].vertices, face.vertices(coefficients()), atol=1e-4)
    np.testing.assert_allclose(mesh.surfaces[0].albedo, np.tile(SKIN, (len(face.mean), 1)), atol=1e-6)
    assert outward_share(mesh) > 0.95
    smile = np.zeros(100, np.float32)
    smile[:2] = -1.5, 0.5
    moved = model.mesh(np.concatenate([a, smile])).surfaces[0].vertices - mesh.surfaces[0].vertices
    expected = face.with_expression(coefficients(), smile[:2]) - face.vertices(coefficients()) - face.expression_mean
    np.testing.assert_allclose(moved, expected, atol=1e-4)
    assert open_faces(path).name == "flame"


def test_300_directions_are_identities_alone(tmp_path: Path, face: Face) -> None:
    path = write_npz(tmp_path / "m.npz", flame(face, shapedirs=flame(face)["shapedirs"][:, :, :300]))
    assert read_flame(path).parts == {"shape": 300, "albedo": 0, "expression": 0}


def test_a_pickle_is_refused_unread_and_the_command_shown_converts_it(tmp_path: Path, face: Face) -> None:
    path = tmp_path / "generic model's.pkl"
    path.write_bytes(pickle.dumps({**flame(face), "weights": np.ones(3), "bs_type": "lrotmin"}))
    with pytest.raises(AssetError, match=r"generic model's\.pkl: expected FLAME as \.npz, found a pickle") as caught:
        open_faces(path)
    command = re.search(r"convert it: (python -c .*)", str(caught.value))
    assert command is not None
    subprocess.run([sys.executable, *shlex.split(command[1])[1:]], cwd=tmp_path, check=True)
    assert open_faces(tmp_path / "flame.npz").model.parts["shape"] == 300


class Trap:
    """Raises the alarm when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return pytest.fail, ("unpickled",)


def test_pickled_members_are_refused_unread(tmp_path: Path, face: Face) -> None:
    trap = np.empty(1, object)
    trap[0] = Trap()
    path = write_npz(tmp_path / "m.npz", flame(face, f=trap))
    with pytest.raises(AssetError, match=r"/m\.npz: expected numbers in f, found object"):
        read_flame(path)
    path = write_npz(tmp_path / "m.npz", flame(face, extra=trap))
    assert read_flame(path).parts["shape"] == 300


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shapedirs": None}, r"expected shapedirs, found v_template\.npy, f\.npy"),
        ({"shapedirs": np.ones((199, 3))}, r"expected shapedirs \(199, 3, 400\), found \(199, 3\)"),
        ({"shapedirs": np.ones((198, 3, 400))}, r"expected shapedirs \(199, 3, 400\), found \(198, 3, 400\)"),
        ({"shapedirs": np.full((199, 3, 400), np.nan)}, "expected finite numbers in shapedirs"),
        ({"shapedirs": np.ones((199, 3, 400))}, "expected shapes to vary by at most"),
        ({"v_template": np.ones(9)}, r"expected v_template \(V, 3\)"),
        ({"v_template": np.full((199, 3), "x")}, "expected numbers in v_template"),
        ({"v_template": small_face().mean}, r"expected a head of 0\.1 to 0\.6 m along its longest side, found 21"),
        ({"f": np.ones((3, 5))}, "expected f of 3 vertices a triangle"),
        ({"f": np.array([[0, 1, 199]])}, r"expected vertices 0\.\.198 in f, found 0\.\.199"),
        ({"f": np.array([[0, 1, np.nan]])}, r"expected vertices 0\.\.198 in f"),
        ({"f": np.array([[0, 1, 1.5]])}, "expected whole numbers in f"),
    ],
)  # fmt: skip
def test_faults_are_named(tmp_path: Path, face: Face, changed: dict[str, Any], message: str) -> None:
    path = write_npz(tmp_path / "m.npz", flame(face, **changed))
    with pytest.raises(AssetError, match=rf"/m\.npz: {message}"):
        read_flame(path)


def test_headers_are_not_believed(tmp_path: Path, face: Face) -> None:
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("v_template", "shapedirs", "f"):
            with archive.open(f"{name}.npy", "w") as member:
                header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
                np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(AssetError, match=rf"/m\.npz: expected v_template of at most {arrays.LARGEST_ARRAY} bytes"):
        read_flame(path)


def test_files_that_are_cut_or_something_else_are_named(tmp_path: Path, face: Face) -> None:
    path = write_npz(tmp_path / "m.npz", flame(face))
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    for content in (*(whole[: len(whole) * k // 6] for k in range(6)), b"no face" * 90, rng.bytes(900)):
        path.write_bytes(content)
        with pytest.raises(AssetError, match=r"/m\.npz: expected"):
            open_faces(path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF  # inside the directions: their checksum is wrong
    path.write_bytes(bytes(damaged))
    with pytest.raises(AssetError, match=r"/m\.npz: expected a whole \.npz file, found"):
        open_faces(path)
