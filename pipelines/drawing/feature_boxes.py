"""Boxes around eyes, brows, nose and mouth in the images of faces, by the camera that draws them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assets.faces.catalog import FaceCatalog
from assets.faces.landmarks import FacialFeatures
from dcign.evaluation.evidence.types import Boxes
from render.jobs.views import Views, view_scenes
from render.scene import Camera, Scene, Shading, pixels, towards_camera

MARGIN = 0.15  # of the distance between the eyes
TURNED_AWAY = 60.0  # degrees: from the side, noses hide eyes, and the far corner of the mouth lies behind the lips
ASIDE = 20.0  # degrees to its own side: where an eye or a brow is seen best; nose and mouth are from straight ahead
SMALLEST = 2  # pixels a side: less is left of a box at the edge of the picture than can be measured
RULE = (
    f"A box holds the landmarks of the face model as the camera sees them and {MARGIN:.0%} of the distance between the "
    "eyes more on each side. Nose and mouth have one where the face is turned from the camera by at most "
    f"{TURNED_AWAY:g} degrees, eyes and brows by at most {TURNED_AWAY + ASIDE:g} on the near side and "
    f"{TURNED_AWAY - ASIDE:g} on the far one."
)

Float = NDArray[np.floating]


def feature_boxes(views: Views, catalog: FaceCatalog, features: FacialFeatures, camera: Camera) -> Boxes:
    """Find the boxes in the images of `views`, taken by `camera`, in the order of the images.

    A box holds the vertices around a feature as the camera sees them and MARGIN more on each side, cut off at the edge
    of the picture. A feature has none where the camera is more than TURNED_AWAY from where it is seen best.
    """
    scenes = view_scenes(views, catalog.with_model(features.model, {}), camera, Shading())
    found = [(place, *box) for place, scene in enumerate(scenes) for box in _boxes(scene, features)]
    return Boxes(
        np.array([place for place, _, _ in found], np.int64),
        np.array([feature for _, feature, _ in found], np.str_),
        np.array([limits for _, _, limits in found], np.int64).reshape(-1, 4),
    )


def _boxes(scene: Scene, features: FacialFeatures) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Yield the features that `scene` shows, each with its box: left, top, right, bottom."""
    (surface,) = scene.mesh.surfaces
    seen = pixels(scene, surface.vertices)
    margin = MARGIN * _between_eyes(surface.vertices, features) * _pixels_per_unit(scene)
    for feature, places in features.places.items():
        if not is_turned_to(scene, feature):
            continue
        low, high = seen[places].min(axis=0) - margin, seen[places].max(axis=0) + margin
        left, top = np.clip(np.floor(low), 0, scene.camera.size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(high), 0, scene.camera.size).astype(int).tolist()
        if min(right - left, bottom - top) >= SMALLEST:
            yield feature, (left, top, right, bottom)


def is_turned_to(scene: Scene, feature: str) -> bool:
    """Tell whether the camera is within TURNED_AWAY of where `feature` is seen best."""
    aside = np.radians({"left": ASIDE, "right": -ASIDE}.get(feature.split()[0], 0.0))
    cosine = towards_camera(scene) @ [np.sin(aside), 0.0, np.cos(aside)]
    return bool(cosine >= np.cos(np.radians(TURNED_AWAY)))


def _between_eyes(vertices: Float, features: FacialFeatures) -> float:
    left, right = (vertices[features.places[f"{side} eye"]].mean(axis=0) for side in ("left", "right"))
    return float(np.linalg.norm(left - right))


def _pixels_per_unit(scene: Scene) -> float:
    """Return how many pixels long a unit of length is at the point that the camera looks at."""
    camera = scene.camera
    return camera.size / (2 * camera.distance * float(np.tan(np.radians(camera.fov) / 2)))
