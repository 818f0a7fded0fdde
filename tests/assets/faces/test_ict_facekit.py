"""The ICT-FaceKit reader on a small kit written here, and on the real one where it lies beside the checkout."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from assets.errors import AssetError
from assets.faces import ict_facekit
from assets.faces.ict_facekit import ict_facekit_sha256, is_ict_facekit, read_ict_facekit
from assets.morphable import BLEND_SHAPE_DEVIATION, MorphableModel

ARCHIVE = Path(__file__).resolve().parents[4] / "shared" / "data" / "ict-facekit" / "FaceXModel-50.tar.xz"

# a kit of 20 vertices: face 0..5, something dropped 6..9, two eyes of four 10..17, lashes 18 and 19
FACES = "f 1/1 2/2 3/3 4/4\nf 3/1 4/2 5/3\nf 5/1 6/2 7/3\nf 11 12 13\nf 12//1 13//1 14//1\nf 15 16 17 18\nf 19 20 1\n"


def positions(seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(20, 3)).round(4)
    points[10:14, 0], points[14:18, 0] = -np.abs(points[10:14, 0]) - 1, np.abs(points[14:18, 0]) + 1
    return points


def write_kit(folder: Path, identities: int = 3) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    names = ["generic_neutral_mesh", *(f"identity{k:03d}" for k in range(identities)), "smile_L", "jawOpen"]
    shapes = [positions(k) for k in range(len(names))]
    for name, shape in zip(names, shapes, strict=True):
        lines = "".join(f"v {x} {y} {z}\n" for x, y, z in shape)
        (folder / f"{name}.obj").write_text(f"# comment\nmtllib m.mtl\n{lines}vt 0 0\nvn 0 0 1\n{FACES}")
    return shapes


def assert_same(found: MorphableModel, model: MorphableModel) -> None:
    for a, b in ((found.shape, model.shape), (found.expression, model.expression)):
        np.testing.assert_array_equal(a.components, b.components)
        np.testing.assert_array_equal(a.deviations, b.deviations)
        assert (a.names, a.one_sided) == (b.names, b.one_sided)
    np.testing.assert_array_equal(found.shape_mean, model.shape_mean)
    np.testing.assert_array_equal(found.triangles, model.triangles)
    assert found.landmarks == model.landmarks


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ict_facekit, "FACE_AND_HEAD", (0, 6))
    monkeypatch.setattr(ict_facekit, "EYEBALLS", (10, 18))
    monkeypatch.setattr(ict_facekit, "MOUTH_SOCKET", (18, 19))


@pytest.mark.usefixtures("small")
def test_neutral_and_modes_rebuild_each_identity_file(tmp_path: Path) -> None:
    shapes = write_kit(tmp_path / "FaceXModel")
    kept = np.r_[0:6, 10:18, 18:19]
    model = read_ict_facekit(tmp_path)
    np.testing.assert_allclose(model.shape_mean, shapes[0][kept], atol=1e-6)
    assert len(model.shape) == 3
    assert len(model.albedo) == 0
    assert np.flatnonzero(model.cavity).tolist() == [14]
    assert model.landmarks == {}
    np.testing.assert_allclose(np.linalg.norm(model.shape.components, axis=1), 1, atol=1e-5)
    for k in range(3):
        coefficients = np.eye(5, dtype=np.float32)[k]
        np.testing.assert_allclose(model.mesh(coefficients).surfaces[0].vertices, shapes[k + 1][kept], atol=1e-5)


@pytest.mark.usefixtures("small")
def test_faces_that_touch_dropped_vertices_go_and_the_rest_are_renumbered(tmp_path: Path) -> None:
    write_kit(tmp_path)
    found = sorted(map(tuple, read_ict_facekit(tmp_path).triangles.tolist()))
    assert found == sorted([(0, 1, 2), (0, 2, 3), (2, 3, 4), (6, 7, 8), (7, 8, 9), (10, 11, 12), (10, 12, 13)])


@pytest.mark.usefixtures("small")
def test_other_files_are_one_sided_blend_shapes_in_the_order_of_their_names(tmp_path: Path) -> None:
    shapes = write_kit(tmp_path)
    (tmp_path / "._jawOpen.obj").write_bytes(b"\0\5\26\7 left by another machine")
    kept = np.r_[0:6, 10:18, 18:19]
    model = read_ict_facekit(tmp_path)
    assert model.expression.names == ("jawOpen", "smile_L")
    assert model.expression.one_sided
    np.testing.assert_allclose(np.linalg.norm(model.expression.components, axis=1), 1, atol=1e-5)
    for k, shape in enumerate((shapes[5], shapes[4])):
        pressed = np.eye(5, dtype=np.float32)[3 + k] / np.float32(BLEND_SHAPE_DEVIATION)
        np.testing.assert_allclose(model.mesh(pressed).surfaces[0].vertices, shape[kept], atol=1e-5)


@pytest.mark.usefixtures("small")
def test_a_kit_without_expressions_is_always_neutral(tmp_path: Path) -> None:
    write_kit(tmp_path)
    for name in ("jawOpen.obj", "smile_L.obj"):
        (tmp_path / name).unlink()
    assert read_ict_facekit(tmp_path).parts == {"shape": 3, "albedo": 0, "expression": 0}


@pytest.mark.usefixtures("small")
def test_vertex_lines_are_found_wherever_they_stand(tmp_path: Path) -> None:
    write_kit(tmp_path)
    before = read_ict_facekit(tmp_path)
    for file in tmp_path.glob("*.obj"):
        lines = file.read_text().replace("v ", "v\t ", 2).splitlines()
        at = [k for k, line in enumerate(lines) if line.startswith("v")][7]
        file.write_text("\r\n".join([*lines[:at], "vt 0 1", "", "# v 1 2 3", *lines[at:]]))
    assert_same(read_ict_facekit(tmp_path), before)


@pytest.mark.usefixtures("small")
def test_the_checksum_covers_every_file_that_is_read(tmp_path: Path) -> None:
    write_kit(tmp_path)
    seen = {ict_facekit_sha256(tmp_path)}
    for name in ("identity001.obj", "generic_neutral_mesh.obj", "jawOpen.obj"):
        with (tmp_path / name).open("a") as file:
            file.write("\n")
        seen.add(ict_facekit_sha256(tmp_path))
    (tmp_path / "README.md").write_text("not read")
    assert ict_facekit_sha256(tmp_path) in seen
    assert len(seen) == 4


PACKERS = {".tar": bytes, ".tar.gz": gzip.compress, ".tgz": gzip.compress, ".tar.bz2": bz2.compress,
           ".tar.xz": lzma.compress}  # fmt: skip


def tar_of(files: dict[str, bytes], *others: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for other in others:
            archive.addfile(other)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1.5  # type: ignore[assignment]  # a header of PAX for each member
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def files_below(folder: Path) -> dict[str, bytes]:
    """In an order that is neither that of names nor puts the neutral mesh first."""
    files = sorted(folder.rglob("*.obj"), key=lambda file: file.name[::-1])
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("prefix", ["", "./", "ICT-FaceKit-master/"])
@pytest.mark.parametrize("suffix", [*PACKERS, ".zip"])
def test_an_archive_is_read_as_its_folder_is(tmp_path: Path, prefix: str, suffix: str) -> None:
    write_kit(tmp_path / "kit" / "FaceXModel")
    wanted = read_ict_facekit(tmp_path / "kit")
    write_kit(tmp_path / "kit" / "samples", identities=1)
    (tmp_path / "kit" / "samples" / "generic_neutral_mesh.obj").rename(tmp_path / "kit" / "samples" / "a chair.obj")
    files = {prefix + name: content for name, content in files_below(tmp_path / "kit").items()}
    path = tmp_path / f"kit{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name.removeprefix("./"), content)
    else:
        path.write_bytes(PACKERS[suffix](tar_of(files)))
    assert is_ict_facekit(path)
    assert_same(read_ict_facekit(path), wanted)
    assert ict_facekit_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("small")
def test_links_and_hidden_members_of_an_archive_are_passed_over(tmp_path: Path) -> None:
    write_kit(tmp_path / "FaceXModel")
    (tmp_path / "secret.obj").write_text("v 1 2 3\n")
    links = []
    for name, kind in (("a.obj", tarfile.SYMTYPE), ("b.obj", tarfile.LNKTYPE), ("c.obj", tarfile.FIFOTYPE),
                       ("d.obj", tarfile.DIRTYPE), ("._e.obj", tarfile.REGTYPE)):  # fmt: skip
        link = tarfile.TarInfo(f"FaceXModel/{name}")
        link.type, link.linkname = kind, str(tmp_path / "secret.obj")
        links.append(link)
    path = tmp_path / "kit.tar"
    path.write_bytes(tar_of(files_below(tmp_path), *links))
    assert_same(read_ict_facekit(path), read_ict_facekit(tmp_path))


@pytest.mark.parametrize("suffix", [*PACKERS, ".zip"])
def test_archives_of_something_else_are_no_kits(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"chairs{suffix}"
    files = {"chairs/one/model.obj": b"v 0 0 0\n", "identity000.obj": b"v 0 0 0\n"}
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        path.write_bytes(PACKERS[suffix](tar_of(files)))
    assert not is_ict_facekit(path)
    with pytest.raises(AssetError, match=r"/chairs\..*: expected an archive of ICT-FaceKit with generic_neutral"):
        read_ict_facekit(path)
    for content in (b"", b"no archive at all" * 90, bytes(2048), b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0"):
        path.write_bytes(content)
        assert not is_ict_facekit(path)
        with pytest.raises(AssetError, match=r"/chairs\.[a-z2.]*: expected a"):
            read_ict_facekit(path)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("suffix", [*PACKERS, ".zip"])
def test_archives_cut_or_damaged_are_asset_errors(tmp_path: Path, suffix: str) -> None:
    write_kit(tmp_path / "FaceXModel")
    path, rng = tmp_path / f"kit{suffix}", np.random.default_rng(3)
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files_below(tmp_path).items():
                archive.writestr(name, content)
    else:
        path.write_bytes(PACKERS[suffix](tar_of(files_below(tmp_path))))
    whole, wanted = path.read_bytes(), read_ict_facekit(path)
    end = len(whole) - 9000 if suffix == ".tar" else len(whole)  # a tar ends in zeros, of which it takes two blocks
    for cut in (*range(0, end, max(end // 40, 1)), end - 1):
        path.write_bytes(whole[:cut])
        is_ict_facekit(path)
        with pytest.raises(AssetError, match=r"/kit\.[a-z2.]*: "):
            read_ict_facekit(path)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[int(rng.integers(end))] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        is_ict_facekit(path)
        try:
            mean, message = read_ict_facekit(path).shape_mean, f"{path}: "
        except AssetError as error:
            mean, message = wanted.shape_mean, str(error)
        assert message.startswith(f"{path}: ")
        if suffix != ".tar":  # which has no checksum of what it holds
            np.testing.assert_array_equal(mean, wanted.shape_mean)


@pytest.mark.usefixtures("small")
def test_bombs_are_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kit(tmp_path / "FaceXModel")
    files = files_below(tmp_path)
    zeros = bytes(40 * 2**20)
    path = tmp_path / "kit.tar.gz"
    path.write_bytes(gzip.compress(tar_of({**files, "zeros": zeros})))
    with pytest.raises(AssetError, match=r"/kit\.tar\.gz: expected a whole archive, found: a compression ratio of"):
        read_ict_facekit(path)
    path.write_bytes(gzip.compress(tar_of({"zeros": zeros, **files})))
    assert not is_ict_facekit(path)
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**33  # a header of PAX that asks for 8 GiB
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)))
    with pytest.raises(AssetError, match=r"/kit\.tar\.gz: expected a whole archive, found: a header too large"):
        read_ict_facekit(path)

    path = tmp_path / "kit.tar"
    path.write_bytes(tar_of(files))
    for limit, value, message in (
        ("LARGEST_FILE", 100, r"identity\d+\.obj|generic.*|smile_L.obj|jawOpen.obj: expected at most 100 bytes"),
        ("LARGEST_KIT", 4000, "found: more than 4000 bytes, unpacked"),
        ("MOST_MEMBERS", 4, "found: more than 4 members"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(ict_facekit, limit, value)
            with pytest.raises(AssetError, match=rf"/kit\.tar: .*({message})"):
                read_ict_facekit(path)


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
        (whole.replace("\nv ", "\nv 1e300 0 0\n# ", 1), r"identity001\.obj: expected finite vertices within 10000 cm"),
        (whole.replace("\nv ", "\nv x", 1), r"identity001\.obj: expected numbers"),
        (whole.replace("\nv ", "\nv 1 2\nv ", 1), r"identity001\.obj: expected numbers"),
    ):
        broken.write_text(text)
        with pytest.raises(AssetError, match=message):
            read_ict_facekit(tmp_path)
    broken.write_text(whole)
    (tmp_path / "jawOpen.obj").write_text("v 0 0 0\n")
    with pytest.raises(
        AssetError, match=r"jawOpen\.obj: expected 20 vertices as in generic_neutral_mesh\.obj, found 1"
    ):
        read_ict_facekit(tmp_path)
    (tmp_path / "jawOpen.obj").unlink()
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
def test_the_real_kit_reads_within_seconds_and_has_eyes() -> None:
    assert is_ict_facekit(ARCHIVE)
    start = time.process_time()
    model = read_ict_facekit(ARCHIVE)
    assert time.process_time() - start < 10
    assert model.parts == {"shape": 50, "albedo": 0, "expression": 7}
    assert model.shape_mean.shape == (11_248 + 3_140 + 2_046, 3)
    assert model.cavity.sum() == 2_046
    assert model.triangles.max() == len(model.shape_mean) - 1
    extent = np.ptp(model.shape_mean, axis=0)
    assert (extent > 15).all()  # centimetres
    assert (extent < 40).all()
    mesh = model.mesh(np.zeros(57, np.float32))
    centre = model.shape_mean[:11_248].mean(axis=0)
    outward = ((mesh.surfaces[0].vertices - centre) * mesh.surfaces[0].normals).sum(axis=1)
    assert (outward[:11_248] > 0).mean() > 0.75

    tip, chin, right = (model.landmarks[name] for name in ("center.nose.tip", "center.chin.tip", "right.lips.corner"))
    assert tip[2] > model.shape_mean[:, 2].max() - 0.1
    assert chin[1] < right[1] < tip[1]
    assert right[0] < -1
    opened = np.zeros(57, np.float32)
    opened[50 + model.expression.names.index("jawOpen")] = 1 / BLEND_SHAPE_DEVIATION
    moved = model.mesh(opened).surfaces[0].vertices - model.shape_mean
    assert moved[np.linalg.norm(model.shape_mean - chin, axis=1).argmin(), 1] < -1  # centimetres
