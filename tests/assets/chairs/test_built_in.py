"""The built-in chairs: many, different, closed, in one piece, upright and facing +Z."""

from __future__ import annotations

import functools
import hashlib
import json
import pickle
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.spatial

from assets.chairs.built_in import FAMILIES, GENERATOR, BuiltInChair, built_in_chairs
from assets.chairs.catalog import open_chairs
from assets.chairs.solids import Solid
from assets.mesh import Mesh, check_surface

SAMPLE = [BuiltInChair(family, number) for family in FAMILIES for number in (1, 2, 3, 17, 40, 75)]
# The chairs that GENERATOR stands for: family -> triangles of the six of SAMPLE, and for each array of theirs the sum
# of all its numbers, each times one drawn from N(0, 1). No checksums: processors round a little differently.
PROJECTED = ("triangles", "vertices", "normals", "albedo", "uv", "texture")
FINGERPRINTS = {
    "dining": (13748, 90723.1473, -77.8258, -139.6453, 141.7831, -161.594, 383.397),
    "slatted": (13584, 158783.1452, -109.6996, -236.7407, 134.4238, -30.2633, 149.522),
    "ladder-back": (12776, 100559.3516, -33.0516, -110.7597, 125.5027, 12.3749, 117.929),
    "office": (25464, 22257.4506, 180.1733, 245.1414, 47.0124, -26.5037, 297.348),
    "armchair": (20128, 53782.4494, 59.6897, 39.3738, 134.7607, 124.3, 385.7),
    "lounge": (15184, -59129.8596, -5.5315, 9.7435, 199.2774, 31.431, 522.285),
    "stool": (12184, 39484.2107, -47.6282, 118.5183, 124.1561, -37.3222, 139.7),
    "rocking": (17428, 174985.4026, 16.9561, -12.2089, 124.1284, 85.7854, -8.991),
    "folding": (6184, 39230.1897, 72.1082, 16.6814, 103.2273, -87.022, 30.345),
    "wicker": (12332, 18717.1241, 6.8258, 31.6025, 56.6207, 117.9344, 632.789),
    "cantilever": (15152, 63275.9719, 63.5163, 227.8693, 97.7472, 130.2115, 185.563),
}
WEIGHTS = Path(__file__).parents[3] / "dcign" / "weights" / "chairs"
TOUCHING = 0.6  # cm between samples of two parts that count as joined


@pytest.fixture(scope="module")
def meshes() -> dict[str, Mesh]:
    return {chair.id: chair.read() for chair in SAMPLE}


def test_there_are_as_many_chairs_as_in_the_paper_with_ids_of_their_own() -> None:
    ids = [chair.id for chair in built_in_chairs()]
    assert len(ids) == len(set(ids)) == 1357
    assert ids == sorted(ids)
    assert {"dining-0001", "office-0150", "cantilever-0075"} <= set(ids)
    assert len(FAMILIES) == 11


def test_further_chairs_are_of_all_families_in_their_shares_and_hold_those_of_a_smaller_count() -> None:
    papers, more, most = (built_in_chairs(*count) for count in ((), (2000,), (2 * 1357,)))
    assert {chair.id for chair in papers} < {chair.id for chair in more} < {chair.id for chair in most}
    assert len({chair.sha256() for chair in most}) == 2 * 1357
    families = Counter(chair.id.rsplit("-", 1)[0] for chair in most)
    assert families == {family: 2 * count for family, (_, count) in FAMILIES.items()}
    halfway = Counter(chair.id.rsplit("-", 1)[0] for chair in more if chair.for_training)
    assert all(abs(halfway[family] / 643 - count / 1357) < 0.01 for family, (_, count) in FAMILIES.items())
    assert not any(chair.for_training for chair in papers)


def test_those_to_test_on_stay_the_same_however_many_are_trained_on() -> None:
    usual, many = open_chairs(None)[0], open_chairs(None, train_chairs=1500)[0]
    tested = [[catalog.sources[k].id for k in catalog.splits["test"]] for catalog in (usual, many)]
    assert tested[0] == tested[1]
    assert len(tested[0]) == 157
    assert len(many.splits["train"]) == 1500
    assert not set(many.splits["train"]) & set(many.splits["test"])


