"""Albedo laid onto models that have none: the built-in head itself, bent and renumbered, knows what should come out."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import trimesh
from face_file_fixtures import small_face

from assets.faces import albedo_transfer, fitting
from assets.faces.albedo_transfer import find_eyeballs, transfer_matrix, with_built_in_albedo
from assets.faces.ict_facekit import read_ict_facekit
from assets.head.model import built_in_face_model
from assets.mesh import GREY_WEIGHTS
from assets.morphable import Modes, MorphableModel

ARCHIVE = Path(__file__).resolve().parents[4] / "shared" / "data" / "ict-facekit" / "FaceXModel-50.tar.xz"
GREY = np.array(GREY_WEIGHTS)
# Of the built-in head, and as laid onto a bent one: mean and deviation over its vertices of red, green and blue, RMS
# of a vertex over all modes, and their number. BUILT_IN_ALBEDO stands for these; processors round a little differently.
OWN = (0.53731, 0.44832, 0.39818, 0.21869, 0.18757, 0.17010, 0.17824, 199)
LAID_ON = (0.53595, 0.44715, 0.39714, 0.21704, 0.18569, 0.16810, 0.17761, 199)


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return built_in_face_model()


@pytest.fixture
def cache(head: MorphableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for matrices; the built-in head is read once only."""
    monkeypatch.setattr(albedo_transfer, "built_in_face_model", lambda: head)
    monkeypatch.setattr(albedo_transfer, "cache_path", lambda: tmp_path / "head.npz")
    return tmp_path


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit of few steps, for faces that no fit would suit."""
    monkeypatch.setattr(fitting, "STARTS", [(1.0, 0.0)])
    monkeypatch.setattr(fitting, "SHAPE_STEPS", [(1.5, 300.0), (0.7, 3.0)])
    monkeypatch.setattr(fitting, "FREE_STEPS", [(1.0, 50), (0.4, 4)])


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other step of a fit: the bent head is one of the built-in head's own shapes."""
    monkeypatch.setattr(fitting, "STARTS", fitting.STARTS[::2])
    monkeypatch.setattr(fitting, "SHAPE_STEPS", fitting.SHAPE_STEPS[::2])
    monkeypatch.setattr(fitting, "FREE_STEPS", fitting.FREE_STEPS[::2])


def colourless(vertices: np.ndarray, triangles: np.ndarray) -> MorphableModel:
    count = len(vertices)
    grey = np.full((count, 3), 0.5, np.float32)
    return MorphableModel(
        "target", triangles.astype(np.int32), vertices.astype(np.float32), Modes.none(count), grey, Modes.none(count)
    )


def bent(head: MorphableModel, kept: np.ndarray, seed: int) -> tuple[MorphableModel, np.ndarray]:
    """A random head of other size, proportions and place, of the vertices `kept` and in another order.

    Returns it and the vertices (n,) of `head` that its own are.
    """
    rng = np.random.default_rng(seed)
    vertices = head.shape_mean + head.shape.offsets(rng.standard_normal(len(head.shape)))
    vertices = vertices * rng.uniform(0.92, 1.16, 3) + rng.uniform(-20.0, 20.0, 3)
    origin = rng.permutation(np.flatnonzero(kept))
    number = np.full(len(kept), -1)
    number[origin] = np.arange(len(origin))
    triangles = number[head.triangles]
    return colourless(vertices[origin], triangles[(triangles >= 0).all(axis=1)]), origin


def summary(model: MorphableModel) -> tuple[float, ...]:
    mean, spread = model.albedo_mean, np.linalg.norm(model.albedo.deviations) / np.sqrt(len(model.albedo_mean))
    return *mean.mean(axis=0).tolist(), *mean.std(axis=0).tolist(), float(spread), len(model.albedo)


