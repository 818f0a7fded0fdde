"""Landmarks of face models by name, and the vertices around eyes, brows, nose and mouth that they tell.

Names are those of the Basel models, words with dots between, such as right.eye.corner_outer; right is the person's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from assets.faces.reduction import on_vertices
from assets.morphable import MorphableModel

Landmarks = Mapping[str, tuple[float, float, float]]

# Points 9 and 18 to 60 of the 68-point markup (Sagonas et al. 2013), in its order: chin, brows, nose, eyes, lips.
MARKUP = (
    "center.chin.tip",
    "right.eyebrow.outer",
    "right.eyebrow.outer_middle",
    "right.eyebrow.middle",
    "right.eyebrow.inner_middle",
    "right.eyebrow.inner",
    "left.eyebrow.inner",
    "left.eyebrow.inner_middle",
    "left.eyebrow.middle",
    "left.eyebrow.outer_middle",
    "left.eyebrow.outer",
    "center.nose.bridge",
    "center.nose.dorsum_upper",
    "center.nose.dorsum_lower",
    "center.nose.tip",
    "right.nose.wing.tip",
    "right.nose.hole",
    "center.nose.base",
    "left.nose.hole",
    "left.nose.wing.tip",
    "right.eye.corner_outer",
    "right.eye.top_outer",
    "right.eye.top_inner",
    "right.eye.corner_inner",
    "right.eye.bottom_inner",
    "right.eye.bottom_outer",
    "left.eye.corner_inner",
    "left.eye.top_inner",
    "left.eye.top_outer",
    "left.eye.corner_outer",
    "left.eye.bottom_outer",
    "left.eye.bottom_inner",
    "right.lips.corner",
    "right.lips.upper_outer",
    "right.lips.upper_inner",
    "center.lips.upper",
    "left.lips.upper_inner",
    "left.lips.upper_outer",
    "left.lips.corner",
    "left.lips.lower_outer",
    "left.lips.lower_inner",
    "center.lips.lower",
    "right.lips.lower_inner",
    "right.lips.lower_outer",
)
# Feature -> words that all stand in the names of its landmarks, one of each; eyes and brows are there twice.
FEATURES: dict[str, tuple[tuple[str, ...], ...]] = {
    "left eye": (("left",), ("eye",)),
    "right eye": (("right",), ("eye",)),
    "left brow": (("left",), ("brow", "eyebrow")),
    "right brow": (("right",), ("brow", "eyebrow")),
    "nose": (("nose",),),
    "mouth": (("mouth", "lips"),),
}
FEWEST = 2  # vertices around a feature


@dataclass(frozen=True, eq=False)
class FacialFeatures:
    """Eyes, brows, nose and mouth of the faces of a model, whatever mesh they are drawn with.

    model   the face model on the vertices around them alone, with the positions and normals of the whole one
    places  name of FEATURES -> (n,) its vertices among those of `model`
    """

    model: MorphableModel
    places: Mapping[str, NDArray[np.int64]]


def marked(vertices: Sequence[int], mean: NDArray[np.floating]) -> dict[str, tuple[float, float, float]]:
    """Return the points of MARKUP from their `vertices` (44,) in a published topology and its `mean` face (V, 3)."""
    points = mean[list(vertices)].tolist()
    return {name: (x, y, z) for name, (x, y, z) in zip(MARKUP, points, strict=True)}


def facial_features(model: MorphableModel) -> FacialFeatures | None:
    """Find the vertices around each of FEATURES: those next to the landmarks of that name.

    None unless landmarks tell all of them and lie as in a face, the brows above the eyes and so on: a file may have the
    size of a published topology and be another. `model` must be whole, not a reduced one.
    """
    vertices = feature_vertices(model.landmarks, model.shape_mean)
    if vertices is None:
        return None
    used = np.unique(np.concatenate(list(vertices.values())))
    around = on_vertices(model, used.astype(np.int32), np.zeros((0, 3), np.int32))
    return FacialFeatures(around, {name: np.searchsorted(used, found) for name, found in vertices.items()})


def feature_vertices(landmarks: Landmarks, mean: NDArray[np.floating]) -> dict[str, NDArray[np.int64]] | None:
    """Return name of FEATURES -> (n,) vertices of the mean face (V, 3), rising; None as `facial_features` does."""
    if not landmarks:
        return None
    found: dict[str, NDArray[np.int64]] = {}
    tree = cKDTree(mean)
    for feature, words in FEATURES.items():
        points = [point for name, point in landmarks.items() if _is_of(name, words)]
        found[feature] = np.unique(tree.query(np.array(points).reshape(-1, 3))[1]).astype(np.int64)
        if len(found[feature]) < FEWEST:
            return None
    return found if _lie_as_in_a_face({name: mean[rows].mean(axis=0) for name, rows in found.items()}) else None


def _is_of(name: str, words: Sequence[Sequence[str]]) -> bool:
    parts = set(name.split("."))
    return all(parts & set(alternatives) for alternatives in words)


def _lie_as_in_a_face(centres: Mapping[str, NDArray[np.floating]]) -> bool:
    """Tell whether centres (3,) of the features are above and beside each other as they should be."""
    left, right, nose, mouth = (centres[name] for name in ("left eye", "right eye", "nose", "mouth"))
    apart = all(right[0] < point[0] < left[0] for point in (nose, mouth))
    brows = all(centres[f"{side} brow"][1] > centres[f"{side} eye"][1] for side in ("left", "right"))
    return bool(apart and brows and min(left[1], right[1]) > nose[1] > mouth[1])