def test_a_chair_is_the_same_each_time_and_in_another_process(meshes: dict[str, Mesh]) -> None:
    for chair in SAMPLE[::7]:
        again = pickle.loads(pickle.dumps(chair)).read()
        for a, b in zip(meshes[chair.id].surfaces, again.surfaces, strict=True):
            np.testing.assert_array_equal(a.vertices, b.vertices)
            np.testing.assert_array_equal(a.albedo, b.albedo)
            np.testing.assert_array_equal(a.texture, b.texture)


def test_no_two_chairs_have_the_same_shape_or_checksum(meshes: dict[str, Mesh]) -> None:
    shapes = {np.concatenate([s.vertices for s in mesh.surfaces]).tobytes() for mesh in meshes.values()}
    assert len(shapes) == len(SAMPLE)
    checksums = {chair.sha256() for chair in built_in_chairs()}
    assert len(checksums) == 1357


def fingerprint(meshes: list[Mesh]) -> tuple[float, ...]:
    """Number of triangles, then one random projection for each of PROJECTED."""
    surfaces = [surface for mesh in meshes for surface in mesh.surfaces]
    sums = []
    for name in PROJECTED:
        arrays = [getattr(surface, name) for surface in surfaces]
        values = np.concatenate([np.zeros(0), *(array.ravel() for array in arrays if array is not None)])
        weights = np.random.default_rng(0).standard_normal(len(values))
        sums.append(float(values @ weights) / (255.0 if name == "texture" else 1.0))
    return sum(len(surface.triangles) for surface in surfaces), *sums


def assert_known(family: str, meshes: list[Mesh]) -> None:
    *others, texture = fingerprint(meshes)
    assert others == pytest.approx(FINGERPRINTS[family][:-1], abs=0.002)
    assert texture == pytest.approx(FINGERPRINTS[family][-1], abs=0.03)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chairs_are_those_that_the_generator_stands_for(family: str, meshes: dict[str, Mesh]) -> None:
    """Whoever changes a chair on purpose gives GENERATOR another value, and these tests new FINGERPRINTS."""
    assert_known(family, [meshes[chair.id] for chair in SAMPLE if chair.family == family])


def test_a_chair_that_is_a_little_wider_would_be_noticed(meshes: dict[str, Mesh]) -> None:
    first, *rest = [meshes[chair.id] for chair in SAMPLE if chair.family == "folding"]
    surface, *others = first.surfaces
    wider = replace(surface, vertices=surface.vertices * np.float32([1.001, 1.0, 1.0]))
    with pytest.raises(AssertionError):
        assert_known("folding", [replace(first, surfaces=(wider, *others)), *rest])


def test_the_shipped_weights_know_the_chairs_by_their_checksums() -> None:
    models = json.loads((WEIGHTS / "rendering.json").read_text())["settings"]["assets"]["models"]
    assert models == {chair.id: chair.sha256() for chair in built_in_chairs(len(models))}


def test_a_checksum_is_that_of_the_id_and_the_generator() -> None:
    assert BuiltInChair("dining", 7).sha256() == hashlib.sha256(f"dining-0007 {GENERATOR}".encode()).hexdigest()


def test_meshes_are_normalised_and_whole(meshes: dict[str, Mesh]) -> None:
    for name, mesh in meshes.items():
        vertices = np.concatenate([s.vertices for s in mesh.surfaces])
        assert np.linalg.norm(vertices, axis=1).max() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(mesh.bounds.sum(axis=0), 0, atol=1e-5)
        for surface in mesh.surfaces:
            check_surface(surface, name)
            np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-4)
            assert surface.albedo.min() >= 0
            assert surface.albedo.max() <= 1
            assert (surface.texture is None) == (surface.uv is None)
        assert 300 < mesh.triangle_count < 8000


def closed(solid: Solid) -> bool:
    """Whether, once equal positions are one, each edge is run through once in each direction."""
    _, point = np.unique(np.round(solid.vertices, 5), axis=0, return_inverse=True)
    corners = point.reshape(-1)[solid.triangles]
    corners = corners[(corners != np.roll(corners, 1, axis=1)).all(axis=1)]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    there, back = (np.unique(e, axis=0, return_counts=True) for e in (edges, edges[:, ::-1]))
    return np.array_equal(there[0], back[0]) and np.array_equal(there[1], back[1])


