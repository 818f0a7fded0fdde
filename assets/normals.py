"""Vertex normals of many shapes of one mesh at once."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from assets.mesh import Float, Index

BLOCK = 20480  # corners of as many triangles at a time stay in the processor's cache, those of all shapes counted


def normals_of_all(vertices: Float, triangles: Index, touching: scipy.sparse.csr_matrix) -> Float:
    """(N, W, 3) unit normals, face normals weighted by area, of the first W of `vertices` (N, V, 3).

    triangles (F, 3); touching (W, F) as from `assets.mesh.incidence`. Those of one shape do not depend on the others.
    """
    count = len(vertices)
    planes = np.ascontiguousarray(vertices.transpose(2, 1, 0))  # (3, V, N): a row holds one vertex of every shape
    areas = np.empty((len(triangles), 3, count), np.float32)
    size = max(1, BLOCK // count)
    scratch = np.empty((8, min(size, len(triangles)), count), np.float32)
    for start in range(0, len(triangles), size):
        a, b, c = np.ascontiguousarray(triangles[start : start + size].T)
        corner, spare, *sides = scratch[:, : len(a)]
        first, second = sides[:3], sides[3:]
        for plane, ab, ac in zip(planes, first, second, strict=True):
            np.take(plane, a, axis=0, out=corner, mode="clip")  # any mode but "raise" writes to `out` directly
            for other, side in ((b, ab), (c, ac)):
                np.take(plane, other, axis=0, out=side, mode="clip")
                np.subtract(side, corner, out=side)
        for k, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
            area = areas[start : start + len(a), k]
            np.multiply(first[i], second[j], out=area)
            np.multiply(first[j], second[i], out=spare)
            np.subtract(area, spare, out=area)
    summed = (touching @ areas.reshape(len(triangles), -1)).reshape(-1, 3, count)
    length = np.sqrt(np.einsum("vkn,vkn->vn", summed, summed))
    nowhere = length <= 1e-20  # a vertex of no triangle, or of slivers only
    normals = np.empty((count, len(summed), 3), np.float32)
    np.divide(summed, np.maximum(length, 1e-20)[:, None], out=normals.transpose(1, 2, 0))
    normals[nowhere.T] = (0, 1, 0)
    return normals
