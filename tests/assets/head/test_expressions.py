"""Expressions and landmarks of the built-in head: named, mirrored, local, and doing what their names say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from assets.head import model as head
from assets.head.expressions import expression_modes, expression_shapes
from assets.head.shape import EYE_CENTRE, EYE_RADIUS, landmarks
from assets.morphable import BLEND_SHAPE_DEVIATION, Modes

FLIP = np.array([-1.0, 1.0, 1.0])
Array = np.ndarray


@pytest.fixture(scope="module")
def mean() -> head.HeadMesh:
    return head.mean_head()


@pytest.fixture(scope="module")
def skin(mean: head.HeadMesh) -> Array:
    return mean.vertices[: mean.skin_count]


@pytest.fixture(scope="module")
def shapes(mean: head.HeadMesh, skin: Array) -> dict[str, Array]:
    return expression_shapes(skin, mean.mirror[: len(skin)])


@pytest.fixture(scope="module")
def modes(mean: head.HeadMesh, skin: Array) -> Modes:
    return expression_modes(skin, mean.mirror, len(mean.vertices))


@pytest.fixture(scope="module")
def points(mean: head.HeadMesh) -> dict[str, Array]:
    return {name: np.array(point) for name, point in landmarks(mean.vertices.astype(np.float32)).items()}


def _moved(skin: Array, shape: Array, point: Array) -> Array:
    """How far the vertex at `point` goes."""
    distance, index = cKDTree(skin).query(point)
    assert distance < 1e-4
    return shape[index]


def test_names_are_many_unique_and_spelled_as_in_ict_facekit(modes: Modes) -> None:
    assert len(set(modes.names)) == len(modes.names) == len(modes) >= 40
    assert {"jawOpen", "mouthSmile_L", "eyeBlink_R", "browInnerUp_L", "mouthLeft", "cheekPuff_R"} <= set(modes.names)
    assert modes.one_sided


def test_a_coefficient_of_one_over_the_deviation_presses_a_shape_fully(
    modes: Modes, shapes: dict[str, Array], skin: Array
) -> None:
    for k in (0, 17, 40):
        coefficients = np.zeros(len(modes), np.float32)
        coefficients[k] = 1.0 / BLEND_SHAPE_DEVIATION
        offsets = modes.offsets(coefficients)
        assert np.allclose(offsets[: len(skin)], shapes[modes.names[k]], atol=1e-4)
        assert not offsets[len(skin) :].any()  # the eyeballs


def test_left_and_right_shapes_are_exact_mirror_images(
    mean: head.HeadMesh, skin: Array, shapes: dict[str, Array]
) -> None:
    def other(name: str) -> str:
        for left, right in (("_L", "_R"), ("Left", "Right")):
            if name.endswith(left):
                return name.removesuffix(left) + right
            if name.endswith(right):
                return name.removesuffix(right) + left
        return name

    mirror = mean.mirror[: len(skin)]
    for name, field in shapes.items():
        assert np.array_equal(shapes[other(name)], field[mirror] * FLIP), name
    assert sum(other(name) == name for name in shapes) == 8


def test_left_shapes_act_at_positive_x(skin: Array, shapes: dict[str, Array]) -> None:
    for name in (name for name in shapes if name.endswith("_L")):
        force = np.linalg.norm(shapes[name], axis=1)
        assert force[skin[:, 0] > 0].sum() > 5 * force[skin[:, 0] < 0].sum(), name
        assert not force[skin[:, 0] < -1.0].any(), name


def test_shapes_are_finite_of_centimetres_and_leave_the_back_of_the_head_alone(
    skin: Array, shapes: dict[str, Array]
) -> None:
    for name, field in shapes.items():
        assert np.isfinite(field).all(), name
        assert 0.2 < np.linalg.norm(field, axis=1).max() < 4.2, name
        assert not field[skin[:, 2] < -1.0].any(), name


def test_only_where_lips_part_do_neighbours_move_apart(
    mean: head.HeadMesh, skin: Array, shapes: dict[str, Array]
) -> None:
    """Smoothness: elsewhere, the displacement changes by less than the length of an edge along that edge."""
    a, b = mean.triangles[mean.triangles.max(axis=1) < len(skin)][:, :2].T
    middle = (skin[a] + skin[b]) / 2
    mouth = (np.abs(middle[:, 1] + 6.8) < 1.0) & (np.abs(middle[:, 0]) < 3.2) & (middle[:, 2] > 6)
    half = np.concatenate([np.abs(middle[:, :1]), middle[:, 1:]], axis=1)
    eye = np.linalg.norm(half - np.array(EYE_CENTRE), axis=1) < 2.0
    free = ~mouth & ~eye
    length = np.linalg.norm(skin[a] - skin[b], axis=1)
    for name, field in shapes.items():
        change = np.linalg.norm(field[a] - field[b], axis=1)
        assert (change[free] < length[free]).all(), name


def test_upper_and_lower_face_have_shapes_of_their_own(skin: Array, shapes: dict[str, Array]) -> None:
    for name, field in shapes.items():
        if name.startswith(("brow", "eye")):
            assert not field[skin[:, 1] < -8.5].any(), name
        if name.startswith(("jaw", "mouth")):
            assert np.abs(field[skin[:, 1] > 1.5]).max() < 0.02, name


def test_an_open_jaw_lowers_the_chin_and_parts_the_lips(
    skin: Array, shapes: dict[str, Array], points: dict[str, Array]
) -> None:
    jaw = shapes["jawOpen"]
    assert _moved(skin, jaw, points["chin"])[1] < -1.5
    opening = _moved(skin, jaw, points["mouth.upper"])[1] - _moved(skin, jaw, points["mouth.lower"])[1]
    assert opening > 1.5
    assert _moved(skin, jaw, points["mouth.middle"])[2] < -2.0  # the dark line between the lips sinks in
    assert np.allclose(_moved(skin, jaw, points["nose.tip"]), 0.0)


def _covered(points: Array, vertices: Array, triangles: Array) -> Array:
    """(n,): whether a triangle lies before each of `points` (n, 3), seen along -Z."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    edge, other = (b - a)[None], (c - a)[None]
    offset = points[:, None] - a[None]
    area = edge[..., 0] * other[..., 1] - edge[..., 1] * other[..., 0]
    area = np.where(np.abs(area) < 1e-12, np.inf, area)
    s = (offset[..., 0] * other[..., 1] - offset[..., 1] * other[..., 0]) / area
    t = (edge[..., 0] * offset[..., 1] - edge[..., 1] * offset[..., 0]) / area
    z = a[None, :, 2] + s * edge[..., 2] + t * other[..., 2]
    return ((s >= 0) & (t >= 0) & (s + t <= 1) & np.isfinite(area) & (z > points[:, None, 2])).any(axis=1)