def test_a_bent_and_renumbered_head_gets_its_own_albedo_and_modes(
    head: MorphableModel, cache: Path, brisk: None
) -> None:
    target, origin = bent(head, np.ones(len(head.shape_mean), bool), 1)
    found = with_built_in_albedo(target)
    assert np.abs(found.albedo_mean - head.albedo_mean[origin]).mean() < 0.008
    assert len(found.albedo) == len(head.albedo)
    for seed in range(3):
        coefficients = np.random.default_rng(seed).standard_normal(len(head.albedo)).astype(np.float32)
        truth = head.albedo_mean + head.albedo.offsets(coefficients)
        assert np.abs(found.albedo_mean + found.albedo.offsets(coefficients) - truth[origin]).mean() < 0.01
    assert np.allclose(np.linalg.norm(found.albedo.components, axis=1), 1.0, atol=1e-5)
    kept = ("name", "triangles", "shape_mean", "shape", "expression", "expression_mean", "landmarks")
    assert all(getattr(found, name) is getattr(target, name) for name in kept)
    # Whoever changes this on purpose gives BUILT_IN_ALBEDO another value.
    assert summary(head) == pytest.approx(OWN, abs=1e-4)
    assert summary(found) == pytest.approx(LAID_ON, abs=1e-4)


def test_a_face_without_eyeballs_and_back_of_the_head_gets_lips_and_irises(
    head: MorphableModel, cache: Path, brisk: None
) -> None:
    x, y, z = head.shape_mean.T
    balls = np.concatenate([eye.vertices for eye in find_eyeballs(head.shape_mean, head.triangles)])
    face = (z > 1.0) & (y > -11.5) & (y < 8.0)
    face[balls] = False
    target, origin = bent(head, face, 2)
    found = with_built_in_albedo(target).albedo_mean @ GREY
    truth = head.albedo_mean[origin] @ GREY
    floor = np.hypot(np.abs(x[origin]) - 3.15, y[origin]) < 1.0  # of the sockets, where the truth has skin
    assert np.abs(found - truth)[~floor].mean() < 0.02
    centre = np.argsort(np.hypot(x[origin] - 3.15, y[origin]) + 9.0 * (z[origin] < 7.25))[:12]
    assert found[centre].min() < 0.3 < 0.6 < found[floor].max()  # pupil or iris, and white


def test_what_is_no_head_still_gets_some_albedo(cache: Path, hasty: None) -> None:
    face = small_face()
    slab = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [9, 9, 0.0]])
    for vertices, triangles in ((face.mean, face.triangles), (slab, np.array([[0, 1, 2], [1, 3, 2]]))):
        found = with_built_in_albedo(colourless(vertices, triangles))
        assert np.isfinite(found.albedo_mean).all()
        assert 0.0 <= found.albedo_mean.min() < found.albedo_mean.max() <= 1.0
        assert 100 < len(found.albedo) <= 199
        assert np.allclose(np.linalg.norm(found.albedo.components, axis=1), 1.0, atol=1e-5)
        assert found.albedo.deviations.max() > 0.2  # people differ in tone


def test_weights_are_shares_and_the_same_each_time(head: MorphableModel, hasty: None) -> None:
    face = small_face()
    matrix, again = (transfer_matrix(head, colourless(face.mean, face.triangles)) for _ in range(2))
    assert matrix.shape == (len(face.mean), len(head.shape_mean))
    assert matrix.data.min() >= 0.0
    assert matrix.sum(axis=1).max() < 1.0 + 1e-5
    assert (matrix != again).nnz == 0


