from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from assets.cad.orientation import turn_upright
from assets.chairs.built_in import BuiltInChair

Arrays = tuple[NDArray[np.float64], NDArray[np.int64]]

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "chairs"
ALL_24 = [
    np.array(rows)
    for rows in itertools.product(np.r_[np.eye(3), -np.eye(3)].tolist(), repeat=3)
    if np.linalg.det(np.array(rows)) == 1
]
Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # how a chair in a file of +Z up and front -Y lies
YAWS = [np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) for c, s in ((0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))]


def built_in(family: str, number: int = 1) -> Arrays:
    return joined([(s.vertices, s.triangles) for s in BuiltInChair(family, number).read().surfaces])


def joined(pieces: list[tuple[NDArray, NDArray]]) -> Arrays:
    offsets = np.cumsum([0] + [len(v) for v, _ in pieces])
    triangles = [np.asarray(t, np.int64) + o for (_, t), o in zip(pieces, offsets[:-1], strict=True)]
    return np.concatenate([np.asarray(v, np.float64) for v, _ in pieces]), np.concatenate(triangles)


def boxes(*bounds: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Arrays:
    solids = [trimesh.creation.box(bounds=b) for b in bounds]
    return joined([(s.vertices, s.faces) for s in solids])


def legs(height: float, half_width: float, half_depth: float) -> list:
    return [
        ((x - 0.02, 0.0, z - 0.02), (x + 0.02, height, z + 0.02))
        for x in (-half_width, half_width)
        for z in (-half_depth, half_depth)
    ]


def plain_chair() -> Arrays:
    """Four legs, a seat, a back at the rear (-Z)."""
    seat, back = ((-0.24, 0.42, -0.24), (0.24, 0.47, 0.24)), ((-0.24, 0.47, -0.24), (0.24, 0.95, -0.2))
    return boxes(*legs(0.42, 0.2, 0.2), seat, back)


def stool() -> Arrays:
    return boxes(*legs(0.45, 0.15, 0.15), ((-0.18, 0.45, -0.18), (0.18, 0.5, 0.18)))


def table() -> Arrays:
    return boxes(*legs(0.7, 0.6, 0.35), ((-0.7, 0.7, -0.45), (0.7, 0.74, 0.45)))


@pytest.mark.parametrize(
    "family",
    ["dining", "slatted", "ladder-back", "office", "armchair", "lounge", "stool", "rocking", "folding", "wicker",
     "cantilever"],
)  # fmt: skip
def test_chairs_that_stand_and_face_the_front_are_kept(family: str) -> None:
    for number in (2, 20):
        assert turn_upright(*built_in(family, number)) is None


@pytest.mark.parametrize("family", ["dining", "office", "armchair", "lounge", "rocking", "cantilever"])
def test_frequent_wrong_orientations_are_undone(family: str) -> None:
    positions, triangles = built_in(family, 3)
    for wrong in [*YAWS, Z_UP]:
        turn = turn_upright(positions @ wrong.T, triangles)
        assert turn is not None
        np.testing.assert_array_equal(turn @ wrong, np.eye(3))


def test_any_of_the_24_orientations_of_a_plain_chair_is_undone() -> None:
    positions, triangles = plain_chair()
    assert len(ALL_24) == 24
    for wrong in ALL_24:
        turn = turn_upright(positions @ wrong.T, triangles)
        np.testing.assert_array_equal((np.eye(3) if turn is None else turn) @ wrong, np.eye(3))


@pytest.mark.parametrize("wrong", [np.eye(3), YAWS[0], Z_UP], ids=["right", "facing the side", "Z up"])
def test_scale_place_winding_duplicates_and_holes_change_nothing(wrong: NDArray[np.float64]) -> None:
    positions, triangles = built_in("slatted", 5)
    positions = positions @ wrong.T
    present = np.random.default_rng(1).random(len(triangles)) < 0.8
    variants = [
        (positions * 1e-5, triangles),
        (positions * 1000 + [5e5, -2e5, 1e6], triangles),
        (positions, triangles[:, ::-1]),
        (positions, np.concatenate([triangles, triangles[: len(triangles) // 2]])),
        (positions, triangles[present]),
        (np.concatenate([positions, [[1e9, np.nan, np.inf]]]), triangles),  # a vertex that no triangle uses
    ]
    for variant in variants:
        turn = turn_upright(*variant)
        np.testing.assert_array_equal((np.eye(3) if turn is None else turn) @ wrong, np.eye(3))


def test_a_stool_keeps_its_yaw() -> None:
    positions, triangles = stool()
    for yaw in [np.eye(3), *YAWS]:
        assert turn_upright(positions @ yaw.T, triangles) is None


def test_a_lying_stool_is_stood_up() -> None:
    positions, triangles = built_in("stool", 2)
    turn = turn_upright(positions @ Z_UP.T, triangles)
    assert turn is not None
    np.testing.assert_array_equal(turn[1] @ Z_UP, [0, 1, 0])


def test_a_table_is_kept_whichever_way_it_faces() -> None:
    positions, triangles = table()
    for yaw in [np.eye(3), *YAWS]:
        assert turn_upright(positions @ yaw.T, triangles) is None


@pytest.mark.parametrize(
    ("positions", "triangles"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3), np.int64)),
        (np.zeros((3, 3)), np.array([[0, 1, 2]])),
        (np.eye(3), np.array([[0, 1, 2]])),
        (np.array([[0.0, 0, 0], [1, 1, 1], [2, 2, 2]]), np.array([[0, 1, 2]])),
        (np.array([[0.0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]]), np.array([[0, 1, 2], [0, 2, 3]])),
        (np.array([[0.0, np.nan, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])),
        (np.array([[-1e308, 0, 0], [1e308, 0, 0], [0, 1e308, 0]]), np.array([[0, 1, 2]])),
        (
            np.array([[0.0, 0, 0], [0.01, 0, 0], [0, 0.01, 0.01], [1, 1, 1]]),
            np.array([[0, 1, 2], [3, 3, 3]]),  # nothing has an area at the far end
        ),
    ],
    ids=["nothing", "a point", "a triangle", "a line", "a flat sheet", "NaN", "a huge one", "a point far away"],
)
def test_what_is_no_solid_is_kept_without_a_warning(
    positions: NDArray[np.float64], triangles: NDArray[np.int64]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert turn_upright(positions, triangles) is None


def test_a_ball_is_kept() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    assert turn_upright(np.asarray(ball.vertices), np.asarray(ball.faces)) is None


def test_the_answer_is_the_same_each_time_and_the_input_is_left_alone() -> None:
    positions, triangles = plain_chair()
    positions = positions @ Z_UP.T
    before = positions.copy(), triangles.copy()
    first = turn_upright(positions, triangles)
    assert first is not None
    first_copy = first.copy()
    first[:] = 7  # the caller's own
    np.testing.assert_array_equal(turn_upright(positions, triangles), first_copy)
    np.testing.assert_array_equal(positions, before[0])
    np.testing.assert_array_equal(triangles, before[1])


@pytest.mark.skipif(not REAL.is_dir(), reason="no real chairs beside the checkout")
@pytest.mark.parametrize(
    ("name", "turn"),
    [  # the rotations are those of the catalog that belongs to the files
        ("scopia/armchair1", [[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
        ("scopia/chair", [[0, 0, -1], [0, 1, 0], [1, 0, 0]]),
        ("scopia/ext_chair", [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
        ("scopia/armchair", None),
        ("scopia/beach_chair", None),
        ("scopia/kitchen_stool", None),
        ("scopia/ryokanChair", None),
        ("katorlegaz/bar-stool", None),
        ("katorlegaz/chair-ottoman", None),
    ],
)
def test_real_chairs_are_turned_as_their_catalog_says(name: str, turn: list | None) -> None:
    file = REAL / name / f"{Path(name).name}.obj"
    mesh = trimesh.load(file, force="mesh", process=False, skip_materials=True)
    found = turn_upright(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    if turn is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, turn)