def test_a_blink_covers_the_eyeball_and_wide_eyes_bare_more_of_it(
    mean: head.HeadMesh, skin: Array, shapes: dict[str, Array]
) -> None:
    ball = mean.vertices[mean.skin_count :]
    front = ball[(ball[:, 0] > 0) & (ball[:, 2] > EYE_CENTRE[2])]
    triangles = mean.triangles[mean.triangles.max(axis=1) < len(skin)]
    triangles = triangles[np.linalg.norm(skin[triangles[:, 0]] - EYE_CENTRE, axis=1) < 3.0]
    bare = {
        name: (~_covered(front, skin + shape, triangles)).mean()
        for name, shape in {"neutral": np.zeros_like(skin), **shapes}.items()
        if name in ("neutral", "eyeBlink_L", "eyeSquint_L", "eyeWide_L", "eyeBlink_R")
    }
    assert bare["eyeBlink_L"] == 0
    assert 0 < bare["eyeSquint_L"] < 0.8 * bare["neutral"]
    assert bare["eyeWide_L"] > 1.1 * bare["neutral"]
    assert bare["eyeBlink_R"] == bare["neutral"]


@pytest.mark.parametrize("press", [0.25, 0.5, 0.75, 1.0])
def test_lids_stay_outside_the_eyeball(skin: Array, shapes: dict[str, Array], press: float) -> None:
    distance = np.linalg.norm(skin - EYE_CENTRE, axis=1)
    outside = distance > EYE_RADIUS
    for name, field in shapes.items():
        after = np.linalg.norm(skin + press * field - EYE_CENTRE, axis=1)
        assert (after[outside] > EYE_RADIUS).all(), name


