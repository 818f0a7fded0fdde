"""Counts of what is odd about the geometry of a model, which `dcign assets check` shows in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.cad.parts import Part


@dataclass(frozen=True)
class Geometry:
    """Counts over the triangles of a model; vertices at one position count as one."""

    triangles: int
    duplicates: int  # of other triangles, in any order of corners
    slivers: int  # without an area
    unused: int  # vertices of no triangle
    open_edges: int  # of one triangle only: rims of holes
    crowded_edges: int  # of more than two triangles
    outward: float  # share of the area that faces away from the middle


def geometry(vertices: NDArray[Any], triangles: NDArray[np.integer]) -> Geometry:
    """Count over vertices (V, 3) and triangles (F, 3)."""
    middle = vertices[triangles].reshape(-1, 3).astype(np.float64).mean(axis=0)  # far away, float32 tells few apart
    _, welded = np.unique(np.asarray(vertices - middle, np.float32), axis=0, return_inverse=True)
    corners = welded.reshape(-1)[triangles]
    a, b, c = (vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    normals = np.cross(b - a, c - a)
    area = np.linalg.norm(normals, axis=1)
    solid = area > 1e-12 * max(float(area.max(initial=0.0)), 1e-300)
    alike = np.unique(np.sort(corners[solid], axis=1), axis=0)
    edges = np.sort(np.concatenate([alike[:, [0, 1]], alike[:, [1, 2]], alike[:, [2, 0]]]), axis=1)
    _, sharing = np.unique(edges, axis=0, return_counts=True)
    away = ((a + b + c) / 3 - vertices.mean(axis=0)) * normals
    return Geometry(
        triangles=len(triangles),
        duplicates=int(solid.sum()) - len(alike),
        slivers=int((~solid).sum()),
        unused=len(vertices) - len(np.unique(triangles)),
        open_edges=int((sharing == 1).sum()),
        crowded_edges=int((sharing > 2).sum()),
        outward=float(area[away.sum(axis=1) > 0].sum() / max(area.sum(), 1e-300)),
    )


@dataclass(frozen=True)
class CadCheck:
    """One line of the table for a chair model, as its file has it."""

    triangles: int
    size: float  # longest side, in the file's unit
    duplicates: int
    slivers: int
    open_edges: int
    textures: int
    faults: tuple[str, ...]


def check_parts(parts: Sequence[Part], remarks: Sequence[str] = ()) -> CadCheck:
    """Count over the parts of one model as read, before it is normalised; `remarks` on them are faults too."""
    offsets = np.cumsum([0, *(len(part.positions) for part in parts)])
    positions = np.concatenate([part.positions for part in parts])
    triangles = np.concatenate([p.triangles + start for p, start in zip(parts, offsets[:-1], strict=True)])
    used = positions[np.unique(triangles)]
    counts = geometry(positions, triangles)
    named = {part.material.texture for part in parts if part.material.texture}
    faults = list(remarks)
    if counts.duplicates > 0.05 * counts.triangles:
        faults.append(f"{counts.duplicates / counts.triangles:.0%} of the triangles are duplicates")
    size = float(np.ptp(used, axis=0).max())
    loaded = len({id(part.material.image) for part in parts if part.material.image is not None})
    return CadCheck(
        counts.triangles, size, counts.duplicates, counts.slivers, counts.open_edges, max(len(named), loaded),
        tuple(faults),
    )  # fmt: skip
