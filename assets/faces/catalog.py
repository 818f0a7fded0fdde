"""Faces of a morphable model: the kinds of files that are recognised, and the coefficients of each identity."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from assets.catalog import Objects, Stream
from assets.errors import AssetError
from assets.faces.albedo_transfer import BUILT_IN_ALBEDO, with_built_in_albedo
from assets.faces.arrays import file_sha256
from assets.faces.basel_2009 import is_basel_2009, read_basel_2009
from assets.faces.basel_2017 import is_basel_h5, read_basel_h5
from assets.faces.flame import is_flame, read_flame
from assets.faces.ict_facekit import ict_facekit_sha256, is_ict_facekit, read_ict_facekit
from assets.faces.landmarks import facial_features
from assets.head.model import built_in_face_model
from assets.mesh import Float, Mesh
from assets.morphable import MorphableModel

# What a face model may be: its name, whether a path is one, how to read it, and its sha256.
FACE_MODELS: tuple[tuple[str, Callable[[Path], bool], Callable[[Path], MorphableModel], Callable[[Path], str]], ...] = (
    ("ICT-FaceKit (a folder or archive)", is_ict_facekit, read_ict_facekit, ict_facekit_sha256),
    ("a Basel Face Model of 2009 (.mat)", is_basel_2009, read_basel_2009, file_sha256),
    ("of 2017 or 2019 (.h5)", is_basel_h5, read_basel_h5, file_sha256),
    ("or FLAME (.npz)", is_flame, read_flame, file_sha256),
)
# A head turns on its neck, not about the middle of its box: the axis lies this share of its depth behind the middle.
# Turned about the middle, the left and the right profile differ so little from each other, and so much from the front,
# that a single latent learns |azimuth| (docs/decisions/0007).
NECK_AXIS = 0.1
IDENTITY = ("shape", "albedo")  # the parts that make a person; expressions come and go


@dataclass(frozen=True)
class FaceSampling:
    """The distribution of coefficients.

    sigma        they are ~ N(0, 1) truncated to -sigma .. sigma; None for the whole N(0, 1)
    expressions  whether faces have expressions, or are neutral
    walk         whether the faces of a mini-batch lie evenly on a way from one random face to another
    """

    sigma: float | None = None
    expressions: bool = False
    walk: bool = False


PLAIN = FaceSampling()  # neutral faces, independent of each other


class FaceCatalog:
    """Faces of one morphable model. An identity seeds its coefficients; odd ones are for testing.

    detail    of the mesh, if it is not the model's own but a reduced one, for the manifest
    features  where eyes, brows, nose and mouth are, found on the whole model; None where it does not tell
    """

    object = "face"

    def __init__(self, model: MorphableModel, models: dict[str, str], sampling: FaceSampling = PLAIN) -> None:
        self.model, self.name, self.models, self._sampling = model, model.name, models, sampling
        self.parts = {part: n for part, n in model.parts.items() if part in IDENTITY or sampling.expressions}
        self.sampling = asdict(sampling)
        self.detail: dict[str, Any] = {}
        self.features = facial_features(model)
        low, high = model.shape_mean.min(axis=0), model.shape_mean.max(axis=0)
        x, y, z = (low + high) / 2
        self.target = (float(x), float(y), float(z - NECK_AXIS * (high[2] - low[2])))
        self.radius = (
            1.1 * 0.5 * float((high - low)[:2].max())
        )  # the mean face from the front, and room for larger ones

    def with_model(self, model: MorphableModel, detail: dict[str, Any]) -> FaceCatalog:
        """Return the same faces, seen by the same camera, drawn with the mesh of `model`."""
        other = copy(self)
        other.model, other.detail = model, detail
        return other

    def varies(self, parts: Collection[str]) -> bool:
        return any(self.parts.get(part) for part in parts)

    def choose(self, split: str, index: int, parts: Collection[str], count: int, stream: Stream) -> Objects:
        parts = [part for part in parts if self.parts.get(part)]
        identities = count if set(parts) & set(IDENTITY) else 1
        identity = _seeds(split, identities, stream("identity"))
        base = identity[:1] if identities == 1 or set(IDENTITY) <= set(parts) else _seeds(split, 1, stream("others"))
        moods = _seeds(split, count if "expression" in parts else 1, stream("expression"))
        columns = []
        for part in self.parts:
            seeds = moods if part == "expression" else identity if part in parts else base
            columns.append(self._part(part, seeds))
        rows = max(map(len, columns))
        together = [np.broadcast_to(block, (rows, block.shape[1])) for block in columns]
        return Objects(identity, np.concatenate(together, axis=1))

    def _part(self, part: str, seeds: NDArray[np.int64]) -> Float:
        """Return the (n, K) coefficients of one part, for the seeds (n,)."""
        length = sum(self.parts[p] for p in IDENTITY) if part in IDENTITY else self.parts[part]
        rows = np.stack([_normal(int(seed), length) for seed in seeds])
        if part in IDENTITY:  # one row of numbers makes the whole person
            start = 0 if part == "shape" else self.parts["shape"]
            rows = rows[:, start : start + self.parts[part]]
        if self._sampling.walk and len(rows) > 1:
            rows = walk(rows[0], rows[-1], len(rows))
        if self._sampling.sigma is not None:
            rows = truncate(rows, self._sampling.sigma)
        if getattr(self.model, part).one_sided:
            rows = np.maximum(rows, 0)
        return rows

    def rounds(self, split: str, index: int) -> int:
        return index

    def mesh(self, identity: int, coefficients: Float | None) -> Mesh:
        assert coefficients is not None
        return self.model.mesh(coefficients)

    def meshes(self, identities: NDArray[np.int64], coefficients: Float | None) -> list[Mesh]:
        assert coefficients is not None
        return self.model.meshes(coefficients)


def _seeds(split: str, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(0, 2**61, size=count, dtype=np.int64) * 2 + (split == "test")


def _normal(seed: int, length: int) -> Float:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(length, np.float32)


def walk(first: Float, last: Float, count: int) -> Float:
    """Take (count, K) steps from one vector ~ N(0, 1) to another, each ~ N(0, 1) too: no mean face in the middle."""
    turn = np.linspace(0.0, np.pi / 2, count)[:, None]
    return (np.cos(turn) * first + np.sin(turn) * last).astype(np.float32)


def truncate(normal: Float, sigma: float) -> Float:
    """Map numbers ~ N(0, 1), in their order, to N(0, 1) truncated to -sigma .. sigma."""
    tail = ndtr(-sigma)
    mapped = ndtri(tail + ndtr(normal.astype(np.float64)) * (1 - 2 * tail))
    return np.clip(mapped, -sigma, sigma).astype(np.float32)


def is_face_model(path: Path) -> bool:
    """Tell whether `path` looks like one of FACE_MODELS."""
    return any(recognised(path) for _, recognised, *_ in FACE_MODELS)


def read_face_model(path: Path | None) -> tuple[MorphableModel, dict[str, str]]:
    """Read the face model at `path` (the built-in one for None), with name and sha256 of all that it was made of.

    A model without albedo modes gets those of the built-in head. Raises AssetError naming the path.
    """
    if path is None:
        model = built_in_face_model()
        return model, {model.name: _sha256(model)}
    if not path.exists():
        raise AssetError(f"{path}: expected a face model, found nothing")
    for _, recognised, read, sha256 in FACE_MODELS:
        if recognised(path):
            model, made_of = read(path), {}
            if len(model.albedo) == 0:
                model, made_of = with_built_in_albedo(model), {"built-in albedo": BUILT_IN_ALBEDO}
            return model, {model.name: sha256(path), **made_of}
    known, found = ", ".join(name for name, *_ in FACE_MODELS), "a folder" if path.is_dir() else "another file"
    raise AssetError(f"{path}: expected {known}, found {found}; chairs want `object=chair`")


def open_faces(path: Path | None, sampling: FaceSampling = PLAIN) -> FaceCatalog:
    """Open the faces of the model at `path`, of the built-in one for None. Raises AssetError naming the path."""
    return FaceCatalog(*read_face_model(path), sampling)


def _sha256(model: MorphableModel) -> str:
    digest = hashlib.sha256()
    for array in (model.triangles, model.shape_mean, model.shape.components, model.shape.deviations,
                  model.albedo_mean, model.albedo.components, model.albedo.deviations,
                  model.expression.components, model.expression.deviations):  # fmt: skip
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
