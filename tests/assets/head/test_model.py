"""The built-in face model: a closed symmetric head, modes that vary it sensibly, and its cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from assets.cache import cache_folder, keep_newest
from assets.head import model as head
from assets.head.shape import EYE_CENTRE, EYE_RADIUS, brow_line
from assets.head.variation import LID_REACH
from assets.morphable import MorphableModel


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(cache: Path) -> MorphableModel:
    """As it is read from `cache`, into which that of all tests is copied."""
    head.built_in_face_model()
    kept = head.cache_path()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        head.cache_path().parent.mkdir()
        shutil.copy(kept, head.cache_path())
        return head.built_in_face_model()


@pytest.fixture(scope="module")
def mean() -> head.HeadMesh:
    return head.mean_head()


def _identity(model: MorphableModel, seed: int, spread: float = 1.0) -> np.ndarray:
    """Coefficients of a neutral face."""
    count = len(model.shape) + len(model.albedo)
    return (spread * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def _grey_near(model: MorphableModel, place: tuple[float, float, float], count: int = 6) -> float:
    nearest = np.argsort(np.linalg.norm(model.shape_mean - np.array(place), axis=1))[:count]
    return float(model.albedo_mean[nearest].mean())


def test_every_edge_is_shared_by_two_triangles_running_opposite_ways(model: MorphableModel) -> None:
    t = model.triangles
    edges = np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]).astype(np.int64)
    forward = edges[:, 0] * len(model.shape_mean) + edges[:, 1]
    backward = edges[:, 1] * len(model.shape_mean) + edges[:, 0]
    assert len(np.unique(forward)) == len(forward)
    assert np.array_equal(np.sort(forward), np.sort(backward))


def test_triangles_face_outwards_and_none_is_degenerate(model: MorphableModel) -> None:
    a, b, c = (model.shape_mean[model.triangles[:, k]].astype(np.float64) for k in range(3))
    volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6
    assert 3000 < volume < 6000  # cubic centimetres: a head is about four to five litres
    assert (np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-5).all()


def test_size_and_dtypes_are_as_promised(model: MorphableModel) -> None:
    count = len(model.shape_mean)
    assert model.name == "built-in"
    assert 15_000 <= count <= 18_000
    assert len(model.triangles) <= 36_000
    assert len(model.shape) == len(model.albedo) == 199
    assert model.triangles.dtype == np.int32
    for modes in (model.shape, model.albedo):
        assert modes.components.shape == (199, 3 * count)
        assert modes.components.dtype == modes.deviations.dtype == np.float32
    arrays = (model.shape_mean, model.albedo_mean, model.shape.components, model.albedo.components)
    assert all(np.isfinite(a).all() for a in arrays)


def test_the_head_faces_plus_z_in_centimetres(model: MorphableModel) -> None:
    low, high = model.shape_mean.min(axis=0), model.shape_mean.max(axis=0)
    assert np.allclose(high - low, [16.5, 26, 21.5], atol=2.0)
    nose_tip = model.shape_mean[np.argmax(model.shape_mean[:, 2])]
    assert np.allclose(nose_tip, [0, -3.5, 11.2], atol=0.6)


def test_the_mean_head_is_exactly_symmetric(mean: head.HeadMesh) -> None:
    flip = np.array([-1.0, 1.0, 1.0])
    assert np.array_equal(mean.vertices[mean.mirror], mean.vertices * flip)
    assert np.array_equal(mean.mirror[mean.mirror], np.arange(len(mean.vertices)))
    mirrored = {tuple(sorted(t)) for t in mean.mirror[mean.triangles].tolist()}
    assert mirrored == {tuple(sorted(t)) for t in mean.triangles.tolist()}


def test_modes_are_orthonormal_with_falling_deviations(model: MorphableModel) -> None:
    for modes in (model.shape, model.albedo):
        gram = modes.components.astype(np.float64) @ modes.components.T.astype(np.float64)
        assert np.allclose(gram, np.eye(199), atol=1e-4)
        assert (np.diff(modes.deviations) <= 0).all()
        assert modes.deviations[-1] > 0


def test_each_shape_mode_is_symmetric_or_antisymmetric_and_most_variance_is_symmetric(
    model: MorphableModel, mean: head.HeadMesh
) -> None:
    fields = model.shape.components.reshape(199, -1, 3)
    mirrored = fields[:, mean.mirror] * [-1.0, 1.0, 1.0]
    likeness = (fields * mirrored).sum(axis=(1, 2))  # +1 symmetric, -1 antisymmetric
    assert np.allclose(np.abs(likeness), 1.0, atol=1e-3)
    variance = model.shape.deviations**2
    assert 0.02 < variance[likeness < 0].sum() / variance.sum() < 0.2
    assert (likeness < 0).sum() > 10


def test_shape_modes_neither_shift_nor_turn_the_head(model: MorphableModel) -> None:
    fields = model.shape.components.reshape(199, -1, 3).astype(np.float64)
    centred = model.shape_mean - model.shape_mean.mean(axis=0)
    assert np.abs(fields.sum(axis=1)).max() < 1e-2
    assert np.abs(np.cross(centred, fields).sum(axis=1)).max() < 5e-2


def test_identities_differ_by_millimetres_and_in_skin_tone(model: MorphableModel, mean: head.HeadMesh) -> None:
    meshes = [model.mesh(_identity(model, seed)).surfaces[0] for seed in range(30)]
    moved = [np.linalg.norm(m.vertices - model.shape_mean, axis=1).mean() for m in meshes]
    assert 0.3 < np.mean(moved) < 1.2
    assert max(np.linalg.norm(m.vertices - model.shape_mean, axis=1).max() for m in meshes) < 5.0
    cheek = np.argsort(np.linalg.norm(model.shape_mean - np.array([4.0, -3.5, 7.0]), axis=1))[:20]
    grey = [float(m.albedo[cheek].mean()) for m in meshes]
    assert np.std(grey) > 0.06
    assert 0.2 < min(grey) < 0.55 < 0.7 < max(grey) <= 1.0


@pytest.mark.parametrize("seed", range(6))
def test_lids_and_eyeballs_move_by_one_affine_map(model: MorphableModel, mean: head.HeadMesh, seed: int) -> None:
    vertices = model.mesh(_identity(model, seed, spread=3.0)).surfaces[0].vertices.astype(np.float64)
    balls = np.arange(mean.skin_count, len(vertices)).reshape(2, -1)
    for ball, side in zip(balls, (1.0, -1.0), strict=True):
        centre = np.array(EYE_CENTRE) * [side, 1, 1]
        before = np.concatenate([mean.vertices[ball] - centre, np.ones((len(ball), 1))], axis=1)
        affine, *_ = np.linalg.lstsq(before, vertices[ball], rcond=None)
        lids = np.linalg.norm(mean.vertices[: mean.skin_count] - centre, axis=1) < LID_REACH[0]
        lids = np.nonzero(lids)[0]
        assert len(lids) > 100
        expected = np.concatenate([mean.vertices[lids] - centre, np.ones((len(lids), 1))], axis=1) @ affine
        assert np.abs(expected - vertices[lids]).max() < 1e-3
        assert np.linalg.det(affine[:3]) > 0.1


def test_the_eyeball_fills_the_opening_between_the_lids(mean: head.HeadMesh) -> None:
    """Straight ahead of the eye nothing of the skin covers the pupil; beside the opening the skin covers the ball."""
    skin = mean.vertices[: mean.skin_count]
    offset = skin - np.array(EYE_CENTRE)
    aside = np.hypot(offset[:, 0], offset[:, 1])
    ahead = skin[(aside < 0.35) & (offset[:, 2] > 0)]
    assert (ahead[:, 2] < EYE_CENTRE[2] + EYE_RADIUS - 0.05).all()
    above = skin[(np.abs(offset[:, 0]) < 0.5) & (offset[:, 1] > 0.6) & (offset[:, 1] < 0.9) & (offset[:, 2] > 0)]
    assert (np.linalg.norm(above - np.array(EYE_CENTRE), axis=1) > EYE_RADIUS + 0.05).all()


def test_pupils_brows_lips_and_hair_are_darker_than_skin_and_sclera_is_bright(model: MorphableModel) -> None:
    skin = _grey_near(model, (4.0, -3.5, 7.0))
    x, y, z = EYE_CENTRE
    assert _grey_near(model, (x, y, z + EYE_RADIUS)) < 0.15
    assert _grey_near(model, (x + 0.85, y, z + 0.9), 3) > 0.7
    assert _grey_near(model, (3.0, float(brow_line(np.array(3.0))), 8.6)) < 0.7 * skin
    assert _grey_near(model, (0.8, -7.1, 9.7)) < 0.85 * skin
    assert _grey_near(model, (0.8, -6.3, 9.7)) < 0.85 * skin
    assert _grey_near(model, (0.0, 11.5, -1.0)) < 0.6 * skin


def test_the_model_has_expressions_and_landmarks(model: MorphableModel) -> None:
    assert model.parts == {"shape": 199, "albedo": 199, "expression": 44}
    assert model.expression.components.shape == (44, 3 * len(model.shape_mean))
    assert model.expression.components.dtype == model.expression.deviations.dtype == np.float32
    assert "jawOpen" in model.expression.names
    assert {"nose.tip", "eye.left.inner", "ear.right"} <= set(model.landmarks)


def test_albedo_stays_in_range(model: MorphableModel) -> None:
    assert model.albedo_mean.min() >= 0
    assert model.albedo_mean.max() <= 1
    albedo = model.mesh(_identity(model, 4, spread=3.0)).surfaces[0].albedo
    assert albedo.min() >= 0
    assert albedo.max() <= 1


def _same(a: MorphableModel, b: MorphableModel) -> bool:
    same = (a.landmarks, a.expression.one_sided) == (b.landmarks, b.expression.one_sided)
    return same and all(
        np.array_equal(left, right)
        for left, right in zip(head._arrays(a).values(), head._arrays(b).values(), strict=True)
    )


def test_building_again_gives_the_bytes_that_were_cached(model: MorphableModel) -> None:
    assert _same(head.build(), model)


@pytest.fixture
def builds(model: MorphableModel, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The cache of `model`, and a quick stand-in for `build` that notes each call."""
    calls: list[int] = []

    def build() -> MorphableModel:
        calls.append(1)
        return model

    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(head, "build", build)
    return calls


