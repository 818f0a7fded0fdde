"""What is odd about the geometry of a model: counts that `dcign assets check` shows in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.morphable import Modes, MorphableModel
from assets.parts import Part

SHORT, LONG = 12.0, 50.0  # centimetres: the longest side of a face, or of a head with neck and shoulders
ASYMMETRY = 0.02  # of the longest side: how far a mean face may be from its mirror image, at the median


@dataclass(frozen=True)
class Finding:
    """One line of the table. `bad` where it spoils the renders."""

    what: str
    found: str
    bad: bool = False


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
    """The counts for vertices (V, 3) and triangles (F, 3)."""
    _, welded = np.unique(np.asarray(vertices, np.float32), axis=0, return_inverse=True)
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


def check_face_model(model: MorphableModel) -> list[Finding]:
    """The table for a face model, as it is after reading: centimetres, +Y up, facing +Z, wound outward."""
    mean, counts = model.shape_mean, geometry(model.shape_mean, model.triangles)
    sides = np.ptp(mean, axis=0)
    asymmetry = _asymmetry(mean) / float(sides.max())
    low, high = float(model.albedo_mean.min()), float(model.albedo_mean.max())
    ahead = _detail_ahead(mean)
    return [
        Finding("vertices, triangles", f"{len(mean)}, {counts.triangles}"),
        Finding("size (x, y, z)", " x ".join(f"{s:.1f}" for s in sides) + " cm", not SHORT <= sides.max() <= LONG),
        Finding("mirror image in x", f"{asymmetry:.1%} of the size away (median)", asymmetry > ASYMMETRY),
        Finding("facing +Z", "yes" if ahead else "no: the front is no more detailed than the back", not ahead),
        Finding("winding", f"{counts.outward:.0%} of the area faces outward", counts.outward < 0.5),
        Finding("duplicate triangles", str(counts.duplicates), counts.duplicates > 0),
        Finding("triangles without area", str(counts.slivers), counts.slivers > 0),
        Finding("unused vertices", str(counts.unused)),
        Finding("rims of holes", f"{counts.open_edges} edges"),
        Finding("edges of over two triangles", str(counts.crowded_edges), counts.crowded_edges > 0),
        Finding("mean albedo", f"{low:.2f} to {high:.2f}", high - low < 0.01),
        *(_modes(part, getattr(model, part), len(mean)) for part in model.parts),
        Finding("landmarks", str(len(model.landmarks))),
    ]


def _modes(part: str, modes: Modes, vertex_count: int) -> Finding:
    if not len(modes):
        return Finding(f"{part} modes", "none")
    spread = float(np.sqrt((modes.deviations.astype(np.float64) ** 2).sum() / vertex_count))
    unit = "" if part == "albedo" else " cm"
    broken = not (np.isfinite(modes.components).all() and np.isfinite(modes.deviations).all())
    named = f", named {modes.names[0]} ... {modes.names[-1]}" if modes.names else ""
    return Finding(f"{part} modes", f"{len(modes)}, {spread:.2f}{unit} RMS over a face{named}", broken)


def _asymmetry(vertices: NDArray[Any]) -> float:
    """Median distance of the vertices, mirrored in their middle plane x, to the nearest vertex."""
    from scipy.spatial import cKDTree

    centred = vertices - [(vertices[:, 0].min() + vertices[:, 0].max()) / 2, 0, 0]
    distance, _ = cKDTree(centred).query(centred * [-1, 1, 1])
    return float(np.median(distance))


def _detail_ahead(vertices: NDArray[Any]) -> bool:
    """Whether most vertices lie in the front half: meshes spend them on the face."""
    middle = (vertices[:, 2].min() + vertices[:, 2].max()) / 2
    return bool((vertices[:, 2] > middle).mean() > 0.5)


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


def check_parts(parts: Sequence[Part]) -> CadCheck:
    """Counts over the parts of one model as read, before it is normalised."""
    offsets = np.cumsum([0, *(len(part.positions) for part in parts)])
    positions = np.concatenate([part.positions for part in parts])
    triangles = np.concatenate([p.triangles + start for p, start in zip(parts, offsets[:-1], strict=True)])
    used = positions[np.unique(triangles)]
    counts = geometry(positions, triangles)
    named = {part.material.texture for part in parts if part.material.texture}
    missing = sorted({p.material.texture for p in parts if p.material.texture and p.material.image is None})
    bare = sorted({p.material.name for p in parts if p.material.image is not None and p.uv is None})
    faults = [f"texture {name} is missing" for name in missing]
    faults += [f"material {name or '(no name)'} has a texture but no uv" for name in bare]
    if counts.duplicates > 0.05 * counts.triangles:
        faults.append(f"{counts.duplicates / counts.triangles:.0%} of the triangles are duplicates")
    size = float(np.ptp(used, axis=0).max())
    loaded = len({id(part.material.image) for part in parts if part.material.image is not None})
    return CadCheck(
        counts.triangles, size, counts.duplicates, counts.slivers, counts.open_edges, max(len(named), loaded),
        tuple(faults),
    )  # fmt: skip
