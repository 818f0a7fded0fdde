"""Level of detail: as few triangles as images allow, chosen once."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from mesh_fixtures import small_face_catalog

from assets.cache import cache_folder
from assets.faces.albedo_transfer import find_eyeballs
from assets.faces.catalog import FaceCatalog, FaceSampling, open_faces
from render import level_of_detail
from render.level_of_detail import LEAST_SSIM, MOST_DIFFERENCE, with_level_of_detail
from render.opengl.reference import shared_renderer
from render.scene import Scene, Shading, frame_camera
from render.similarity import mean_difference, ssim

SIZE = 96


@pytest.fixture(scope="module")
def renderer():
    return shared_renderer(SIZE)


@pytest.fixture(scope="module")
def head():
    return open_faces(None, FaceSampling(expressions=True))


@pytest.fixture(scope="module")
def reduced(head, renderer):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(level_of_detail, "LADDER", (11_000,))
        patch.setattr(level_of_detail, "FACES", 10)
        yield with_level_of_detail(head, SIZE, renderer.draw)


def images(catalog, renderer, count=12):
    """Of identities that no choice has seen."""
    rng = np.random.default_rng(7)
    rows = catalog.choose("train", 3, ("shape", "albedo", "expression"), count, lambda name: np.random.default_rng(8))
    camera = frame_camera(catalog.target, catalog.radius, SIZE)
    for mesh in catalog.meshes(rows.identity, rows.coefficients):
        yield renderer.draw(Scene(mesh, *rng.uniform(-1, 1, 3) * (90, 30, 80), camera, Shading()))


def test_images_of_other_faces_stay_alike_too(head, reduced, renderer):
    assert reduced.detail["triangles"] <= 11_000 < reduced.detail["of"] == len(head.model.triangles)
    assert reduced.detail["mean_difference"] <= MOST_DIFFERENCE
    assert reduced.detail["ssim"] >= LEAST_SSIM
    for few, whole in zip(images(reduced, renderer), images(head, renderer), strict=True):
        assert mean_difference(few, whole) <= 1.1 * MOST_DIFFERENCE
        assert 1 - ssim(few, whole) <= 1.1 * (1 - LEAST_SSIM)


def test_silhouettes_and_eyeballs_are_there(head, reduced, renderer):
    for few, whole in zip(images(reduced, renderer), images(head, renderer), strict=True):
        assert ((few > 0) != (whole > 0)).mean() < 0.01
    drawn = reduced.model.shape_mean[: len(reduced.model.albedo_mean)]
    kept, all_of_it = (
        find_eyeballs(drawn, reduced.model.triangles),
        find_eyeballs(head.model.shape_mean, head.model.triangles),
    )
    assert len(kept) == len(all_of_it) == 2
    for few, whole in zip(kept, all_of_it, strict=True):
        np.testing.assert_allclose(few.centre, whole.centre, atol=0.1)


def test_the_camera_and_the_faces_are_those_of_the_whole_model(head, reduced):
    assert (reduced.target, reduced.radius) == (head.target, head.radius)
    assert (reduced.parts, reduced.models, reduced.sampling) == (head.parts, head.models, head.sampling)
    assert head.detail == {}
    assert len(pickle.dumps(reduced)) < 0.75 * len(pickle.dumps(head))


@pytest.fixture
def painted():
    """A catalog whose 'face' is a ball of 1,600 triangles."""
    return small_face_catalog(FaceSampling(expressions=True))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(level_of_detail, "LADDER", (1500, 1400, 1200, 900, 600))
    return tmp_path


@pytest.fixture
def drawn(renderer):
    """(draw, list of the scenes it drew)."""
    scenes = []

    def draw(scene):
        scenes.append(scene)
        return renderer.draw(scene)

    return draw, scenes


def arrays(catalog: FaceCatalog):
    model = catalog.model
    return [model.triangles, model.shape_mean, model.albedo_mean, model.shape.components, model.albedo.components]


def test_a_choice_is_made_once_and_found_again(painted, cache, drawn):
    draw, scenes = drawn
    first = with_level_of_detail(painted, SIZE, draw)
    assert first.detail["triangles"] < first.detail["of"] == len(painted.model.triangles)
    count = len(scenes)
    again = with_level_of_detail(painted, SIZE, draw)
    assert len(scenes) == count
    assert again.detail == first.detail
    assert all(np.array_equal(a, b) for a, b in zip(arrays(again), arrays(first), strict=True))
    for path in cache_folder().glob("lod-*.npz"):
        path.unlink()
    anew = with_level_of_detail(painted, SIZE, draw)
    assert len(scenes) == 2 * count
    assert pickle.dumps(anew.model) == pickle.dumps(first.model)
    assert anew.detail == first.detail


def test_another_size_or_another_model_is_another_choice(painted, cache, drawn):
    draw, scenes = drawn  # (their size does not matter here)
    with_level_of_detail(painted, SIZE, draw)
    other = FaceCatalog(painted.model, {"nosed ball": "1" * 64})
    for catalog, size in ((painted, SIZE // 2), (other, SIZE)):
        count = len(scenes)
        with_level_of_detail(catalog, size, draw)
        assert len(scenes) > count


def kept(pattern="lod-[!m]*.npz"):
    """The one file in the cache whose name fits."""
    (path,) = cache_folder().glob(pattern)
    return path


def test_the_reduced_meshes_are_made_once_for_all_sizes_and_factors(cache, drawn, monkeypatch):
    draw, _ = drawn
    neutral, moved = small_face_catalog(), small_face_catalog(FaceSampling(expressions=True))
    expected = [with_level_of_detail(catalog, SIZE, draw) for catalog in (neutral, moved)]
    for path in cache_folder().glob("lod-[!m]*.npz"):
        path.unlink()
    monkeypatch.setattr(level_of_detail, "reductions", None)  # whatever reduces now fails
    found = [with_level_of_detail(catalog, SIZE, draw) for catalog in (neutral, moved)]
    with_level_of_detail(neutral, SIZE // 2, draw)
    assert [catalog.detail for catalog in found] == [catalog.detail for catalog in expected]
    assert all(pickle.dumps(a.model) == pickle.dumps(b.model) for a, b in zip(found, expected, strict=True))
    kept("lod-meshes-*.npz")


def test_another_mean_face_has_meshes_of_its_own(painted, cache, drawn):
    whole = len(level_of_detail.reduced_meshes(painted.model))
    other = replace(painted.model, shape_mean=2 * painted.model.shape_mean)
    assert len(level_of_detail.reduced_meshes(other)) == whole == len(level_of_detail.LADDER)
    assert len(list(cache_folder().glob("lod-meshes-*.npz"))) == 2


@pytest.mark.parametrize("kind", ["lod-[!m]*.npz", "lod-meshes-*.npz"])
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not an archive", "another vertex"])
def test_what_was_damaged_or_altered_is_made_anew(painted, cache, drawn, kind, damage):
    draw, scenes = drawn
    first = with_level_of_detail(painted, SIZE, draw)
    path, choice = kept(kind), kept()
    content = path.read_bytes()
    if damage == "another vertex":
        with np.load(path) as file:
            stored = dict(file)
        stored[next(name for name in stored if name.startswith("kept"))][-1] -= 1
        np.savez(path, **stored)
    else:
        path.write_bytes(damage)
    if path != choice:
        choice.unlink()
    scenes.clear()
    again = with_level_of_detail(painted, SIZE, draw)
    assert scenes
    assert again.detail == first.detail
    assert pickle.dumps(again.model) == pickle.dumps(first.model)
    assert path.read_bytes() == content


def test_looser_limits_give_fewer_triangles(painted, cache, drawn, monkeypatch):
    found = []
    for difference, likeness in ((0.05, 0.9999), (0.75, 0.99), (2.0, 0.95)):
        monkeypatch.setattr(level_of_detail, "MOST_DIFFERENCE", difference)
        monkeypatch.setattr(level_of_detail, "LEAST_SSIM", likeness)
        choice = level_of_detail.choose_detail(painted, SIZE, drawn[0])
        assert choice.mean_difference <= difference
        assert choice.ssim >= likeness
        found.append(len(choice.triangles) or len(painted.model.triangles))
    assert found[0] > found[1] > found[2]


def test_the_whole_mesh_stays_where_nothing_less_will_do(painted, cache, drawn, monkeypatch):
    monkeypatch.setattr(level_of_detail, "MOST_DIFFERENCE", -1.0)
    for _ in range(2):
        whole = with_level_of_detail(painted, SIZE, drawn[0])
        assert whole.model is painted.model
        assert whole.detail == {"triangles": 1600, "of": 1600, "mean_difference": 0.0, "ssim": 1.0}


def test_a_mesh_below_the_ladder_stays_without_a_look(painted, cache, drawn, monkeypatch):
    monkeypatch.setattr(level_of_detail, "LADDER", (2000,))
    assert with_level_of_detail(painted, SIZE, drawn[0]).model is painted.model
    assert drawn[1] == []
