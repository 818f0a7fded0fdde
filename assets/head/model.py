"""The built-in face model: a head with modes of shape, albedo and expression; with it, no command needs downloads.

Mean head, modes and colours are our own modelling (`assets.head.shape`, `assets.head.variation`, `assets.head.albedo`,
`assets.head.expressions`); modes of shape and albedo follow Gaussian-process morphable models (Luthi et al. 2016).
Building takes seconds, so it is cached on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from assets import mesh, morphable
from assets.cache import cache_folder, code_sha256, keep_arrays, keep_newest, read_arrays
from assets.head.albedo import LIMBUS_ANGLE, PUPIL_ANGLE, albedo_modes, eyeball_albedo, skin_albedo, skin_paint
from assets.head.expressions import expression_modes
from assets.head.gaussian_process import Array
from assets.head.shape import EYE_CENTRE, EYE_RADIUS, head_distance, landmarks
from assets.head.surface import concentrate, lattice, symmetric_surface
from assets.head.variation import shape_modes
from assets.mesh import Index
from assets.morphable import Modes, MorphableModel

VERSIONS_KEPT = 3  # of the built model in the cache, 85 MB each
MODES = 199  # of shape and of albedo each, as in the Basel face model
CODE = (Path(__file__).parent, morphable.__file__, mesh.__file__)  # that builds the model
ARRAYS = (
    "triangles",
    "shape_mean",
    "shape_components",
    "shape_deviations",
    "albedo_mean",
    "albedo_components",
    "albedo_deviations",
    "expression_names",
    "expression_components",
    "expression_deviations",
)


def built_in_face_model() -> MorphableModel:
    """Return the face model "built-in": 199 shape, 199 albedo modes, 44 expressions on about 16,000 vertices.

    It is read from `${XDG_CACHE_HOME:-~/.cache}/dcign/`, or built in a few seconds and stored there. The name of the
    cache file holds a hash of the code that builds the model, so a stale file is never read; a damaged or altered one
    is built again; if the cache cannot be written, nothing is stored.
    """
    path = cache_path()
    stored = read_arrays(path)
    if stored is None:
        stored = _arrays(build())
        keep_arrays(path, stored)
        keep_newest("built-in-face-*.npz", VERSIONS_KEPT)
    return MorphableModel(
        name="built-in",
        triangles=stored["triangles"],
        shape_mean=stored["shape_mean"],
        shape=Modes(stored["shape_components"], stored["shape_deviations"]),
        albedo_mean=stored["albedo_mean"],
        albedo=Modes(stored["albedo_components"], stored["albedo_deviations"]),
        expression=Modes(
            stored["expression_components"],
            stored["expression_deviations"],
            names=tuple(stored["expression_names"].tolist()),
            one_sided=True,
        ),
        landmarks=landmarks(stored["shape_mean"]),
    )


@dataclass(frozen=True, eq=False)
class HeadMesh:
    """The mean head, skin first, then the two eyeballs.

    vertices    (V, 3) float64, centimetres
    triangles   (F, 3) int32
    mirror      (V,) index of each vertex's mirror image under x -> -x
    skin_count  vertices of the skin
    angles      (V - skin_count,) radians between an eyeball's vertex and its direction of gaze
    """

    vertices: Array
    triangles: Index
    mirror: NDArray[np.int64]
    skin_count: int
    angles: Array


def mean_head() -> HeadMesh:
    """Polygonise the modelled head, with vertices concentrated in the face and the ears, and add the eyeballs."""
    nodes = lattice((0.0, -16.0, -12.5), (11.0, 14.0, 15.0), 0.40)
    nodes = concentrate(nodes, (0.0, -2.5, 8.0), 6.0, 0.48)
    nodes = concentrate(nodes, (8.4, -0.9, -1.5), 3.0, 0.55)
    nodes = concentrate(nodes, (1.2, -6.7, 8.8), 2.4, 0.30)
    nodes = concentrate(nodes, (3.2, 0.6, 8.0), 2.4, 0.30)
    skin, skin_triangles, skin_mirror = symmetric_surface(head_distance, nodes)
    ball, ball_triangles, angles = eyeball()
    n, m = len(skin), len(ball)
    flip = np.array([-1.0, 1.0, 1.0])
    triangles = np.concatenate([skin_triangles, ball_triangles + n, ball_triangles[:, ::-1] + n + m])
    mirror = np.concatenate([skin_mirror, np.arange(m) + n + m, np.arange(m) + n])
    vertices = np.concatenate([skin, ball, ball * flip])
    return HeadMesh(vertices, triangles.astype(np.int32), mirror, n, np.concatenate([angles, angles]))


def eyeball(segments: int = 24) -> tuple[Array, Index, Array]:
    """Make the eye at x > 0, a ball of rings about the direction of gaze: vertices, triangles, angles off the gaze.

    Rings lie on both sides of the rims of pupil and iris, so that those are drawn sharp.
    """
    rims = [a + e for a in (PUPIL_ANGLE, LIMBUS_ANGLE) for e in (-0.012, 0.012)]
    rings = np.array(sorted([0.1, 0.3, 0.4, *rims, 0.62, 0.78, 0.96, 1.16, 1.4, 1.75, 2.2, 2.7]))
    turn = 2 * np.pi * np.arange(segments) / segments
    angles = np.concatenate([[0.0], np.repeat(rings, segments), [np.pi]])
    around = np.concatenate([[0.0], np.tile(turn, len(rings)), [0.0]])
    unit = np.stack([np.sin(angles) * np.cos(around), np.sin(angles) * np.sin(around), np.cos(angles)], axis=1)
    k = np.arange(segments)
    after = (k + 1) % segments
    parts = [np.stack([np.zeros_like(k), 1 + k, 1 + after], axis=1)]
    for ring in range(len(rings) - 1):
        near, far = 1 + ring * segments, 1 + (ring + 1) * segments
        parts.append(np.stack([near + k, far + k, far + after], axis=1))
        parts.append(np.stack([near + k, far + after, near + after], axis=1))
    last = 1 + (len(rings) - 1) * segments
    parts.append(np.stack([last + k, np.full_like(k, len(angles) - 1), last + after], axis=1))
    vertices = np.array(EYE_CENTRE) + EYE_RADIUS * unit
    return vertices, np.concatenate(parts).astype(np.int32), angles


def build() -> MorphableModel:
    """Build the model from nothing. The same machine makes the same bytes each time.

    It runs in one thread: with several, linear algebra adds up in another order, and the model would have another hash.
    """
    with threadpool_limits(1):
        return _build()


def _build() -> MorphableModel:
    head = mean_head()
    skin, eyeballs = head.vertices[: head.skin_count], head.vertices[head.skin_count :]
    paint = skin_paint(skin)
    mean = head.vertices.astype(np.float32)
    albedo = np.concatenate([skin_albedo(paint), eyeball_albedo(head.angles)])
    return MorphableModel(
        name="built-in",
        triangles=head.triangles,
        shape_mean=mean,
        shape=shape_modes(skin, eyeballs, MODES),
        albedo_mean=np.clip(albedo, 0.0, 1.0).astype(np.float32),
        albedo=albedo_modes(skin, paint, head.angles, MODES),
        expression=expression_modes(skin, head.mirror, len(head.vertices)),
        landmarks=landmarks(mean),
    )


def cache_path() -> Path:
    """Return the path of the built model in the cache; it changes with the code that builds the model."""
    return cache_folder() / f"built-in-face-{code_sha256(*CODE)[:16]}.npz"


def _arrays(model: MorphableModel) -> dict[str, NDArray]:
    values = (
        model.triangles,
        model.shape_mean,
        model.shape.components,
        model.shape.deviations,
        model.albedo_mean,
        model.albedo.components,
        model.albedo.deviations,
        np.array(model.expression.names),
        model.expression.components,
        model.expression.deviations,
    )
    return dict(zip(ARRAYS, values, strict=True))