def volume(solid: Solid) -> float:
    a, b, c = (solid.vertices[solid.triangles[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_every_part_is_a_closed_solid_wound_outwards() -> None:
    for chair in SAMPLE:
        for finish, solid in chair.build().solids:
            assert closed(solid), (chair.id, finish)
            assert volume(solid) > 0, (chair.id, finish)
            a, b, c = (solid.vertices[solid.triangles[:, k]] for k in range(3))
            facing = (np.cross(b - a, c - a)[:, None] * solid.normals[solid.triangles]).sum(axis=2)
            assert (facing > -1e-6).mean() > 0.97, (chair.id, finish)  # normals agree with the winding


def surface_points(solid: Solid, spacing: float = 0.8) -> np.ndarray:
    """Points all over the triangles of a solid, about `spacing` cm apart."""
    a, b, c = (solid.vertices[solid.triangles[:, k]] for k in range(3))
    longest = np.maximum.reduce([np.linalg.norm(p - q, axis=1) for p, q in ((a, b), (b, c), (c, a))])
    steps = np.clip(np.ceil(longest / spacing), 1, 120).astype(int)
    points = []
    for n in np.unique(steps):
        u, v = np.meshgrid(np.arange(n + 1) / n, np.arange(n + 1) / n)
        u, v = u[u + v <= 1 + 1e-9], v[u + v <= 1 + 1e-9]
        some = steps == n
        points.append(
            (a[some, None] * (1 - u - v)[:, None] + b[some, None] * u[:, None] + c[some, None] * v[:, None]).reshape(
                -1, 3
            )
        )
    return np.concatenate(points)


def loose_parts(solids: list[Solid]) -> int:
    """How many groups of parts hang together beyond the first. Pairs already in one group are not compared."""
    points = [surface_points(solid) for solid in solids]
    tree = functools.cache(lambda j: scipy.spatial.cKDTree(points[j]))
    boxes = [(p.min(axis=0) - TOUCHING, p.max(axis=0) + TOUCHING) for p in points]
    group = list(range(len(solids)))
    for i in range(len(solids)):
        for j in range(i):
            if group[i] == group[j]:
                continue
            near = points[i][((points[i] >= boxes[j][0]) & (points[i] <= boxes[j][1])).all(axis=1)]
            some = (near[k : k + 500] for k in range(0, len(near), 500))  # most parts that touch do so early on
            if any(tree(j).query(few, distance_upper_bound=TOUCHING)[0].min() < TOUCHING for few in some):
                group = [group[i] if g == group[j] else g for g in group]
    return len(set(group)) - 1


def test_no_part_floats() -> None:
    for chair in SAMPLE[::3]:
        assert loose_parts([solid for _, solid in chair.build().solids]) == 0, chair.id


def test_a_part_that_floats_would_be_noticed() -> None:
    solids = [solid for _, solid in BuiltInChair("dining", 1).build().solids]
    assert loose_parts([*solids[:-1], solids[-1].moved((0, 200, 0))]) == 1


def test_chairs_stand_on_the_floor_and_face_the_front() -> None:
    for chair in SAMPLE:
        vertices = np.concatenate([surface_points(solid, 4.0) for _, solid in chair.build().solids])
        assert -1.5 < vertices[:, 1].min() < 2.0, chair.id
        feet = vertices[vertices[:, 1] < vertices[:, 1].min() + 3]
        assert np.ptp(feet[:, 0]) > 15, chair.id
        assert np.ptp(feet[:, 2]) > 15, chair.id
        if chair.family != "stool":  # the back is behind: what is high up lies towards -Z
            top = vertices[vertices[:, 1] > 0.9 * vertices[:, 1].max()]
            assert top[:, 2].mean() < vertices[:, 2].mean() - 5, chair.id


def test_reading_a_chair_takes_less_than_50_ms() -> None:
    start = time.process_time()
    for chair in SAMPLE:
        chair.read()
    assert (time.process_time() - start) / len(SAMPLE) < 0.05
