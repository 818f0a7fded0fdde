"""The ICT-FaceKit reader on a small kit written here, and on the real one where it lies beside the checkout."""

from __future__ import annotations

import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from assets import ict_facekit
from assets.errors import AssetError
from assets.ict_facekit import ict_facekit_sha256, is_ict_facekit, read_ict_facekit

ARCHIVE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ict-facekit" / "FaceXModel-50.tar.xz"

# a kit of 20 vertices: face 0..5, something dropped 6..9, two eyes of four 10..17, lashes 18 and 19
FACES = "f 1/1 2/2 3/3 4/4\nf 3/1 4/2 5/3\nf 5/1 6/2 7/3\nf 11 12 13\nf 12//1 13//1 14//1\nf 15 16 17 18\nf 19 20 1\n"


def positions(seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(20, 3)).round(4)
    points[10:14, 0], points[14:18, 0] = -np.abs(points[10:14, 0]) - 1, np.abs(points[14:18, 0]) + 1
    return points


def write_kit(folder: Path, identities: int = 3) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    names = ["generic_neutral_mesh", *(f"identity{k:03d}" for k in range(identities)), "jawOpen"]
    shapes = [positions(k) for k in range(len(names))]
    for name, shape in zip(names, shapes, strict=True):
        lines = "".join(f"v {x} {y} {z}\n" for x, y, z in shape)
        (folder / f"{name}.obj").write_text(f"# comment\nmtllib m.mtl\n{lines}vt 0 0\nvn 0 0 1\n{FACES}")
    return shapes


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ict_facekit, "FACE_AND_HEAD", (0, 6))
    monkeypatch.setattr(ict_facekit, "EYEBALLS", (10, 18))


@pytest.mark.usefixtures("small")
def test_neutral_and_modes_rebuild_each_identity_file(tmp_path: Path) -> None:
    shapes = write_kit(tmp_path / "FaceXModel")
    kept = np.r_[0:6, 10:18]
    model = read_ict_facekit(tmp_path)
    np.testing.assert_allclose(model.shape_mean, shapes[0][kept], atol=1e-6)
    assert len(model.shape) == 3
    assert len(model.albedo) == 0
    assert sum(model.parts.values()) == 3
    np.testing.assert_allclose(np.linalg.norm(model.shape.components, axis=1), 1, atol=1e-5)
    for k in range(3):
        coefficients = np.eye(3, dtype=np.float32)[k]
        np.testing.assert_allclose(model.mesh(coefficients).surfaces[0].vertices, shapes[k + 1][kept], atol=1e-5)


@pytest.mark.usefixtures("small")
def test_faces_that_touch_dropped_vertices_go_and_the_rest_are_renumbered(tmp_path: Path) -> None:
    write_kit(tmp_path)
    found = sorted(map(tuple, read_ict_facekit(tmp_path).triangles.tolist()))
    assert found == sorted([(0, 1, 2), (0, 2, 3), (2, 3, 4), (6, 7, 8), (7, 8, 9), (10, 11, 12), (10, 12, 13)])


@pytest.mark.usefixtures("small")
def test_checksum_covers_neutral_and_identities_but_not_expressions(tmp_path: Path) -> None:
    write_kit(tmp_path)
    before = ict_facekit_sha256(tmp_path)
    (tmp_path / "jawOpen.obj").write_text("changed")
    assert ict_facekit_sha256(tmp_path) == before
    for name in ("identity001.obj", "generic_neutral_mesh.obj"):
        with (tmp_path / name).open("a") as file:
            file.write("\n")
        assert ict_facekit_sha256(tmp_path) != before
        before = ict_facekit_sha256(tmp_path)


@pytest.mark.usefixtures("small")
def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"generic_neutral_mesh\.obj, found none"):
        read_ict_facekit(tmp_path)
    write_kit(tmp_path, identities=0)
    with pytest.raises(AssetError, match=r"expected identity000\.obj"):
        read_ict_facekit(tmp_path)
    write_kit(tmp_path, identities=2)
    broken = tmp_path / "identity001.obj"
    whole = broken.read_text()
    for text, message in (
        (whole.replace("v ", "# ", 1), r"identity001\.obj: expected 20 vertices .*, found 19"),
        ("no mesh", r"identity001\.obj: expected `v` lines"),
        (
            whole.replace("\nv ", "\nv nan ", 1).replace("\nv nan ", "\nv nan 1 1\n# ", 1),
            r"identity001\.obj: expected finite",
        ),
        (whole.replace("\nv ", "\nv x", 1), r"identity001\.obj: expected numbers"),
    ):
        broken.write_text(text)
        with pytest.raises(AssetError, match=message):
            read_ict_facekit(tmp_path)
    broken.write_text(whole)
    neutral = tmp_path / "generic_neutral_mesh.obj"
    for face in ("f 1 2 21", "f 0 1 2", "f 1 2 1000000000000", "f a b c", "f 1 2", "f 1 2 3 4 5"):
        neutral.write_text(whole + face + "\n")
        with pytest.raises(AssetError, match=r"generic_neutral_mesh\.obj: expected"):
            read_ict_facekit(tmp_path)


def test_a_kit_is_recognised_by_its_neutral_mesh(tmp_path: Path) -> None:
    assert not is_ict_facekit(tmp_path)
    write_kit(tmp_path / "FaceXModel")
    assert is_ict_facekit(tmp_path)
    assert is_ict_facekit(tmp_path / "FaceXModel")
    assert not is_ict_facekit(tmp_path / "gone")


@pytest.mark.skipif(not ARCHIVE.is_file(), reason="no ICT-FaceKit beside the checkout")
def test_the_real_kit_reads_within_seconds_and_has_eyes(tmp_path: Path) -> None:
    wanted = ("generic_neutral_mesh", "identity000", "identity001", "identity002")
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if Path(member.name).stem in wanted:
                data = archive.extractfile(member)
                assert data is not None
                (tmp_path / Path(member.name).name).write_bytes(data.read())
            if len(list(tmp_path.iterdir())) == len(wanted):
                break
    start = time.process_time()
    model = read_ict_facekit(tmp_path)
    assert time.process_time() - start < 10 * 4 / 51  # all 51 files in 10 s
    assert model.shape_mean.shape == (11_248 + 3_140, 3)
    assert len(model.shape) == 3
    assert model.triangles.max() == len(model.shape_mean) - 1
    extent = np.ptp(model.shape_mean, axis=0)
    assert (extent > 15).all()  # centimetres
    assert (extent < 40).all()
    eyes = model.shape_mean[11_248:]
    dark = model.albedo_mean[11_248:].max(axis=1) < 0.2
    assert dark.any()
    assert eyes[dark, 2].min() > np.median(eyes[:, 2])  # pupils and the rims of the irises look along +Z
    mesh = model.mesh(np.zeros(3, np.float32))
    centre = model.shape_mean[:11_248].mean(axis=0)
    outward = ((mesh.surfaces[0].vertices - centre) * mesh.surfaces[0].normals).sum(axis=1)
    assert (outward > 0).mean() > 0.75
