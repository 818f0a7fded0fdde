"""A small face (an ellipsoid with a nose), and writers of every layout in which face models are distributed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from assets.mesh import Mesh

RINGS, SPOKES = 9, 22


@dataclass
class Face:
    """The truth: centimetres, colours in 0..1, triangles from 0 and wound outward."""

    mean: np.ndarray  # (V, 3)
    triangles: np.ndarray  # (F, 3)
    shape_basis: np.ndarray  # (3V, 3) orthonormal columns
    shape_deviations: np.ndarray  # (3,)
    colour: np.ndarray  # (V, 3)
    colour_basis: np.ndarray  # (3V, 2) orthonormal columns
    colour_deviations: np.ndarray  # (2,)
    expression_mean: np.ndarray  # (V, 3)
    expression_basis: np.ndarray  # (3V, 2) orthonormal columns
    expression_deviations: np.ndarray  # (2,)

    def vertices(self, coefficients: np.ndarray) -> np.ndarray:
        return self.mean + (self.shape_basis @ (self.shape_deviations * coefficients[:3])).reshape(-1, 3)

    def with_expression(self, coefficients: np.ndarray, expression: np.ndarray) -> np.ndarray:
        offsets = self.expression_basis @ (self.expression_deviations * expression)
        return self.vertices(coefficients) + self.expression_mean + offsets.reshape(-1, 3)

    def albedo(self, coefficients: np.ndarray) -> np.ndarray:
        return self.colour + (self.colour_basis @ (self.colour_deviations * coefficients[3:])).reshape(-1, 3)


def small_face() -> Face:
    """The front of an ellipsoid, 16 x 22 x 9 cm, open behind, with a nose along +Z."""
    angle, turn = np.linspace(0.15, 1.6, RINGS), np.linspace(0, 2 * np.pi, SPOKES, endpoint=False)
    a, t = (grid.ravel() for grid in np.meshgrid(angle, turn, indexing="ij"))
    nose = 2.5 * np.exp(-((a / 0.25) ** 2))
    mean = np.stack([8 * np.sin(a) * np.cos(t), 11 * np.sin(a) * np.sin(t), 9 * np.cos(a) + nose], axis=1)
    mean = np.concatenate([mean, [[0, 0, 11.6]]]) + np.array([0.3, -1.2, 4.0])
    ring, spoke = (grid.ravel() for grid in np.meshgrid(np.arange(RINGS - 1), np.arange(SPOKES), indexing="ij"))
    here, beside = ring * SPOKES + spoke, ring * SPOKES + (spoke + 1) % SPOKES
    tip, first = np.full(SPOKES, len(mean) - 1), np.arange(SPOKES)
    triangles = np.concatenate([
        np.stack([here, here + SPOKES, beside + SPOKES], axis=1),
        np.stack([here, beside + SPOKES, beside], axis=1),
        np.stack([tip, first, (first + 1) % SPOKES], axis=1),
    ])  # fmt: skip
    rng = np.random.default_rng(7)
    orthonormal = [np.linalg.qr(rng.normal(size=(mean.size, k)))[0] for k in (3, 2)]
    colour = rng.uniform(0.3, 0.7, mean.shape)
    moved, _ = np.linalg.qr(rng.normal(size=(mean.size, 2)))
    return Face(
        mean, triangles, orthonormal[0], np.array([6.0, 3.5, 2.0]), colour, orthonormal[1], np.array([1.2, 0.7]),
        rng.normal(size=mean.shape) * 0.02, moved, np.array([2.5, 1.5]),
    )  # fmt: skip


def coefficients(seed: int = 1) -> np.ndarray:
    """(5,) three of shape, two of colour."""
    return np.random.default_rng(seed).normal(size=5).astype(np.float32)


def outward_share(mesh: Mesh) -> float:
    """The share of vertices whose normals point away from the centroid."""
    (surface,) = mesh.surfaces
    away = surface.vertices - surface.vertices.mean(axis=0)
    return float(((surface.normals * away).sum(axis=1) > 0).mean())


def basel_2009(face: Face, **changed: Any) -> dict[str, Any]:
    """The variables of `01_MorphableModel.mat`: micrometres, 0..255, from 1, wound inward. None leaves one out."""
    variables = {
        "shapeMU": face.mean.reshape(-1, 1) * 1e4,
        "shapePC": face.shape_basis,
        "shapeEV": face.shape_deviations[:, None] * 1e4,
        "texMU": face.colour.reshape(-1, 1) * 255,
        "texPC": face.colour_basis,
        "texEV": face.colour_deviations[:, None] * 255,
    }
    result: dict[str, Any] = {name: array.astype(np.float32) for name, array in variables.items()}
    result |= {"tl": face.triangles[:, [1, 0, 2]].astype(np.float64) + 1, "segMB": np.ones((4, 1)), **changed}
    return {name: value for name, value in result.items() if value is not None}


def basel_2009_expression(face: Face) -> dict[str, Any]:
    """The variables that repacked copies add: micrometres, and columns whose length is not 1."""
    return {
        "expMU": (face.expression_mean.reshape(-1, 1) * 1e4).astype(np.float32),
        "expPC": (face.expression_basis * [5e3, 1e4]).astype(np.float32),
        "expEV": (face.expression_deviations / [0.5, 1.0])[:, None],
    }


def write_mat(path: Path, variables: dict[str, Any], compressed: bool = True) -> Path:
    scipy.io.savemat(path, variables, do_compression=compressed)
    return path


def basel_h5(face: Face, scaled: bool = False, legacy: bool = False, **changed: Any) -> dict[str, Any]:
    """The datasets of a Basel 2017 or 2019 file by path: mm, 0..1, from 0. `scaled` is version 0.8. None omits one."""
    datasets: dict[str, Any] = {}
    for group, mean, basis, deviations in (
        ("shape", face.mean * 10, face.shape_basis, face.shape_deviations * 10),
        ("color", face.colour, face.colour_basis, face.colour_deviations),
    ):
        datasets[f"{group}/model/mean"] = mean.ravel().astype(np.float32)
        datasets[f"{group}/model/pcaBasis"] = (basis * deviations if scaled else basis).astype(np.float32)
        datasets[f"{group}/model/pcaVariance"] = (deviations**2).astype(np.float32)
        datasets[f"{group}/model/noiseVariance"] = np.float32(0)
        if legacy:
            datasets[f"{group}/representer/reference-mesh/vertex-coordinates"] = face.mean.astype(np.float32) * 10
            datasets[f"{group}/representer/reference-mesh/triangle-list"] = face.triangles.astype(np.int32)
        else:
            datasets[f"{group}/representer/points"] = face.mean.T.astype(np.float32) * 10
            datasets[f"{group}/representer/cells"] = face.triangles.T.astype(np.uint32)
    datasets |= {"version/majorVersion": np.int32(0), "version/minorVersion": np.int32(8 if scaled else 9)}
    datasets["metadata/landmarks/json"] = "[]"
    datasets |= {name.replace("__", "/"): value for name, value in changed.items()}
    return {name: value for name, value in datasets.items() if value is not None}


def basel_h5_expression(face: Face, scaled: bool = False) -> dict[str, Any]:
    """The datasets of the group `expression`, for `changed`."""
    basis, deviations = face.expression_basis, face.expression_deviations * 10
    return {
        "expression__model__mean": (face.expression_mean.ravel() * 10).astype(np.float32),
        "expression__model__pcaBasis": (basis * deviations if scaled else basis).astype(np.float32),
        "expression__model__pcaVariance": (deviations**2).astype(np.float32),
    }


def write_h5(path: Path, datasets: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            if isinstance(value, (h5py.SoftLink, h5py.ExternalLink)):
                file[name] = value
            else:
                file.create_dataset(name, data=value)
    return path


def flame(face: Face, **changed: Any) -> dict[str, Any]:
    """The members of FLAME's `.npz`: metres, directions scaled by their deviations; 300 of identity, 100 others."""
    directions = np.zeros((*face.mean.shape, 400))
    directions[:, :, :3] = (face.shape_basis * face.shape_deviations).reshape(-1, 3, 3) / 100
    directions[:, :, 300:302] = (face.expression_basis * face.expression_deviations).reshape(-1, 3, 2) / 100
    members = {"v_template": face.mean / 100, "shapedirs": directions, "f": face.triangles.astype(np.uint32), **changed}
    return {name: value for name, value in members.items() if value is not None}
