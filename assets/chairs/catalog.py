"""Chair models, built in or of the user, and the share of them that is held out for testing."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.cad.models import find_models
from assets.catalog import ModelSource, Objects, Stream
from assets.chairs.built_in import built_in_chairs
from assets.errors import AssetError
from assets.mesh import Float, Mesh

Progress = Callable[[Iterable[ModelSource]], Iterable[ModelSource]]

MESHES_KEPT = 32
TRAIN_CHAIRS, TEST_CHAIRS = 1200, 157  # built-in ones, about as in the paper
TEST_SHARE = TEST_CHAIRS / (TRAIN_CHAIRS + TEST_CHAIRS)  # of any chair models
WHOLE = {"shape", "albedo", "expression"}  # a chair varies as a whole: one model or another


class ChairCatalog:
    """Chair models, normalised to the unit sphere. An identity is the place of a model in `models`."""

    object = "chair"
    target = (0.0, 0.0, 0.0)
    radius = 1.0

    def __init__(self, name: str, sources: list[ModelSource]) -> None:
        self.name = name
        self.parts: dict[str, int] = {}
        self.sampling: dict[str, Any] = {}
        self._read: OrderedDict[int, Mesh] = OrderedDict()  # the last few meshes
        self.sources = sorted(sources, key=lambda source: source.id)
        self.models = {source.id: source.sha256() for source in self.sources}
        self.remarks: dict[str, tuple[str, ...]] = {}  # id -> what a model was read without; by `open_chairs`
        shuffled = sorted(range(len(sources)), key=lambda i: hashlib.sha256(self.sources[i].id.encode()).digest())
        candidates = [i for i in shuffled if not self.sources[i].for_training]
        held_out = max(1, round(len(candidates) * TEST_SHARE)) if len(sources) > 1 else 0
        tested = set(candidates[:held_out])
        self.splits = {"test": candidates[:held_out], "train": [i for i in shuffled if i not in tested]}

    def varies(self, parts: Collection[str]) -> bool:
        return set(parts) >= WHOLE

    def choose(self, split: str, index: int, parts: Collection[str], count: int, stream: Stream) -> Objects:
        models = self._models(split)
        if not parts:  # every model in turn
            return Objects(np.array([models[index % len(models)]], dtype=np.int64))
        chosen = stream("identity").choice(models, size=count, replace=count > len(models))
        return Objects(chosen.astype(np.int64))

    def rounds(self, split: str, index: int) -> int:
        return index // len(self._models(split))

    def _models(self, split: str) -> list[int]:
        if not self.splits[split]:
            raise AssetError(f"{self.name}: expected at least 2 models to hold some out for testing, found 1")
        return self.splits[split]

    def mesh(self, identity: int, coefficients: Float | None) -> Mesh:
        if identity not in self._read:
            self._read[identity] = self.sources[identity].read()
            if len(self._read) > MESHES_KEPT:
                self._read.popitem(last=False)
        return self._read[identity]

    def meshes(self, identities: NDArray[np.int64], coefficients: Float | None) -> list[Mesh]:
        return [self.mesh(int(identity), None) for identity in identities]


def open_chairs(
    path: Path | None, matching: str = "", progress: Progress = iter, train_chairs: int = TRAIN_CHAIRS
) -> tuple[ChairCatalog, list[AssetError]]:
    """Open the chair models below `path` (built-in ones for None); returns the errors of unreadable ones too.

    Raises AssetError when none is left.

    matching      picks models by name (see `find_models`)
    progress      wraps the sources while each is read once
    train_chairs  built-in chairs to train on, from 1,200; those to test on are always the same
    """
    if path is None:
        return ChairCatalog("built-in", built_in_chairs(train_chairs + TEST_CHAIRS)), []
    sources, unreadable = find_models(path, matching)
    readable: list[ModelSource] = []
    remarks: dict[str, tuple[str, ...]] = {}
    for source in progress(sources):
        try:
            mesh = source.read()
            readable.append(source)
            if mesh.remarks:
                remarks[source.id] = mesh.remarks
        except AssetError as error:
            unreadable.append(error)
    if not readable:
        raise AssetError(f"{path}: expected at least one readable model, found none; first error: {unreadable[0]}")
    catalog = ChairCatalog(path.name, readable)
    catalog.remarks = remarks
    return catalog, unreadable