def test_lids_stay_outside_the_eyeball_in_mixtures_of_all_shapes(skin: Array, shapes: dict[str, Array]) -> None:
    near = np.linalg.norm(skin - EYE_CENTRE, axis=1) < 3.0
    start, fields = skin[near] - EYE_CENTRE, np.stack([field[near] for field in shapes.values()])
    outside = np.linalg.norm(start, axis=1) > EYE_RADIUS
    rng = np.random.default_rng(0)
    for _ in range(100):
        press = BLEND_SHAPE_DEVIATION * np.maximum(rng.standard_normal(len(fields)), 0.0)
        after = np.linalg.norm(start + np.tensordot(press, fields, 1), axis=1)
        assert after[outside].min() > EYE_RADIUS - 0.01


def test_corners_of_the_mouth_and_brows_go_where_their_names_say(
    skin: Array, shapes: dict[str, Array], points: dict[str, Array]
) -> None:
    corner = points["mouth.left"]
    assert _moved(skin, shapes["mouthSmile_L"], corner)[1] > 0.5
    assert _moved(skin, shapes["mouthSmile_L"], corner)[0] > 0.5
    assert _moved(skin, shapes["mouthFrown_L"], corner)[1] < -0.5
    assert _moved(skin, shapes["mouthStretch_L"], corner)[0] > 0.5
    assert _moved(skin, shapes["mouthPucker"], corner)[0] < -0.4
    assert _moved(skin, shapes["mouthLeft"], points["mouth.upper"])[0] > 0.5
    assert _moved(skin, shapes["jawLeft"], points["chin"])[0] > 0.5
    assert _moved(skin, shapes["browInnerUp_L"], points["brow.left.inner"])[1] > 0.4
    assert _moved(skin, shapes["browOuterUp_R"], points["brow.right.outer"])[1] > 0.3
    assert _moved(skin, shapes["browDown_L"], points["brow.left.middle"])[1] < -0.3


def test_landmarks_are_named_vertices_in_mirrored_pairs(skin: Array, points: dict[str, Array]) -> None:
    distance, _ = cKDTree(skin).query(np.stack(list(points.values())))
    assert len(points) >= 30
    assert distance.max() < 1e-4
    for name, point in points.items():
        if "left" in name:
            assert point[0] > 0.3, name
            assert np.array_equal(points[name.replace("left", "right")], point * FLIP), name
        elif "right" not in name:
            assert point[0] == 0, name
    assert len({tuple(point) for point in points.values()}) == len(points)


def test_landmarks_lie_where_a_face_has_them(points: dict[str, Array]) -> None:
    down_the_middle = ("forehead", "nose.bridge", "nose.tip", "nose.base", "mouth.upper", "mouth.middle", "mouth.lower",
                       "chin", "chin.bottom")  # fmt: skip
    assert (np.diff([points[name][1] for name in down_the_middle]) < 0).all()
    assert np.argmax([point[2] for point in points.values()]) == list(points).index("nose.tip")
    eye = [points[f"eye.left.{place}"] for place in ("inner", "outer", "upper", "lower")]
    assert eye[0][0] < EYE_CENTRE[0] < eye[1][0]
    assert eye[2][1] > EYE_CENTRE[1] > eye[3][1]
    assert points["brow.left.middle"][1] > eye[2][1] + 1.0
    assert points["ear.left"][0] == max(point[0] for point in points.values())