def test_the_cache_is_read_instead_of_building(model: MorphableModel, builds: list[int]) -> None:
    assert _same(head.built_in_face_model(), model)
    assert builds == []
    assert [p.suffix for p in head.cache_path().parent.iterdir()] == [".npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not an archive", None])
def test_a_damaged_cache_file_is_built_again(model: MorphableModel, builds: list[int], damage: bytes | None) -> None:
    path = head.cache_path()
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(damage if damage is not None else whole[:middle] + b"\x55" * 64 + whole[middle + 64 :])
    assert _same(head.built_in_face_model(), model)
    assert builds == [1]
    assert _same(head.built_in_face_model(), model)
    assert builds == [1]


def test_an_altered_cache_file_is_built_again(model: MorphableModel, builds: list[int]) -> None:
    path = head.cache_path()
    with np.load(path) as file:
        stored = dict(file)
    stored["shape_mean"][0] += 1.0
    np.savez(path, **stored)  # whole and valid, but not what was built
    assert _same(head.built_in_face_model(), model)
    assert builds == [1]


def test_a_cache_that_cannot_be_written_is_done_without(
    model: MorphableModel, builds: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "occupied").write_text("a file where a folder should go")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "occupied"))
    assert _same(head.built_in_face_model(), model)
    assert builds == [1]


def test_the_cache_holds_a_few_versions_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder()
    folder.mkdir(parents=True)
    for age in range(5):
        path = folder / f"built-in-face-{age}.npz"
        path.write_text("")
        os.utime(path, (1000 - age, 1000 - age))
    keep_newest("built-in-face-*.npz", 3)
    assert sorted(path.name for path in folder.iterdir()) == [f"built-in-face-{age}.npz" for age in range(3)]