def test_a_fit_is_kept_and_a_damaged_file_made_anew(
    head: MorphableModel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Modes(head.albedo.components[:2], head.albedo.deviations[:2])
    monkeypatch.setattr(albedo_transfer, "built_in_face_model", lambda: replace(head, albedo=few))
    face, fits = small_face(), []

    def fit(head: MorphableModel, model: MorphableModel) -> scipy.sparse.csr_matrix:
        fits.append(model)
        return scipy.sparse.random(len(model.shape_mean), len(head.shape_mean), 0.01, "csr", np.float32, rng=1)

    monkeypatch.setattr(albedo_transfer, "transfer_matrix", fit)
    target = colourless(face.mean, face.triangles)
    first, second = with_built_in_albedo(target), with_built_in_albedo(target)
    assert len(fits) == 1
    assert np.array_equal(first.albedo_mean, second.albedo_mean)
    (file,) = cache.iterdir()
    with np.load(file) as stored:
        altered = {name: 2 * stored[name] if name == "data" else stored[name] for name in stored}
    np.savez(cache / "altered.npz", **altered)
    whole = (cache / "altered.npz").read_bytes()
    for content in (b"", file.read_bytes()[:1000], b"no zip", whole):
        file.write_bytes(content)
        assert np.array_equal(with_built_in_albedo(target).albedo.components, first.albedo.components)
    assert len(fits) == 5
    with_built_in_albedo(replace(target, shape_mean=target.shape_mean + np.float32(0.01)))
    assert len(fits) == 6


def test_eyeballs_are_two_balls_on_two_sides() -> None:
    ball, egg = trimesh.creation.icosphere(2, 1.2), trimesh.creation.icosphere(2, 1.2)
    egg.vertices *= [1.0, 1.0, 1.5]
    skull = trimesh.creation.icosphere(3, 9.0)

    def found(*parts: tuple[trimesh.Trimesh, tuple[float, float, float]]) -> list[np.ndarray]:
        moved = [trimesh.Trimesh(part.vertices + np.array(at), part.faces, process=False) for part, at in parts]
        mesh = trimesh.util.concatenate(moved)
        return [eye.centre for eye in find_eyeballs(np.asarray(mesh.vertices), np.asarray(mesh.faces))]

    left, right, middle = (-3.0, 1.0, 7.0), (3.2, 1.0, 7.0), (0.0, 0.0, 0.0)
    assert np.allclose(found((ball, right), (skull, middle), (ball, left)), [left, right], atol=1e-6)
    assert found((skull, middle), (ball, left)) == []
    assert found((skull, middle), (egg, left), (egg, right)) == []
    assert found((skull, middle), (ball, (1.0, 1.0, 7.0)), (ball, (4.0, 1.0, 7.0))) == []


@pytest.mark.skipif(not ARCHIVE.is_file(), reason="no ICT-FaceKit beside the checkout")
def test_ict_facekit_gets_eyes_lips_and_hair_in_their_places(cache: Path, tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            name = Path(member.name).name
            if name in ("generic_neutral_mesh.obj", "identity000.obj"):
                (tmp_path / name).write_bytes(archive.extractfile(member).read())
    model = read_ict_facekit(tmp_path)
    painted = with_built_in_albedo(model).albedo_mean
    assert np.array_equal(painted[model.cavity], model.albedo_mean[model.cavity])
    grey, v = painted[~model.cavity] @ GREY, model.shape_mean[~model.cavity]

    def near(place: tuple[float, float, float] | np.ndarray) -> float:
        return float(grey[np.argsort(np.linalg.norm(v - np.array(place), axis=1), kind="stable")[:8]].mean())

    cheek, neck, crown, nape = near((4, -2, 8)), near((0, -11, 6)), near((0, 11.5, 0)), near((0, 0, -10))
    assert min(cheek, neck) > 0.5
    assert max(crown, nape) < 0.3
    for eye in find_eyeballs(model.shape_mean, model.triangles):
        colours = grey[eye.vertices]
        assert colours[eye.angles < 0.15].max() < 0.2
        assert 0.15 < colours[(eye.angles > 0.28) & (eye.angles < 0.4)].mean() < 0.4
        assert colours[eye.angles > 0.7].min() > 0.75
        assert near(eye.centre + np.array([0.0, 1.6, 1.5])) < cheek  # the brow
    for side in (-1.0, 1.0):
        assert near((0.6 * side, -2.8, 11.8)) < cheek - 0.1  # upper lip
        assert near((0.6 * side, -4.1, 11.6)) < cheek - 0.1  # lower lip
        assert abs(near((0.6 * side, -5.6, 11.0)) - cheek) < 0.06  # chin
        assert abs(near((8.4 * side, 0.5, -0.5)) - cheek) < 0.15  # ear
