"""Small meshes and catalogs for tests of the render stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from assets.faces.catalog import PLAIN, FaceCatalog
from assets.mesh import Mesh, Surface, vertex_normals
from assets.morphable import Modes, MorphableModel


def nosed_ball() -> trimesh.Trimesh:
    """A ball with a small ball for a nose on +Z: its azimuth can be seen."""
    ball, nose = trimesh.creation.icosphere(3, 1.0), trimesh.creation.icosphere(2, 0.3)
    nose.apply_translation([0, 0, 1.1])
    return trimesh.util.concatenate([ball, nose])


def as_mesh(shape: trimesh.Trimesh, albedo: float = 0.8) -> Mesh:
    vertices, triangles = shape.vertices.astype(np.float32), shape.faces.astype(np.int32)
    normals = vertex_normals(vertices, triangles)
    return Mesh("test", (Surface(vertices, triangles, normals, np.full_like(vertices, albedo)),))


def small_face_catalog(sampling=PLAIN) -> FaceCatalog:
    """A 'face' of 2 shape, 1 albedo and 1 expression modes: wider, taller, lighter, a longer nose."""
    shape = nosed_ball()
    vertices = shape.vertices.astype(np.float32)
    wider, taller = np.zeros_like(vertices), np.zeros_like(vertices)
    wider[:, 0], taller[:, 1] = vertices[:, 0], vertices[:, 1]
    modes = np.stack([wider.ravel(), taller.ravel()])
    lengths = np.linalg.norm(modes, axis=1)
    longer = np.zeros_like(vertices)
    longer[vertices[:, 2] > 1.05, 2] = 0.2
    lighter = np.ones((1, vertices.size), np.float32) / np.sqrt(vertices.size).astype(np.float32)
    model = MorphableModel(
        name="nosed ball",
        triangles=shape.faces.astype(np.int32),
        shape_mean=vertices,
        shape=Modes(modes / lengths[:, None], (0.15 * lengths).astype(np.float32)),
        albedo_mean=np.full_like(vertices, 0.6),
        albedo=Modes(lighter, np.array([0.1 * np.sqrt(vertices.size)], np.float32)),
        expression=Modes.from_displacements(longer.reshape(1, -1), ("longer",), one_sided=True),
    )
    return FaceCatalog(model, {model.name: "0" * 64}, sampling)


def write_models(folder: Path, count: int = 3) -> Path:
    """A folder of `count` distinct OBJ models that even `--object chair` reads quickly."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        box = trimesh.creation.box(extents=(1, 1 + 0.3 * i, 1))
        back = trimesh.creation.box(extents=(1, 1, 0.2))
        back.apply_translation([0, 1, -0.4])
        trimesh.util.concatenate([box, back]).export(folder / f"model{i}.obj")
    return folder
