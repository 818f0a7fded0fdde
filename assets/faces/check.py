"""The table that `dcign assets check` shows for a face model: size, pose, modes, oddities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from assets.cad.check import geometry
from assets.morphable import Modes, MorphableModel

SHORT, LONG = 12.0, 50.0  # centimetres: the longest side of a face, or of a head with neck and shoulders
ASYMMETRY = 0.02  # of the longest side: how far a mean face may be from its mirror image, at the median


@dataclass(frozen=True)
class Finding:
    """One line of the table, `bad` if it spoils the renders."""

    what: str
    found: str
    bad: bool = False


def check_face_model(model: MorphableModel) -> list[Finding]:
    """Make the table of a face model as it is after reading: centimetres, +Y up, facing +Z, wound outward."""
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
    """Return the median distance of the vertices, mirrored in their middle plane x, to the nearest vertex."""
    centred = vertices - [(vertices[:, 0].min() + vertices[:, 0].max()) / 2, 0, 0]
    distance, _ = cKDTree(centred).query(centred * [-1, 1, 1])
    return float(np.median(distance))


def _detail_ahead(vertices: NDArray[Any]) -> bool:
    """Tell whether most vertices lie in the front half: meshes spend them on the face."""
    middle = (vertices[:, 2].min() + vertices[:, 2].max()) / 2
    return bool((vertices[:, 2] > middle).mean() > 0.5)
