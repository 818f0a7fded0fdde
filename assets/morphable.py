"""Morphable face models: a mean plus linear modes of shape, albedo and expression (Blanz, Vetter 1999; Paysan 2009)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from assets.mesh import Float, Index, Mesh, Surface, incidence, normals_of_all

# A blend shape (jaw open, left smile) is given fully pressed; one standard deviation of its coefficient is this share.
BLEND_SHAPE_DEVIATION = 0.35
# A sum of modes is rounded as the number of rows in the product has it. Products of always as many rows make a face
# depend on its own coefficients alone, to the last bit, whichever faces it is made with.
ROWS = 8


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
        """Make modes of `displacements` (K, 3V), each at one standard deviation; scales them to length 1 in place."""
        deviations = np.linalg.norm(displacements, axis=1)
        displacements /= np.maximum(deviations, 1e-12)[:, None]
        return cls(displacements, deviations.astype(np.float32), names, one_sided)

    def offsets(self, coefficients: Float) -> Float:
        """Compute (..., V, 3) displacements for `coefficients` (..., K), in standard deviations."""
        rows = coefficients.reshape(math.prod(coefficients.shape[:-1]), len(self))
        weights = np.zeros((-(-len(rows) // ROWS) * ROWS, len(self)), np.float32)
        weights[: len(rows)] = rows * self.deviations
        summed = np.empty((len(weights), self.components.shape[1]), np.float32)
        for start in range(0, len(weights), ROWS):
            np.matmul(weights[start : start + ROWS], self.components, out=summed[start : start + ROWS])
        return summed[: len(rows)].reshape(*coefficients.shape[:-1], -1, 3)


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
    facets           (G, 3) int32 or None: in a reduced mesh, the triangles that normals are taken from. Vertices that
                     are drawn come first and have albedo; those after them only give the facets their shape
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
    facets: Index | None = None

    @property
    def parts(self) -> dict[str, int]:
        """Part of the intrinsic properties -> its number of coefficients, in the order of the coefficients."""
        return {"shape": len(self.shape), "albedo": len(self.albedo), "expression": len(self.expression)}

    @property
    def _normal_triangles(self) -> Index:
        return self.triangles if self.facets is None else self.facets

    @cached_property
    def _touching(self) -> scipy.sparse.csr_matrix:
        return incidence(self._normal_triangles, len(self.shape_mean))[: len(self.albedo_mean)]

    def mesh(self, coefficients: Float) -> Mesh:
        """Make the face of `coefficients` (K,) float32 in standard deviations: shape, then albedo, then expression.

        Without the coefficients of expression the face is neutral.
        """
        return self.meshes(coefficients[None])[0]

    def meshes(self, coefficients: Float) -> list[Mesh]:
        """Make the faces of `coefficients` (N, K), each as `mesh` makes it. Equal arrays may be shared by them."""
        shape, albedo, expression = map(_distinct, np.split(coefficients, np.cumsum(list(self.parts.values()))[:2], 1))
        vertices = self.shape.offsets(shape)
        vertices += self.shape_mean
        if expression.shape[1]:
            moved = self.expression.offsets(expression)
            if self.expression_mean is not None:
                moved += self.expression_mean
            vertices = vertices + moved if len(vertices) < len(moved) else np.add(vertices, moved, out=vertices)
        normals = normals_of_all(vertices, self._normal_triangles, self._touching)
        colours = self.albedo.offsets(albedo)
        colours += self.albedo_mean
        np.clip(colours, 0.0, 1.0, out=colours)
        drawn = vertices[:, : len(self.albedo_mean)]
        rows = (np.broadcast_to(field, (len(coefficients), *field.shape[1:])) for field in (drawn, normals, colours))
        return [Mesh(self.name, (Surface(v, self.triangles, n, c),)) for v, n, c in zip(*rows, strict=True)]


def _distinct(coefficients: Float) -> Float:
    """Return the rows of (N, K), or a single one if they are all equal."""
    return coefficients[:1] if (coefficients == coefficients[:1]).all() else coefficients
