"""Morphable face models: a mean plus linear modes of shape and albedo (Blanz, Vetter 1999; Paysan et al. 2009)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from assets.mesh import Float, Index, Mesh, Surface, incidence, vertex_normals


@dataclass(frozen=True, eq=False)
class Modes:
    """Linear modes of variation: a field is mean + (deviations * a) @ components, with a ~ N(0, 1).

    components  (K, 3V) float32, any strides
    deviations  (K,) float32, standard deviations (not variances)
    """

    components: Float
    deviations: Float

    def __len__(self) -> int:
        return len(self.deviations)

    def offsets(self, coefficients: Float) -> Float:
        """(V, 3) displacement for `coefficients` (K,), in standard deviations."""
        weights = (coefficients * self.deviations).astype(np.float32)
        return (weights @ self.components).reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class MorphableModel:
    """A face model, normalised on load: +Y up, facing +Z, centimetres, albedo in [0, 1].

    triangles    (F, 3) int32, counter-clockwise seen from outside
    shape_mean   (V, 3) float32, centimetres
    albedo_mean  (V, 3) float32 in [0, 1]
    """

    name: str
    triangles: Index
    shape_mean: Float
    shape: Modes
    albedo_mean: Float
    albedo: Modes

    @property
    def coefficient_count(self) -> int:
        """K: shape coefficients, then albedo coefficients."""
        return len(self.shape) + len(self.albedo)

    @cached_property
    def _touching(self) -> scipy.sparse.csr_matrix:
        return incidence(self.triangles, len(self.shape_mean))

    def mesh(self, coefficients: Float) -> Mesh:
        """The face of `coefficients` (K,) float32: shape modes first, then albedo modes, in standard deviations."""
        split = len(self.shape)
        vertices = self.shape_mean + self.shape.offsets(coefficients[:split])
        albedo = np.clip(self.albedo_mean + self.albedo.offsets(coefficients[split:]), 0.0, 1.0)
        normals = vertex_normals(vertices, self.triangles, self._touching)
        return Mesh(self.name, (Surface(vertices, self.triangles, normals, albedo),))
