"""Morphable face models: a mean plus linear modes of shape, albedo and expression (Blanz, Vetter 1999; Paysan 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from assets.mesh import Float, Index, Mesh, Surface, incidence, vertex_normals

# A blend shape (jaw open, left smile) is given fully pressed; one standard deviation of its coefficient is this share.
BLEND_SHAPE_DEVIATION = 0.35


@dataclass(frozen=True, eq=False)
class Modes:
    """Linear modes of variation: a field is mean + (deviations * a) @ components, with a ~ N(0, 1).

    components  (K, 3V) float32, rows of length 1, any strides
    deviations  (K,) float32, standard deviations (not variances)
    names       (K,) of the modes; empty where they have none
    one_sided   blend shapes: a coefficient below 0 means nothing, and draws of one count as 0
    """

    components: Float
    deviations: Float
    names: tuple[str, ...] = ()
    one_sided: bool = False

    def __len__(self) -> int:
        return len(self.deviations)

    @classmethod
    def none(cls, vertex_count: int) -> Modes:
        """No modes at all, K = 0."""
        return cls(np.zeros((0, 3 * vertex_count), np.float32), np.zeros(0, np.float32))

    @classmethod
    def from_displacements(cls, displacements: Float, names: tuple[str, ...] = (), one_sided: bool = False) -> Modes:
        """Modes of `displacements` (K, 3V), each at one standard deviation; scales them to unit length in place."""
        deviations = np.linalg.norm(displacements, axis=1)
        displacements /= np.maximum(deviations, 1e-12)[:, None]
        return cls(displacements, deviations.astype(np.float32), names, one_sided)

    def offsets(self, coefficients: Float) -> Float:
        """(V, 3) displacement for `coefficients` (K,), in standard deviations."""
        weights = (coefficients * self.deviations).astype(np.float32)
        return (weights @ self.components).reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class MorphableModel:
    """A face model, normalised on load: +Y up, facing +Z, centimetres, albedo in [0, 1].

    triangles        (F, 3) int32, counter-clockwise seen from outside
    shape_mean       (V, 3) float32, centimetres
    albedo_mean      (V, 3) float32 in [0, 1]
    expression       modes of expression; none where the model is always neutral
    expression_mean  (V, 3) float32 centimetres or None: added to faces that have an expression, not to neutral ones
    landmarks        name -> (3,) point of the mean face in centimetres, where the file gives any
    cavity           (V,) bool or None: the inside of the mouth, which keeps its colour in a model without albedo modes
    """

    name: str
    triangles: Index
    shape_mean: Float
    shape: Modes
    albedo_mean: Float
    albedo: Modes
    expression: Modes = field(default_factory=lambda: Modes.none(0))
    expression_mean: Float | None = None
    landmarks: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    cavity: NDArray[np.bool_] | None = None

    @property
    def parts(self) -> dict[str, int]:
        """Part of the intrinsic properties -> its number of coefficients, in the order of the coefficients."""
        return {"shape": len(self.shape), "albedo": len(self.albedo), "expression": len(self.expression)}

    @cached_property
    def _touching(self) -> scipy.sparse.csr_matrix:
        return incidence(self.triangles, len(self.shape_mean))

    def mesh(self, coefficients: Float) -> Mesh:
        """The face of `coefficients` (K,) float32 in standard deviations: shape, then albedo, then expression.

        Without the coefficients of expression the face is neutral.
        """
        shape, albedo, expression = np.split(coefficients, np.cumsum(list(self.parts.values()))[:2])
        vertices = self.shape_mean + self.shape.offsets(shape)
        if len(expression):
            vertices += self.expression.offsets(expression)
            if self.expression_mean is not None:
                vertices += self.expression_mean
        colours = np.clip(self.albedo_mean + self.albedo.offsets(albedo), 0.0, 1.0)
        normals = vertex_normals(vertices, self.triangles, self._touching)
        return Mesh(self.name, (Surface(vertices, self.triangles, normals, colours),))
