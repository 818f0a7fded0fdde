"""The rotation that puts a chair upright, facing +Z, judged by its shape.

The surface is sampled into a grid over its bounding box, and each of the 24 rotations that map axes onto axes is scored
by a weighted sum of `EVIDENCE`: how much the model, so turned, looks like a chair that stands and faces +Z. The weights
come from a conditional logistic regression over the 24 on 330 built-in chairs and on 92 real chairs and sofas, as they
are and tilted by a few degrees (the furniture libraries of Sweet Home 3D, turned as their catalogs say), so a
difference of scores is a logarithm of odds. `RELUCTANCE` is that of the odds before looking: a file's own orientation
is nearly always right.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Voxels = NDArray[np.bool_]

CELLS = 32  # of the grid along each side of the bounding box, whatever its proportions
FOOT = 2  # cells from below that count as touching the ground
SAMPLES = 30_000  # points on the surface
FEWEST_TRIANGLES = 48  # less is a sketch: a seat, a back and a foot alone are three boxes of 12
FEWEST = 500  # filled cells; chairs fill 1,600 and more
THINNEST = 0.2  # shortest side of the bounding box over the longest: no chair is flatter, many another thing is

# What is measured of a turned model -> what it weighs. Lengths are shares of the side of the bounding box.
EVIDENCE = {
    "asymmetry across": -7.9,  # share of the cells without a mirror image: left and right are alike,
    "asymmetry upward": 11.4,  # top and bottom are not
    "width over height": 2.1,  # its logarithm
    "front of the upper half": -14.5,  # how far it reaches forward: the back stands at the rear,
    "front of the lower half": 6.6,  # seat and legs come forward
    "height of the mass": 25.2,  # legs are thin
    "depth of the top's mass": -10.2,  # from the rear, of the upper 3/8
    "width of the foot": 3.7,
    "depth of the foot": 5.1,
    "fullness under the seat": -9.1,  # share of the cells that are filled in the lower quarter of the front half
}


def turn_upright(positions: Floats, triangles: NDArray[np.int64]) -> Floats | None:
    """Find the rotation (3, 3) that turns a chair of vertices (V, 3) and triangles (F, 3) upright (+Y) and to face +Z.

    It is one of the 24 that map axes onto axes; None if the model is to stay as it is, because there is no strong
    evidence against its orientation, or because it is no solid shape.
    """
    box = _grid(positions, triangles) if len(triangles) >= FEWEST_TRIANGLES else None
    if box is None:
        return None
    score = (evidence(*box) * np.array([*EVIDENCE.values()])).sum(axis=1) - RELUCTANCE
    best = int(np.argmax(score.round(6)))  # rounded: of equals the first, on any machine
    return None if best == 0 else ROTATIONS[best].copy()


def evidence(cells: Voxels, sides: Floats) -> Floats:
    """Measure the grid under each of ROTATIONS: (24, len(EVIDENCE)). `sides` (3,) are those of its box."""
    asymmetry = [_asymmetry(cells, axis) for axis in range(3)]
    rows = []
    for rotation in ROTATIONS:
        axes, signs = np.abs(rotation).argmax(axis=1), rotation.sum(axis=1)
        turned = np.flip(cells.transpose(axes), axis=tuple(k for k in range(3) if signs[k] < 0))
        across, upward, _ = (asymmetry[axis] for axis in axes)
        width, height, _ = sides[axes]
        rows.append([across, upward, np.log(width / height), *_shape(turned)])
    return np.array(rows)


def _shape(cells: Voxels) -> list[float]:
    """Measure a grid (x: across, y: up, z: to the front): the evidence from "front of the upper half" on."""
    half = CELLS // 2
    middle = cells[CELLS // 4 : -CELLS // 4]  # without armrests and most legs
    filled: Voxels = np.asarray(middle.any(axis=2))
    front = 1 - np.argmax(middle[:, :, ::-1], axis=2) / CELLS
    side = cells.sum(axis=0)  # (y, z)
    top = side[-CELLS * 3 // 8 :].sum(axis=0)
    x, z = np.nonzero(cells[:, :FOOT].any(axis=1))  # what touches the ground
    return [
        _mean(front[:, half:], filled[:, half:]),
        _mean(front[:, :half], filled[:, :half]),
        float(np.average(CENTRES, weights=side.sum(axis=1))),
        float(np.average(CENTRES, weights=top)),
        np.ptp(x) / CELLS,
        np.ptp(z) / CELLS,
        float(middle[:, : CELLS // 4, half:].mean()),
    ]


def _mean(values: Floats, where: Voxels) -> float:
    return float(values[where].mean()) if where.any() else 0.5


def _asymmetry(cells: Voxels, axis: int) -> float:
    """Return the share of filled cells whose mirror image along `axis` is empty, with all its neighbours."""
    near = scipy.ndimage.binary_dilation(np.flip(cells, axis), np.ones((3, 3, 3)))
    return float((cells & ~near).sum() / cells.sum())


def _grid(positions: Floats, triangles: NDArray[np.int64]) -> tuple[Voxels, Floats] | None:
    """Return the cells (CELLS, CELLS, CELLS) that hold surface, and the sides (3,) of the box; None if not solid."""
    used = np.zeros(len(positions), dtype=bool)
    used[triangles] = True
    read = positions.astype(np.float64)
    if not used.any() or not np.isfinite(read[used]).all():
        return None
    low, high = read[used].min(axis=0), read[used].max(axis=0)
    with np.errstate(all="ignore"):  # vertices that no triangle uses may hold anything
        sides = high - low
        scaled = (read - low) / sides.max()
    if not 1e-30 < sides.max() < 1e30 or sides.min() < THINNEST * sides.max():
        return None
    sides /= sides.max()
    cells = np.zeros((CELLS, CELLS, CELLS), dtype=bool)
    # with the vertices, so that no layer at an end is empty
    points = np.concatenate([_samples(scaled, triangles), scaled[used]])
    cells[tuple((points / sides * CELLS).astype(np.int64).clip(0, CELLS - 1).T)] = True
    return (cells, sides) if cells.sum() >= FEWEST else None


def _samples(positions: Floats, triangles: NDArray[np.int64]) -> Floats:
    """Spread (SAMPLES, 3) points evenly over the area of the triangles, without randomness."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    area = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    number = np.arange(SAMPLES) + 0.5
    chosen = np.searchsorted(area, number / SAMPLES * area[-1]).clip(max=len(area) - 1)
    u, v = number * 0.7548776662466927 % 1, number * 0.5698402909980532 % 1  # Roberts' sequence: evenly in a square
    beyond = u + v > 1
    u, v = np.where(beyond, 1 - u, u)[:, None], np.where(beyond, 1 - v, v)[:, None]
    a, b, c = a[chosen], b[chosen], c[chosen]
    return a + u * (b - a) + v * (c - a)


def _rotations() -> Floats:
    """Return the (24, 3, 3) rotations that map axes onto axes, the identity first."""
    found = []
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), axes] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return np.array(found)


def _reluctance(rotation: Floats) -> float:
    """Return the log-odds to overcome: rotations that real files need are easier to believe in."""
    if (rotation == np.eye(3)).all():
        return 0.0
    if rotation[1, 1] == 1:  # upright, and faces elsewhere
        return 3.0
    if rotation[1, 2] == 1:  # Z is up; most such files face -Y
        return 3.0 if rotation[2, 1] == -1 else 4.0
    return 5.0


CENTRES = (np.arange(CELLS) + 0.5) / CELLS
ROTATIONS = _rotations()
RELUCTANCE = np.array([_reluctance(rotation) for rotation in ROTATIONS])
