"""What a path holds, as a catalog of identities: those of a face model are coefficients, those of chairs models."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assets.basel_2009 import is_basel_2009, read_basel_2009
from assets.basel_h5 import is_basel_h5, read_basel_h5
from assets.cad import find_models
from assets.chairs import built_in_chairs
from assets.errors import AssetError
from assets.face_arrays import file_sha256
from assets.flame import is_flame, read_flame
from assets.head import built_in_face_model
from assets.ict_facekit import ict_facekit_sha256, is_ict_facekit, read_ict_facekit
from assets.mesh import Float, Mesh
from assets.model_source import ModelSource
from assets.morphable import MorphableModel

Identities = NDArray[np.int64]
Progress = Callable[[Iterable[ModelSource]], Iterable[ModelSource]]

MESHES_KEPT = 32
# What a face model may be: its name, whether a path is one, how to read it, and its sha256.
FACE_MODELS: tuple[tuple[str, Callable[[Path], bool], Callable[[Path], MorphableModel], Callable[[Path], str]], ...] = (
    ("an ICT-FaceKit folder (FaceXModel/)", is_ict_facekit, read_ict_facekit, ict_facekit_sha256),
    ("a Basel Face Model of 2009 (.mat)", is_basel_2009, read_basel_2009, file_sha256),
    ("of 2017 or 2019 (.h5)", is_basel_h5, read_basel_h5, file_sha256),
    ("or FLAME (.npz)", is_flame, read_flame, file_sha256),
)
# A head turns on its neck, not about the middle of its box: the axis lies this share of its depth behind the middle.
# Turned about the middle, the left and the right profile differ so little from each other, and so much from the front,
# that a single latent learns |azimuth| (docs/decisions/0007).
NECK_AXIS = 0.1
TEST_SHARE = 157 / 1357  # of the chair models, as in the paper (about 1,200 for training)


class Catalog(Protocol):
    """Objects to draw. An identity is a number that stands for one object, for good.

    object   "face" or "chair"
    name     of the face model or the folder
    models   id -> sha256 of what was read
    target   (3,) the point to look at and to turn about, in the meshes' unit
    radius   of the sphere around `target` to hold in view
    """

    object: str
    name: str
    models: dict[str, str]
    target: tuple[float, float, float]
    radius: float

    def choose(self, split: str, index: int, count: int, rng: np.random.Generator) -> Identities:
        """(count,) identities for mini-batch `index`; those of "train" and "test" never overlap."""

    def mesh(self, identity: int) -> Mesh:
        """The object itself."""

    def coefficients(self, identities: Identities) -> Float | None:
        """(n, K) float32 morphable-model coefficients of n identities; None where there are none."""


class FaceCatalog:
    """Faces of one morphable model. An identity seeds its coefficients ~ N(0, 1); odd ones are for testing."""

    object = "face"

    def __init__(self, model: MorphableModel, sha256: str) -> None:
        self.model, self.name = model, model.name
        self.models = {model.name: sha256}
        low, high = model.shape_mean.min(axis=0), model.shape_mean.max(axis=0)
        x, y, z = (low + high) / 2
        self.target = (float(x), float(y), float(z - NECK_AXIS * (high[2] - low[2])))
        self.radius = (
            1.1 * 0.5 * float((high - low)[:2].max())
        )  # the mean face from the front, and room for larger ones

    def choose(self, split: str, index: int, count: int, rng: np.random.Generator) -> Identities:
        return rng.integers(0, 2**61, size=count, dtype=np.int64) * 2 + (split == "test")

    def coefficients(self, identities: Identities) -> Float:
        length = len(self.model.shape) + len(self.model.albedo)
        rows = [np.random.Generator(np.random.PCG64(int(i))).standard_normal(length, np.float32) for i in identities]
        return np.stack(rows)

    def mesh(self, identity: int) -> Mesh:
        return self.model.mesh(self.coefficients(np.array([identity]))[0])


class ChairCatalog:
    """Chair models, normalised to the unit sphere. An identity is the place of a model in `models`."""

    object = "chair"
    target = (0.0, 0.0, 0.0)
    radius = 1.0

    def __init__(self, name: str, sources: list[ModelSource]) -> None:
        self.name = name
        self._read: OrderedDict[int, Mesh] = OrderedDict()  # the last few meshes
        self.sources = sorted(sources, key=lambda source: source.id)
        self.models = {source.id: source.sha256() for source in self.sources}
        shuffled = sorted(range(len(sources)), key=lambda i: hashlib.sha256(self.sources[i].id.encode()).digest())
        held_out = max(1, round(len(sources) * TEST_SHARE)) if len(sources) > 1 else 0
        self.splits = {"test": shuffled[:held_out], "train": shuffled[held_out:]}

    def choose(self, split: str, index: int, count: int, rng: np.random.Generator) -> Identities:
        models = self.splits[split]
        if not models:
            raise AssetError(f"{self.name}: expected at least 2 models to hold some out for testing, found 1")
        if count == 1:  # every model in turn
            return np.array([models[index % len(models)]], dtype=np.int64)
        return rng.choice(models, size=count, replace=count > len(models)).astype(np.int64)

    def mesh(self, identity: int) -> Mesh:
        if identity not in self._read:
            self._read[identity] = self.sources[identity].read()
            if len(self._read) > MESHES_KEPT:
                self._read.popitem(last=False)
        return self._read[identity]

    def coefficients(self, identities: Identities) -> None:
        return None


def open_faces(path: Path | None) -> FaceCatalog:
    """The face model at `path`; the built-in one for None. Raises AssetError naming the path."""
    if path is None:
        model = built_in_face_model()
        digest = hashlib.sha256()
        for array in (model.triangles, model.shape_mean, model.shape.components, model.shape.deviations,
                      model.albedo_mean, model.albedo.components, model.albedo.deviations):  # fmt: skip
            digest.update(np.ascontiguousarray(array).tobytes())
        return FaceCatalog(model, digest.hexdigest())
    if not path.exists():
        raise AssetError(f"{path}: expected a face model, found nothing")
    for _, recognised, read, sha256 in FACE_MODELS:
        if recognised(path):
            return FaceCatalog(read(path), sha256(path))
    known, found = ", ".join(name for name, *_ in FACE_MODELS), "a folder" if path.is_dir() else "another file"
    raise AssetError(f"{path}: expected {known}, found {found}; chairs want --object chair")


def open_chairs(
    path: Path | None, matching: str = "", progress: Progress = iter
) -> tuple[ChairCatalog, list[AssetError]]:
    """The chair models below `path` (built-in ones for None), and why each unreadable one was left out.

    `matching` picks models by name (see `find_models`); `progress` wraps the sources while each is read once. Raises
    AssetError when none is left.
    """
    if path is None:
        return ChairCatalog("built-in", list(built_in_chairs())), []
    readable, unreadable = [], []
    for source in progress(find_models(path, matching)):
        try:
            source.read()
            readable.append(source)
        except AssetError as error:
            unreadable.append(error)
    if not readable:
        raise AssetError(f"{path}: expected at least one readable model, found none; first error: {unreadable[0]}")
    return ChairCatalog(path.name, readable), unreadable
